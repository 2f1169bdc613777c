"""The files of a job that reads attention: its plan, a line of numbers for each prompt that was read, a slice beside it.

Knows names and formats; runs no model. Slices are read as foreign files.
"""

import json
import os
from pathlib import Path
from typing import Any

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
    """The lines of numbers.jsonl; one that was cut off by a kill is left out."""
    found: list[dict[str, Any]] = []
    try:
        text = (folder / NUMBERS).read_text("utf-8")
    except FileNotFoundError:
        return found
    for line in text.split("\n"):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and {"model", "case"} <= told.keys():
            found.append(told)  # pyright: ignore[reportUnknownArgumentType]
    return found


def append(folder: Path, told: dict[str, Any]) -> None:
    """Add a line to numbers.jsonl, on the disk when this returns."""
    with (folder / NUMBERS).open("ab") as file:
        if file.tell() and not _ends_line(folder / NUMBERS):
            file.write(b"\n")
        file.write(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
