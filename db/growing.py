"""Trees that a build job grows: a set laid out with its scenarios, nodes added level by level, finished paths, starting over.

Every call is one transaction, so that readers see whole levels and a killed job leaves at most a tree marked as growing. Knows no
model and no council.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from core.bands import BANDS, band_of
from core.formats import native
from core.tree import best_path, by_key, stats
from core.types import Node, Path, Scenario, Tree
from db.engine import Database
from db.importing import SetWriter
from db.sets import fact, set_fact

_FIELDS = ("tree_id", "position", *Node._fields)
_ADD = f"INSERT INTO node ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})"
_INDEX = "INSERT INTO node_text (rowid, thought, critique) VALUES (?, ?, ?)"


class Seedling(NamedTuple):
    """A tree that is not finished: its id, its place in the set from 0, and its scenario."""

    tree_id: int
    place: int
    scenario: Scenario


class Source(NamedTuple):
    """What a set was grown from: a name, and the blob that holds it."""

    name: str
    digest: str
    size: int


def set_of(database: Database, build: str) -> int | None:
    """The set that a build (named by its job's folder) has begun; None when it has not."""
    found = fact(database, f"build {build}")
    return None if found is None else int(found)


def begin(database: Database, build: str, name: str, trees: Sequence[Tree], source: Source, now: str) -> int:
    """Lay out a set: every scenario with a tree that holds its root. Returns the set's id.

    The set is found again under `build`, so a build begins once. Raises sqlalchemy.exc.IntegrityError for a source that was used.
    """
    with database.write() as connection:
        with SetWriter(connection, name, now) as writer:
            writer.begin_file(source.name, source.digest, source.size)
            for tree in trees:
                writer.add(tree, native.FORM)
            writer.end_file()
        grown = "UPDATE tree SET growing = 1 WHERE scenario_id IN (SELECT id FROM scenario WHERE set_id = :id)"
        connection.execute(text(grown), {"id": writer.set_id})
        set_fact(connection, f"build {build}", str(writer.set_id))
    return writer.set_id


def seedlings(database: Database, set_id: int) -> list[Seedling]:
    """The trees of a set that are not finished, in its order."""
    query = """
    SELECT t.id, r.position - 1, s.preference, s.query, s.topic, s.split, s.explanation
    FROM tree t JOIN scenario s ON s.id = t.scenario_id JOIN record r ON r.id = s.record_id
    WHERE s.set_id = :id AND t.growing ORDER BY r.position
    """
    with database.read() as connection:
        rows = connection.execute(text(query), {"id": set_id})
        return [Seedling(row[0], row[1], Scenario(*row[2:])) for row in rows]


def size(database: Database, set_id: int) -> tuple[int, int]:
    """How many trees a set has, and how many of them are finished."""
    query = """
    SELECT count(*), coalesce(sum(NOT t.growing), 0) FROM tree t JOIN scenario s ON s.id = t.scenario_id WHERE s.set_id = :id
    """
    with database.read() as connection:
        row = connection.execute(text(query), {"id": set_id}).one()
    return row[0], row[1]


def start_over(database: Database, tree_id: int) -> None:
    """Take everything but the root away from a tree that is still growing: what a killed attempt left."""
    values = {"id": tree_id}
    below = "tree_id = :id AND position > 0"
    with database.write() as connection:
        forget = "INSERT INTO node_text (node_text, rowid, thought, critique) SELECT 'delete', id, thought, critique FROM node"
        connection.execute(text(f"{forget} WHERE {below}"), values)
        connection.execute(text(f"DELETE FROM node WHERE {below}"), values)
        connection.execute(text("DELETE FROM path WHERE tree_id = :id"), values)
        _summarise(connection, tree_id)


def add_nodes(database: Database, tree_id: int, nodes: Sequence[Node]) -> None:
    """Add the nodes of one level to a growing tree, searchable at once."""
    with database.write() as connection:
        position = connection.execute(
            text("SELECT count(*) FROM node WHERE tree_id = :id"), {"id": tree_id}
        ).scalar_one()
        for offset, node in enumerate(nodes):
            values = (tree_id, position + offset, *node._replace(marks=(), patch=None))
            row = (*values[:13], " ".join(node.marks) or None, node.reply, None)
            row_id = connection.exec_driver_sql(_ADD, row).lastrowid
            connection.exec_driver_sql(_INDEX, (row_id, node.thought, node.critique))
        _summarise(connection, tree_id)


def finish(database: Database, tree_id: int, paths: Sequence[Path]) -> None:
    """Give a tree its finished paths; it grows no more."""
    with database.write() as connection:
        for position, path in enumerate(paths):
            review = path.review and {name: getattr(path.review, name) for name in type(path.review).__slots__}
            row = (tree_id, position, path.leaf, None if review is None else json.dumps(review, ensure_ascii=False))
            connection.exec_driver_sql("INSERT INTO path (tree_id, position, leaf, review) VALUES (?, ?, ?, ?)", row)
        connection.execute(text("UPDATE tree SET growing = 0 WHERE id = :id"), {"id": tree_id})
        _summarise(connection, tree_id)


def _summarise(connection: Connection, tree_id: int) -> None:
    """Bring the summaries of the tree and of its set up to date."""
    rows = connection.exec_driver_sql(
        "SELECT key, parent, kind, depth, score, pruned FROM node WHERE tree_id = ? ORDER BY position", (tree_id,)
    )
    nodes = [Node(row[0], row[1], row[2], row[3], "", score=row[4], pruned=row[5]) for row in rows]
    leaves = connection.exec_driver_sql(
        "SELECT leaf FROM path WHERE tree_id = ? ORDER BY position", (tree_id,)
    ).scalars()
    best = best_path(by_key(nodes), [Path(leaf) for leaf in leaves])
    bands = {band_of(node.score).key for node in nodes if node.score is not None}
    bits = sum(1 << index for index, band in enumerate(BANDS) if band.key in bands)
    found = {"best": best and best.score.total, "leaf": best and best.leaf, "bands": bits, "id": tree_id}
    values = stats(nodes)._asdict() | found
    update = """
    UPDATE tree SET nodes = :nodes, depth = :depth, pruned = :pruned, unscored = :unscored, low = :low, high = :high,
                    best = :best, best_leaf = :leaf, bands = :bands WHERE id = :id
    """
    connection.execute(text(update), values)
    totals = """
    UPDATE data_set SET
        nodes = (SELECT sum(t.nodes) FROM tree t JOIN scenario s ON s.id = t.scenario_id WHERE s.set_id = data_set.id),
        paths = (SELECT count(*) FROM path p JOIN tree t ON t.id = p.tree_id JOIN scenario s ON s.id = t.scenario_id
                 WHERE s.set_id = data_set.id)
    WHERE id = (SELECT s.set_id FROM scenario s JOIN tree t ON t.scenario_id = s.id WHERE t.id = :id)
    """
    connection.execute(text(totals), values)
