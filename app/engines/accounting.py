"""Counting model calls: how many, what failed and why, tokens, time. Knows replies and failures, not where they come from."""

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from core.ports import Ask, ChatModel, Failure, FailureKind, Reply, Streamed


@dataclass(frozen=True, slots=True)
class Counts:
    """A tally at one moment.

    `calls` reached a model and ended, well or not; `cached` were answered without one. `retries` are requests beyond the first
    of each call. `seconds` add up over calls, so that calls side by side count several times.
    """

    calls: int = 0
    failures: Mapping[FailureKind, int] = field(default_factory=dict[FailureKind, int])
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0
    seconds: float = 0.0


class Tally:
    """Counts that go up. Safe to share between threads, and to read at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()
        self._failures: Counter[FailureKind] = Counter()
        self._seconds = 0.0

    def ended(self, outcome: Reply | Failure, seconds: float) -> None:
        """A call that reached a model ended."""
        with self._lock:
            self._numbers["calls"] += 1
            self._seconds += seconds
            if isinstance(outcome, Failure):
                self._failures[outcome.kind] += 1
            else:
                self._numbers["prompt_tokens"] += outcome.prompt_tokens
                self._numbers["completion_tokens"] += outcome.completion_tokens

    def retried(self) -> None:
        """A call is made once more."""
        with self._lock:
            self._numbers["retries"] += 1

    def cached(self) -> None:
        """A call was answered without a model."""
        with self._lock:
            self._numbers["cached"] += 1

    def read(self) -> Counts:
        """The counts now."""
        with self._lock:
            return Counts(failures=dict(self._failures), seconds=self._seconds, **self._numbers)


class Counted:
    """A chat model whose calls are counted: for models that do not count themselves."""

    def __init__(self, model: ChatModel, tally: Tally) -> None:
        self._model, self._tally = model, tally

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The model's outcome, counted."""
        began = time.perf_counter()
        outcome = await self._model.ask(ask)
        self._tally.ended(outcome, time.perf_counter() - began)
        return outcome

    def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        """The model's stream; its tokens are not counted."""
        return self._model.stream(ask)
