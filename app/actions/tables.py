"""Ratings as tables: the long format as CSV and Parquet, both ways. Values keep their types; a missing one is empty or null."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

from app.actions.parquet import column_names, pyarrow_compute, pyarrow_modules
from app.errors import Refused
from core.formats.ratings import NEEDED
from core.types import Json

COLUMNS: Mapping[str, type] = {
    "study_id": str, "rater_id": str, "dialogue_id": str, "turn": int, "dimension": str, "value": int, "status": str,
    "model": str, "profile": str, "retest": bool, "check": bool, "asked": int, "order_index": int, "active_ms": int,
    "submitted_at": str, "guideline_version": str, "flagged": bool, "note": str,
}  # fmt: skip
"""The columns of the long format and their types, in their order."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOOLS: Mapping[str, bool] = {
    "true": True, "t": True, "yes": True, "y": True, "1": True, "false": False, "f": False, "no": False, "n": False, "0": False,
}  # fmt: skip
_LONGEST = 1 << 20
"""Characters of a CSV row and bytes of a Parquet cell that are read at most."""


def to_csv(rows: Iterable[Json]) -> Iterator[bytes]:
    """CSV with a header. A text that a spreadsheet would run as a formula gets an apostrophe before it, and
    so does one that starts with an apostrophe, so that reading takes away exactly what writing put there."""
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
            return "'" + value if value.startswith((*_FORMULA, "'")) else value
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
    return names >= NEEDED


def csv_lines(source: BinaryIO) -> Iterator[bytes]:
    """The rows of a CSV file as JSON lines; a cell that is not of its column's type stays text and is reported by the reader.

    Raises Refused for text that is not UTF-8 and for a row without an end.
    """
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="strict", newline="")
    lines = _Lines(text)
    try:
        for row in csv.DictReader(lines, restkey="more"):
            lines.left = _LONGEST
            cells = (
                (name, _value(COLUMNS.get(name, str), cell)) for name, cell in row.items() if isinstance(cell, str)
            )
            typed = {name: value for name, value in cells if value is not None or name in NEEDED}
            yield json.dumps(typed, ensure_ascii=False).encode() + b"\n"
    except UnicodeDecodeError as error:
        raise Refused("This CSV file is not written in UTF-8. Save it as UTF-8 and import it again.") from error
    except csv.Error as error:
        yield json.dumps(f"This CSV file cannot be read on: {error}").encode() + b"\n"
    finally:
        text.detach()


class _Lines(Iterator[str]):
    """Lines of a text; `left` is how many characters may still be read before it is set anew."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.left = _LONGEST

    def __next__(self) -> str:
        line = self.text.readline(self.left + 1)
        self.left -= len(line)
        if self.left < 0:
            raise Refused(
                f"A row of this CSV file has more than {_LONGEST:,} characters. Is a quotation mark left open?"
            )
        if not line:
            raise StopIteration
        return line


def _value(kind: type, cell: str) -> Any:
    if kind is str:
        return cell[1:] if cell[:1] == "'" and cell[1:].startswith((*_FORMULA, "'")) else cell
    if not cell:
        return None
    if kind is bool:
        return _BOOLS.get(cell.strip().casefold(), cell)
    return int(cell) if re.fullmatch(r"-?[0-9]{1,15}", cell) else cell


def is_long_parquet(source: BinaryIO) -> bool:
    """True for a Parquet file with the columns of the long format and without whole records of ours."""
    names = column_names(source)
    return "record" not in names and set(names) >= NEEDED


_BATCH = 64
_LARGEST = 1 << 28


def parquet_lines(source: BinaryIO) -> Iterator[bytes]:
    """The rows of a long-format Parquet file as JSON lines. Raises Refused when a part of it cannot be read or is too large."""
    pa, pq = pyarrow_modules()
    try:
        # Texts are read as dictionaries: one long text under a million rows is then in memory once, and is measured before use.
        fields = [field for field in pq.read_schema(source) if field.name in COLUMNS]
        if nested := [field for field in fields if pa.types.is_nested(field.type)]:
            raise Refused(
                f"The column {nested[0].name} of this Parquet file holds lists or objects; ratings need plain ones."
            )
        source.seek(0)
        file = pq.ParquetFile(source, read_dictionary=[one.name for one in fields if pa.types.is_string(one.type)])
        groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
        if any(group.total_byte_size > _LARGEST for group in groups):
            raise Refused(f"A part of this Parquet file unpacks to more than {_LARGEST >> 20} MiB; it was not read.")
        for batch in file.iter_batches(_BATCH, columns=[field.name for field in fields]):
            for column in batch.columns:
                _measured(pa, column)
            for row in batch.to_pylist():
                typed = {name: value for name, value in row.items() if value is not None or name in NEEDED}
                yield json.dumps(typed, ensure_ascii=False, default=str).encode() + b"\n"
    except (pa.ArrowException, OSError, ValueError, OverflowError, TypeError, LookupError) as error:
        # Besides what pyarrow raises itself: dates that Python has no value for, time zones it does not know.
        raise Refused(f"The Parquet file cannot be read: {' '.join(str(error).split())[:160]}") from error


def _measured(pa: Any, column: Any) -> None:
    """Raises Refused for a column with a cell that is too long."""
    compute = pyarrow_compute()
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if any(test(values.type) for test in texts) and len(values):
        longest = compute.max(compute.binary_length(values)).as_py() or 0
        if longest > _LONGEST:
            raise Refused(f"A cell of this Parquet file has more than {_LONGEST:,} bytes; it was not read.")
