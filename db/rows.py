"""Rows of a table as values, and values as rows. Knows no table; tables, columns and conditions are constants of its callers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, text

from db.engine import Database

_Row = TypeVar("_Row", bound=NamedTuple)


class Rows(NamedTuple, Generic[_Row]):
    """The rows of a table as values: the fields of `shape` are its columns, those in `coded` hold JSON."""

    table: str
    shape: type[_Row]
    coded: Sequence[str] = ()

    def read(self, database: Database, rest: str, **values: object) -> list[_Row]:
        """The rows that the rest of a query asks for: its condition, order and limit, with its values by name."""
        query = f"SELECT {', '.join(self.shape._fields)} FROM {self.table} {rest}"
        with database.read() as connection:
            return [self._made(self.shape._make(row)) for row in connection.execute(text(query), values)]

    def first(self, database: Database, rest: str, **values: object) -> _Row | None:
        """The first of them, or None."""
        found = self.read(database, f"{rest} LIMIT 1", **values)
        return found[0] if found else None

    def add(self, connection: Connection, parts: Iterable[_Row], **whole: int) -> None:
        """Insert the parts of a whole (its column and its id), with their `position`; their ids are given here."""
        for place, part in enumerate(parts):
            values = part._asdict() | whole | {"position": place}
            del values["id"]
            insert(connection, self.table, values)

    def _made(self, row: _Row) -> _Row:
        held = {name: getattr(row, name) for name in self.coded}
        return row._replace(**{name: json.loads(value) for name, value in held.items() if value is not None})


def insert(connection: Connection, table: str, values: Mapping[str, Any]) -> int:
    """Insert one row; returns its id. Lists, tuples and mappings are kept as JSON."""
    row = {name: _plain(value) for name, value in values.items()}
    query = f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})"
    return connection.execute(text(query), row).lastrowid or 0


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | Mapping) else value
