"""One turn of a simulated dialogue: what the person, the model under test and a judge are asked, and what became of it.

Seeds depend on the person and the turn, never on the model under test: every model meets the same person under the same
chances. Nothing is made up for what fails: a turn without a message or an answer is missing, with the reason, and the
dialogue ends there, because all that follows would answer something that was never said. A level that a judge could not give
is missing by itself; the dialogue goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from core.dialogues import Turn
from core.evaluation.methods import read_response
from core.parsing import Malformed
from core.ports import Ask, Failure, Message, Reply
from core.prompts import simulation as prompts
from core.prompts.simulation import PATTERN, Manner
from core.simulation.people import Person, Reveal, seed_of
from core.simulation.replies import read_level, read_message

REASON = 300
"""Characters of a reason that are kept."""
CUT = "It was cut off at its longest."
WARMER = 0.7
"""Temperature of a second try, so that another reply can come."""
_OTHER_SEEDS = 1_000

Side = Literal["person", "assistant"]
"""Whose part of a turn is missing."""


@dataclass(frozen=True, slots=True)
class Talking:
    """How long and how warm messages, answers and levels are. Temperature 0 is greedy."""

    person_tokens: int = 160
    person_temperature: float = 0.7
    max_new: int = 400
    temperature: float = 0.7
    judge_tokens: int = 300
    seed: int = 1


class Rating(NamedTuple):
    """What a judge said of a turn: a level from 1 to 5 with its explanation, or None and `why`. `reply` is the raw text."""

    level: int | None
    explanation: str
    why: str
    reply: str


class Said(NamedTuple):
    """One side of a turn: the text, or None where it is missing. `why` is then the reason, else what is odd about it or ''.
    `reply` is the raw text."""

    text: str | None
    why: str
    reply: str


def talk(turns: Sequence[Turn]) -> list[Message]:
    """The turns as messages, from user to assistant and back."""
    return [message for one in turns for message in (Message("user", one.user), Message("assistant", one.assistant))]


def person_ask(person: Person, shown: Reveal, before: Sequence[Turn], how: Talking) -> Ask:
    """The question for the person's message of the turn after `before`. The first is the same for every model."""
    asked = prompts.person(person.profile, person.personality, shown.told, shown.now, talk(before))
    seed = seed_of(how.seed, "person", person.key, len(before) + 1)
    return Ask(asked, how.person_tokens, how.person_temperature, seed=seed)


def assistant_ask(manner: Manner, person: Person, before: Sequence[Turn], message: str, how: Talking) -> Ask:
    """The question to the model under test: the conversation alone; of `person` it takes only the seed."""
    asked = prompts.assistant(manner, talk(before), message)
    seed = seed_of(how.seed, "assistant", person.key, len(before) + 1)
    return Ask(asked, how.max_new, how.temperature, seed=seed)


def judge_ask(person: Person, shown: Reveal, turn: Turn, how: Talking) -> Ask:
    """The question to a judge about one turn: greedy, without the conversation before it, as in ALOE."""
    asked = prompts.level(person.profile, person.personality, shown.known, turn.user, turn.assistant)
    return Ask(asked, how.judge_tokens, seed=how.seed, pattern=PATTERN)


def again(ask: Ask, attempt: int) -> Ask:
    """The same question once more (`attempt` from 1), warm enough to differ and another one for a cache."""
    seed = ((ask.seed or 0) + attempt * _OTHER_SEEDS) & 0x7FFFFFFF
    return replace(ask, temperature=max(ask.temperature, WARMER), seed=seed, repeat=ask.repeat + attempt * _OTHER_SEEDS)


def message_of(outcome: Reply | Failure) -> Said:
    """The person's message of a call."""
    if isinstance(outcome, Failure):
        return Said(None, outcome.reason[:REASON], "")
    found = read_message(outcome.text)
    if isinstance(found, Malformed):
        return Said(None, found.reason[:REASON], outcome.text)
    return Said(found, CUT if outcome.finish != "stop" else "", outcome.text)


def answer_of(manner: Manner, outcome: Reply | Failure) -> Said:
    """The answer of a call: what the person is given. Where the form asked for is not kept, the whole reply is the answer."""
    if isinstance(outcome, Failure):
        return Said(None, outcome.reason[:REASON], "")
    notes = [CUT] if outcome.finish != "stop" else []
    found = read_response(manner, outcome.text)
    if isinstance(found, Malformed) and manner != "zero_shot":
        notes.append(f"{found.reason} The whole reply is the answer.")
        found = read_response("zero_shot", outcome.text, "response")
    if isinstance(found, Malformed):
        return Said(None, " ".join([*notes, found.reason])[:REASON], outcome.text)
    return Said(found, " ".join(notes)[:REASON], outcome.text)


def rating_of(outcome: Reply | Failure) -> Rating:
    """The level of a judge's call."""
    if isinstance(outcome, Failure):
        return Rating(None, "", outcome.reason[:REASON], "")
    found = read_level(outcome.text)
    if isinstance(found, Malformed):
        why = f"{found.reason} {CUT}" if outcome.finish != "stop" else found.reason
        return Rating(None, "", why[:REASON], outcome.text)
    return Rating(found.value, found.explanation, "", outcome.text)
