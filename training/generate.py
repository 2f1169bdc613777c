"""A local checkpoint as a ChatModel: concurrent asks are decoded together in one worker thread, so the event loop stays free.

The same thread does other work with the checkpoint, between two batches (`LocalModel.work`). Knows threads and futures; the
decoding itself is `training.decoding`. A reply is held to the `pattern` of its ask, as on a
server with structured output.
"""

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import torch

from core.ports import Ask, Cut, Failure, Reply, Streamed
from training.decoding import Row, decode
from training.models import Loaded
from training.patterns import Patterns

SMALL = 50_000_000
"""Parameters under which one thread decodes."""

Emit = asyncio.Queue[str | None]
T = TypeVar("T")


@dataclass(slots=True)
class _Errand:
    """Work with the checkpoint that is no ask."""

    act: Callable[[Loaded], Any]
    future: Future[Any] = field(default_factory=Future[Any])

    def run(self, loaded: Loaded) -> None:
        """Do it, unless nobody waits any more; whatever it raises is raised where it was asked for."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.act(loaded))
        except Exception as error:  # noqa: BLE001  (it goes on in the caller's await)
            self.future.set_exception(error)


@dataclass(slots=True)
class _Pending:
    """An ask that somebody waits for; with a loop and a queue where the reply is streamed."""

    ask: Ask
    future: Future[Reply | Failure] = field(default_factory=Future)
    loop: asyncio.AbstractEventLoop | None = None
    pieces: Emit | None = None

    def emit(self, piece: str | None) -> None:
        """Hand a piece to the listener's loop; a loop that has been closed listens no more."""
        if self.loop is None or self.pieces is None:
            return
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)

    def settle(self, outcome: Reply | Failure) -> None:
        try:
            self.future.set_result(outcome)
        except InvalidStateError:
            return
        finally:
            self.emit(None)


class LocalModel:
    """A ChatModel on a loaded checkpoint.

    `batch`: most asks decoded together; `wait`: seconds that the first ask waits for company. Close it, or use it in a `with`.
    A small model on a CPU is decoded by one thread of torch (a setting of the whole process): its matrices are so small that
    threads would wait for each other longer than they work, above all beside other work.
    """

    def __init__(self, loaded: Loaded, batch: int = 16, wait: float = 0.004) -> None:
        self._loaded = loaded
        self._patterns = Patterns(loaded)
        self._batch = batch
        self._wait = wait
        self._waiting: queue.Queue[_Pending | _Errand | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self._loaded.name

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The whole reply. A cancelled ask leaves its batch at the next token."""
        return await asyncio.wrap_future(self._submit(_Pending(ask)).future)

    async def work(self, act: Callable[[Loaded], T]) -> T:
        """What `act` makes of the checkpoint, which nothing else uses meanwhile. Raises what it raises."""
        errand = _Errand(act)
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self.name} was closed")
            self._queue(errand)
        return await asyncio.wrap_future(errand.future)

    async def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        """The reply in pieces; together they are the text that `ask` returns. A failure is the last piece."""
        pieces: Emit = asyncio.Queue()
        pending = self._submit(_Pending(ask, loop=asyncio.get_running_loop(), pieces=pieces))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            outcome = pending.future.result(0)
            if isinstance(outcome, Failure):
                yield outcome
            elif outcome.finish == "length":
                yield Cut()
        finally:
            pending.future.cancel()

    def close(self) -> None:
        """End the worker after the batch at hand; asks that wait fail."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._waiting.put(None)
        if thread is not None:
            thread.join()
        self._drain()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, pending: _Pending) -> _Pending:
        with self._lock:
            if self._closed:
                pending.settle(Failure("cancelled", f"{self.name} was closed.", 1))
                return pending
            self._queue(pending)
        return pending

    def _queue(self, wanted: _Pending | _Errand) -> None:
        """Put it behind the others, and see that somebody works. Called with the lock held."""
        self._waiting.put(wanted)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name=f"model {self.name}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        model = self._loaded.model
        if model.device.type == "cpu" and model.num_parameters() < SMALL:
            torch.set_num_threads(1)
        while (batch := self._collect()) is not None:
            if isinstance(batch, _Errand):
                batch.run(self._loaded)
            else:
                self._answer([pending for pending in batch if not pending.future.cancelled()])

    def _collect(self) -> list[_Pending] | _Errand | None:
        """The first ask, and those that come within `wait` seconds, up to `batch`, or an errand; None at the end."""
        first = self._waiting.get()
        if first is None or isinstance(first, _Errand):
            return first
        batch, until = [first], time.monotonic() + self._wait
        while len(batch) < self._batch:
            try:
                found = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if found is None or isinstance(found, _Errand):
                self._waiting.put(found)
                break
            batch.append(found)
        return batch

    def _answer(self, batch: list[_Pending]) -> None:
        """Decode a batch; whatever goes wrong, everybody who waits gets an outcome."""
        rows = [Row(pending.ask, pending.emit, pending.future.cancelled) for pending in batch]
        outcomes: list[Reply | Failure] = []
        reason = "The model stopped without a result."
        try:
            outcomes = decode(self._loaded, rows, self._patterns)
        except (RuntimeError, ValueError, IndexError) as error:
            reason = f"The model failed: {' '.join(str(error).split())[:300]}"
        finally:
            lost: Reply | Failure = Failure("server", reason, 1)
            for place, pending in enumerate(batch):
                pending.settle(outcomes[place] if place < len(outcomes) else lost)

    def _drain(self) -> None:
        while True:
            try:
                pending = self._waiting.get_nowait()
            except queue.Empty:
                return
            if isinstance(pending, _Errand):
                pending.future.cancel()
            elif pending is not None:
                pending.settle(Failure("cancelled", f"{self.name} was closed.", 1))
