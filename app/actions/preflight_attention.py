"""What is looked at before attention is read: scenarios, models, the number of passes. Loads no weights."""

from collections.abc import Iterator

from app.actions.attention_models import checkpoint_of
from app.actions.read_attention import cases
from app.context import Context
from app.errors import Refused
from core.attention_spec import AttentionSpec
from core.job_spec import AFTER
from core.preflight import Line
from core.types import many

_FEW = 10
"""Scenarios below which intervals are wide."""
_PASSES_OF_METER = 3


def check(context: Context, spec: AttentionSpec) -> list[Line]:
    """Every line, in the order a person would want them."""
    lines: list[Line] = []
    count = 0
    try:
        count = len(cases(context, spec))
        lines.append(Line("scenarios", "ok", f"{many(count, 'scenario')} with a stated preference and a query."))
        if count < _FEW:
            lines.append(
                Line("few", "warning", f"{many(count, 'scenario')} give wide intervals, which are drawn over them.")
            )
    except Refused as refusal:
        lines.append(Line("scenarios", "blocking", str(refusal)))
    lines += _models(context, spec)
    if count:
        lines.append(_size(spec, count))
    return lines


def _models(context: Context, spec: AttentionSpec) -> Iterator[Line]:
    seen: dict[str, str] = {}
    for one in spec.checkpoints:
        if one == AFTER:
            yield Line("model", "ok", "The model that the job before makes; it is looked at when this job begins.")
            continue
        try:
            found = checkpoint_of(context, one)
        except Refused as refusal:
            yield Line("model", "blocking", str(refusal))
            continue
        if found.digest in seen:
            yield Line(
                "model", "warning", f"{found.name} has the same weights as {seen[found.digest]}: nothing will differ."
            )
        else:
            yield Line("model", "ok", f"{found.name} is here.")
        seen.setdefault(found.digest, found.name)


def _size(spec: AttentionSpec, count: int) -> Line:
    prompts = count * len(spec.checkpoints)
    told = f"{many(prompts, 'prompt')}, one pass each"
    if spec.answers:
        told += f", and for each an answer of at most {many(spec.max_new, 'token')} with {_PASSES_OF_METER} passes more"
    return Line("size", "ok", f"{told}.")
