"""A critic that a training asks while it runs: opened on an event loop in a thread of its own, called from any thread.

Without the cache of replies: sampled responses hardly ever come twice. Knows engines and threads; what is asked is
`core.response_scoring`.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from app.engines.accounting import Tally
from app.engines.endpoint import Engine
from app.engines.roles import Surroundings, open_engine
from app.errors import Refused
from core.policy_specs import Reward
from core.ports import ChatModel
from core.response_scoring import score_responses
from core.scoring import Case, Scored, Scoring


class LiveCritic:
    """Called with cases it returns a score for every step by the way of a reward, all questions side by side. Use it in a `with`.

    Entering raises Refused where the critic cannot be opened. `engine` is what it is made of, `seconds` how long callers waited.
    """

    def __init__(self, context: Surroundings, engine: Engine, how: Scoring) -> None:
        self._context, self.engine, self._how = context, engine, how
        self._thread = threading.Thread(target=self._work, name="critic", daemon=True)
        self._opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, ChatModel]] = Future()
        self.tally, self.seconds = Tally(), 0.0

    async def _live(self) -> None:
        """Opens the model, waits for the end, closes it: all in one task."""
        over = asyncio.Event()
        async with open_engine(self._context, "critic", self.engine, self.tally) as model:
            self._opened.set_result((asyncio.get_running_loop(), over, model))
            await over.wait()

    def _work(self) -> None:
        try:
            asyncio.run(self._live())
        except Refused as refusal:
            self._opened.set_exception(refusal)
        finally:
            if not self._opened.done():
                self._opened.set_exception(RuntimeError("The critic could not be opened; the log says why."))

    def __call__(self, cases: Sequence[Case], reward: Reward = "steps") -> list[list[Scored]]:
        """One Scored for every step, in order; the calling thread waits."""
        loop, _, model = self._opened.result()
        began = time.monotonic()
        asked = asyncio.run_coroutine_threadsafe(score_responses(model, cases, reward, self._how), loop)
        try:
            return asked.result()
        finally:
            asked.cancel()
            self.seconds += time.monotonic() - began

    def __enter__(self) -> Self:
        self._thread.start()
        self._opened.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, over, _ = self._opened.result()
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(over.set)
        self._thread.join()
