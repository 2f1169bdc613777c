"""PrefEval's multiple-choice task (arXiv 2502.09597): options in an order drawn from a seed, the letter read back, no judge.

Knows one question at a time. A reply without a letter is unparsed, not a wrong choice; both shares are shown (`metrics`).
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.evaluation.methods import Case, Exchange, turns
from core.evaluation.verdicts import REASON, Outcome
from core.parsing import Malformed, read_choice
from core.ports import Failure, Message, Reply
from core.prompts.conversing import late_choose
from core.prompts.verdicts import choose


class Choice(NamedTuple):
    """A question with its options as they are shown. `right` is the place (from 0) of the one that suits the preference."""

    preference: str
    query: str
    options: tuple[str, ...]
    right: int


class Chosen(NamedTuple):
    """What a reply chose: `yes` the right option, `no` another; `place` of the letter, None without one and then `why`."""

    outcome: Outcome
    place: int | None
    why: str


def shuffled(preference: str, query: str, options: Sequence[str], aligned: str, seed: int) -> Choice:
    """The question with its options in an order that depends on the seed and the question, not on other questions.

    Raises ValueError for fewer than 2 or more than 26 options, doubled options, or an `aligned` that is none of them.
    """
    if not 2 <= len(options) <= 26 or len(set(options)) < len(options):
        raise ValueError(
            f"a choice is among 2 to 26 different options, not {len(options)} with {len(set(options))} texts"
        )
    if aligned not in options:
        raise ValueError("the option that suits the preference is none of the options")
    text = "\0".join((str(seed), preference, query, *options))
    drawn = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
    order = [options[int(place)] for place in drawn.permutation(len(options))]
    return Choice(preference, query, tuple(order), order.index(aligned))


def messages(choice: Choice, filler: Sequence[Exchange] = ()) -> tuple[Message, ...]:
    """What a model is asked, with the preference stated: at once, or at the beginning of a conversation with the `filler`
    exchanges between. Read its reply with `chosen`."""
    if not filler:
        return choose(choice.preference, choice.query, choice.options)
    said = turns(Case(choice.preference, choice.query), filler)
    return late_choose(said, choice.query, choice.options)


def turned(choice: Choice) -> Choice:
    """The question with its options in the opposite order."""
    return choice._replace(options=choice.options[::-1], right=len(choice.options) - 1 - choice.right)


def chosen(choice: Choice, reply: Reply | Failure) -> Chosen:
    """Whether a reply chose the right option."""
    if isinstance(reply, Failure):
        return Chosen("failed", None, reply.reason[:REASON])
    place = read_choice(reply.text, len(choice.options))
    if isinstance(place, Malformed):
        return Chosen("unparsed", None, place.reason[:REASON])
    return Chosen("yes" if place == choice.right else "no", place, "")
