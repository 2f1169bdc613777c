"""What a run sampled, as people look at it: the runs that kept rollouts, an update, one prompt's group, and two updates compared.

Reads through `app.actions.rollout_files`; knows no training. Everything that is handed out is JSON.
"""

import base64
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.actions import jobs as job_actions
from app.actions.rollout_files import groups_by_prompt, has_rollouts, read_update, updates
from app.context import Context
from app.errors import Missing
from core.checks import word_diff
from core.rollout_findings import MEANING, TITLE, Finding, Kind, counted, findings
from core.rollouts import (
    FOLDER,
    Rollout,
    best,
    ceiling,
    figures,
    group_figures,
    prompt_key,
    step_advantages,
    utf16,
)
from core.types import shorten
from db import jobs
from db.jobs import Job

LOOKED_AT = 2_000
"""Jobs that are looked at for rollouts, from the newest."""
MOST_RUNS = 100
MOST_GROUPS = 500
MOST_RESPONSES = 64
"""Groups of an update, and responses of a group, that are shown."""
MOST_SHOWN = 20
"""Steps of a sample."""
MOST_UPDATES = 1_000
"""Updates in which a prompt is looked for, from the newest."""


class Group(NamedTuple):
    """The responses to one prompt in one update, and what is odd about them."""

    number: int
    rollouts: list[Rollout]
    findings: list[Finding]


class Update(NamedTuple):
    """One update of a run: its groups, what could not be read, and whether there are more groups."""

    number: int
    groups: list[Group]
    problems: list[str]
    more: bool


class Prompts:
    """Which prompts each rollout file asks, remembered while a file does not change. Bounded; for one process."""

    def __init__(self, most: int = 5_000) -> None:
        self._known: dict[tuple[str, int, int], dict[str, int]] = {}
        self._most = most

    def of(self, folder: Path, name: str) -> dict[str, int]:
        """The first group of each prompt of a file by `prompt_key`."""
        try:
            stat = (folder / FOLDER / name).lstat()
        except OSError:
            return {}
        key = (f"{folder}/{name}", stat.st_mtime_ns, stat.st_size)
        if key not in self._known:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = groups_by_prompt(folder, name)
        return self._known[key]


def folder_of(context: Context, job: Job) -> Path:
    """The folder of a job."""
    return context.settings.data.resolve() / job.folder


def runs(context: Context) -> list[dict[str, Any]]:
    """Jobs that kept rollouts, newest first, with the updates they kept."""
    found: list[dict[str, Any]] = []
    before: int | None = None
    for _ in range(LOOKED_AT // jobs.PAGE):
        page = jobs.page(context.database, before)
        for job in page:
            folder = folder_of(context, job)
            if has_rollouts(folder) and len(found) < MOST_RUNS:
                found.append(_run(job, list(updates(folder))))
        if len(page) < jobs.PAGE or len(found) >= MOST_RUNS:
            break
        before = page[-1].id
    return found


def run_of(context: Context, job_id: int) -> dict[str, Any]:
    """One run with all its updates. Raises Refused for a job that is not there, Missing for one without rollouts."""
    job, folder = _kept(context, job_id)
    kept = list(updates(folder))
    return _run(job, kept) | {"updates": kept}


def _run(job: Job, kept: Sequence[int]) -> dict[str, Any]:
    name = job.spec.get("name")
    return {
        "job": job.id,
        "kind": job.kind,
        "status": job.status,
        "name": shorten(name, 80) if isinstance(name, str) else "",
        "created_at": job.created_at,
        "count": len(kept),
        "first": kept[0] if kept else None,
        "last": kept[-1] if kept else None,
    }


def _kept(context: Context, job_id: int) -> tuple[Job, Path]:
    job = job_actions.one(context, job_id)
    folder = folder_of(context, job)
    if not has_rollouts(folder):
        raise Missing(f"Job {job_id} kept no rollouts. `subtext rollouts list` lists the runs that did.")
    return job, folder


def update_of(context: Context, job_id: int, number: int | None = None) -> Update:
    """An update of a run, the newest where none is named. Raises Refused and Missing."""
    _, folder = _kept(context, job_id)
    known = updates(folder)
    if not known:
        raise Missing(f"Job {job_id} has not kept the responses of an update yet.")
    number = max(known) if number is None else number
    kept = read_update(folder, number)
    groups: list[Group] = []
    more = False
    for group, members in groupby(kept.rollouts, lambda one: one.group):
        if len(groups) == MOST_GROUPS:
            more = True
            break
        own = list(members)
        groups.append(Group(group, own, findings(own)))
    return Update(number, groups, kept.problems, more)


def overview(context: Context, job_id: int, number: int) -> dict[str, Any]:
    """An update as JSON: its prompts with their figures and how many findings of each kind."""
    found = update_of(context, job_id, number)
    rows = [
        {
            "group": group.number,
            "preference": shorten(group.rollouts[0].preference, 160),
            "query": shorten(group.rollouts[0].query, 160),
            "findings": counted(group.findings),
        }
        | group_figures(group.rollouts)._asdict()
        for group in found.groups
    ]
    every = [finding for group in found.groups for finding in group.findings]
    return {
        "update": found.number,
        "groups": rows,
        "more": found.more,
        "problems": found.problems,
        "findings": _kinds(counted(every)),
    }


def _kinds(counts: dict[Kind, int]) -> list[dict[str, Any]]:
    return [{"kind": kind, "title": TITLE[kind], "meaning": MEANING[kind], "count": n} for kind, n in counts.items()]


def _group(context: Context, job_id: int, update: int, number: int) -> tuple[list[Rollout], list[str]]:
    _, folder = _kept(context, job_id)
    kept = read_update(folder, update, number)
    if not kept.rollouts:
        why = f" {kept.problems[0]}" if kept.problems else ""
        raise Missing(f"Update {update} kept no response to prompt {number + 1}.{why}")
    return kept.rollouts, kept.problems


def group_of(context: Context, job_id: int, update: int, number: int) -> dict[str, Any]:
    """One group as JSON with every token. Places are counted in UTF-16 units; arrays are little-endian and in base64."""
    group, problems = _group(context, job_id, update, number)
    found = findings(group)
    shown = group[:MOST_RESPONSES]
    advantages = np.concatenate([one.advantages for one in group])
    highest = float(np.abs(np.nan_to_num(advantages)).max(initial=0.0))
    first = group[0]
    return {
        "update": update,
        "group": number,
        "prompt": first.prompt[:20_000],
        "preference": first.preference[:20_000],
        "query": first.query[:20_000],
        "responses": [_response(one) for one in shown],
        "left_out": len(group) - len(shown),
        "figures": group_figures(group)._asdict(),
        "findings": [finding._asdict() for finding in found],
        "kinds": _kinds(counted(found)),
        "problems": problems,
        "scales": {
            "advantage": highest,
            "kl": ceiling(np.concatenate([one.kl for one in group])),
            "entropy": ceiling(np.concatenate([one.entropy for one in group])),
        },
    }


def _response(one: Rollout) -> dict[str, Any]:
    bounds = np.array([[step.start, step.end] for step in one.steps], np.int64).reshape(-1, 2)
    places = utf16(one.text, bounds)
    steps = [
        {"start": start, "end": end, "score": step.score, "critique": step.critique, "reason": step.reason}
        | {"advantage": advantage, "tokens": int((one.index == at).sum())}
        for at, ((start, end), step, advantage) in enumerate(
            zip(places.tolist(), one.steps, step_advantages(one), strict=True)
        )
    ]
    return {
        "response": one.response,
        "text": one.text,
        "truncated": one.truncated,
        "format": one.format,
        "figures": figures(one)._asdict(),
        "steps": steps,
        "ids": _packed(one.ids, "<i4"),
        "ends": _packed(utf16(one.text, one.ends), "<i4"),
        "index": _packed(one.index, "<i4"),
        "advantages": _packed(one.advantages, "<f4"),
        "kl": _packed(one.kl, "<f4"),
        "entropy": _packed(one.entropy, "<f4"),
        "clipped": _packed(one.clipped, "u1"),
    }


def _packed(values: NDArray[Any], kind: str) -> str:
    with np.errstate(over="ignore"):
        return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")


def samples(context: Context, job_id: int, number: int | None = None) -> dict[str, Any]:
    """What a run wrote in an update, the newest where none is named: best and worst response to the first prompt, with scores.

    Without an update that was kept, `update` is None. Raises Refused for a job that is not there.
    """
    folder = folder_of(context, job_actions.one(context, job_id))
    known = list(updates(folder)) if has_rollouts(folder) else []
    if not known:
        return {"updates": [], "update": None, "responses": []}
    found = update_of(context, job_id, number if number in known else known[-1])
    told: dict[str, Any] = {"updates": known[-MOST_UPDATES:], "update": found.number, "responses": []}
    if not found.groups:
        return told
    group = found.groups[0]
    ranked = sorted(group.rollouts, key=_rank)
    first = ranked[0]
    told |= {"group": group.number, "preference": first.preference[:2_000], "query": first.query[:2_000]}
    shown = [("the best", first), *([("the worst", ranked[-1])] if len(ranked) > 1 else [])]
    told["responses"] = [{"which": f"{which} of {len(ranked)}"} | _sample(one) for which, one in shown]
    return told


def _rank(one: Rollout) -> float:
    """Best first; a response without a score, such as one that was cut off, comes last."""
    score = figures(one).score
    return math.inf if score is None else -score


def _sample(one: Rollout) -> dict[str, Any]:
    steps = [
        {"text": one.text[step.start : step.end].strip()[:4_000], "score": step.score, "why": step.reason}
        for step in one.steps[:MOST_SHOWN]
    ]
    loose = "" if steps else one.text[:4_000]
    return {"steps": steps, "text": loose, "truncated": one.truncated, "score": figures(one).score}


def other_updates(context: Context, prompts: Prompts, job_id: int, update: int, number: int) -> list[dict[str, int]]:
    """Where the prompt of a group was asked too: update and group, in order; the newest MOST_UPDATES updates are looked at."""
    group, _ = _group(context, job_id, update, number)
    _, folder = _kept(context, job_id)
    key = prompt_key(group[0].prompt, group[0].preference, group[0].query)
    found: list[dict[str, int]] = []
    for other, names in list(updates(folder).items())[-MOST_UPDATES:]:
        own = [place[key] for name in names if key in (place := prompts.of(folder, name))]
        if own:
            found.append({"update": other, "group": min(own)})
    return found


def compared(context: Context, job_id: int, one: tuple[int, int], two: tuple[int, int]) -> dict[str, Any]:
    """Two groups (update, group) of one run side by side, and the words that changed between the best response of each."""
    sides: list[dict[str, Any]] = []
    texts: list[str] = []
    asked: list[str] = []
    for update, number in (one, two):
        group, _ = _group(context, job_id, update, number)
        chosen = best(group)
        texts.append(chosen.text)
        asked.append(prompt_key(chosen.prompt, chosen.preference, chosen.query))
        side = {"update": update, "group": number, "response": chosen.response, "score": figures(chosen).score}
        sides.append({"best": side, "findings": counted(findings(group))} | group_figures(group)._asdict())
    return {
        "sides": sides,
        "same_prompt": asked[0] == asked[1],
        "diff": [piece._asdict() for piece in word_diff(*texts)],
        "equal": texts[0] == texts[1],
    }
