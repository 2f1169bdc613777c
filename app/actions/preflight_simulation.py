"""What is looked at before a simulation starts: people, models, who plays them, judges, calls and tokens. Calls no model."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from app.actions.evaluation_plan import engine_for
from app.actions.simulation_plan import cast_of
from app.context import Context
from app.engines.endpoint import Role
from app.errors import Refused
from core import preflight
from core.job_spec import AFTER
from core.preflight import Line
from core.simulation.spec import SimulateSpec, Size, planned
from core.types import many
from db import jobs

_RUNS = 50
_FEW = 20
"""Profiles below which intervals are too narrow."""


def check(context: Context, spec: SimulateSpec) -> list[Line]:
    """Every line, in the order a person would want them."""
    lines: list[Line] = []
    size = None
    try:
        found = cast_of(context, spec)
        characters = sum(len(one.profile) + len(one.personality) for one in found.people) // len(found.people)
        size = planned(spec, len(found.people), characters)
        profiles = int(found.data["profiles"])
        told = (
            f"{many(len(found.people), 'person', 'people')} of {many(profiles, 'profile')}, from {found.data['name']}."
        )
        lines.append(Line("people", "ok", told))
        if len(spec.rows) > 1 and profiles < _FEW:
            said = f"{many(profiles, 'profile')} show large differences only: intervals are drawn over profiles."
            lines.append(Line("profiles", "warning", said))
    except Refused as refusal:
        lines.append(Line("people", "blocking", str(refusal)))
    lines += _opened(context, "model", "policy", [row.model for row in spec.rows])
    lines += _opened(context, "user", "user", [spec.user])
    lines += _opened(context, "judge", "judge", spec.judges)
    if not spec.judges:
        lines.append(Line("judge", "ok", "Nobody judges: the dialogues are for people to rate on the Studies page."))
    if size is not None:
        lines.append(_size(context, spec, size))
    return lines


_STARTER = {
    "user": "The starter model plays the people: it shows the machinery, and its messages mean nothing.",
    "judge": "The starter model judges: it shows the machinery, and its levels mean nothing.",
}


def _opened(context: Context, what: str, role: Role, chosen: Sequence[str]) -> Iterator[Line]:
    for one in dict.fromkeys(chosen):
        if one == AFTER and role == "policy":
            yield Line(what, "ok", "The model that the job before makes; it is looked at when this job begins.")
            continue
        try:
            engine = engine_for(context, role, one)
        except Refused as refusal:
            yield Line(what, "blocking", str(refusal))
            continue
        if engine is None:
            yield Line(what, "warning" if role in _STARTER else "ok", _STARTER.get(role, "The starter model."))
        else:
            yield Line(what, "ok", f"{one or 'As the settings say'} can be asked.")


def _size(context: Context, spec: SimulateSpec, size: Size) -> Line:
    told = (
        f"{many(size.dialogues, 'dialogue')}, {many(size.turns, 'turn')}, {many(size.levels, 'level')}: at most "
        f"{size.calls:,} calls, about {_thousands(size.read)} tokens read and {_thousands(size.written)} written if every "
        f"reply is as long as it may be; {many(spec.side_by_side, 'dialogue')} side by side."
    )
    pace = calls_a_second(context)
    if pace:
        told += f" About {preflight.spell(size.calls / pace)} at the pace of the last simulation."
    else:
        told += " How long they take is known after the first simulation on this machine."
    return Line("size", "ok", told)


def calls_a_second(context: Context) -> float | None:
    """The pace of the newest simulation that made calls; None before there is one."""
    for job in jobs.page(context.database, status="done", limit=_RUNS):
        calls = (job.result or {}).get("calls", 0) if job.kind == "simulate" else 0
        if calls and job.started_at and job.ended_at:
            seconds = (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.started_at)).total_seconds()
            return calls / max(1.0, seconds)
    return None


def _thousands(count: int) -> str:
    return f"{count / 1e6:,.1f} million" if count >= 1_000_000 else f"{max(1, round(count / 1000)):,} thousand"
