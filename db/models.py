"""Registered models: a checkpoint folder with what it was made of. One row for each path; a forgotten one keeps its row.

Knows rows only: looks into no folder.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from core.registered import ModelKind
from db.engine import Database


class Model(NamedTuple):
    """A registered model. `path` and `job_folder` are relative to the data folder, or absolute where they lie elsewhere.

    `data`: set id, name, version and files (name, digest) it was trained on; `data_hash` names the examples themselves.
    `metrics`: `base` and `trained` (see `core.critic_report.Quality`) and the last `losses`. Empty where nothing is known.
    """

    id: int
    name: str
    kind: ModelKind
    path: str
    digest: str
    base: str
    base_digest: str
    data_hash: str
    data: dict[str, Any]
    metrics: dict[str, Any]
    parents: tuple[int, ...]
    job_folder: str
    created_at: str
    note: str
    removed_at: str | None


class Entry(NamedTuple):
    """What is registered; '' and empty mean not known."""

    name: str
    kind: ModelKind
    path: str
    digest: str
    base: str = ""
    base_digest: str = ""
    data_hash: str = ""
    data: Mapping[str, Any] = {}
    metrics: Mapping[str, Any] = {}
    parents: tuple[int, ...] = ()
    job_folder: str = ""
    note: str = ""


_COLUMNS = ", ".join(Model._fields)
_JSON = ("data", "metrics", "parents")
_ORIGIN = ("base", "base_digest", "data_hash", "data", "metrics", "parents", "job_folder")
"""What a model was made of; it belongs to one content of the folder."""


def put(database: Database, entry: Entry, now: str) -> Model:
    """Register a folder, or say again what lies in it: one path has one row, and a forgotten one is back.

    The same content keeps its name, its note and whatever is not told again; of another content only name and note stay.
    """
    names = Entry._fields
    with database.write() as connection:
        row = connection.execute(text(f"SELECT {_COLUMNS} FROM model WHERE path = :path"), {"path": entry.path}).first()
        if row is None:
            query = f"INSERT INTO model ({', '.join(names)}, created_at) VALUES (:{', :'.join(names)}, :now)"
            connection.execute(text(query), _bound(entry) | {"now": now})
        else:
            merged, same = _merged(_model(row), entry)
            changed = ", ".join(f"{name} = :{name}" for name in names)
            query = f"UPDATE model SET {changed}, created_at = :now, removed_at = NULL WHERE path = :path"
            connection.execute(text(query), _bound(merged) | {"now": row.created_at if same else now})
        return _by_path(connection, entry.path)


def _merged(old: Model, new: Entry) -> tuple[Entry, bool]:
    same = old.digest == new.digest
    kept = {name: getattr(old, name) for name in _ORIGIN if same and not getattr(new, name)}
    return new._replace(name=old.name, note=old.note, **kept), same


def _bound(entry: Entry) -> dict[str, Any]:
    values = entry._asdict()
    return values | {name: json.dumps(values[name], ensure_ascii=False) for name in _JSON}


def _by_path(connection: Connection, path: str) -> Model:
    return _model(connection.execute(text(f"SELECT {_COLUMNS} FROM model WHERE path = :path"), {"path": path}).one())


def _model(row: Row[Any]) -> Model:
    read: dict[str, Any] = {name: json.loads(getattr(row, name)) for name in _JSON}
    return Model(*row)._replace(**(read | {"parents": tuple(read["parents"])}))


def get(database: Database, model_id: int) -> Model | None:
    """A model by id, a forgotten one too; None where there is none."""
    with database.read() as connection:
        row = connection.execute(text(f"SELECT {_COLUMNS} FROM model WHERE id = :id"), {"id": model_id}).first()
    return None if row is None else _model(row)


def at_path(database: Database, path: str) -> Model | None:
    """The model of a folder, unless it is forgotten."""
    query = f"SELECT {_COLUMNS} FROM model WHERE path = :path AND removed_at IS NULL"
    with database.read() as connection:
        row = connection.execute(text(query), {"path": path}).first()
    return None if row is None else _model(row)


def listing(database: Database, kind: ModelKind | None = None, limit: int = 200) -> list[Model]:
    """The models that are not forgotten, newest first; of one kind or of all."""
    of_kind = "AND kind = :kind" if kind else ""
    query = f"SELECT {_COLUMNS} FROM model WHERE removed_at IS NULL {of_kind} ORDER BY id DESC LIMIT :limit"
    with database.read() as connection:
        return [_model(row) for row in connection.execute(text(query), {"kind": kind, "limit": limit})]


def children(database: Database, model_id: int, limit: int = 100) -> list[Model]:
    """The models that name this one among their parents, newest first; not the forgotten ones."""
    query = f"""
    SELECT {_COLUMNS} FROM model m
    WHERE removed_at IS NULL AND EXISTS (SELECT 1 FROM json_each(m.parents) p WHERE p.value = :id)
    ORDER BY id DESC LIMIT :limit
    """
    with database.read() as connection:
        return [_model(row) for row in connection.execute(text(query), {"id": model_id, "limit": limit})]


def describe(database: Database, model_id: int, name: str, note: str) -> bool:
    """Give a model another name and note; False when it is not there or forgotten."""
    query = text("UPDATE model SET name = :name, note = :note WHERE id = :id AND removed_at IS NULL")
    with database.write() as connection:
        return connection.execute(query, {"id": model_id, "name": name, "note": note}).rowcount == 1


def forget(database: Database, model_id: int, now: str) -> bool:
    """Take a model off the list; its row stays. False when it is not there or was forgotten before."""
    query = text("UPDATE model SET removed_at = :now WHERE id = :id AND removed_at IS NULL")
    with database.write() as connection:
        return connection.execute(query, {"id": model_id, "now": now}).rowcount == 1
