"""The process that holds one checkpoint for a server: questions come in as JSON lines, pieces and replies go out.

Started by `app.engines.apart` as `python -m app.engines.resident FOLDER`. It ends when its input does, so it never outlives the
server that started it. Knows one checkpoint; nothing of pages or the database.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.engines.accounting import Tally
from app.engines.roles import checkpoint
from app.errors import Refused
from core.ports import Ask, ChatModel, Cut, Failure, Message

LINE = 16 << 20
"""Bytes of the longest line in either direction."""
Say = Callable[[Mapping[str, Any]], None]


def ask_to_json(ask: Ask) -> dict[str, Any]:
    """A question as JSON; inverse of `ask_from_json`."""
    return {name: getattr(ask, name) for name in type(ask).__slots__}


def ask_from_json(told: Mapping[str, Any]) -> Ask:
    """A question that `ask_to_json` wrote."""
    read: dict[str, Any] = dict(told)
    read["messages"] = tuple(Message(role, content) for role, content in told["messages"])
    read["stop"] = tuple(told["stop"])
    return Ask(**read)


async def answer(model: ChatModel, reader: asyncio.StreamReader, say: Say) -> None:
    """Answer questions until there is no more input; a question that is taken back is left."""
    running: dict[int, asyncio.Task[None]] = {}

    async def one(number: int, ask: Ask, streamed: bool) -> None:
        try:
            if streamed:
                end: dict[str, Any] = {"end": True}
                async for piece in model.stream(ask):
                    match piece:
                        case str():
                            say({"id": number, "piece": piece})
                        case Failure():
                            end = {"failure": piece}
                        case Cut():
                            end = {"end": True, "cut": True}
                say({"id": number} | end)
            else:
                outcome = await model.ask(ask)
                say({"id": number, "failure" if isinstance(outcome, Failure) else "reply": outcome})
        finally:
            running.pop(number, None)

    while line := await reader.readline():
        told = json.loads(line)
        number = told["id"]
        if told.get("cancel"):
            if number in running:
                running[number].cancel()
        else:
            running[number] = asyncio.create_task(one(number, ask_from_json(told["ask"]), told["stream"]))


async def _main(folder: Path) -> int:
    # Whatever a library prints must not come between the lines.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(told: Mapping[str, Any]) -> None:
        out.write(json.dumps(told).encode() + b"\n")

    reader = asyncio.StreamReader(limit=LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        with checkpoint(folder, "the model", Tally()) as model:
            say({"ready": model.name})
            await answer(model, reader, say)
    except Refused as refusal:
        say({"refused": str(refusal)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(Path(sys.argv[1]))))
