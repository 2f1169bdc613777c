"""Routes of the Dialogues page: form, preflight, start, report, dialogues behind a cell, files, the set, removal."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from app.actions import simulations as actions
from app.actions.export_data import spool
from app.actions.preflight_simulation import check
from app.actions.results import Without
from app.actions.simulations import Cell, Wanted
from app.api import ordering
from app.context import Context
from app.engines.choices import choices
from core.alignment import PAPER_TABLE_2
from core.dialogues import FORMS
from core.simulation.form import PARTS, described
from core.simulation.people import MOST_TURNS
from core.simulation.spec import MOST_ROWS, SimulateSpec
from db import sets
from db.blobs import CHUNK
from db.simulations import WAYS

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
Short = Annotated[str, Query(max_length=200)]


class Removal(BaseModel):
    """What has to be typed to delete a simulation."""

    name: Annotated[str, Field(max_length=200)]


def router(context: Context) -> APIRouter:
    """The routes under /api/simulations."""
    routes = APIRouter(prefix="/api/simulations")

    @routes.get("")
    def listing() -> list[dict[str, Any]]:
        return actions.listing(context)

    @routes.get("/form")
    def form() -> dict[str, Any]:
        return _form(context)

    ordering.add(routes, context, SimulateSpec, check, "Only a simulation can be looked at here.")
    _stored(routes, context)
    return routes


def _stored(routes: APIRouter, context: Context) -> None:
    @routes.get("/{simulation_id}")
    def shown(simulation_id: Id, rater: Short = "", profile: Short = "", model: Short = "") -> dict[str, Any]:
        return actions.shown(context, simulation_id, Without(rater, profile, model)) | {"paper": PAPER_TABLE_2}

    @routes.get("/{simulation_id}/dialogues")
    def dialogues(
        simulation_id: Id,
        line: Annotated[int, Query(ge=0, lt=MOST_ROWS)],
        turn: Annotated[int, Query(ge=0, le=MOST_TURNS)] = 0,
        state: Wanted = "",
        offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    ) -> dict[str, Any]:
        return actions.dialogues(context, simulation_id, Cell(line, turn, state), offset)

    @routes.get("/{simulation_id}/export/{form}")
    def export(simulation_id: Id, form: Annotated[str, Path(max_length=40)]) -> StreamingResponse:
        download = actions.exported(context, simulation_id, form)
        file = spool(context, download)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(download.name)}"}
        chunks = iter(lambda: file.read(CHUNK), b"")
        return StreamingResponse(
            chunks, media_type=download.media_type, headers=headers, background=BackgroundTask(file.close)
        )

    @routes.post("/{simulation_id}/keep")
    def keep(simulation_id: Id) -> dict[str, str]:
        return {"said": actions.keep(context, simulation_id)}

    @routes.post("/{simulation_id}/remove")
    def remove(simulation_id: Id, body: Removal) -> dict[str, str]:
        return {"said": actions.remove(context, simulation_id, body.name)}


def _form(context: Context) -> dict[str, Any]:
    stored = [one for one in sets.all_sets(context.database) if one.records]
    texts = ("aloe_text", "mixed")
    return {
        "parts": PARTS,
        "fields": described(),
        "models": [one._asdict() for one in choices(context, "policy")],
        "users": [one._asdict() for one in choices(context, "policy", "user")],
        "judges": [one._asdict() for one in choices(context, "policy", "judge")],
        "manners": WAYS,
        "profiles": [one._asdict() for one in stored if one.form in (*FORMS, *texts)],
        "personalities": [one._asdict() for one in stored if one.form in texts],
        "defaults": ordering.defaults(SimulateSpec),
        "most_rows": MOST_ROWS,
    }
