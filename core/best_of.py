"""Best of N at test time (SPEC 4, test-time scaling): which of several responses the critic holds highest. Pure."""

import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple, assert_never

from core.scoring import Scored

By = Literal["mean", "total", "lowest", "last"]


class Best(NamedTuple):
    """The chosen response: its place among those given, and its value."""

    place: int
    value: float


def value(steps: Sequence[Scored], by: By = "mean") -> float | None:
    """What a response is worth; None where a step is unscored or there is none: a guess would rank it.

    `mean` of its step scores, `total` R(tau), `lowest` its weakest step, `last` its answer.
    """
    scores = [step.score for step in steps if step.score is not None]
    if not scores or len(scores) < len(steps):
        return None
    match by:
        case "mean":
            return statistics.fmean(scores)
        case "total":
            return sum(scores)
        case "lowest":
            return min(scores)
        case "last":
            return scores[-1]
        case _:
            assert_never(by)


def best_of(responses: Sequence[Sequence[Scored]], by: By = "mean") -> Best | None:
    """The response with the highest value, the first one of equals; None where no response has a value."""
    valued = [(own, -place) for place, steps in enumerate(responses) if (own := value(steps, by)) is not None]
    if not valued:
        return None
    own, place = max(valued)
    return Best(-place, own)
