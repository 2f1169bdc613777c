"""What a policy's answers to held-out prompts are worth, as numbers. Pure; knows answers and their scored steps only."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.scoring import Scored


class Answered(NamedTuple):
    """One response: the prompt it answers, its text, whether it ended by itself, how it is numbered, and its scored steps.

    `formed`: steps numbered 1 to N, none empty. A response cut off has no steps. `why` says why there is no text.
    """

    preference: str
    query: str
    text: str
    ended: bool
    formed: bool
    steps: tuple[Scored, ...]
    why: str = ""


def report(found: Sequence[Answered]) -> dict[str, Any]:
    """Numbers over all answers; None where there is nothing to take a mean of.

    `step_score`: mean of the scored steps, [-1, 1]. `response_score`: mean of the responses' own means. `reward`: mean R(tau).
    `unscored`: share of steps without a score. `formed`, `cut_off`, `failed`: shares of answers. `steps`, `characters`: means.
    """
    scores = [[step.score for step in one.steps if step.score is not None] for one in found]
    every = [score for own in scores for score in own]
    asked = sum(len(one.steps) for one in found)
    return {
        "prompts": len(found),
        "step_score": _mean(every),
        "response_score": _mean([statistics.fmean(own) for own in scores if own]),
        "reward": _mean([sum(own) for own in scores if own]),
        "unscored": (asked - len(every)) / asked if asked else None,
        "formed": _mean([float(one.formed) for one in found]),
        "cut_off": _mean([float(bool(one.text) and not one.ended) for one in found]),
        "failed": _mean([float(not one.text) for one in found]),
        "steps": _mean([float(len(one.steps)) for one in found]),
        "characters": _mean([float(len(one.text)) for one in found]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def as_json(one: Answered) -> dict[str, Any]:
    """An answer with its steps, for a file."""
    steps = [{"score": step.score, "critique": step.critique, "why": step.why} for step in one.steps]
    return one._asdict() | {"steps": steps}
