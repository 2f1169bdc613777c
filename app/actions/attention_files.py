"""The files of a job that reads attention: its plan, a line of numbers for each prompt that was read, a slice beside it.

Knows names and formats; runs no model. Slices are read as foreign files.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from app.artifacts import open_file
from app.errors import Refused
from core.attention_file import Slice, Unreadable, read_slice, write_slice

NUMBERS, PLAN, SLICES, REPORT = "numbers.jsonl", "plan.json", "slices", "report.json"


def slice_name(model: int, case: int) -> str:
    """Where the slice of a model and a case lies in the job's folder; both count from 0."""
    return f"{SLICES}/{model}-{case}.npz"


def slice_at(folder: Path, name: str) -> Slice | Unreadable:
    """A slice in a folder, without its heads."""
    try:
        with open_file(folder, name) as file:
            return read_slice(file)
    except Refused as refusal:
        return Unreadable(str(refusal))


def store(path: Path, one: Slice, whole: bool) -> None:
    """Write a slice so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        write_slice(one, file, whole)
    beside.replace(path)


def done(folder: Path) -> set[tuple[int, int]]:
    """Model and case of every line of numbers.jsonl."""
    return {(line["model"], line["case"]) for line in lines(folder)}


def lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of numbers.jsonl, whole; one that was cut off by a kill, even within a letter, is left out."""
    return [told for line in _stored(folder) if (told := _told(line)) is not None]


def heads(folder: Path, since: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The lines from number `since` on (from 0) without answers and their meters, and how many lines there are by now.

    A last line that has no end yet is not counted, so it comes again; the same model and case is then the same line.
    """
    found: list[dict[str, Any]] = []
    count = 0
    for line in _stored(folder):
        ended = line.endswith(b"\n")
        count += ended
        if ended and count <= since:
            continue
        told = _told(_head(line) if ended else line)
        if told is not None:
            found.append(told)
    return found, count


def line_of(folder: Path, model: int, case: int) -> dict[str, Any] | None:
    """The line of a model and a case, None without one. Only lines that begin so are understood: see `append`."""
    start = b'{"model": %d, "case": %d' % (model, case)
    for line in _stored(folder):
        if line.startswith((start + b",", start + b"}")) and (told := _told(line)) is not None:
            return told
    return None


def append(folder: Path, told: dict[str, Any]) -> None:
    """Add a line to numbers.jsonl, on the disk when this returns. Model and case stand first in it."""
    line = {"model": told["model"], "case": told["case"]} | told
    with (folder / NUMBERS).open("ab") as file:
        if file.tell() and not _ends_line(folder / NUMBERS):
            file.write(b"\n")
        file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _stored(folder: Path) -> Iterator[bytes]:
    try:
        with (folder / NUMBERS).open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


_ANSWER = b', "answer": '
"""Where the answer and its meter begin in a line. A quote within a text has a backslash before it, so no text looks like this."""


def _head(line: bytes) -> bytes:
    """A line without its answer; as it is where it has none or was cut off."""
    place = line.find(_ANSWER)
    return line if place < 0 or not line.endswith(b"}\n") else line[:place] + b"}"


def _told(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    found = cast("dict[str, Any]", told)
    return found if type(found.get("model")) is int and type(found.get("case")) is int else None


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
