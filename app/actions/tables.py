"""Ratings as tables: the long format as CSV and Parquet, both ways. Values keep their types; a missing one is empty or null."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from app.actions.parquet import column_names, pyarrow_modules
from app.errors import Refused
from core.formats.ratings import LongRow
from core.types import Json

COLUMNS: Mapping[str, type] = {
    "study_id": str, "rater_id": str, "dialogue_id": str, "turn": int, "dimension": str, "value": int, "status": str,
    "model": str, "profile": str, "retest": bool, "check": bool, "asked": int, "order_index": int, "active_ms": int,
    "submitted_at": str, "guideline_version": str, "flagged": bool, "note": str,
}  # fmt: skip
"""The columns of the long format and their types, in their order."""

_NEEDED = frozenset(name for name, field in LongRow.model_fields.items() if field.is_required())
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(rows: Iterable[Json]) -> Iterator[bytes]:
    """CSV with a header. A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value if value.startswith(_FORMULA) else value
        case _:
            return str(value)


def to_parquet(rows: Iterable[Json], target: BinaryIO) -> None:
    """Write the rows as a Parquet file into an open file."""
    pa, pq = pyarrow_modules()
    kinds = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    pq.write_table(
        pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema=schema), target
    )


def is_long_csv(source: BinaryIO) -> bool:
    """True when the stream starts with a header line of the long format; the position is put back."""
    head = source.read(2000).split(b"\n", 1)[0]
    source.seek(0)
    names = {name.strip().strip('"') for name in head.decode("utf-8-sig", "replace").split(",")}
    return names >= _NEEDED


def csv_lines(source: BinaryIO) -> Iterator[bytes]:
    """The rows of a CSV file as JSON lines; a cell that is not of its column's type stays text and is reported by the reader."""
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="replace", newline="")
    try:
        for row in csv.DictReader(text, restkey="more"):
            typed = {name: _value(COLUMNS.get(name, str), cell) for name, cell in row.items() if isinstance(cell, str)}
            yield json.dumps(typed, ensure_ascii=False).encode() + b"\n"
    except csv.Error as error:
        yield json.dumps(f"This CSV file cannot be read on: {error}").encode() + b"\n"
    finally:
        text.detach()


def _value(kind: type, cell: str) -> Any:
    if kind is str:
        return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell
    if not cell:
        return None
    if kind is bool and cell in ("true", "false"):
        return cell == "true"
    return (
        int(cell)
        if kind is int and cell.lstrip("-").isascii() and cell.lstrip("-").isdigit() and len(cell) < 16
        else cell
    )


def is_long_parquet(source: BinaryIO) -> bool:
    """True for a Parquet file with the columns of the long format and without whole records of ours."""
    names = column_names(source)
    return "record" not in names and set(names) >= _NEEDED


_BATCH = 1000
_LARGEST = 1 << 28


def parquet_lines(source: BinaryIO) -> Iterator[bytes]:
    """The rows of a long-format Parquet file as JSON lines. Raises Refused when a part of it cannot be read or is too large."""
    pa, pq = pyarrow_modules()
    try:
        file = pq.ParquetFile(source)
        groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
        if any(group.total_byte_size > _LARGEST for group in groups):
            raise Refused(f"A part of this Parquet file unpacks to more than {_LARGEST >> 20} MiB; it was not read.")
        names = [name for name in file.schema_arrow.names if name in COLUMNS]
        for batch in file.iter_batches(_BATCH, columns=names):
            for row in batch.to_pylist():
                yield json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n"
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Refused(f"The Parquet file cannot be read: {str(error).splitlines()[0][:160]}") from error
