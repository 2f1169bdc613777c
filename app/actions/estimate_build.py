"""What a build would cost before it starts, and the council audit of a stored set."""

from dataclasses import dataclass

from app.actions.build_trees import growth_of
from app.context import Context
from app.engines.choices import engine_of
from app.engines.endpoint import Endpoint
from app.errors import Refused
from core.audit import Share, audit
from core.council import most_calls
from core.specs import BuildSpec
from core.types import Tree
from db import calls, scenarios, sets
from db.scenarios import Filter

_PROMPT, _REPLY = 700.0, 120.0
"""Tokens of a call, until this installation has measured its own."""
_LOCAL = 16
"""Calls that a checkpoint in the job's own process answers together."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Upper bounds. `minutes` is None until calls have been measured here; `measured` calls stand behind tokens and minutes."""

    trees: int
    calls: int
    tokens: int
    minutes: float | None
    measured: int


def estimate(context: Context, spec: BuildSpec) -> Estimate:
    """Calls at most, tokens at the size of the newest calls, minutes at their pace. Raises Refused for an unknown set, or a
    critic that cannot be asked."""
    engine_of(context, "critic", spec.critic)
    if spec.set:
        if sets.one_set(context.database, spec.set) is None:
            raise Refused(f"There is no set number {spec.set}; it may have been deleted.")
        wanted = Filter(set_id=spec.set, trees_only=False)
        trees, writing = scenarios.listing(context.database, wanted, 0, 1).total, 0
    else:
        trees = len(set(spec.topics)) * spec.per_topic
        writing = len(set(spec.topics)) * -(-spec.per_topic // 5)
    trees = min(trees, spec.limit) if spec.limit else trees
    number = trees * most_calls(growth_of(spec)) + writing
    pace = calls.pace(context.database)
    size = pace.prompt_tokens + pace.completion_tokens if pace.calls else _PROMPT + _REPLY
    engine = context.settings.engines["council"]
    at_once = engine.max_concurrency if isinstance(engine, Endpoint) else _LOCAL
    minutes = number * pace.seconds / min(at_once, 6 * spec.side_by_side) / 60 if pace.calls else None
    return Estimate(trees, number, round(number * size), minutes, pace.calls)


def audit_set(context: Context, set_id: int) -> list[Share]:
    """What each persona gave to the trees of a set. Raises Refused when there is no tree."""
    owner = sets.one_set(context.database, set_id)
    if owner is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted.")
    found = audit(record for record in scenarios.records(context.database, set_id) if isinstance(record, Tree))
    if not found:
        raise Refused(f"{owner.name} holds no reasoning step, so there is nothing to audit.")
    return found
