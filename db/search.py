"""Full-text search over preferences, queries, thoughts and critiques.

Newest first, not by relevance: a ranking would have to visit every match, and a common word has millions of them.
"""

import json
import re
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from db.engine import Database, raw
from db.scenarios import SUMMARY, Filter, Summary, where

_WORD = re.compile(r'"[^"]*"|[^\s"]+')
_SCAN = 4000
"""Matches looked at in each pass; with filters that few trees pass, older matches may be left out."""

_RECENT = 4000
"""Preferences and queries of this many newest scenarios are searched before the steps, those of older ones after them."""

OPEN, CLOSE = "\x02", "\x03"
"""Marks around the matched words of a snippet; they cannot occur in a stored text that a person typed."""


class Hit(NamedTuple):
    """A scenario found, the node that matched ('' where the preference or query did), and the words around."""

    scenario: Summary
    node: str
    snippet: str


def match_of(words: str) -> str:
    """The full-text query for what a person typed: all words, quoted phrases kept, no operators. '' without a word."""
    typed = "".join(char if char.isprintable() else " " for char in words[:400])
    parts = [part.strip('"') for part in _WORD.findall(typed)]
    return " ".join(f'"{part}"' for part in parts[:12] if re.search(r"\w", part))


def search(database: Database, words: str, filters: Filter, limit: int = 50) -> list[Hit]:
    """Scenarios whose preference, query, thoughts or critiques hold all the words; newest first, one hit each."""
    match = match_of(words)
    if not match:
        return []
    condition, values = where(filters)
    values["match"] = match
    with database.read() as connection:
        inside = ""
        if filters.set_id:
            inside = "AND f.rowid BETWEEN :low AND :high"
            values |= _rows_of_set(connection, filters.set_id)
        newest = connection.execute(text("SELECT coalesce(max(id), 0) FROM scenario")).scalar_one()
        recent = {"oldest": max(0, newest - _RECENT), "newest": newest}
        older = {"oldest": 0, "newest": recent["oldest"] - 1}
        steps = _IN_STEPS.format(inside=inside, condition=condition)
        texts = _IN_SCENARIOS.format(condition=condition)
        kept = _one_each(connection, [(texts, values | recent), (steps, values), (texts, values | older)], limit)
        snippets = {place: _snippets(connection, place, match, kept) for place in ("scenario_text", "node_text")}
        rows = _summaries(connection, [found.scenario for found in kept])
        return [Hit(rows[found.scenario], found.node, snippets[found.place][found.rowid]) for found in kept]


def _rows_of_set(connection: Connection, set_id: int) -> dict[str, int]:
    """The span of node rows that holds a set; an import writes them one after another, tree by tree."""
    query = """
    WITH span AS (SELECT min(t.id) AS first, max(t.id) AS last FROM scenario s JOIN tree t ON t.scenario_id = s.id
                  WHERE s.set_id = :set_id)
    SELECT (SELECT min(id) FROM node WHERE tree_id = span.first), (SELECT max(id) FROM node WHERE tree_id = span.last) FROM span
    """
    low, high = connection.execute(text(query), {"set_id": set_id}).one()
    return {"low": low or 0, "high": high or 0}


def _summaries(connection: Connection, ids: list[int]) -> dict[int, Summary]:
    query = f"""
    SELECT {SUMMARY} FROM scenario s LEFT JOIN tree t ON t.scenario_id = s.id WHERE s.id IN (SELECT value FROM json_each(:ids))
    """
    return {row[0]: Summary(*row) for row in connection.execute(text(query), {"ids": json.dumps(ids)})}


class _Match(NamedTuple):
    scenario: int
    node: str
    place: str
    rowid: int
    fits: int


# CROSS JOIN fixes the order of the loops: matches come newest first and one by one, so that reading may stop early.
_IN_SCENARIOS = """
SELECT s.id, '', 'scenario_text', f.rowid, {condition} FROM scenario_text f CROSS JOIN scenario s ON s.id = f.rowid
LEFT JOIN tree t ON t.scenario_id = s.id
WHERE scenario_text MATCH :match AND f.rowid BETWEEN :oldest AND :newest ORDER BY f.rowid DESC
"""
_IN_STEPS = """
SELECT s.id, n.key, 'node_text', f.rowid, {condition} FROM node_text f CROSS JOIN node n ON n.id = f.rowid
CROSS JOIN tree t ON t.id = n.tree_id CROSS JOIN scenario s ON s.id = t.scenario_id
WHERE node_text MATCH :match {inside} ORDER BY f.rowid DESC
"""


def _one_each(connection: Connection, passes: list[tuple[str, dict[str, Any]]], limit: int) -> list[_Match]:
    """The first match of each scenario that passes the filter; stops reading as soon as there are enough."""
    kept: dict[int, _Match] = {}
    stream = connection.execution_options(yield_per=32)
    for query, values in passes:
        with stream.execute(text(query), values) as rows:
            for found in islice(map(_Match._make, rows), _SCAN):
                if found.fits:
                    kept.setdefault(found.scenario, found)
                if len(kept) == limit:
                    return list(kept.values())
    return list(kept.values())


def _snippets(connection: Connection, place: str, match: str, found: list[_Match]) -> dict[int, str]:
    """Snippets of the kept matches in one pass from the newest down to the oldest of them.

    The plus sign keeps SQLite from looking each row up alone, which would walk the index from its start every time.
    """
    ids = [item.rowid for item in found if item.place == place]
    if not ids:
        return {}
    query = f"""
    SELECT rowid, snippet({place}, -1, ?, ?, '…', 18) FROM {place}
    WHERE {place} MATCH ? AND rowid BETWEEN ? AND ? AND +rowid IN (SELECT value FROM json_each(?))
    """
    rows = connection.exec_driver_sql(query, (OPEN, CLOSE, match, min(ids), max(ids), json.dumps(ids)))
    return {row[0]: row[1] for row in rows}


def tidy(database: Database) -> None:
    """Merge the segments that imports left in the search index, in many short writes; stops when nothing is left to merge.

    A search visits every segment for every word, so ten imports without this cost three times the time.
    """
    for table in ("node_text", "scenario_text"):
        changed = 2
        while changed >= 2:
            with database.write() as connection:
                driver = raw(connection)
                before = driver.total_changes
                driver.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', 2000)")
                changed = driver.total_changes - before
