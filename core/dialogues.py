"""Multi-turn dialogues out of the field's records: who the user is, which system answered, and the turns.

Knows the shapes that hold a conversation; does not know studies or ratings.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from core.formats.foreign import turns
from core.types import Foreign, Json

FORMS = ("prefeval_persona", "aloe_conversation", "trl_messages")
"""Record shapes that hold a multi-turn conversation."""

PREFERRED, UNKNOWN = "preferred answers", "unknown"
PLACEHOLDERS = frozenset({PREFERRED, UNKNOWN})
"""What stands for a model where a record names none: words of ours, which give nothing away in a text."""


class Turn(NamedTuple):
    """One exchange: what the user said and what the assistant answered. k counts from 1 in a dialogue."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue as raters see it, plus what they must not see: `model`.

    `profile` is what the rater is told about the user; dialogues with equal `profile` belong to one user profile.
    """

    profile: str
    model: str
    turns: tuple[Turn, ...]

    @property
    def key(self) -> str:
        """Digest of profile and turns: the version of the item that ratings attach to. Says nothing about the model."""
        text = json.dumps([self.profile, self.turns], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def profile_key(self) -> str:
        """Digest of the user profile, by which models are paired."""
        return hashlib.sha256(self.profile.encode()).hexdigest()[:32]


def dialogue_of(record: Foreign) -> Dialogue | None:
    """The dialogue of a record; None where it holds no exchange of a user and an assistant.

    A system message is part of the profile, a run of messages of one role is joined, and what the user says last without an
    answer is left out. The model is the record's `model`, else `preferred` answers of ALOE, else `unknown`.
    """
    if record.form not in FORMS:
        return None
    body = cast("Json", record.body)
    exchanges, told = _exchanges(turns(record))
    if not exchanges:
        return None
    parts = [_text(body, "profile"), _text(body, "personality"), *told]
    if record.scenario is not None:
        persona = _text(body, "persona")
        parts = [f"The user: {persona}." if persona else "", f"Preference: {record.scenario.preference}"]
    model = _text(body, "model") or (PREFERRED if record.form == "aloe_conversation" else UNKNOWN)
    return Dialogue("\n".join(part for part in parts if part), model, tuple(exchanges))


def _text(body: Json, name: str) -> str:
    found: Any = body.get(name)
    return found.strip() if isinstance(found, str) else ""


def _exchanges(messages: list[tuple[str, str]]) -> tuple[list[Turn], list[str]]:
    """Exchanges and system texts of a conversation in any order of roles."""
    told: list[str] = []
    found: list[Turn] = []
    asked: list[str] = []
    last = ""
    for role, text in messages:
        if role == "system":
            told.append(text)
            continue
        if role == "user":
            asked = [*asked, text] if last == "user" else [text]
        elif role == "assistant" and last == "assistant" and found:
            found[-1] = Turn(found[-1].user, f"{found[-1].assistant}\n{text}")
        elif role == "assistant":
            found.append(Turn("\n".join(asked), text))
            asked = []
        last = role
    return found, told
