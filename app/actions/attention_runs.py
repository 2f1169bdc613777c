"""What jobs read of attention, and single prompts that were looked at, for a page: runs, a report, a slice, one head of it.

A slice is named by a short text: `job-ID-MODEL-CASE` or `live-KEY`. Reads files as foreign ones; runs no model.
"""

import json
import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ValidationError

from app.actions.attention_files import PLAN, REPORT, heads, line_of, slice_name
from app.artifacts import open_file
from app.context import Context
from app.errors import Missing, Refused
from core.attention import Unmeasured
from core.attention_file import Slice, Unreadable, read_head, read_slice
from core.attention_report import token_change
from core.attention_told import figures_of, packed, told_slice
from core.types import shorten
from db import jobs
from db.jobs import Job

LIVE = "attention"
"""The folder of the data folder in which single prompts are kept for a while."""
_RUNS, _LOOKED_AT = 50, 1_000
_LARGEST = 64 << 20
_NAME = re.compile(r"job-([1-9][0-9]{0,14})-([0-9]{1,2})-([0-9]{1,5})|live-([0-9a-f]{32})")
_NOTE = 4 << 20
"""Bytes of what stands beside a slice of a single prompt."""
_SHOWN = 200
"""Characters of a preference or query in a list."""


class Prompted(BaseModel, frozen=True):
    """What was asked for when a single prompt was looked at; `turns` of conversation before it."""

    preference: str
    query: str
    model: str
    method: str
    answer: str
    reverse: str
    turns: int


class Looked(BaseModel, frozen=True):
    """What is kept beside the slice of a single prompt: who was looked at, the meter of the answer as it was read, the form."""

    model: str
    use: dict[str, Any] | None
    answer: str
    asked: Prompted


def keep_looked(folder: Path, key: str, looked: Looked) -> None:
    """Write it beside the slice of that key, whole or not at all; nothing where it is larger than any answer makes it."""
    text = looked.model_dump_json().encode()
    if len(text) <= _NOTE:
        beside = part_of(folder, key)
        beside.write_bytes(text)
        beside.replace(folder / f"{key}.json")


def part_of(folder: Path, key: str) -> Path:
    """Where it lies while it is written."""
    return folder / f".{key}.json.part"


def _looked(folder: Path, key: str) -> dict[str, Any]:
    """The same read again, as fields of a slice; empty where there is none that can be read."""
    try:
        with open_file(folder, f"{key}.json") as file:
            return Looked.model_validate_json(file.read(_NOTE)).model_dump()
    except (Refused, ValidationError):
        return {}


def runs(context: Context) -> list[dict[str, Any]]:
    """The newest jobs that read attention."""
    found: list[dict[str, Any]] = []
    for job in jobs.page(context.database, limit=_LOOKED_AT):
        if job.kind == "attention" and len(found) < _RUNS:
            told = {"id": job.id, "status": job.status, "name": job.spec.get("name", ""), "created_at": job.created_at}
            found.append(told | {"models": len(job.spec.get("checkpoints", [])), "set": job.spec.get("set")})
    return found


def _job(context: Context, job_id: int) -> tuple[Job, Path]:
    job = jobs.get(context.database, job_id)
    if job is None or job.kind != "attention":
        raise Missing(f"There is no job {job_id} that reads attention.")
    return job, context.settings.data.resolve() / job.folder


def _json(folder: Path, name: str) -> dict[str, Any]:
    with open_file(folder, name) as file:
        text = file.read(_LARGEST + 1)
    try:
        if len(text) > _LARGEST:
            raise ValueError("it is larger than any that is written")
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"The file {name} of this job cannot be read: {str(error)[:200]}.") from error
    if not isinstance(found, dict):
        raise Refused(f"The file {name} of this job holds something else.")
    return found  # pyright: ignore[reportUnknownVariableType]


def run_report(context: Context, job_id: int) -> dict[str, Any]:
    """The averages of a job. Raises Missing where it has none (yet)."""
    _, folder = _job(context, job_id)
    if not (folder / REPORT).is_file():
        raise Missing(f"Job {job_id} has no report yet: it is made when the job ends.")
    return _json(folder, REPORT)


def run(context: Context, job_id: int, since: int = 0) -> dict[str, Any]:
    """A job with its report (null before there is one), and the numbers of each model and scenario from line `since` on.

    `lines` is what to ask for next as `since`. With `since` 0 the scenarios and models come too; they stay as they are. `since`
    is 0 in the answer where there are fewer lines than were known: everything is told again.
    """
    job, folder = _job(context, job_id)
    told: dict[str, Any] = {
        "id": job.id,
        "name": job.spec.get("name", ""),
        "status": job.status,
        "message": job.message,
    }
    if not (folder / PLAN).is_file():
        return told | {"report": None, "cases": [], "models": [], "numbers": [], "lines": 0, "since": 0}
    found, count = heads(folder, since)
    if count < since:
        since, (found, count) = 0, heads(folder)
    kept = ("model", "case", "figures", "control", "reason", "tokens")
    told["numbers"] = [{name: line[name] for name in kept if name in line} for line in found]
    told |= {"lines": count, "since": since, "report": _json(folder, REPORT) if (folder / REPORT).is_file() else None}
    if since:
        return told
    plan = _json(folder, PLAN)
    short = [case | {name: shorten(case[name], _SHOWN) for name in ("preference", "query")} for case in plan["cases"]]
    return told | {"cases": short, "models": plan["models"]}


def answer_of(context: Context, of: str) -> dict[str, Any]:
    """What a model answered to the scenario of a slice, and the meter of it; empty where no answer was asked for.

    For a single prompt the answer that was read, its meter, the model and what was asked.
    """
    match = _NAME.fullmatch(of)
    if match is None:
        return {}
    if match[4]:
        return _looked(context.settings.data.resolve() / LIVE, match[4])
    _, folder = _job(context, int(match[1]))
    line = line_of(folder, int(match[2]), int(match[3])) or {}
    return {name: line[name] for name in ("answer", "use") if name in line}


def slice_file(context: Context, of: str) -> BinaryIO:
    """The file of a slice. Raises Missing."""
    match = _NAME.fullmatch(of)
    if match is None:
        raise Missing(f"There is no attention slice {of[:80]!r}.")
    try:
        if match[4]:
            return open_file(context.settings.data.resolve() / LIVE, f"{match[4]}.npz")
        _, folder = _job(context, int(match[1]))
        return open_file(folder, slice_name(int(match[2]), int(match[3])))
    except Refused as refusal:
        raise Missing(
            "This attention slice is not there: it was not read (yet), or was removed. Look again."
        ) from refusal


def _slice(context: Context, of: str) -> Slice:
    with slice_file(context, of) as file:
        found = read_slice(file)
    if isinstance(found, Unreadable):
        raise Refused(found.reason)
    return found


def shown(context: Context, of: str) -> dict[str, Any]:
    """A slice for a page; `whole` where single heads can be asked for."""
    found = _slice(context, of)
    with slice_file(context, of) as file, zipfile.ZipFile(file) as archive:
        whole = "weights.npy" in archive.namelist()
    return told_slice(found) | {"of": of, "whole": whole} | answer_of(context, of)


def head(context: Context, of: str, layer: int, number: int) -> dict[str, Any]:
    """The row of one head, from 0, with its figures. Raises Refused where it was not kept."""
    with slice_file(context, of) as file:
        row = read_head(file, layer, number)
    if isinstance(row, Unreadable):
        raise Refused(row.reason)
    return {"row": packed(row), **figures_of(_slice(context, of), row)}


def difference(context: Context, before: str, after: str) -> dict[str, Any]:
    """What differs between two slices of one prompt, token by token; `reason` where they read other tokens."""
    found = token_change(_slice(context, before), _slice(context, after))
    if isinstance(found, Unmeasured):
        return {"reason": found.reason}
    masses = None if found.masses is None else packed(found.masses)
    return {"mean": packed(found.mean), "masses": masses}
