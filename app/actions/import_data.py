"""Import files into a set: copy, detect, read, write, all in one transaction. Also the preview of that.

Killed at any moment, all of a set is there or none of it. The same content twice is told, not doubled.
"""

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.actions import parquet, tables
from app.context import Context
from app.errors import Refused
from core.dialogues import dialogue_of
from core.formats.registry import LABELS, Entry, read_records
from core.tree import best_path, by_key, stats
from core.types import Counts, Foreign, Problem, Record, many, shorten
from db import sets
from db.blobs import CHUNK, Staged
from db.importing import SetWriter
from db.search import tidy

NAME_LIMIT = 120
SPLITS = ("train", "validation", "test", "")
PREVIEW_RECORDS = 10
PREVIEW_PROBLEMS = 50


class Incoming(NamedTuple):
    """A staged file and the name a person knows it by."""

    name: str
    staged: Staged


class Labels(NamedTuple):
    """What is said about the records: the set's name, and topic and split where the file has none; `sample` for our own."""

    name: str = ""
    topic: str = ""
    split: str = ""
    sample: bool = False


NO_LABELS = Labels()
Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did. `set_id` is None when every file had been imported before; `known` says which those were."""

    set_id: int | None
    name: str
    version: int
    counts: Counts
    known: list[str] = field(default_factory=list[str])

    def sentence(self) -> str:
        """The outcome for a person."""
        parts: list[str] = []
        if self.set_id is not None:
            counts = self.counts
            trees = f" with {many(counts.trees, 'tree')} and {many(counts.nodes, 'node')}" if counts.trees else ""
            problems = f"; {many(counts.problems, 'problem')}" if counts.problems else ""
            parts.append(
                f"Imported {many(counts.records, 'record')}{trees} into {self.name} v{self.version}{problems}."
            )
        return " ".join([*parts, *self.known])


class Shown(NamedTuple):
    """A record in a preview."""

    title: str
    preference: str
    detail: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import of one file would find. `known` is a sentence when its content is already there."""

    form: str
    label: str
    counts: Counts
    shown: list[Shown]
    problems: list[Problem]
    known: str


def import_files(
    context: Context, paths: Sequence[Path], labels: Labels = NO_LABELS, progress: Progress = lambda done, total: None
) -> Outcome:
    """Import files from disk as one new version of a set; see `import_staged`."""
    incoming: list[Incoming] = []
    try:
        incoming += (Incoming(printable(path.name), stage_file(context, path)) for path in paths)
        outcome = import_staged(context, incoming, labels, progress)
        tidy(context.database)
        return outcome
    finally:
        for item in incoming:
            context.blobs.discard(item.staged)


def printable(name: str) -> str:
    """A name without what cannot be stored or shown: bytes that are no UTF-8, control characters."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else "_" for char in text)


def stage_file(context: Context, path: Path) -> Staged:
    """Copy a file beside the blobs. Raises Refused when it cannot be read or changes meanwhile."""
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            staged = context.blobs.stage(file)
            after = path.stat()
    except OSError as error:
        raise Refused(f"{printable(path.name)} could not be read: {(error.strerror or str(error)).lower()}.") from error
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        context.blobs.discard(staged)
        raise Refused(
            f"{printable(path.name)} changed while it was being read. Nothing was stored; import it when it is complete."
        )
    return staged


def import_staged(
    context: Context, incoming: Sequence[Incoming], labels: Labels, progress: Progress = lambda done, total: None
) -> Outcome:
    """Import staged files as one new version of a set, named after the first file unless `labels` says otherwise.

    The staged copies that were imported become blobs; the caller discards the others. Raises Refused, with nothing stored,
    when nothing in a file is a record or the disk is full.
    """
    if labels.split not in SPLITS:
        raise Refused(f"The split is train, validation or test, not {labels.split!r}.")
    try:
        with contextlib.ExitStack() as undo:
            with context.database.write() as connection:
                fresh, known = _fresh(connection, incoming)
                if not fresh:
                    return Outcome(None, "", 0, Counts(), known)
                name = shorten(printable(labels.name), NAME_LIMIT) or _set_name(fresh[0])
                with SetWriter(connection, name, context.now(), labels.sample) as writer:
                    _write_all(writer, fresh, labels, progress)
                for item in fresh:
                    undo.callback(context.blobs.delete, item.staged.digest)
                    context.blobs.keep(item.staged)
            undo.pop_all()
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise Refused(f"The import stopped and nothing was stored: {_reason(error)}") from error
    return Outcome(writer.set_id, name, writer.version, writer.counts, known)


def _reason(error: Exception) -> str:
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if "full" in text or "No space left" in text:
        return "the disk is full. Free some space and try again."
    if "locked" in text:
        return "another import was writing for too long. Try again."
    return text


def _fresh(connection: Connection, incoming: Sequence[Incoming]) -> tuple[list[Incoming], list[str]]:
    fresh: dict[str, Incoming] = {}
    known: list[str] = []
    for item in incoming:
        found = sets.file_by_digest(connection, item.staged.digest)
        if found is not None:
            known.append(_known(item.name, found))
        elif item.staged.digest in fresh:
            known.append(f"{item.name} has the same content as {fresh[item.staged.digest].name} and was read once.")
        else:
            fresh[item.staged.digest] = item
    return list(fresh.values()), known


def _known(name: str, found: tuple[sets.SourceFile, sets.DataSet]) -> str:
    file, owner = found
    as_what = "" if file.name == name else f" as {file.name}"
    return f"{name} was imported before{as_what}, into {owner.name} v{owner.version}; nothing was changed."


def _write_all(writer: SetWriter, fresh: Sequence[Incoming], labels: Labels, progress: Progress) -> None:
    total, done = sum(item.staged.size for item in fresh), 0
    for item in fresh:
        writer.begin_file(item.name, item.staged.digest, item.staged.size)
        first: Problem | None = None
        before = writer.counts.records
        for entry in _entries(item.staged.file, progress, done, total):
            if isinstance(entry, Problem):
                first = first or entry
                writer.problem(entry)
            else:
                writer.add(
                    entry.record, entry.form, labels.topic.strip() or _topic(item.name, entry.form), labels.split
                )
        if writer.counts.records == before:
            raise Refused(f"Nothing in {item.name} can be imported: {first.sentence if first else 'it is empty.'}")
        writer.end_file()
        done += item.staged.size


def _entries(file: Path, progress: Progress, base: int, total: int) -> Iterator[Entry | Problem]:
    with file.open("rb") as source:
        if parquet.is_parquet(source):
            lines = tables.parquet_lines if tables.is_long_parquet(source) else parquet.json_lines
            yield from read_records(lines(source))
        elif tables.is_long_csv(source):
            yield from read_records(tables.csv_lines(source))
        else:
            yield from read_records(_chunks(source, progress, base, total))


def _chunks(source: BinaryIO, progress: Progress, base: int, total: int) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk
        progress(base + source.tell(), total)


def _set_name(item: Incoming) -> str:
    first = next(
        (entry for entry in _entries(item.staged.file, lambda done, total: None, 0, 0) if isinstance(entry, Entry)),
        None,
    )
    stem = PurePath(item.name).stem
    return shorten(stem if first is None else f"{stem} ({LABELS[first.form]})", NAME_LIMIT)


def _topic(name: str, form: str) -> str:
    """PrefEval's files carry their topic in the file name only."""
    return PurePath(name).stem.replace("_", " ") if form.startswith("prefeval") else ""


def preview(context: Context, item: Incoming) -> Preview:
    """Read a staged file to its end without storing anything. Raises Refused when the staged copy is gone."""
    if not item.staged.file.exists():
        raise Refused(f"The upload of {item.name} is gone; the server was started anew. Drop the file again.")
    counts, shown, problems, form = Counts(), list[Shown](), list[Problem](), ""
    for entry in _entries(item.staged.file, lambda done, total: None, 0, 0):
        if isinstance(entry, Problem):
            counts.problems += 1
            problems += [entry] if len(problems) < PREVIEW_PROBLEMS else []
            continue
        form = form or entry.form
        counts.records += 1
        record = entry.record
        if not isinstance(record, Foreign):
            counts.trees, counts.nodes = counts.trees + 1, counts.nodes + len(record.nodes)
            counts.paths += len(record.paths)
            for mark in itertools.chain(record.marks, *(node.marks for node in record.nodes)):
                counts.marks[mark] = counts.marks.get(mark, 0) + 1
        if len(shown) < PREVIEW_RECORDS:
            shown.append(show(record))
    with context.database.read() as connection:
        found = sets.file_by_digest(connection, item.staged.digest)
    return Preview(
        form, LABELS.get(form, ""), counts, shown, problems, "" if found is None else _known(item.name, found)
    )


def show(record: Record) -> Shown:
    """One line about a record."""
    preference = "" if record.scenario is None else shorten(record.scenario.preference, 200)
    if isinstance(record, Foreign):
        dialogue = dialogue_of(record)
        if dialogue is None:
            return Shown(record.title, preference, LABELS[record.form])
        detail = f"{many(len(dialogue.turns), 'turn')}, {dialogue.model}"
        return Shown(shorten(dialogue.turns[0].user, 160), shorten(dialogue.profile, 200), detail)
    summary, best = stats(record.nodes), best_path(by_key(record.nodes), record.paths)
    best_text = "" if best is None else f", best R = {best.score.total:.2f}"
    detail = f"{many(summary.nodes, 'node')}, {many(len(record.paths), 'path')}, depth {summary.depth}{best_text}"
    return Shown(shorten(record.scenario.query, 200), preference, detail)
