"""One record of a set for reading: who the user is, the turns of its conversation, which system answered."""

from typing import Any

from app.views.tree import TEXT_LIMIT, talk_view
from core.dialogues import dialogue_of
from core.types import Foreign, Record


def record_view(record: Record) -> dict[str, Any]:
    """Profile, system and turns of a record; empty where it holds no conversation."""
    if not isinstance(record, Foreign):
        return {"profile": "", "model": "", "talk": []}
    dialogue = dialogue_of(record)
    profile, model = ("", "") if dialogue is None else (dialogue.profile[:TEXT_LIMIT], dialogue.model)
    return {"profile": profile, "model": model, "talk": talk_view(record)}
