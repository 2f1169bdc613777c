"""Building trees on a real vLLM server on the CPU with the starter model. `python -m benchmarks.building [SCENARIOS]`

The same requests three times: by a build job (levels in order, every reply read and stored), by a plain load generator that fires
all of them with as many in flight, and one by one. The prompts of each run differ in a number at their beginning, so that no run
profits from what the server kept of another.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from openai import AsyncOpenAI

from app.actions.build_trees import build_trees
from app.actions.import_data import Labels, import_files
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.engines.client import OpenAIModel
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import stop
from app.settings import Settings
from benchmarks.serving import served
from core.ports import Ask, Failure, Reply
from core.specs import BuildSpec

IN_FLIGHT = 64


class Quiet:
    """A reporter that says nothing."""

    def progress(self, done: float, total: float, message: str = "") -> None:
        """Nothing."""

    def metric(self, step: int, name: str, value: float) -> None:
        """Nothing."""

    def input(self, name: str, digest: str) -> None:
        """Nothing."""

    def cancelled(self) -> bool:
        """Never."""
        return False


@contextmanager
def recording() -> Iterator[tuple[list[Ask], list[int]]]:
    """What our client is asked within the block, and the new tokens of every reply."""
    asked: list[Ask] = []
    made: list[int] = []
    plain = OpenAIModel.ask

    async def remember(self: OpenAIModel, ask: Ask) -> Reply | Failure:
        outcome = await plain(self, ask)
        asked.append(ask)
        made.append(outcome.completion_tokens if isinstance(outcome, Reply) else 0)
        return outcome

    OpenAIModel.ask = remember  # type: ignore[method-assign]
    try:
        yield asked, made
    finally:
        OpenAIModel.ask = plain  # type: ignore[method-assign]


def build(context: Context, scenarios: int, folder: Path) -> tuple[float, int, list[Ask]]:
    """Build the trees; seconds, new tokens, and what was asked."""
    rows = [
        {
            "preference": f"{place} I keep to myself what I do on day {place}, but I like help.",
            "question": f"What do I do on day {place} with {place + 3} friends?",
            "explanation": "",
        }
        for place in range(scenarios)
    ]
    file = folder / "scenarios.json"
    file.write_text(json.dumps(rows), "utf-8")
    source = import_files(context, [file], Labels("Scenarios")).set_id or 0
    spec = BuildSpec(name="Grown", set=source, depth=2, beam=2, threshold=-1.0, max_tokens=96, side_by_side=scenarios)
    with recording() as (asked, made):
        began = time.perf_counter()
        result = build_trees(context, spec, folder / "1", Quiet())
        seconds = time.perf_counter() - began
    unscored = sum(result["unscored"].values())
    print(f"{result['finished']} trees, {result['calls']} calls, {result['retries']} retries, {unscored} unscored")
    return seconds, sum(made), asked


async def replay(base_url: str, model: str, asks: Sequence[Ask], in_flight: int, mark: str) -> tuple[float, int]:
    """The same requests by the bare client; seconds and new tokens."""
    slots = asyncio.Semaphore(in_flight)

    async def one(client: AsyncOpenAI, ask: Ask) -> int:
        messages = [{"role": message.role, "content": message.content} for message in ask.messages]
        messages[-1]["content"] = f"{mark} {messages[-1]['content']}"
        async with slots:
            answer = await client.chat.completions.create(
                model=model, messages=messages, max_tokens=ask.max_tokens, temperature=ask.temperature, seed=ask.seed,  # type: ignore[arg-type]
            )  # fmt: skip
        return answer.usage.completion_tokens if answer.usage else 0

    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=600) as client:
        began = time.perf_counter()
        made = await asyncio.gather(*(one(client, ask) for ask in asks))
        return time.perf_counter() - began, sum(made)


def main() -> None:
    """Print the ratios."""
    scenarios = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as name:
        running, _ = served(Path(name))
        try:
            endpoint = Endpoint(running.base_url, running.name, max_concurrency=IN_FLIGHT)
            engines = MappingProxyType(dict.fromkeys(ROLES, endpoint))
            context = open_context(Settings(data=Path(name) / "data", starter_set=False))
            context = replace(context, settings=replace(context.settings, engines=engines))
            prepare(context)
            seconds, tokens, asks = build(context, scenarios, Path(name))
            loaded, fired = asyncio.run(replay(running.base_url, running.name, asks, IN_FLIGHT, "a"))
            some = asks[:: max(1, len(asks) // 60)]
            single, alone = asyncio.run(replay(running.base_url, running.name, some, 1, "b"))
        finally:
            stop(running)
    rate, plain, slow = tokens / seconds, fired / loaded, alone / single
    print(f"build: {len(asks)} calls, {tokens} tokens in {seconds:.1f} s = {rate:.0f} tokens/s")
    print(
        f"plain load generator, {IN_FLIGHT} in flight: {plain:.0f} tokens/s; the build reaches {rate / plain:.2f} of it"
    )
    print(f"one by one ({len(some)} of them): {slow:.0f} tokens/s; the build is {rate / slow:.1f} x faster")


if __name__ == "__main__":
    main()
