"""What the tests of the engines share: a client on a misbehaving server, without waiting."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from app.engines.accounting import Tally
from app.engines.client import Clock, OpenAIModel
from app.engines.endpoint import Endpoint
from core.ports import Ask, Failure, Message, Streamed
from tests.misbehaving import Misbehaving

T = TypeVar("T")


def ask(text: str = "Hello", **more: Any) -> Ask:
    """A question."""
    return Ask((Message("system", "Be brief."), Message("user", text)), **more)


class Waits:
    """A clock whose sleep takes no time and remembers how long it was asked for. Its date is fixed."""

    EPOCH = 1_700_000_000.0

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(epoch=lambda: self.EPOCH, sleep=self.sleep)


@asynccontextmanager
async def opened(
    server: Misbehaving, waits: Waits | None = None, environment: Mapping[str, str] | None = None, **changes: Any
) -> AsyncGenerator[OpenAIModel]:
    """A client of the server that waits without waiting."""
    endpoint = Endpoint(server.url, **({"model": server.model, "timeout_s": 5} | changes))
    clock = (waits or Waits()).clock()
    async with OpenAIModel(endpoint, environment or {}, Tally(), clock, random.Random(1)) as model:
        yield model


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function in a loop of its own; nothing may be left over when it ends."""

    async def whole() -> T:
        outcome = await work()
        for _ in range(10):  # the HTTP library closes its generators in tasks that take a few rounds
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return outcome

    return asyncio.run(whole())


async def pieces(model: OpenAIModel, question: Ask) -> tuple[list[str], list[Failure]]:
    """A whole stream: its texts and its failures."""
    found: list[Streamed] = []
    async with aclosing(model.stream(question)) as stream:
        found = [piece async for piece in stream]
    assert not any(isinstance(piece, Failure) for piece in found[:-1])
    return [one for one in found if isinstance(one, str)], [one for one in found if isinstance(one, Failure)]
