"""Export a set in any format as a stream of bytes, in bounded memory. Also: which formats fit a set."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from app.actions import parquet
from app.context import Context
from app.errors import Refused
from core.formats.registry import EXPORTS, Export
from db import scenarios, sets
from db.blobs import CHUNK

PARQUET = "parquet"
ORIGINAL = "original"
_PROBE = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """A format a set can be exported in."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file to hand out: its name, its media type and its bytes."""

    name: str
    media_type: str
    chunks: Iterator[bytes]


def choices(context: Context, set_id: int) -> list[Choice]:
    """The formats at least one of the set's first records fits, our own first."""
    sample = list(islice(scenarios.records(context.database, set_id), _PROBE))
    fitting = [Choice(e.name, e.label) for e in EXPORTS.values() if any(e.rows(record, 1) for record in sample)]
    original = [Choice(ORIGINAL, "Original file")] if len(sets.files_of(context.database, set_id)) == 1 else []
    return [*fitting[:1], Choice(PARQUET, "Subtext records, Parquet"), *fitting[1:], *original]


def export_set(context: Context, set_id: int, form: str) -> Download:
    """A set in a format. Raises Refused for an unknown set or format, or when nothing in the set fits the format."""
    owner = sets.one_set(context.database, set_id)
    if owner is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted. The Data page lists the sets.")
    stem = "".join(char if char.isalnum() or char in "-_." else "-" for char in f"{owner.name}-v{owner.version}").strip(
        "-"
    )
    if form == ORIGINAL:
        return _original(context, set_id)
    if form == PARQUET:
        return Download(f"{stem}.parquet", "application/vnd.apache.parquet", _parquet(context, set_id))
    export = EXPORTS.get(form)
    if export is None:
        raise Refused(f"There is no format {form!r}. Formats: {', '.join([*EXPORTS, PARQUET, ORIGINAL])}.")
    rows = _rows(context, set_id, export)
    first = next(rows, None)
    if first is None:
        raise Refused(f"No record of {owner.name} v{owner.version} fits the format {export.label}.")
    suffix = "jsonl" if export.lines else "json"
    media = "application/jsonl" if export.lines else "application/json"
    return Download(f"{stem}.{form}.{suffix}", media, _text(first, rows, export.lines))


def _rows(context: Context, set_id: int, export: Export) -> Iterator[str]:
    for index, record in enumerate(scenarios.records(context.database, set_id), 1):
        for row in export.rows(record, index):
            yield json.dumps(row, ensure_ascii=False)


def _text(first: str, rows: Iterator[str], lines: bool) -> Iterator[bytes]:
    yield (first if lines else "[\n" + first).encode()
    for row in rows:
        yield (("\n" if lines else ",\n") + row).encode()
    yield b"\n" if lines else b"\n]\n"


def _original(context: Context, set_id: int) -> Download:
    files = sets.files_of(context.database, set_id)
    if len(files) != 1:
        raise Refused(f"This set came from {len(files)} files; export it in another format.")
    path = context.blobs.path(files[0].digest)
    if not path.is_file():
        raise Refused(f"The original of {files[0].name} is no longer there. Run `subtext doctor`.")
    return Download(files[0].name, "application/octet-stream", _file(path))


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _parquet(context: Context, set_id: int) -> Iterator[bytes]:
    with tempfile.TemporaryFile(dir=context.settings.data) as target:
        parquet.write(scenarios.records(context.database, set_id), target)
        target.seek(0)
        while chunk := target.read(CHUNK):
            yield chunk


def spool(context: Context, download: Download) -> BinaryIO:
    """The whole download in a file without a name, at its start.

    For slow readers: the database is read at its own speed, and nothing of it stays open while somebody downloads. Raises
    Refused when the disk is full.
    """
    target = tempfile.TemporaryFile(dir=context.settings.data)  # noqa: SIM115  (handed to the caller)
    try:
        target.writelines(download.chunks)
    except OSError as error:
        target.close()
        raise Refused(f"The export could not be written: {(error.strerror or str(error)).lower()}.") from error
    target.seek(0)
    return target
