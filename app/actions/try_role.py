"""Try a role with one real call, and list what fills each role. Nothing is kept, and no key is shown."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import ROLE_MEANING, ROLES, Endpoint, Engine, Local, Role
from app.engines.roles import open_engine
from app.errors import Refused
from app.executor import TOP
from core.ports import Ask, Failure, Message
from core.types import shorten
from db import calls

QUESTION = Ask((Message("user", "Reply with one word: ready"),))
LONGEST_S = 30


@dataclass(frozen=True, slots=True)
class RoleState:
    """What fills a role. `key_set` is None where no key is named; `url` is '' for a folder and for the starter model."""

    role: Role
    meaning: str
    kind: str
    url: str
    model: str
    key_variable: str
    key_set: bool | None


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try went. `text` is a sentence; the other fields are those of the reply, 0 and '' where there is none."""

    ok: bool
    text: str
    milliseconds: int = 0
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def role_states(context: Context) -> list[RoleState]:
    """Every role in a fixed order."""
    return [_state(context, role, context.settings.engines[role]) for role in ROLES]


def _state(context: Context, role: Role, engine: Engine) -> RoleState:
    meaning = ROLE_MEANING[role]
    match engine:
        case Endpoint(base_url=url, model=model, key_variable=variable):
            key_set = bool(context.environment.get(variable, "").strip()) if variable else None
            return RoleState(role, meaning, "server", url, model, variable, key_set)
        case Local(path=path):
            return RoleState(role, meaning, "folder", "", str(path), "", None)
        case None:
            return RoleState(role, meaning, "starter", "", "", "", None)


async def try_role(context: Context, role: Role, clock: Callable[[], float] = time.perf_counter) -> Tried:
    """Ask a role's model one short question: one attempt, at most 30 seconds, past the cache."""
    engine = context.settings.engines[role]
    if isinstance(engine, Endpoint):
        engine = replace(engine, attempts=1, timeout_s=min(engine.timeout_s, LONGEST_S))
    try:
        async with open_engine(context, role, engine, Tally()) as model:
            began = clock()
            outcome = await model.ask(QUESTION)
            taken = round((clock() - began) * 1000)
    except Refused as refusal:
        return Tried(False, str(refusal))
    if isinstance(outcome, Failure):
        return Tried(False, outcome.reason, taken)
    name = outcome.model or model.name
    counts = f"{outcome.prompt_tokens} + {outcome.completion_tokens} tokens"
    return Tried(
        True,
        f"{name} answered in {taken} ms ({counts}).",
        taken,
        name,
        outcome.prompt_tokens,
        outcome.completion_tokens,
    )


APART_S = 180
"""Seconds that a checkpoint may take to be loaded and to answer."""


async def try_role_apart(context: Context, role: Role) -> Tried:
    """The same for a web server: a checkpoint is tried in a process of its own, so that the server never loads torch."""
    if isinstance(context.settings.engines[role], Endpoint):
        return await try_role(context, role)
    command = [sys.executable, "-m", "app.cli", "models", "try", role]
    environment = dict(os.environ) | {"SUBTEXT_DATA": str(context.settings.data.resolve())}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=TOP, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said, why = await asyncio.wait_for(process.communicate(), APART_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Tried(False, f"The checkpoint did not answer within {APART_S} seconds.")
    lines = (said if process.returncode == 0 else why or said).decode("utf-8", "replace").strip().splitlines()
    return Tried(process.returncode == 0, shorten(lines[-1] if lines else "The process said nothing.", 600))


def forget_replies(context: Context) -> str:
    """Empty the cache of replies; returns a sentence."""
    count = calls.clear(context.database)
    return f"Forgot {count} kept {'reply' if count == 1 else 'replies'}."
