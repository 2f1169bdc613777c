"""A ChatModel that answers a repeated question from the database, and asks only once when the same question is in flight.

Knows any ChatModel and `db.calls`. Only replies are kept; a failure is asked again next time.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy.exc import DBAPIError

from app.engines.accounting import Tally
from core.ports import Ask, ChatModel, Cut, Failure, Reply, Streamed
from db import calls
from db.engine import Database

_log = logging.getLogger(__name__)


def call_key(name: str, source: str, ask: Ask) -> str:
    """SHA-256 over the model's name, where it comes from (an address, or a checkpoint's digest) and everything of the ask."""
    whole = json.dumps([name, source, asdict(ask)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()


class _Flight:
    """A call in flight and how many wait for it."""

    def __init__(self, task: "asyncio.Task[Reply | Failure]") -> None:
        self.task = task
        self.waiting = 0


class CachedModel:
    """The cache around a model. For one event loop, as the model is."""

    def __init__(self, model: ChatModel, source: str, database: Database, now: Callable[[], str], tally: Tally) -> None:
        self._model = model
        self._source = source
        self._database = database
        self._now = now
        self._tally = tally
        self._flights: dict[str, _Flight] = {}

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The kept reply; or that of the same call in flight, which counts as cached too; or the model's own."""
        key = call_key(self.name, self._source, ask)
        kept = calls.get(self._database, key)
        if kept is not None:
            self._tally.cached()
            return kept
        flight = self._flights.get(key)
        if flight is None:
            return await self._wait(key, self._start(key, ask))
        outcome = await self._wait(key, flight)
        if isinstance(outcome, Failure):
            return outcome
        self._tally.cached()
        return outcome._replace(cached=True)

    def _start(self, key: str, ask: Ask) -> _Flight:
        flight = self._flights[key] = _Flight(asyncio.create_task(self._fetch(key, ask)))
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        return flight

    def _land(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _wait(self, key: str, flight: _Flight) -> Reply | Failure:
        """Wait for a call. One of several who wait may leave; when the last one leaves, the call is cancelled and ends first."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    async def _fetch(self, key: str, ask: Ask) -> Reply | Failure:
        outcome = await self._model.ask(ask)
        if isinstance(outcome, Reply):
            try:
                # In a thread: a running import may hold the write lock for seconds.
                await asyncio.to_thread(calls.put, self._database, key, outcome, self._now())
            except DBAPIError as error:
                _log.warning(
                    "A model's reply could not be kept (%s); it is used all the same.", type(error.orig).__name__
                )
        return outcome

    async def stream(self, ask: Ask) -> AsyncGenerator[Streamed]:
        """The kept reply in one piece, or the model's own stream, which is not kept: it is for eyes, not for records."""
        kept = calls.get(self._database, call_key(self.name, self._source, ask))
        if kept is not None:
            self._tally.cached()
            yield kept.text
            if kept.finish == "length":
                yield Cut()
            return
        async with aclosing(cast("AsyncGenerator[Streamed, Any]", self._model.stream(ask))) as pieces:
            async for piece in pieces:
                yield piece
