"""Routes of the Studies page, for researchers: plan, start, care for a study, report, export."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from app.actions import results
from app.actions import studies as actions
from app.actions.export_data import spool
from app.actions.export_ratings import FORMATS, export_ratings
from app.actions.results import Without, report_view
from app.actions.studies import Order
from app.context import Context
from core.alignment import PAPER_TABLE_2
from db import raters, studies
from db.blobs import CHUNK

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]


class OrderBody(BaseModel):
    """An order as the page sends it."""

    name: str = Field(default="", max_length=120)
    sets: list[int] = Field(max_length=200)
    raters: list[str] = Field(max_length=200)
    overlap: int = Field(default=2, ge=1, le=50)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    retest: float = Field(default=0.0, ge=0, le=0.5)
    progressive: bool = True
    mask: bool = True
    guideline: str = Field(default=actions.GUIDELINE, max_length=20_000)
    consent: str = Field(default=actions.CONSENT, max_length=20_000)
    checks: int = Field(default=0, ge=0, le=10)
    withdrawal: Literal["removed", "kept"] = "removed"

    def order(self) -> Order:
        return Order(**self.model_dump())


class GuidelineBody(BaseModel):
    """A new guideline."""

    text: str = Field(max_length=20_000)


class RaterBody(BaseModel):
    """A rater of a study."""

    rater: str = Field(max_length=200)


class HandOverBody(RaterBody):
    """Who goes on with a rater's work; without `confirm` only what would happen is told."""

    to: str = Field(default="", max_length=200)
    confirm: bool = False


Short = Annotated[str, Query(max_length=200)]


def left_out(rater: Short = "", profile: Short = "", model: Short = "") -> Without:
    """What the report shall leave out."""
    return Without(rater, profile, model)


def who(request: Request) -> str:
    """The name of the person who calls, for the log of acts; '' on a server without accounts."""
    found = getattr(request.state, "who", None)
    return found.name if found is not None and found.person is not None else ""


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")
    _planning(routes, context)
    _running(routes, context)
    _results(routes, context)
    return routes


def _planning(routes: APIRouter, context: Context) -> None:
    @routes.get("/studies")
    def all_studies() -> dict[str, Any]:
        found = [item._asdict() for item in studies.overview(context.database)]
        texts = {"guideline": actions.GUIDELINE, "consent": actions.CONSENT}
        return {"studies": found, "paper": PAPER_TABLE_2, "formats": FORMATS} | texts

    @routes.post("/studies/draft")
    def draft(body: OrderBody) -> dict[str, Any]:
        made = actions.draft(context, body.order())
        lists = {name: len(slots) for name, slots in made.plan.lists.items()}
        return {
            "models": made.models,
            "profiles": made.profiles,
            "cost": made.cost._asdict(),
            "warnings": made.plan.warnings,
            "lists": lists,
            "duplicates": made.duplicates,
            "leaks": [leak._asdict() for leak in made.leaks[:50]],
            "leak_count": len(made.leaks),
        }

    @routes.post("/studies")
    def start(body: OrderBody, request: Request) -> dict[str, Any]:
        study_id, secrets = actions.start(context, body.order(), who(request))
        accounts = [rater.name for rater in raters.raters(context.database, study_id) if rater.account]
        links = {name: f"/rate?key={secret}" for name, secret in secrets.items()}
        return {"id": study_id, "links": links, "accounts": accounts}


def _running(routes: APIRouter, context: Context) -> None:
    @routes.post("/studies/{study_id}/freeze")
    def freeze(study_id: Id, request: Request) -> dict[str, str]:
        return {"text": actions.advance(context, study_id, "frozen", who(request))}

    @routes.post("/studies/{study_id}/unblind")
    def unblind(study_id: Id, request: Request) -> dict[str, str]:
        return {"text": actions.advance(context, study_id, "unblinded", who(request))}

    @routes.post("/studies/{study_id}/guideline")
    def guideline(study_id: Id, body: GuidelineBody, request: Request) -> dict[str, str]:
        return {"text": actions.rewrite(context, study_id, body.text, who(request))}

    @routes.post("/studies/{study_id}/link")
    def link(study_id: Id, body: RaterBody, request: Request) -> dict[str, str]:
        return {"link": actions.relink(context, study_id, body.rater, who(request))}

    @routes.post("/studies/{study_id}/hand-over")
    def hand_over(study_id: Id, body: HandOverBody, request: Request) -> dict[str, Any]:
        text, link = actions.hand_over(context, study_id, (body.rater, body.to), body.confirm, who(request))
        return {"text": text, "link": link, "done": body.confirm}

    @routes.post("/studies/{study_id}/withdraw")
    def withdraw(study_id: Id, body: RaterBody) -> dict[str, str]:
        return {"text": actions.withdraw(context, study_id, body.rater)}


def _results(routes: APIRouter, context: Context) -> None:
    @routes.get("/studies/{study_id}/report")
    def report(study_id: Id, rater: Short = "", profile: Short = "", model: Short = "") -> dict[str, Any]:
        study, found = results.report(context, study_id, left_out(rater, profile, model))
        terms = study.terms._asdict() | {"status": study.status, "guideline_version": study.guideline_version}
        more = {
            "study": terms,
            "acts": [act._asdict() for act in studies.acts(context.database, study_id)],
            "raters": [rater._asdict() for rater in raters.raters(context.database, study_id)],
            "guidelines": [one._asdict() for one in studies.guidelines(context.database, study_id)],
        }
        return more | report_view(found)

    @routes.get("/sets/{set_id}/report")
    def imported(
        set_id: Id, rater: Short = "", profile: Short = "", model: Short = "", dimension: Short = ""
    ) -> dict[str, Any]:
        name, found = results.report_of_set(context, set_id, left_out(rater, profile, model), dimension)
        taken = found.imported and found.imported._asdict()
        return {"study": {"name": name}, "imported": taken} | report_view(found)

    @routes.get("/studies/{study_id}/behind")
    def behind(
        request: Request,
        study_id: Id,
        model: Short,
        turn: Annotated[int | None, Query(ge=1, le=1000)] = None,
        offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    ) -> dict[str, Any]:
        asked = request.query_params
        without = left_out(asked.get("without_rater", "")[:200], asked.get("without_profile", "")[:200])
        total, page = results.behind(context, study_id, model, turn, without, offset)
        return {"total": total, "page": results.PAGE, "dialogues": [item._asdict() for item in page]}

    @routes.get("/studies/{study_id}/export")
    def export(study_id: Id, format: Annotated[str, Query(max_length=40)]) -> StreamingResponse:
        download = export_ratings(context, study_id, format)
        file = spool(context, download)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(download.name)}"}
        chunks = iter(lambda: file.read(CHUNK), b"")
        return StreamingResponse(
            chunks, media_type=download.media_type, headers=headers, background=BackgroundTask(file.close)
        )
