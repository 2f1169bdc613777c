"""What a model whose attention is read is asked: its prompt, where the preference stands in it, and the same without it.

Pure. Knows ways of prompting (`core.evaluation.methods`) and places in messages; not which model reads them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from core.evaluation.methods import Case, Exchange, Method, messages
from core.ports import Message
from core.prompts.template import defused
from core.regions import PREFERENCE, QUERY, Place, fenced_place, replaced
from core.rewording import reverse

Way = Literal["step_by_step", "zero_shot", "chain_of_thought", "reminder"]
"""Ways of prompting that state the preference."""
WAYS: Mapping[Way, str] = {
    "step_by_step": "step by step",
    "zero_shot": "zero-shot",
    "chain_of_thought": "chain of thought",
    "reminder": "with a reminder",
}


class Question(NamedTuple):
    """A prompt, where its texts stand (`core.regions`), the same without the preference, and with `reverse` in its place."""

    messages: tuple[Message, ...]
    places: Mapping[str, Place]
    without: tuple[Message, ...]
    other: tuple[Message, ...]
    reverse: str


def question(
    preference: str, query: str, way: Way = "step_by_step", before: Sequence[Exchange] = (), other: str = ""
) -> Question:
    """The prompt that a query gets under a preference, after the exchanges `before`.

    `other` is the reverse of the preference in a person's words; without them it is what `core.rewording` makes of it.

    Where nothing came before, preference and query stand in fences of one message, and "without" leaves the fence empty.
    Otherwise the preference is the first message of the conversation, and "without" leaves out that exchange.
    """
    turned = other.strip() or reverse(preference)
    asked = messages(Method(way), Case(preference, query), before)
    found = {name: place for name in (PREFERENCE, QUERY) if (place := fenced_place(asked, name)) is not None}
    own = found.get(PREFERENCE)
    if own is not None:
        return Question(asked, found, replaced(asked, own, ""), replaced(asked, own, defused(turned)), turned)
    own = Place(1, 0, len(asked[1].content))
    beside = replaced(asked, own, defused(turned))
    return Question(asked, {PREFERENCE: own, **found}, (asked[0], *asked[3:]), beside, turned)


def question_to_json(asked: Question) -> dict[str, Any]:
    """A question as JSON values; inverse of `question_from_json`."""
    return {
        "messages": asked.messages,
        "places": dict(asked.places),
        "without": asked.without,
        "other": asked.other,
        "reverse": asked.reverse,
    }


def question_from_json(told: Mapping[str, Any]) -> Question:
    """A question that `question_to_json` made."""

    def read(name: str) -> tuple[Message, ...]:
        return tuple(Message(role, content) for role, content in told[name])

    places = {name: Place(*place) for name, place in told["places"].items()}
    return Question(read("messages"), places, read("without"), read("other"), told["reverse"])
