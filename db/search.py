"""Full-text search over preferences, queries, thoughts and critiques.

Newest first, not by relevance: a ranking would have to visit every match, and a common word has millions of them.
"""

import re
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from db.engine import Database
from db.scenarios import SUMMARY, Filter, Summary, where

_WORD = re.compile(r'"[^"]*"|[^\s"]+')
_SCAN = 2000
"""Matches looked at before the other filters; with filters that few trees pass, older matches may be left out."""

OPEN, CLOSE = "\x02", "\x03"
"""Marks around the matched words of a snippet; they cannot occur in a stored text that a person typed."""


class Hit(NamedTuple):
    """A scenario found, the node that matched ('' where the preference or query did), and the words around."""

    scenario: Summary
    node: str
    snippet: str


def match_of(words: str) -> str:
    """The full-text query for what a person typed: all words, quoted phrases kept, no operators. '' without a word."""
    parts = [part.strip('"') for part in _WORD.findall(words[:400])]
    return " ".join(f'"{part}"' for part in parts[:12] if re.search(r"\w", part))


def search(database: Database, words: str, filters: Filter, limit: int = 50) -> list[Hit]:
    """Scenarios whose preference, query, thoughts or critiques hold all the words; newest first, one hit each."""
    match = match_of(words)
    if not match:
        return []
    condition, values = where(filters)
    values |= {"match": match, "limit": limit * 4, "scan": _SCAN}
    with database.read() as connection:
        if filters.set_id:
            span = connection.execute(
                text(
                    "SELECT min(id), max(id) FROM node WHERE tree_id IN (SELECT t.id FROM tree t JOIN scenario s"
                    " ON s.id = t.scenario_id WHERE s.set_id = :set_id)"
                ),
                values,
            ).one()
            values |= {"low": span[0] or 0, "high": span[1] or 0}
        inside = "AND rowid BETWEEN :low AND :high" if filters.set_id else ""
        scenarios = f"""
        SELECT {SUMMARY}, '' AS node, 'scenario_text' AS place, f.rowid FROM (
            SELECT rowid FROM scenario_text WHERE scenario_text MATCH :match ORDER BY rowid DESC LIMIT :scan
        ) f JOIN scenario s ON s.id = f.rowid LEFT JOIN tree t ON t.scenario_id = s.id WHERE {condition} LIMIT :limit
        """
        nodes = f"""
        SELECT {SUMMARY}, n.key AS node, 'node_text' AS place, f.rowid FROM (
            SELECT rowid FROM node_text WHERE node_text MATCH :match {inside} ORDER BY rowid DESC LIMIT :scan
        ) f JOIN node n ON n.id = f.rowid JOIN tree t ON t.id = n.tree_id JOIN scenario s ON s.id = t.scenario_id
        WHERE {condition} LIMIT :limit
        """
        found = [*connection.execute(text(scenarios), values), *connection.execute(text(nodes), values)]
        return [_hit(connection, row, match) for row in _one_each(found, limit)]


def _hit(connection: Connection, row: Any, match: str) -> Hit:
    query = f"SELECT snippet({row.place}, -1, ?, ?, '…', 18) FROM {row.place} WHERE {row.place} MATCH ? AND rowid = ?"
    snippet = connection.exec_driver_sql(query, (OPEN, CLOSE, match, row.rowid)).scalar_one()
    return Hit(Summary(*row[:14]), row.node, snippet)


def _one_each(rows: list[Any], limit: int) -> list[Any]:
    seen: set[int] = set()
    return [row for row in rows if row[0] not in seen and not seen.add(row[0])][:limit]
