"""The rollout files of a run's folder: which updates there are, and their responses as `core.rollouts` values.

A file is read as something a stranger wrote: opened without following a link, refused where it is larger than a run makes it,
decoded in small batches, and every response checked. What cannot be used becomes a sentence with its place. pyarrow comes through
`app.actions.parquet`; it has no types, so its values are Any here.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from app.actions.parquet import pyarrow_modules
from app.artifacts import open_file
from app.errors import Missing, Refused
from core import rollouts
from core.jobs import told_text
from core.rollouts import COLUMNS, FOLDER, Rollout, Step, problem_of, prompt_key

_NAME = re.compile(r"update-(\d{1,9})-(\d{1,6})\.parquet")
MOST_FILES = 50_000
MOST_ROWS = 10_000
MOST_VALUES = 4_000_000
"""Entries of a column of one row group, and tokens of an update that are kept in memory."""
LARGEST_FILE = 1 << 29
LARGEST_COLUMN = 1 << 28
"""Bytes a column of one row group may unpack to."""
_BATCH = 16
_DICTIONARIES = [*rollouts.TEXTS, *(f"{name}.list.element" for name in rollouts.STEP_TEXTS)]
"""Columns that stay dictionaries while they are read: one long text under many rows takes its memory once."""


class Kept(NamedTuple):
    """The responses that were read, in order of group and response, and a sentence for each thing that could not be."""

    rollouts: list[Rollout]
    problems: list[str]


def has_rollouts(folder: Path) -> bool:
    """True for a job's folder in which rollouts may lie."""
    place = folder / FOLDER
    return place.is_dir() and not place.is_symlink()


def updates(folder: Path) -> dict[int, list[str]]:
    """The names of the files of each update, in order; empty where there is none."""
    if not has_rollouts(folder):
        return {}
    found: dict[int, list[str]] = {}
    try:
        entries = list(islice(os.scandir(folder / FOLDER), MOST_FILES))
    except OSError:
        return {}
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match and entry.is_file(follow_symlinks=False):
            found.setdefault(int(match[1]), []).append(entry.name)
    return {update: sorted(found[update]) for update in sorted(found)}


def read_update(folder: Path, update: int, group: int | None = None) -> Kept:
    """The responses of an update, or of one group of it. Raises Missing where there is no such update."""
    names = updates(folder).get(update)
    if names is None:
        raise Missing(f"This run kept no responses of update {update}.")
    kept = Kept([], [])
    tokens = 0
    for name in names:
        try:
            for row, found in _responses(folder, name, group):
                if isinstance(found, Rollout):
                    tokens += len(found.ends)
                    if tokens > MOST_VALUES:
                        raise Refused(f"The update has more than {MOST_VALUES:,} tokens; the rest of it is left out.")
                    kept.rollouts.append(found)
                else:
                    kept.problems.append(f"{name}, response {row + 1}: {found}")
        except Refused as refusal:
            kept.problems.append(f"{name}: {refusal}")
    order = sorted(kept.rollouts, key=lambda one: (one.group, one.response))
    return _once(order, kept.problems)


def _once(ordered: Sequence[Rollout], problems: list[str]) -> Kept:
    """A response that stands there twice is told and counted once."""
    found: list[Rollout] = []
    for one in ordered:
        if found and (found[-1].group, found[-1].response) == (one.group, one.response):
            problems.append(f"Response {one.response + 1} of prompt {one.group + 1} is stored twice; the first counts.")
        else:
            found.append(one)
    return Kept(found, problems[:100])


def groups_by_prompt(folder: Path, name: str) -> dict[str, int]:
    """The first group of each prompt of a file, by `prompt_key`; empty for a file that cannot be read."""
    found: dict[str, int] = {}
    try:
        for columns in _batches(folder, name, ("group", "prompt", "preference", "query")):
            keys: dict[tuple[str, ...], str] = {}
            rows = zip(columns["group"], columns["prompt"], columns["preference"], columns["query"], strict=True)
            for group, *texts in rows:
                asked = tuple(_text(text) for text in texts)
                key = keys.get(asked) or keys.setdefault(asked, prompt_key(asked[0], asked[1], asked[2]))
                found[key] = min(int(group), found.get(key, int(group)))
    except (Refused, TypeError, ValueError, OverflowError):
        return {}
    return found


def _responses(folder: Path, name: str, group: int | None) -> Iterator[tuple[int, Rollout | str]]:
    """Every response of a file with its row, or why it cannot be used. Raises Refused for the file as a whole."""
    row = 0
    for columns in _batches(folder, name, COLUMNS):
        for at in range(len(columns["group"])):
            if group is None or columns["group"][at] == group:
                yield row + at, _response(columns, at)
        row += len(columns["group"])


def _response(columns: Mapping[str, Sequence[Any]], at: int) -> Rollout | str:
    def value(name: str) -> Any:
        return columns[name][at]

    try:
        ends = _whole(value("ends"))
        made = Rollout(
            int(value("group")), int(value("response")), _text(value("prompt")), _text(value("preference")),
            _text(value("query")), _text(value("text")), bool(value("truncated")), _number(value("format")),
            _whole(value("ids")), ends, _whole(value("index")), _floats(value("advantages"), len(ends)),
            _floats(value("kl"), len(ends)), _floats(value("entropy"), len(ends)), _flags(value("clipped"), len(ends)),
            _steps(value),
        )  # fmt: skip
    except (TypeError, ValueError, OverflowError):
        return "A value is missing or of the wrong kind."
    if not (0 <= made.group < 1 << 31 and 0 <= made.response < 1 << 31):
        return "Its number is none."
    return problem_of(made) or _unmasked(made)


def _unmasked(made: Rollout) -> Rollout:
    """The response without the zeros that a run writes for a truncated one: its tokens were masked, so nothing was computed."""
    if not made.truncated or np.nan_to_num(made.entropy).any():
        return made
    nothing = np.full(len(made.ends), np.nan)
    return replace(made, kl=nothing, entropy=nothing)


def _steps(value: Callable[[str], Any]) -> tuple[Step, ...]:
    """The steps of a response. Raises ValueError where its lists differ in length."""
    starts, ends = _whole(value("starts_of_steps")), _whole(value("ends_of_steps"))
    scores, critiques, reasons = (list(value(name)) for name in ("scores", "critiques", "reasons"))
    rows = zip(starts.tolist(), ends.tolist(), scores, critiques, reasons, strict=True)
    return tuple(
        Step(start, end, _number(score), _cut(critique), _cut(reason)) for start, end, score, critique, reason in rows
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _cut(value: Any) -> str:
    text, limit = _text(value), rollouts.CRITIQUE_SHOWN
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _number(value: Any) -> float | None:
    """A finite number; None for a null or what is no number."""
    found = np.nan if value is None else float(value)
    return found if np.isfinite(found) else None


def _whole(value: Any) -> Any:
    found = np.asarray(value)
    if found.size and found.dtype.kind not in "iu":
        raise ValueError("no whole numbers")
    return found.astype(np.int64)


def _floats(value: Any, count: int) -> Any:
    """(T,); NaN where a list is empty or an entry is no finite number."""
    found = np.asarray(value, np.float64)
    return np.where(np.isfinite(found), found, np.nan) if found.size else np.full(count, np.nan)


def _flags(value: Any, count: int) -> Any:
    found = np.asarray(value)
    return found.astype(bool) if found.size else np.zeros(count, bool)


def _batches(folder: Path, name: str, wanted: Sequence[str]) -> Iterator[dict[str, Sequence[Any]]]:
    """Columns of some rows at a time, a list or array for each row where a column holds lists. Raises Refused."""
    pa, pq = pyarrow_modules()
    try:
        with open_file(folder, f"{FOLDER}/{name}") as source:
            file = _opened(pq, source, wanted)
            for batch in file.iter_batches(_BATCH, columns=list(wanted)):
                yield {column: _values(pa, batch.column(column)) for column in wanted}
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError, MemoryError) as error:
        said = told_text(str(error).partition("\n")[0], 160)
        raise Refused(f"The file cannot be read: {said}") from error


def _opened(pq: Any, source: BinaryIO, wanted: Sequence[str]) -> Any:
    """The file, after its size and columns were looked at. Raises Refused."""
    size = os.fstat(source.fileno()).st_size
    if size > LARGEST_FILE:
        raise Refused(f"It has {size >> 20:,} MiB; at most {LARGEST_FILE >> 20} are read.")
    file = pq.ParquetFile(source, read_dictionary=_DICTIONARIES)
    missing = [name for name in wanted if name not in file.schema_arrow.names]
    if missing:
        raise Refused(f"It has no column {missing[0]}, so it holds no rollouts.")
    meta = file.metadata
    if meta.num_rows > MOST_ROWS:
        raise Refused(f"It has {meta.num_rows:,} responses; at most {MOST_ROWS:,} are read.")
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        for column in (group.column(place) for place in range(group.num_columns)):
            if column.total_uncompressed_size > LARGEST_COLUMN or column.num_values > MOST_VALUES:
                raise Refused("A part of it unpacks to more than a run would write.")
    return file


def _values(pa: Any, column: Any) -> Sequence[Any]:
    """The rows of a column: Python values, or an array or list for each row. Shared texts stay one object."""
    if pa.types.is_dictionary(column.type):
        words = column.dictionary.to_pylist()
        return [None if at is None else words[at] for at in column.indices.to_pylist()]
    if not pa.types.is_list(column.type):
        return column.to_pylist()
    inner = _values(pa, column.values) if _is_text(pa, column.type.value_type) else _array(pa, column.values)
    places = column.offsets.to_pylist()
    return [inner[start:end] for start, end in pairwise(places)]


def _is_text(pa: Any, kind: Any) -> bool:
    return pa.types.is_dictionary(kind) or pa.types.is_string(kind)


def _array(pa: Any, values: Any) -> Any:
    """Numbers as an array, a null as NaN. Raises Refused for anything else."""
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        raise Refused(f"A list of {values.type} stands where numbers belong.")
    return values.to_numpy(zero_copy_only=False)
