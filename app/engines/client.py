"""A model behind an OpenAI-compatible server: bounded concurrency, retries that are counted and explained, bounded replies.

Knows one endpoint. The key is read from the environment for each request and never kept; time, sleep, environment and chance
are handed in. Late imports bring this file in, because the openai package takes a third of a second to load.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from openai import AsyncOpenAI

from app.engines import problems
from app.engines.accounting import Tally
from app.engines.endpoint import Endpoint
from app.engines.problems import CALL_ERRORS, Cause, Problem
from app.engines.scrubbing import scrubbed
from app.engines.streaming import StreamEnd, StreamReader, data_lines
from app.engines.transport import http_client
from app.engines.wire_format import completion, fields, finish, same_model, tokens
from core.ports import Ask, Cut, Failure, Reply, Streamed

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
"""Waits between attempts are drawn from 0 to FIRST_WAIT_S x 2^n (full jitter), and never longer than this."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the client sees it: seconds that only go up, seconds since the epoch, and a way to wait."""

    monotonic: Callable[[], float] = time.monotonic
    epoch: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class OpenAIModel:
    """A ChatModel over HTTP. An async context manager; leaving it closes every connection."""

    def __init__(
        self,
        endpoint: Endpoint,
        environment: Mapping[str, str],
        tally: Tally | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.tally = tally or Tally()

        def look_up(name: str) -> str:
            return environment.get(name, "")

        # A closure, because an environment shows every key in it to whoever prints the fields of this object.
        self._look_up = look_up
        self._clock = clock or Clock()
        self._rng = rng or random.Random()
        self._gate = asyncio.Semaphore(endpoint.max_concurrency)
        self._closed = False
        http = http_client(
            endpoint.base_url, self._key, endpoint.max_reply_chars, endpoint.timeout_s, endpoint.max_concurrency
        )
        # The wire puts the real key in; "-" only keeps the library from looking for one of its own.
        self._client = AsyncOpenAI(
            api_key="-", admin_api_key="", organization="", project="", webhook_secret="",
            base_url=endpoint.base_url, max_retries=0, timeout=http.timeout, http_client=http,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The model's name as it is asked for."""
        return self.endpoint.model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; calls from now on, and those that run, end as cancelled."""
        self._closed = True
        await self._client.close()

    def _key(self) -> str:
        variable = self.endpoint.key_variable
        return self._look_up(variable).strip() if variable else ""

    def _cause(self) -> Cause:
        return Cause(self.endpoint, self._key(), self._clock.epoch())

    def _obstacle(self) -> Problem | None:
        """Why no request can be made at all."""
        variable, key = self.endpoint.key_variable, self._key()
        if self._closed:
            return problems.closed()
        if variable and not key:
            return problems.bad_key(variable, "is not set")
        if not (key.isascii() and key.isprintable()):
            return problems.bad_key(variable, "holds characters that cannot be sent")
        return None

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The reply, or why there is none after the last attempt. A call that waits to try again keeps its place."""
        async with self._gate:
            started = self._clock.monotonic()
            outcome = await self._answer(ask)
            self.tally.ended(outcome, self._clock.monotonic() - started)
            return outcome

    async def _answer(self, ask: Ask) -> Reply | Failure:
        attempts = 0
        while (problem := self._obstacle()) is None:
            attempts += 1
            outcome = await self._once(ask)
            if isinstance(outcome, Reply):
                return outcome
            if not await self._again(outcome, attempts):
                return _failure(outcome, attempts)
        return _failure(problem, attempts)

    async def _again(self, problem: Problem, attempts: int) -> bool:
        """Wait for the next attempt, if there is to be one."""
        if not problem.again or attempts >= self.endpoint.attempts:
            return False
        self.tally.retried()
        wait = self._rng.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempts - 1)))
        if problem.wait_s is not None:
            # A little later than asked, so that calls turned away together do not come back together.
            wait = min(LONGEST_WAIT_S, problem.wait_s) + self._rng.uniform(0, FIRST_WAIT_S)
        await self._clock.sleep(wait)
        return True

    async def _once(self, ask: Ask) -> Reply | Problem:
        """One request."""
        cause, started = self._cause(), self._clock.monotonic()
        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                create: Any = self._client.chat.completions.with_raw_response.create
                raw = await create(**fields(ask, self.endpoint.model, self.endpoint.structured))
        except CALL_ERRORS as error:
            return self._explained(error, cause)
        found = completion(raw.content)
        if found is None or not found.choices:
            return problems.malformed(cause, found.complaint if found else "")
        choice = found.choices[0]
        text = (choice.message.content or "") if choice.message else ""
        if problem := self._wrong(found.model or "", text, choice.finish_reason, cause):
            return problem
        model, seconds = scrubbed(found.model or "", cause.key), self._clock.monotonic() - started
        return Reply(
            scrubbed(text, cause.key), finish(choice.finish_reason), *tokens(found.usage), seconds=seconds, model=model
        )

    def _explained(self, error: Exception, cause: Cause) -> Problem:
        return problems.closed() if self._closed else problems.explain(error, cause)

    def _wrong(self, model: str, text: str, reason: str | None, cause: Cause) -> Problem | None:
        """What is wrong with a complete reply."""
        if not same_model(self.endpoint.model, model):
            return problems.wrong_model(cause, model)
        if len(text) > self.endpoint.max_reply_chars:
            return problems.too_large(cause)
        return None if text.strip() else problems.empty(cause, reason)

    async def stream(self, ask: Ask) -> AsyncGenerator[Streamed]:
        """The reply in pieces; tried again only while no piece was given out. Close it (`aclosing`) when you stop early."""
        async with self._gate:
            started = self._clock.monotonic()
            attempts, begun = 0, False
            while (problem := self._obstacle()) is None:
                attempts += 1
                end: Problem | StreamEnd = problems.closed()
                async with aclosing(self._pieces(ask)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, str):
                            begun = True
                            yield piece
                        else:
                            end = piece
                if isinstance(end, StreamEnd):
                    self._streamed(end, self._clock.monotonic() - started)
                    if finish(end.reason) == "length":
                        yield Cut()
                    return
                problem = end
                if begun or not await self._again(end, attempts):
                    break
            failure = _failure(problem, attempts)
            self.tally.ended(failure, self._clock.monotonic() - started)
            yield failure

    def _streamed(self, end: StreamEnd, seconds: float) -> None:
        self.tally.ended(Reply("", finish(end.reason), *end.usage, seconds=seconds, model=end.model), seconds)

    async def _pieces(self, ask: Ask) -> AsyncGenerator[str | Problem | StreamEnd]:
        """The pieces of one request, none of them empty, and how it ended."""
        reader = StreamReader(cause := self._cause())
        try:
            async with aclosing(self._lines(ask)) as lines:
                async for line in lines:
                    piece = reader.feed(line)
                    if isinstance(piece, Problem):
                        yield piece
                        return
                    if piece:
                        yield piece
                    if reader.done:
                        break
        except CALL_ERRORS as error:
            yield self._explained(error, cause)
            return
        if rest := reader.rest():
            yield rest
        yield reader.end()

    async def _lines(self, ask: Ask) -> AsyncGenerator[bytes]:
        """The data lines of one request. The time limit counts only what is spent waiting for the server."""
        create: Any = self._client.chat.completions.with_streaming_response.create
        asked = create(**fields(ask, self.endpoint.model, self.endpoint.structured), stream=True)
        time_of, left = asyncio.get_running_loop().time, float(self.endpoint.timeout_s)
        async with AsyncExitStack() as stack:
            began = time_of()
            async with asyncio.timeout(left):
                answer = await stack.enter_async_context(asked)
            left -= time_of() - began
            lines = data_lines(answer.iter_bytes(), self.endpoint.max_reply_chars)
            await stack.enter_async_context(aclosing(lines))
            while True:
                began = time_of()
                async with asyncio.timeout(max(0.0, left)):
                    line = await anext(lines, None)
                left -= time_of() - began
                if line is None:
                    return
                yield line


def _failure(problem: Problem, attempts: int) -> Failure:
    tried = f" It was tried {attempts} times." if attempts > 1 else ""
    return Failure(problem.kind, problem.reason + tried, attempts)
