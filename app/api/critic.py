"""Routes of the Train a critic page: its form, the preview of the data, one example as tokens, the preflight, and the start."""

import sys
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.actions import jobs as actions
from app.actions.preflight import check, without_base
from app.actions.preview_critic import Previews, view
from app.context import Context
from app.engines.choices import Choice, choices
from app.errors import Refused
from app.executor import Command
from core.critic_form import arguments, described, preset_values
from core.preflight import Line, blocked
from core.registered import KIND_MEANING
from core.specs import CRITIC_PRESETS, CriticSpec

BASES = 200
"""Folders of the data folder's `models` that are offered as a base."""


class Draft(BaseModel):
    """A training that is not ordered yet."""

    spec: dict[str, Any]


class ExampleOf(Draft):
    """Which example of a draft's data is asked for, from 0."""

    at: Annotated[int, Field(ge=0, lt=1 << 31)]


def router(context: Context) -> APIRouter:
    """The routes under /api/critic."""
    routes = APIRouter(prefix="/api/critic")
    previews = Previews(context)

    @routes.get("")
    def form() -> dict[str, Any]:
        return {
            "fields": described(),
            "presets": {name: preset_values(name) for name in CRITIC_PRESETS},
            "bases": [base._asdict() for base in bases(context)],
        }

    @routes.post("/preview")
    async def preview(body: Draft) -> dict[str, Any]:
        """What is seen, or `refused`: why nothing can be seen yet, such as a base that is still being typed."""
        spec = _critic(body)
        try:
            found = await previews.overview(spec)
        except Refused as refusal:
            return {"refused": str(refusal)}
        return await run_in_threadpool(view, context, spec, found)

    @routes.post("/example")
    async def example(body: ExampleOf) -> dict[str, Any]:
        return (await previews.example(_critic(body), body.at)).model_dump()

    @routes.post("/preflight")
    async def preflight(body: Draft) -> dict[str, Any]:
        spec = _critic(body)
        return _told(await _lines(context, previews, spec)) | {"command": _command(context, spec).line()}

    @routes.post("/train")
    async def train(body: Draft) -> dict[str, Any]:
        spec = _critic(body)
        lines = await _lines(context, previews, spec)
        if blocked(lines):
            return _told(lines) | {"id": None}
        return _told(lines) | {"id": await run_in_threadpool(actions.enqueue, context, spec)}

    return routes


def _critic(body: Draft) -> CriticSpec:
    spec = actions.spec_of(body.spec)
    if not isinstance(spec, CriticSpec):
        raise Refused("Only the training of a critic can be looked at here.")
    return spec


async def _lines(context: Context, previews: Previews, spec: CriticSpec) -> list[Line]:
    """The preflight of a spec; where its base cannot be used, what can be said without it."""
    lines = await run_in_threadpool(without_base, context, spec)
    return lines or await run_in_threadpool(check, context, spec, await previews.overview(spec))


def _told(lines: list[Line]) -> dict[str, Any]:
    return {"lines": [line._asdict() for line in lines], "blocked": blocked(lines)}


def _command(context: Context, spec: CriticSpec) -> Command:
    """The command that checks and starts the same training."""
    environment = {"SUBTEXT_DATA": str(context.settings.data.resolve())}
    return Command((sys.executable, "-m", "app.cli", "critic", *arguments(spec)), environment)


def bases(context: Context) -> list[Choice]:
    """Registered models, and names of checkpoint folders below the data folder's `models`."""
    registered = [one for kind in KIND_MEANING for one in choices(context, kind) if one.value.startswith("model:")]
    try:
        folders = sorted((context.settings.data / "models").iterdir())
    except OSError:
        folders = []
    named = [Choice(folder.name, folder.name) for folder in folders if (folder / "config.json").is_file()]
    return (registered + named)[:BASES]
