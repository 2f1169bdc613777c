"""Routes of the Respond page: the form, a response as it is written and judged, what an edit changed, conversations kept."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal, assert_never

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.actions.respond_live import (
    LONGEST,
    MOST_NEW,
    MOST_TURNS,
    NOBODY,
    WAYS,
    Names,
    Said,
    Talk,
    checked,
    keep,
    respond_live,
)
from app.actions.score_response import example
from app.api.lines import MEDIA, judged, line
from app.auth import Who, may
from app.context import Context
from app.engines.apart import Residents
from app.engines.choices import choices
from app.errors import Refused
from app.limits import Limits, Places
from core.bands import BANDS
from core.evaluation.methods import Exchange
from core.parsing import MOST_STEPS
from core.responding import Event, Finished, Whole, Written
from core.response_change import change
from core.rewording import paraphrase, reverse
from core.scoring import Done, Piece
from db.evaluations import WAYS as LABELS

AT_ONCE = 6
"""Responses that are written at the same time."""
MOST_COMPARED = 60_000
"""Characters of two responses that are compared word by word."""
OF_ONE = 2
"""Of these, a visitor's."""
VISITOR_NEW = 512
"""Tokens of a visitor's response."""
A_MINUTE, A_DAY = 12, 200
"""Responses a visitor may ask for."""
Text = Annotated[str, Field(max_length=LONGEST * 4)]
Way = Literal["step_by_step", "zero_shot", "chain_of_thought", "reminder"]


class Wanted(BaseModel):
    """A query to answer, not yet believed. `before` are the exchanges so far."""

    preference: Text
    query: Text
    before: Annotated[list[tuple[Text, Text]], Field(max_length=MOST_TURNS * 2)] = []
    method: Way = "step_by_step"
    policy: Annotated[str, Field(max_length=100)] = ""
    critic: Annotated[str, Field(max_length=100)] = ""
    max_new: int = 512
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 1


class Edited(BaseModel):
    """Steps and answers of two responses, not yet believed."""

    before: Annotated[list[Text], Field(max_length=MOST_STEPS)]
    after: Annotated[list[Text], Field(max_length=MOST_STEPS)]
    answers: tuple[Text, Text]


class Conversation(BaseModel):
    """A conversation to keep, not yet believed."""

    preference: Text
    model: Annotated[str, Field(max_length=400)]
    turns: Annotated[list[tuple[Text, Text]], Field(max_length=MOST_TURNS * 2)]


class Kept(BaseModel):
    """Conversations and the name of their set."""

    name: Annotated[str, Field(max_length=120)] = ""
    talks: Annotated[list[Conversation], Field(max_length=20)]


def router(context: Context, residents: Residents) -> APIRouter:
    """The routes under /api/respond; visitors may have all but keeping."""
    routes = APIRouter(prefix="/api/respond")
    limits, edits = (Limits(A_MINUTE, A_DAY, time.monotonic) for _ in range(2))
    places = Places(AT_ONCE, OF_ONE, limits)

    @routes.get("")
    def form(request: Request) -> dict[str, Any]:
        free = may(request.state.who, "researcher")
        return {
            "models": [one._asdict() for one in choices(context, "policy")] if free else [],
            "critics": [*(one._asdict() for one in choices(context)), _NOBODY] if free else [],
            "methods": [{"value": way, "label": LABELS[way]} for way in WAYS],
            "rubric": [band._asdict() for band in BANDS],
            "longest": LONGEST,
            "most_new": MOST_NEW if free else VISITOR_NEW,
            "free": free,
        }

    @routes.get("/example")
    def sample(request: Request, seed: Annotated[int, Query(ge=0, lt=1 << 31)] = 0) -> dict[str, Any]:
        """Something to try. What people here have imported is not for visitors."""
        found = example(context, seed, samples=not may(request.state.who, "researcher"))
        return {name: found[name] for name in ("preference", "query")}

    @routes.get("/rewordings")
    def rewordings(preference: Annotated[str, Query(max_length=2000)]) -> dict[str, str]:
        """Suggestions for an edit: the same in other words, and the reverse."""
        return {"paraphrase": paraphrase(preference), "reverse": reverse(preference)}

    @routes.post("/change")
    async def changed(request: Request, body: Edited) -> dict[str, Any]:
        texts = [*body.before, *body.after, *body.answers]
        if (length := sum(map(len, texts))) > MOST_COMPARED:
            raise Refused(f"These responses have {length:,} characters; {MOST_COMPARED:,} can be compared.")
        if caller := _caller(request):
            edits.take(caller)
        found = await run_in_threadpool(change, body.before, body.after, body.answers)
        steps = [one._asdict() | {"diff": [piece._asdict() for piece in one.diff]} for one in found.steps]
        return {"steps": steps, "answer": [piece._asdict() for piece in found.answer], "alike": found.alike}

    @routes.post("")
    async def live(request: Request, body: Wanted) -> StreamingResponse:
        talk, caller = _talk(body, request.state.who), _caller(request)
        checked(talk)
        leave = places.take(caller)

        async def lines() -> AsyncGenerator[bytes]:
            try:
                async with aclosing(respond_live(context, residents, talk)) as events:
                    async for event in events:
                        yield line(_told(event))
                yield line({"end": True})
            except Refused as refusal:
                yield line({"error": str(refusal)})

        return _Admitted(lines(), leave)

    @routes.post("/keep")
    def kept(body: Kept) -> dict[str, int]:
        talks = [Said(one.preference, one.model, tuple(Exchange(*turn) for turn in one.turns)) for one in body.talks]
        return {"set": keep(context, body.name, talks)}

    return routes


class _Admitted(StreamingResponse):
    """A stream of lines whose place is given back however it ends, also where it never began."""

    def __init__(self, lines: AsyncGenerator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(lines, media_type=MEDIA, headers={"cache-control": "no-store"})
        self._lines, self._leave = lines, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
            await self._lines.aclose()


_NOBODY = {"value": NOBODY, "label": "no critic: nothing is judged"}


def _talk(body: Wanted, who: Who) -> Talk:
    """What is asked. A visitor has the models of the settings and short responses."""
    before = tuple(Exchange(*turn) for turn in body.before)
    talk = Talk(body.preference, body.query, before, body.method)
    if not may(who, "researcher"):
        return replace(talk, max_new=min(body.max_new, VISITOR_NEW))
    return replace(
        talk, policy=body.policy, critic=body.critic, max_new=body.max_new, temperature=body.temperature, seed=body.seed
    )


def _caller(request: Request) -> str:
    """Whose responses are counted: '' for researchers, whose are not."""
    who: Who = request.state.who
    return "" if may(who, "researcher") else who.name


def _told(event: Names | Event) -> dict[str, Any]:
    match event:
        case Names():
            return {"names": event._asdict()}
        case Written(text):
            return {"text": text}
        case Whole(step, span):
            return {"step": step, "whole": span._asdict()}
        case Finished():
            return {"finished": event._asdict()}
        case Piece() | Done():
            return judged(event)
        case _:
            assert_never(event)
