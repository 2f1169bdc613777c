"""What is looked at before an evaluation starts: cases, rows, judges, critic, how many calls and how long. Calls no model."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from app.actions.evaluation_plan import engine_for, material
from app.context import Context
from app.engines.endpoint import Role
from app.errors import Refused
from core import preflight
from core.evaluation.spec import Counts, EvaluateSpec, planned
from core.job_spec import AFTER
from core.preflight import Line
from core.types import many
from db import jobs

_RUNS = 50


def check(context: Context, spec: EvaluateSpec) -> list[Line]:
    """Every line, in the order a person would want them."""
    lines: list[Line] = []
    size = None
    try:
        found = material(context, spec)
        choices = sum(case.choice is not None for case in found.cases)
        size = planned(spec, len(found.cases), choices)
        topics = len({case.topic for case in found.cases if case.topic})
        lines.append(
            Line("data", "ok", f"{many(len(found.cases), 'case')} of {many(topics, 'topic')}, as in {found.like}.")
        )
        if spec.choices and not choices:
            lines.append(Line("choices", "blocking", "No record of the set has options to choose among."))
    except Refused as refusal:
        lines.append(Line("data", "blocking", str(refusal)))
    lines += _opened(context, "model", "policy", [row.model for row in spec.rows])
    lines += _opened(context, "judge", "judge", spec.judges)
    if any(row.method == "best_of_n" for row in spec.rows):
        lines += _opened(context, "critic", "critic", [spec.critic])
    if size is not None:
        lines.append(_size(context, spec, size))
    return lines


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
        if engine is None and role == "judge":
            said = "The starter model has not learned to judge: its verdicts show the machinery and mean nothing."
            yield Line(what, "warning", said)
        elif engine is None:
            yield Line(what, "ok", "The starter model.")
        else:
            yield Line(what, "ok", f"{one or 'As the settings say'} can be asked.")


def _size(context: Context, spec: EvaluateSpec, size: Counts) -> Line:
    told = f"{size.responses:,} answers and {size.verdicts:,} verdicts: {size.calls:,} calls, {spec.side_by_side} side by side."
    pace = calls_a_second(context)
    if pace:
        return Line(
            "size", "ok", f"{told} About {preflight.spell(size.calls / pace)} at the pace of the last evaluations."
        )
    return Line("size", "ok", f"{told} How long they take is known after the first evaluation on this machine.")


def calls_a_second(context: Context) -> float | None:
    """The pace of the newest evaluation that made calls; None before there is one."""
    for job in jobs.page(context.database, status="done", limit=_RUNS):
        calls = (job.result or {}).get("calls", 0) if job.kind == "evaluate" else 0
        if calls and job.started_at and job.ended_at:
            seconds = (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.started_at)).total_seconds()
            return calls / max(1.0, seconds)
    return None
