"""The process that holds one checkpoint for a server: questions come in as JSON lines, pieces and replies go out.

A question is an ask, or a prompt to look at (`app.engines.looking`), whose slice goes into a file that the server names.
Started by `app.engines.apart` as `python -m app.engines.resident FOLDER`. It ends when its input does, so it never outlives the
server that started it. Knows one checkpoint; nothing of pages or the database.
"""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from app.engines.looking import Looking
from app.engines.roles import local_model
from app.errors import Refused
from core.ports import Ask, ChatModel, Cut, Failure, Message

LINE = 16 << 20
"""Bytes of the longest line in either direction."""
Say = Callable[[Mapping[str, Any]], None]
Look = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


def ask_to_json(ask: Ask) -> dict[str, Any]:
    """A question as JSON; inverse of `ask_from_json`."""
    return {name: getattr(ask, name) for name in type(ask).__slots__}


def ask_from_json(told: Mapping[str, Any]) -> Ask:
    """A question that `ask_to_json` wrote."""
    read: dict[str, Any] = dict(told)
    read["messages"] = tuple(Message(role, content) for role, content in told["messages"])
    read["stop"] = tuple(told["stop"])
    return Ask(**read)


async def answer(model: ChatModel, look: Look, reader: asyncio.StreamReader, say: Say) -> None:
    """Answer questions until there is no more input; a question that is taken back is left."""
    running: dict[int, asyncio.Task[None]] = {}

    async def looked(number: int, told: Mapping[str, Any]) -> None:
        say({"id": number, "looked": await look(told)})

    async def one(number: int, ask: Ask, streamed: bool) -> None:
        if streamed:
            await _streamed(model, ask, lambda told: say({"id": number, **told}))
        else:
            outcome = await model.ask(ask)
            say({"id": number, "failure" if isinstance(outcome, Failure) else "reply": outcome})

    async def answered(number: int, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  (whoever waits in the other process must hear of it)
            traceback.print_exc()
            reason = f"The model failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            say({"id": number, "failure": Failure("server", reason, 1)})
        finally:
            running.pop(number, None)

    while line := await reader.readline():
        told = json.loads(line)
        number = told["id"]
        if told.get("cancel"):
            if number in running:
                running[number].cancel()
        elif "look" in told:
            running[number] = asyncio.create_task(answered(number, looked(number, told["look"])))
        else:
            running[number] = asyncio.create_task(
                answered(number, one(number, ask_from_json(told["ask"]), told["stream"]))
            )


async def _streamed(model: ChatModel, ask: Ask, say: Say) -> None:
    end: dict[str, Any] = {"end": True}
    async for piece in model.stream(ask):
        match piece:
            case str():
                say({"piece": piece})
            case Failure():
                end = {"failure": piece}
            case Cut():
                end = {"end": True, "cut": True}
    say(end)


async def _main(folder: Path) -> int:
    # Whatever a library prints must not come between the lines.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(told: Mapping[str, Any]) -> None:
        out.write(json.dumps(told).encode() + b"\n")

    reader = asyncio.StreamReader(limit=LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        with local_model(folder, "the model") as model:
            say({"ready": model.name})
            await answer(model, Looking(model).look, reader, say)
    except Refused as refusal:
        say({"refused": str(refusal)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(Path(sys.argv[1]))))
