"""Reading a streamed reply (server-sent events): bytes into data lines, data lines into pieces of text. Knows no network."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

from app.engines import problems
from app.engines.problems import Cause, Problem
from app.engines.scrubbing import Scrubber
from app.engines.transport import ENVELOPE, PER_CHARACTER, TooLarge
from app.engines.wire_format import Completion, completion, same_model, tokens


class StreamEnd(NamedTuple):
    """How a stream ended well: prompt and completion tokens, the server's reason, its name for the model."""

    usage: tuple[int, int]
    reason: str | None
    model: str


async def data_lines(chunks: AsyncIterator[bytes], max_reply_chars: int) -> AsyncGenerator[bytes]:
    """What stands behind `data:` in each line. Lines end with a line feed only: model text may hold other line separators.

    Raises TooLarge for a line that is longer than a whole reply may be.
    """
    held, seen = bytearray(), 0
    async for chunk in chunks:
        held += chunk
        while (end := held.find(b"\n", seen)) >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            seen = 0
            if line.startswith(b"data:"):
                yield line[5:].strip()
        seen = len(held)
        if seen > ENVELOPE + PER_CHARACTER * max_reply_chars:
            raise TooLarge
    if held.startswith(b"data:"):
        yield bytes(held[5:]).strip()


class StreamReader:
    """Takes the data lines of one stream, gives pieces of text, and says at the end how it went."""

    def __init__(self, cause: Cause) -> None:
        self._cause = cause
        self._scrubber = Scrubber(cause.key)
        self._model = ""
        self._reason: str | None = None
        self._usage = (0, 0)
        self._length = 0
        self._blank = True
        self._lines = 0
        self.done = False

    def feed(self, data: bytes) -> str | Problem:
        """The text of one data line, maybe ''; a problem ends the stream."""
        if data == b"[DONE]":
            self.done = True
            return ""
        found = completion(data)
        if found is None:
            return problems.malformed(self._cause, "")
        if found.error is not None:
            return Problem(
                "server", f"{self._cause.where} failed in its reply{self._cause.said(found.complaint)}", True
            )
        if found.model and not same_model(self._cause.endpoint.model, found.model):
            return problems.wrong_model(self._cause, found.model)
        self._lines += 1
        return self._text(found)

    def _text(self, found: Completion) -> str | Problem:
        self._model = found.model or self._model
        self._usage = tokens(found.usage) if found.usage else self._usage
        if not found.choices:
            return ""
        choice = found.choices[0]
        self._reason = choice.finish_reason or self._reason
        text = (choice.delta.content or "") if choice.delta else ""
        self._length += len(text)
        self._blank = self._blank and not text.strip()
        if self._length > self._cause.endpoint.max_reply_chars:
            return problems.too_large(self._cause)
        return self._scrubber.feed(text)

    def rest(self) -> str:
        """Text that was held back, once the stream is over."""
        return self._scrubber.finish()

    def end(self) -> Problem | StreamEnd:
        """How the stream went, once it is over."""
        if not self._lines and not self.done:
            return problems.malformed(self._cause, "")
        if not self.done and self._reason is None:
            return problems.broke_off(self._cause)
        if self._blank:
            return problems.empty(self._cause, self._reason)
        return StreamEnd(self._usage, self._reason, self._model)
