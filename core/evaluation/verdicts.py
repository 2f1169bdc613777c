"""The eight checks as questions to a judge, and its replies as outcomes: yes, no, cannot determine, or unscored with the
reason.

Knows one response at a time; what many outcomes add up to is in `core.evaluation.table` and `metrics`. A failed call and a
reply that cannot be read are kept apart from "cannot determine", and all three from "no" (SPEC 5; SPEC 10, faults 1 and 7).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from core.parsing import Malformed, read_verdict
from core.ports import Ask, Failure, Reply
from core.prompts.verdicts import PATTERN, VERDICTS, Check, Order, verdict

CHECKS: tuple[Check, ...] = tuple(VERDICTS)
"""The eight checks, in their order."""

Column = Check | Literal["choice"]
"""A check, or whether the right option was chosen (PrefEval's multiple choice, which needs no judge)."""
COLUMNS: tuple[Column, ...] = (*CHECKS, "choice")

Outcome = Literal["no", "yes", "cannot", "unparsed", "failed"]
"""What became of one question: three answers, a reply without a verdict, a call without a reply."""
OUTCOMES: tuple[Outcome, ...] = ("no", "yes", "cannot", "unparsed", "failed")

REASON = 200
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Judging:
    """How a judge is asked. `repeats` > 1 needs a temperature above 0 and counts as one vote by majority (`table.settle`)."""

    max_tokens: int = 400
    temperature: float = 0.0
    seed: int = 1
    repeats: int = 1
    order: Order = "preference_first"

    def __post_init__(self) -> None:
        if self.repeats < 1 or (self.repeats > 1 and self.temperature <= 0):
            raise ValueError("repeats are counted from 1, and more than one needs a temperature above 0")


class Material(NamedTuple):
    """What a judge reads: the preference P, the query q, and the response."""

    preference: str
    query: str
    response: str


class Opinion(NamedTuple):
    """What a judge said: `explanation` with an answer, `why` without one. `reply` is the raw text, '' where there is none."""

    outcome: Outcome
    explanation: str
    why: str
    reply: str


def asks(check: Check, about: Material, how: Judging) -> tuple[Ask, ...]:
    """The questions to a judge: one for each repeat, each with a seed of its own."""
    asked = verdict(check, about.preference, about.query, about.response, how.order)
    return tuple(
        Ask(asked, how.max_tokens, how.temperature, seed=how.seed + repeat, pattern=PATTERN, repeat=repeat)
        for repeat in range(how.repeats)
    )


def opinion(reply: Reply | Failure) -> Opinion:
    """The outcome of a call. A reply that was cut off counts only where a verdict stands in it all the same."""
    if isinstance(reply, Failure):
        return Opinion("failed", "", reply.reason[:REASON], "")
    found = read_verdict(reply.text)
    if isinstance(found, Malformed):
        why = f"{found.reason} It was cut off at its longest." if reply.finish == "length" else found.reason
        return Opinion("unparsed", "", why[:REASON], reply.text)
    return Opinion(found.answer, found.explanation, "", reply.text)
