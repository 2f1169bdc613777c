"""The files of a job's folder: listing, opening, reading the log. Follows no link, leaves no folder, answers are bounded."""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.errors import Refused
from app.executor import LOG
from core.logs import Hit, last_traceback, search, whole

FILES = 2000
"""Files that are listed at most."""

CHUNK = 1 << 16
_TAIL = 1 << 18
_SEARCHED = 1 << 26
_LINE = 1 << 16


class Artifact(NamedTuple):
    """A file of a job: its path inside the folder and its size in bytes."""

    path: str
    size: int


class Piece(NamedTuple):
    """A piece of a log from a byte: `next` is where to go on, `size` the whole log's; `gone` says why there is none."""

    offset: int
    next: int
    size: int
    text: str
    gone: str = ""


class Found(NamedTuple):
    """What a search in a log found; `more` when there are more hits, `skipped` bytes at its start that were not searched."""

    hits: list[Hit]
    more: bool
    skipped: int


def listing(folder: Path) -> list[Artifact]:
    """The files under a folder by their paths, without hidden ones; empty when the folder is gone."""
    found: list[Artifact] = []
    if folder.is_symlink():
        return found
    for artifact in _walk(folder, ""):
        found.append(artifact)
        if len(found) == FILES:
            break
    return sorted(found)


def _walk(folder: Path, prefix: str, depth: int = 0) -> Iterator[Artifact]:
    try:
        entries = sorted(islice(os.scandir(folder), 5 * FILES), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False) and depth < 8:
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield Artifact(prefix + entry.name, entry.stat(follow_symlinks=False).st_size)
        except OSError:
            continue


def open_file(folder: Path, path: str) -> BinaryIO:
    """A file of the folder for reading. Raises Refused for anything that is not a plain file inside it, links included."""
    parts = path.split("/")
    refused = Refused(f"There is no file {path[:200]!r} in this job's folder.")
    if "\0" in path or any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        raise refused
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = -1
    try:
        handle = os.open(folder, flags | os.O_DIRECTORY)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            inner = os.open(part, flags | (os.O_NONBLOCK if last else os.O_DIRECTORY), dir_fd=handle)
            os.close(handle)
            handle = inner
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.fdopen(handle, "rb")
    except (OSError, ValueError) as error:
        if handle >= 0:
            os.close(handle)
        raise refused from error
    os.close(handle)
    raise refused


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The file's bytes as they are now; closes it."""
    with file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (chunk := file.read(min(CHUNK * 16, left))):
            left -= len(chunk)
            yield chunk


def log_piece(folder: Path, offset: int) -> Piece:
    """At most 64 KiB of the log from a byte; a negative offset means its end. A log that shrank is read from its start."""
    file = _log(folder)
    return Piece(0, 0, 0, "", file) if isinstance(file, str) else piece(file, offset)


def piece(file: BinaryIO, offset: int) -> Piece:
    """The same of any file, which is closed."""
    with file:
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - CHUNK) if offset < 0 else (0 if offset > size else offset)
        file.seek(start)
        chunk = file.read(CHUNK)
    kept = whole(chunk) or chunk  # bytes that stay incomplete are shown as what they are
    return Piece(start, start + len(kept), size, kept.decode("utf-8", "replace"))


def log_traceback(folder: Path) -> str:
    """The last traceback near the end of the log, or ''."""
    file = _log(folder)
    if isinstance(file, str):
        return ""
    with file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        return last_traceback(file.read(_TAIL).decode("utf-8", "replace"))


def log_search(folder: Path, word: str) -> Found:
    """Lines of the log that hold a word; of a log above 64 MiB only the end is searched."""
    file = _log(folder)
    if isinstance(file, str):
        raise Refused(file)
    with file:
        skipped = max(0, os.fstat(file.fileno()).st_size - _SEARCHED)
        file.seek(skipped)
        hits, more = search(_lines(file, _SEARCHED), word, skipped)
    return Found(hits, more, skipped)


def _lines(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left > 0 and (line := file.readline(min(_LINE, left))):
        left -= len(line)
        yield line


def _log(folder: Path) -> BinaryIO | str:
    try:
        return open_file(folder, LOG)
    except Refused:
        there = folder.is_dir()
    return (
        "The log is not there; it was deleted, or nothing has been written yet."
        if there
        else "This job has no folder (yet)."
    )
