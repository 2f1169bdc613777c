"""Answer one query with the policy, once or as the best of N under the critic. Nothing is stored."""

import asyncio
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.context import Context
from app.engines.accounting import Tally
from app.engines.choices import engine_of
from app.engines.roles import open_engine
from app.errors import Refused
from core.best_of import Best, By, best_of
from core.ports import Ask, Failure
from core.prompts.policy import policy
from core.scoring import Case, Scored, Scoring, score_all
from core.steps import judged_steps

MOST = 64
"""Responses that are sampled at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query under a preference. `policy` and `critic` choose as in a spec; with `count` 1 the policy answers greedily."""

    preference: str
    query: str
    count: int = 1
    by: By = "mean"
    policy: str = ""
    critic: str = ""
    max_new: int = 512
    temperature: float = 1.0
    seed: int = 1


class Response(NamedTuple):
    """A response and its scored steps; without a text, why there is none."""

    text: str
    steps: tuple[Scored, ...]
    why: str = ""


async def respond(context: Context, wanted: Wanted) -> tuple[list[Response], Best | None]:
    """Every response in the order of its seed, and which of them is best: None with one response, or where none could be valued.

    Raises Refused for a count out of range, and where policy or critic cannot be opened.
    """
    if not 1 <= wanted.count <= MOST:
        raise Refused(f"1 to {MOST} responses can be asked for, not {wanted.count}.")
    found = await _sampled(context, wanted)
    if wanted.count == 1:
        return found, None
    cases = [Case(wanted.preference, wanted.query, _steps(one)) for one in found]
    async with open_engine(context, "critic", engine_of(context, "critic", wanted.critic), Tally()) as model:
        scored = await score_all(model, cases, Scoring(seed=wanted.seed))
    return [one._replace(steps=tuple(own)) for one, own in zip(found, scored, strict=True)], best_of(scored, wanted.by)


async def _sampled(context: Context, wanted: Wanted) -> list[Response]:
    ask = Ask(policy(wanted.preference, wanted.query), wanted.max_new)
    many = [
        replace(ask, temperature=wanted.temperature, seed=wanted.seed + place, repeat=place)
        for place in range(wanted.count)
    ]
    async with open_engine(context, "policy", engine_of(context, "policy", wanted.policy), Tally()) as model:
        outcomes = await asyncio.gather(*(model.ask(one) for one in (many if wanted.count > 1 else [ask])))
    return [
        Response("", (), one.reason) if isinstance(one, Failure) else Response(one.text, (), _cut(one.finish))
        for one in outcomes
    ]


def _cut(finish: str) -> str:
    return "" if finish == "stop" else "It was cut off, so its steps are not judged."


def _steps(one: Response) -> tuple[str, ...]:
    """The steps that are judged: none of a response that is missing, was cut off, or has no marker."""
    return judged_steps(one.text, "" if one.why else "stop")
