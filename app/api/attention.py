"""Routes of the Attention page: its form, one prompt looked at now, a job's preflight, start and report, slices and heads."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.actions import attention_runs as actions
from app.actions.attention_live import Wanted, look_live
from app.actions.preflight_attention import check
from app.actions.respond_live import LONGEST, MOST_TURNS
from app.api import ordering
from app.context import Context
from app.engines.apart import Residents
from app.engines.choices import choices
from app.errors import Busy
from core.attention_question import WAYS, Way
from core.attention_spec import MOST_MODELS, AttentionSpec, described
from core.attention_told import words
from core.evaluation.methods import Exchange
from db import sets

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
Of = Annotated[str, Path(max_length=80, pattern=r"^[\w-]+$")]
Text = Annotated[str, Field(max_length=LONGEST * 4)]
AT_ONCE = 4
"""Prompts that are looked at side by side."""


class Look(BaseModel):
    """A prompt to look at, not yet believed."""

    preference: Text
    query: Text
    model: Annotated[str, Field(max_length=100)] = ""
    method: Way = "step_by_step"
    before: Annotated[list[tuple[Text, Text]], Field(max_length=MOST_TURNS * 2)] = []
    answer: Text = ""
    reverse: Text = ""


def router(context: Context, residents: Residents) -> APIRouter:
    """The routes under /api/attention."""
    routes = APIRouter(prefix="/api/attention")
    running: set[object] = set()

    @routes.get("")
    def form() -> dict[str, Any]:
        return _form(context)

    @routes.post("")
    async def look(body: Look) -> dict[str, Any]:
        if len(running) >= AT_ONCE:
            raise Busy(f"{AT_ONCE} prompts are being looked at already. Try again in a moment.")
        mark = object()
        running.add(mark)
        try:
            before = tuple(Exchange(*turn) for turn in body.before)
            wanted = Wanted(body.preference, body.query, body.model, body.method, before, body.answer, body.reverse)
            return await look_live(context, residents, wanted)
        finally:
            running.discard(mark)

    ordering.add(
        routes, context, AttentionSpec, check, "Only a job that reads attention can be looked at here.", "/start"
    )
    _stored(routes, context)
    return routes


def _stored(routes: APIRouter, context: Context) -> None:
    @routes.get("/runs")
    def runs() -> list[dict[str, Any]]:
        return actions.runs(context)

    @routes.get("/runs/{job}")
    def run(job: Id, since: Annotated[int, Query(ge=0, lt=1 << 31)] = 0) -> dict[str, Any]:
        return actions.run(context, job, since)

    @routes.get("/slices/{of}")
    def shown(of: Of) -> dict[str, Any]:
        return actions.shown(context, of)

    @routes.get("/slices/{of}/head")
    def head(
        of: Of, layer: Annotated[int, Query(ge=0, lt=1 << 14)], head: Annotated[int, Query(ge=0, lt=1 << 14)]
    ) -> dict[str, Any]:
        return actions.head(context, of, layer, head)

    @routes.get("/slices/{of}/minus/{before}")
    def difference(of: Of, before: Of) -> dict[str, Any]:
        return actions.difference(context, before, of)


def _form(context: Context) -> dict[str, Any]:
    return words() | {
        "models": [one._asdict() for one in choices(context, "policy")],
        "methods": [{"value": way, "label": label} for way, label in WAYS.items()],
        "sets": [one._asdict() for one in sets.all_sets(context.database) if one.scenarios],
        "fields": described(),
        "defaults": ordering.defaults(AttentionSpec),
        "most_models": MOST_MODELS,
        "longest": LONGEST,
    }
