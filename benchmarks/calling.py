"""What our model client costs: calls a second against a fast local server, beside the bare openai client at the same concurrency.

The server answers at once from a process of its own, so that the client is what is measured; both clients take turns, and each
turn's ratio counts. Then the rate of calls that the cache answers. `python -m benchmarks.calling [CALLS]`
"""

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from openai import AsyncOpenAI

from app.actions.prepare import prepare
from app.context import open_context
from app.engines.cache import CachedModel
from app.engines.client import OpenAIModel
from app.engines.endpoint import Endpoint
from app.settings import Settings
from core.ports import Ask, Message, Reply
from tests.misbehaving import Misbehaving

CONCURRENCY = 32
ROUNDS = 7
ENVIRONMENT = {"BENCH_KEY": "sk-benchmark-0123456789"}


def serve(line: Connection) -> None:
    """The server's process: says where it is, and ends when told to."""
    with Misbehaving() as server:
        line.send(server.url)
        line.recv()


def question(number: int) -> Ask:
    """A question of the size of a critic's."""
    return Ask(
        (Message("system", "You judge one reasoning step. " * 20), Message("user", f"Step {number}. " + "text " * 300))
    )


async def bare(url: str, calls: int) -> float:
    """Calls a second of the library alone, with a semaphore."""
    gate = asyncio.Semaphore(CONCURRENCY)
    async with AsyncOpenAI(base_url=url, api_key=ENVIRONMENT["BENCH_KEY"], max_retries=0) as client:

        async def one(number: int) -> None:
            async with gate:
                messages = [message._asdict() for message in question(number).messages]
                found = await client.chat.completions.create(
                    model="test-model",
                    messages=messages,
                    max_tokens=512,
                    temperature=0.0,  # type: ignore[arg-type]
                )
                assert found.choices[0].message.content

        await one(0)
        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(calls)))
        return calls / (time.perf_counter() - began)


async def ours(url: str, calls: int) -> float:
    """Calls a second of our client: bounded, counted, scrubbed, checked."""
    endpoint = Endpoint(url, "test-model", "BENCH_KEY", max_concurrency=CONCURRENCY)
    async with OpenAIModel(endpoint, ENVIRONMENT) as model:
        assert isinstance(await model.ask(question(0)), Reply)
        began = time.perf_counter()
        outcomes = await asyncio.gather(*(model.ask(question(number)) for number in range(calls)))
        taken = time.perf_counter() - began
        assert all(isinstance(one, Reply) for one in outcomes)
        return calls / taken


async def cached(url: str, calls: int, folder: Path) -> tuple[float, float]:
    """Calls a second on the way into the cache, and out of it again."""
    context = open_context(Settings(data=folder, starter_set=False))
    prepare(context)
    endpoint = Endpoint(url, "test-model", "BENCH_KEY", max_concurrency=CONCURRENCY)
    rates: list[float] = []
    async with OpenAIModel(endpoint, ENVIRONMENT) as model:
        keeper = CachedModel(model, url, context.database, context.now, model.tally)
        for _ in range(2):
            began = time.perf_counter()
            outcomes = await asyncio.gather(*(keeper.ask(question(number)) for number in range(calls)))
            rates.append(calls / (time.perf_counter() - began))
            assert all(isinstance(one, Reply) for one in outcomes)
        assert model.tally.read().cached == calls
    context.database.close()
    return rates[0], rates[1]


def main(calls: int) -> None:
    """Print the rates and their ratio."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    process.start()
    url = here.recv()
    try:
        pairs = [(asyncio.run(bare(url, calls)), asyncio.run(ours(url, calls))) for _ in range(ROUNDS)]
        ratios = sorted(mine / plain for plain, mine in pairs)
        print(
            f"{calls} calls, {CONCURRENCY} at once: bare openai client {statistics.median(plain for plain, _ in pairs):.0f}/s, "
            f"ours {statistics.median(mine for _, mine in pairs):.0f}/s, ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}; goal at least 0.9)"
        )
        with tempfile.TemporaryDirectory() as scratch:
            into, out = asyncio.run(cached(url, calls, Path(scratch)))
        print(f"through the cache: {into:.0f}/s the first time, {out:.0f}/s from it ({out / into:.0f} x)")
    finally:
        here.send("end")
        process.join(10)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
