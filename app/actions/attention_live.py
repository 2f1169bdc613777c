"""Look at one prompt now: the checkpoint lives in a process of its own, its slice is kept for a while and read from there,
with the meter of the answer and what was asked beside it.

Loads no model here. What is kept are the newest slices of the data folder's `attention`; older ones are removed.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.actions.attention_models import checkpoint_of
from app.actions.attention_runs import LIVE, Looked, Prompted, keep_looked, part_of
from app.actions.respond_live import LONGEST, MOST_TURNS
from app.context import Context
from app.engines.apart import Residents
from app.engines.looking import order
from app.errors import Refused
from core.attention_question import Way, question
from core.evaluation.methods import Exchange
from core.ports import Failure

KEPT = 60
"""Slices that are kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt to look at, and an answer to read again behind it ('' for none). The model is chosen as in a spec.

    `reverse` is the reverse of the preference that the answer is read with too; '' for one that is made by rule.
    """

    preference: str
    query: str
    model: str = ""
    method: Way = "step_by_step"
    before: Sequence[Exchange] = ()
    answer: str = ""
    reverse: str = ""


def checked(wanted: Wanted) -> None:
    """Raises Refused for what cannot be looked at."""
    for name, text in (("preference", wanted.preference), ("query", wanted.query)):
        if not text.strip():
            raise Refused(f"The {name} is empty. Say something, or use an example.")
    texts = (
        wanted.preference,
        wanted.query,
        wanted.answer,
        wanted.reverse,
        *(text for turn in wanted.before for text in turn),
    )
    if any(len(text) > LONGEST for text in texts):
        raise Refused(f"A text has more than {LONGEST:,} characters.")
    if len(wanted.before) > MOST_TURNS:
        raise Refused(f"The conversation has {len(wanted.before)} turns; {MOST_TURNS} are allowed.")


async def look_live(context: Context, residents: Residents, wanted: Wanted) -> dict[str, Any]:
    """The name of the slice, who was looked at, and the meter of the answer. Raises Refused where nothing can be seen."""
    checked(wanted)
    found = await asyncio.to_thread(checkpoint_of, context, wanted.model)
    folder = context.settings.data.resolve() / LIVE
    await asyncio.to_thread(_room, folder)
    key = secrets.token_hex(16)
    asked = question(wanted.preference, wanted.query, wanted.method, wanted.before, wanted.reverse)
    async with residents.open(found.folder) as model:
        told = await model.look(order(asked, wanted.answer, folder / f"{key}.npz"))
    if isinstance(told, Failure):
        raise Refused(told.reason)
    if "reason" in told:
        raise Refused(str(told["reason"]))
    asked_for = Prompted(
        preference=wanted.preference,
        query=wanted.query,
        model=wanted.model,
        method=wanted.method,
        answer=wanted.answer,
        reverse=wanted.reverse,
        turns=len(wanted.before),
    )
    with contextlib.suppress(OSError):  # the slice alone is shown too
        looked = Looked(model=found.name, use=told["use"], answer=told["said"], asked=asked_for)
        await asyncio.to_thread(keep_looked, folder, key, looked)
    return {"of": f"live-{key}", "model": found.name, "use": told["use"], "said": told["said"]}


def _room(folder: Path) -> None:
    """Make the folder, and keep the newest slices in it only, each with what stands beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    dated: list[tuple[float, Path]] = []
    for file in folder.glob("*.npz"):
        with contextlib.suppress(OSError):
            dated.append((file.stat().st_mtime, file))
    for _, file in sorted(dated)[: max(0, len(dated) - KEPT + 1)]:
        with contextlib.suppress(OSError):
            for beside in (file.with_suffix(".json"), part_of(folder, file.stem)):
                beside.unlink(missing_ok=True)
            file.unlink()
