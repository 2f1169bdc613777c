"""A response as it is written: pieces of text, every step once it is whole, and what a critic writes about it meanwhile.

Knows models as ports and steps as text. A critic judges a step as soon as the next one begins, so the first score is there long
before the answer; what it says of a step is what it would say of the finished response (SPEC 3: a step after those before it).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple, cast

from core.evaluation.methods import MethodName, read_response
from core.parsing import MOST_STEPS, Malformed, segments
from core.ports import Ask, ChatModel, Cut, Failure, Streamed
from core.scoring import Case, Done, Piece, Scoring, stream_score
from core.steps import How, Span, find_steps


class Written(NamedTuple):
    """A piece of the response."""

    text: str


class Whole(NamedTuple):
    """A step that is complete. `step` counts from 0; its place is in characters of the response so far."""

    step: int
    span: Span


class Finished(NamedTuple):
    """The response is over. `how` its steps were found and what is odd about them, a sentence each in `notes`.

    `answer` is what the person gets, without the reasoning, None where there is none (`why` says why). `cut`: it came to its
    longest, so its last step is not judged. `failed`: the model ended with this sentence; what came before stands.
    """

    how: How
    notes: tuple[str, ...]
    answer: str | None
    why: str
    cut: bool
    failed: str = ""


Event = Written | Whole | Piece | Done | Finished


class Growing:
    """The text of a response that is being written, and the steps in it that are whole."""

    def __init__(self) -> None:
        self.text = ""
        self._known = 0

    def feed(self, piece: str) -> list[Whole]:
        """The steps that this piece ended: a step is whole once the marker of the next one is there."""
        self.text += piece
        if ":" not in piece:
            return []  # a marker ends with a colon
        spans = [Span(one.text, one.start, one.end) for one in segments(self.text)[:-1] if one.text]
        return self._fresh(spans)

    def finish(self, method: MethodName, cut: bool, failed: str = "") -> tuple[list[Whole], Finished]:
        """The steps that are left, and how the response ended. The last step of one that broke off is not whole."""
        found = find_steps(self.text)
        broken = cut or bool(failed)
        left = self._fresh(list(found.steps[:-1] if broken else found.steps))
        read = Malformed("It broke off before its answer.") if broken else read_response(method, self.text)
        answer, why = (None, read.reason) if isinstance(read, Malformed) else (read, "")
        notes = found.notes if self.text.strip() else ()
        return left, Finished(found.how, notes, answer, why, cut, failed)

    def _fresh(self, spans: list[Span]) -> list[Whole]:
        fresh = [Whole(place, span) for place, span in enumerate(spans[:MOST_STEPS]) if place >= self._known]
        self._known += len(fresh)
        return fresh


class Asked(NamedTuple):
    """What is answered: the preference P and the query q, which the critic reads too, and how the response is asked for."""

    preference: str
    query: str
    method: MethodName
    ask: Ask


async def respond(
    model: ChatModel, critic: ChatModel | None, asked: Asked, how: Scoring | None = None
) -> AsyncGenerator[Event]:
    """The response and, with a critic, the judgement of every step, as both are written.

    Events of different steps are mixed; those of one step are in order, after its Whole. `Finished` comes when the text is
    complete, judgements may follow it. Closing the iterator takes everything back.
    """
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    writing = asyncio.create_task(_written(model, critic, asked, how or Scoring(), events))
    try:
        while (event := await events.get()) is not None:
            yield event
        await writing
    finally:
        writing.cancel()
        await asyncio.wait([writing])


async def _written(
    model: ChatModel, critic: ChatModel | None, asked: Asked, how: Scoring, events: asyncio.Queue[Event | None]
) -> None:
    """Write the response and have its steps judged; ends once all judgements are there."""
    growing, texts = Growing(), list[str]()
    try:
        async with asyncio.TaskGroup() as judging:

            def whole(steps: list[Whole]) -> None:
                for one in steps:
                    texts.append(one.span.text)
                    events.put_nowait(one)
                    if critic is not None:
                        case = Case(asked.preference, asked.query, tuple(texts))
                        judging.create_task(_judged(critic, case, how, events))

            cut, failed = False, ""
            async with aclosing(cast("AsyncGenerator[Streamed]", model.stream(asked.ask))) as pieces:
                async for piece in pieces:
                    match piece:
                        case str():
                            events.put_nowait(Written(piece))
                            whole(growing.feed(piece))
                        case Cut():
                            cut = True
                        case Failure():
                            failed = piece.reason
            left, finished = growing.finish(asked.method, cut, failed)
            whole(left)
            events.put_nowait(finished)
    finally:
        events.put_nowait(None)


async def _judged(critic: ChatModel, case: Case, how: Scoring, events: asyncio.Queue[Event | None]) -> None:
    """What the critic says of the last step of the case."""
    async with aclosing(stream_score(critic, case, how, only=[len(case.steps) - 1])) as said:
        async for event in said:
            events.put_nowait(event)
