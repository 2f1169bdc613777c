"""People out of stored records, and simulated dialogues as records that rating studies, exports and trainings take.

Knows the record shapes of `core.formats`; does not know where records are kept.
"""

from collections.abc import Sequence
from typing import Any, cast

from core.dialogues import FORMS, Turn, dialogue_of
from core.simulation.people import Person, clean
from core.types import Foreign, Json, Record


def person_of(record: Record) -> Person | None:
    """The user of a dialogue; None where a record holds no dialogue or tells nothing of its user."""
    if not isinstance(record, Foreign) or record.form not in FORMS:
        return None
    body = cast("Json", record.body)
    profile: Any = body.get("profile")
    personality: Any = body.get("personality")
    if not isinstance(profile, str) or not profile.strip():
        dialogue = dialogue_of(record)
        profile, personality = "" if dialogue is None else dialogue.profile, ""
    made = Person(clean(profile), clean(personality) if isinstance(personality, str) else "")
    return made if made.profile else None


def transcript(model: str, person: Person, turns: Sequence[Turn], simulation: int) -> Json:
    """A dialogue as a chat record with its model, profile and personality, and the number of its simulation."""
    messages = [
        message
        for one in turns
        for message in ({"role": "user", "content": one.user}, {"role": "assistant", "content": one.assistant})
    ]
    about = {"model": model, "profile": person.profile, "personality": person.personality, "simulation": simulation}
    return {"messages": messages} | {name: value for name, value in about.items() if value != ""}
