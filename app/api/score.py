"""Routes of the Score page: an example, and a response scored live as lines of JSON that come while the critic writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.actions.score_response import (
    LONGEST,
    LONGEST_RESPONSE,
    MOST_SAMPLES,
    Pasted,
    example,
    score_live,
    steps_of,
)
from app.api.lines import MEDIA, judged, line
from app.context import Context
from app.engines.apart import Residents
from app.engines.choices import choices, engine_of
from app.errors import Busy, Refused
from core.bands import BANDS
from core.steps import Found

AT_ONCE = 3
"""Responses that are scored live at the same time."""


class Wanted(BaseModel):
    """A response to score, not yet believed."""

    preference: str = Field(max_length=LONGEST * 4)
    query: str = Field(max_length=LONGEST * 4)
    response: str = Field(max_length=LONGEST_RESPONSE * 4)
    samples: int = 1
    critic: str = Field(default="", max_length=100)


def router(context: Context, residents: Residents) -> APIRouter:
    """The routes under /api/score."""
    routes = APIRouter(prefix="/api/score")
    running: set[int] = set()

    @routes.get("")
    def form() -> dict[str, Any]:
        return {
            "critics": [choice._asdict() for choice in choices(context)],
            "rubric": [band._asdict() for band in BANDS],
            "most_samples": MOST_SAMPLES,
            "longest": LONGEST,
            "longest_response": LONGEST_RESPONSE,
        }

    @routes.get("/example")
    def sample(seed: Annotated[int, Query(ge=0, lt=1 << 31)] = 0) -> dict[str, Any]:
        return example(context, seed)

    @routes.post("")
    async def live(body: Wanted) -> StreamingResponse:
        pasted = Pasted(body.preference, body.query, body.response, body.samples)
        found = steps_of(pasted)
        if len(running) >= AT_ONCE:
            raise Busy(f"{AT_ONCE} responses are being scored already. Try again in a moment.")
        engine = engine_of(context, "critic", body.critic)

        async def lines() -> AsyncGenerator[bytes]:
            mark = id(asyncio.current_task())
            running.add(mark)
            try:
                yield line(_opening(found))
                async with aclosing(score_live(context, residents, engine, pasted, found)) as events:
                    async for event in events:
                        yield line({"critic": event} if isinstance(event, str) else judged(event))
                yield line({"end": True})
            except Refused as refusal:
                yield line({"error": str(refusal)})
            finally:
                running.discard(mark)

        return StreamingResponse(lines(), media_type=MEDIA, headers={"cache-control": "no-store"})

    return routes


def _opening(found: Found) -> dict[str, Any]:
    return {"steps": [step._asdict() for step in found.steps], "how": found.how, "notes": found.notes}
