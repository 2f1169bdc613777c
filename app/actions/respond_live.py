"""Answer one query of a conversation while somebody watches, each step judged as it is written; keep dialogues."""

import json
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.actions.import_data import Labels, import_files
from app.context import Context
from app.engines.apart import Residents, open_live
from app.engines.choices import engine_of
from app.errors import Refused
from core.evaluation import methods
from core.evaluation.methods import Case, Exchange, Method, MethodName, Sampling
from core.responding import Asked, Event, respond

WAYS: tuple[MethodName, ...] = ("step_by_step", "zero_shot", "chain_of_thought", "reminder")
"""Ways of prompting that can be watched: one response, without examples."""
LONGEST = 40_000
"""Characters of a preference, a query or an answer that is sent back."""
MOST_TURNS = 20
MOST_NEW = 4096
NOBODY = "none"
"""In place of a critic: nothing is judged."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A query under a preference after `before` (what was asked and answered so far). Models are chosen as in a spec."""

    preference: str
    query: str
    before: tuple[Exchange, ...] = ()
    method: MethodName = "step_by_step"
    policy: str = ""
    critic: str = ""
    max_new: int = 512
    temperature: float = 0.0
    seed: int = 1


class Names(NamedTuple):
    """Who answers and who judges, for people; no critic is ''."""

    policy: str
    critic: str


def checked(talk: Talk) -> None:
    """Raises Refused for what cannot be asked."""
    for name, text in (("preference", talk.preference), ("query", talk.query)):
        if not text.strip():
            raise Refused(f"The {name} is empty. Say something, or use an example.")
        if len(text) > LONGEST:
            raise Refused(f"The {name} has {len(text):,} characters; {LONGEST:,} are allowed.")
    if len(talk.before) > MOST_TURNS:
        raise Refused(f"The conversation has {len(talk.before)} turns; {MOST_TURNS} are allowed. Begin a new one.")
    if any(len(text) > LONGEST for turn in talk.before for text in turn):
        raise Refused(f"A turn of the conversation has more than {LONGEST:,} characters.")
    if talk.method not in WAYS:
        raise Refused(f"{talk.method} cannot be watched as it writes; {', '.join(WAYS)} can.")
    if not 1 <= talk.max_new <= MOST_NEW:
        raise Refused(f"A response has 1 to {MOST_NEW:,} tokens, not {talk.max_new}.")


async def respond_live(context: Context, residents: Residents, talk: Talk) -> AsyncGenerator[Names | Event]:
    """Who answers and judges, then what they write. Raises Refused where a model cannot be opened."""
    checked(talk)
    case = Case(talk.preference, talk.query)
    how = Sampling(talk.max_new, talk.temperature, seed=talk.seed)
    (ask,) = methods.asks(Method(talk.method), case, how, talk.before)
    policy_engine = engine_of(context, "policy", talk.policy)
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(open_live(context, residents, "policy", policy_engine))
        critic = None
        if talk.critic != NOBODY:
            engine = engine_of(context, "critic", talk.critic)
            critic = await stack.enter_async_context(open_live(context, residents, "critic", engine))
        yield Names(model.name, critic.name if critic is not None else "")
        asked = Asked(talk.preference, talk.query, talk.method, ask)
        events = await stack.enter_async_context(aclosing(respond(model, critic, asked)))
        async for event in events:
            yield event


class Said(NamedTuple):
    """A conversation to keep: the preference behind it, who answered, and what was asked and answered."""

    preference: str
    model: str
    turns: tuple[Exchange, ...]


def keep(context: Context, name: str, talks: Sequence[Said]) -> int:
    """Store conversations as a new set of dialogues, which a rating study can be made of; its id. Raises Refused."""
    if not any(talk.turns for talk in talks):
        raise Refused("There is no answer to keep yet.")
    rows = [
        {
            "profile": "Preference: " + talk.preference.replace("\x00", ""),
            "model": talk.model,
            "messages": [
                {"role": role, "content": text.replace("\x00", "")}
                for turn in talk.turns
                for role, text in zip(("user", "assistant"), turn, strict=True)
            ],
        }
        for talk in talks
        if talk.turns
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "conversations.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found = import_files(context, [file], Labels(name=name.strip() or "Conversations"))
    if found.set_id is None:
        raise Refused("These conversations are kept already: nothing was said since.")
    return found.set_id
