"""Data sets, their files and their problems: what is there, and removing a set with everything under it."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from core.types import Problem
from db.engine import Database

_SETS = """
SELECT s.id, s.name, s.version, s.form, s.sample, s.created_at, s.records, s.trees, s.nodes, s.paths, s.problems,
       (SELECT count(*) FROM source_file f WHERE f.set_id = s.id) AS files,
       (SELECT count(*) FROM scenario c WHERE c.set_id = s.id) AS scenarios
FROM data_set s
"""


class DataSet(NamedTuple):
    """One version of a named set with its counts. `nodes` counts the roots too; `scenarios` are records that state one."""

    id: int
    name: str
    version: int
    form: str
    sample: bool
    created_at: str
    records: int
    trees: int
    nodes: int
    paths: int
    problems: int
    files: int
    scenarios: int


class SourceFile(NamedTuple):
    """A file of a set."""

    id: int
    set_id: int
    name: str
    digest: str
    size: int
    records: int
    problems: int


class Totals(NamedTuple):
    """Counts over the whole database."""

    sets: int
    records: int
    scenarios: int
    trees: int
    nodes: int
    paths: int


def _set(row: Row[Any]) -> DataSet:
    return DataSet(*row)._replace(sample=bool(row.sample))


def all_sets(database: Database) -> list[DataSet]:
    """Every set, newest first."""
    with database.read() as connection:
        return [_set(row) for row in connection.execute(text(_SETS + "ORDER BY s.id DESC"))]


def one_set(database: Database, set_id: int) -> DataSet | None:
    """A set by id, or None."""
    with database.read() as connection:
        row = connection.execute(text(_SETS + "WHERE s.id = :id"), {"id": set_id}).first()
    return None if row is None else _set(row)


def find_set(database: Database, name: str) -> DataSet | None:
    """The newest version of the set of this name, or None."""
    with database.read() as connection:
        row = connection.execute(text(_SETS + "WHERE s.name = :name ORDER BY s.version DESC"), {"name": name}).first()
    return None if row is None else _set(row)


def totals(database: Database) -> Totals:
    """Counts over all sets."""
    query = """
    SELECT count(*), coalesce(sum(records), 0), (SELECT count(*) FROM scenario), coalesce(sum(trees), 0),
           coalesce(sum(nodes), 0), coalesce(sum(paths), 0) FROM data_set
    """
    with database.read() as connection:
        return Totals(*connection.execute(text(query)).one())


def files_of(database: Database, set_id: int) -> list[SourceFile]:
    """The files of a set in the order they were read."""
    with database.read() as connection:
        rows = connection.execute(text(f"{_FILES} WHERE set_id = :id ORDER BY id"), {"id": set_id})
        return [SourceFile(*row) for row in rows]


_FILES = "SELECT id, set_id, name, digest, size, records, problems FROM source_file"


def file_by_digest(connection: Connection, digest: str) -> tuple[SourceFile, DataSet] | None:
    """The file of this content with its set, or None when it was never imported or was deleted again."""
    row = connection.execute(text(f"{_FILES} WHERE digest = :digest"), {"digest": digest}).first()
    if row is None:
        return None
    owner = connection.execute(text(_SETS + "WHERE s.id = :id"), {"id": row.set_id}).one()
    return SourceFile(*row), _set(owner)


def problems_of(database: Database, set_id: int, limit: int = 200) -> list[tuple[str, Problem]]:
    """The first problems of a set as (file name, problem)."""
    query = """
    SELECT f.name, p.place, p.field, p.sentence FROM problem p JOIN source_file f ON f.id = p.file_id
    WHERE f.set_id = :id ORDER BY p.id LIMIT :limit
    """
    with database.read() as connection:
        rows = connection.execute(text(query), {"id": set_id, "limit": limit})
        return [(row[0], Problem(*row[1:])) for row in rows]


def delete_set(database: Database, set_id: int) -> list[str]:
    """Remove a set with everything under it, in one transaction; returns the digests of its files' blobs."""
    nodes = "SELECT t.id FROM tree t JOIN scenario s ON s.id = t.scenario_id WHERE s.set_id = :id"
    with database.write() as connection:
        values = {"id": set_id}
        digests = connection.execute(text("SELECT digest FROM source_file WHERE set_id = :id"), values).scalars().all()
        connection.execute(
            text(
                "INSERT INTO node_text (node_text, rowid, thought, critique) "
                f"SELECT 'delete', id, thought, critique FROM node WHERE tree_id IN ({nodes})"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO scenario_text (scenario_text, rowid, preference, query) "
                "SELECT 'delete', id, preference, query FROM scenario WHERE set_id = :id"
            ),
            values,
        )
        connection.execute(text("DELETE FROM data_set WHERE id = :id"), values)
    return list(digests)


def fact(database: Database, name: str) -> str | None:
    """A small fact about this database, or None."""
    with database.read() as connection:
        return connection.execute(text("SELECT value FROM fact WHERE name = :name"), {"name": name}).scalar()


def set_fact(connection: Connection, name: str, value: str) -> None:
    """Remember a small fact, inside the caller's transaction."""
    query = (
        "INSERT INTO fact (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    connection.execute(text(query), {"name": name, "value": value})
