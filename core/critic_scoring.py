"""Score held-out steps with any chat model, side by side. Knows the critic's questions and replies, not what answers them."""

import asyncio
from collections.abc import Callable, Sequence

from core.critic_data import Example
from core.critic_report import Judged
from core.parsing import Malformed, read_critique
from core.ports import Ask, ChatModel, Failure
from core.types import shorten

REASON = 200
"""Characters of a reason that are kept."""


def judged(example: Example, said: float | None, why: str) -> Judged:
    """What a critic said of an example, or why it said nothing, with where the step stands."""
    where = (example.node, example.scenario_id, example.tree_id)
    return Judged(example.score, said, why, example.step, example.persona, *where)


async def score_steps(
    model: ChatModel,
    found: Sequence[Example],
    max_tokens: int,
    side_by_side: int = 16,
    tell: Callable[[int], bool] | None = None,
) -> list[Judged]:
    """Ask for critique and score of every example, greedily; in the order given.

    `tell` hears how many are done and returns True to stop: the steps not asked by then are left out of the result, not unscored.
    """
    places = asyncio.Semaphore(side_by_side)
    done = 0
    stopped = False

    async def one(example: Example) -> Judged | None:
        nonlocal done, stopped
        async with places:
            if stopped:
                return None
            reply = await model.ask(Ask(example.prompt, max_tokens))
            read = Malformed(reply.reason) if isinstance(reply, Failure) else read_critique(reply.text)
            done += 1
            stopped = (tell is not None and tell(done)) or stopped
            if isinstance(read, Malformed):
                return judged(example, None, shorten(read.reason, REASON))
            return judged(example, read.score, "")

    made = await asyncio.gather(*(one(example) for example in found))
    return [outcome for outcome in made if outcome is not None]
