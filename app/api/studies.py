"""Routes of the Studies page (researchers) and of the rating page (raters, by the secret of their link)."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi import Path as InPath
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from app.actions import studies as actions
from app.actions.studies import Order, Without
from app.context import Context
from core.alignment import PAPER_TABLE_2
from core.study import ANCHORS
from core.study_report import StudyReport
from db import ratings, studies
from db.ratings import Act, Refusal, Sheet

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]
Short = Annotated[str, Query(max_length=100)]
Key = Annotated[str, Header(alias="x-rater-key", max_length=200)]
_STATUS = {"unknown": 404, "closed": 409, "held": 423, "invalid": 422}


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

    def order(self) -> Order:
        return Order(**self.model_dump())


class ActBody(BaseModel):
    """One act of a rater, not yet believed."""

    turn: int = Field(ge=-1000, le=1000)
    value: int | None = Field(ge=-1000, le=1000)
    client_id: str = Field(max_length=100)
    active_ms: int = Field(default=0, ge=0, le=1 << 40)
    flagged: bool = False
    note: str = Field(default="", max_length=100_000)


class ActsBody(BaseModel):
    """A batch of acts on one dialogue."""

    token: str = Field(max_length=100)
    holder: str = Field(max_length=64)
    acts: list[ActBody] = Field(max_length=100)


class HoldBody(BaseModel):
    """A tab that wants a dialogue."""

    token: str = Field(max_length=100)
    holder: str = Field(max_length=64)
    take_over: bool = False


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")
    database = context.database

    @routes.get("/studies")
    def all_studies() -> dict[str, Any]:
        found = [item._asdict() for item in studies.overview(database)]
        return {"studies": found, "guideline": actions.GUIDELINE, "consent": actions.CONSENT, "paper": PAPER_TABLE_2}

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
    def start(body: OrderBody) -> dict[str, Any]:
        study_id, secrets = actions.start(context, body.order())
        return {"id": study_id, "links": {name: f"/rate?key={secret}" for name, secret in secrets.items()}}

    @routes.post("/studies/{study_id}/freeze")
    def freeze(study_id: Id) -> dict[str, str]:
        return {"text": actions.advance(context, study_id, "frozen")}

    @routes.post("/studies/{study_id}/unblind")
    def unblind(study_id: Id) -> dict[str, str]:
        return {"text": actions.advance(context, study_id, "unblinded")}

    @routes.get("/studies/{study_id}/report")
    def report(
        study_id: Id,
        rater: Annotated[str, Query(max_length=200)] = "",
        profile: Annotated[str, Query(max_length=64)] = "",
        model: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        study, found, names = actions.report(context, study_id, Without(rater, profile, model))
        acts = [{"at": at, "what": what} for at, what in studies.acts(database, study_id)]
        terms = study.terms._asdict() | {"status": study.status, "guideline_version": study.guideline_version}
        return {"study": terms, "acts": acts, "models": sorted(names.values()), **report_view(found)}

    @routes.get("/studies/{study_id}/ratings.jsonl")
    def export(study_id: Id) -> StreamingResponse:
        actions.one(context, study_id)
        headers = {"content-disposition": f"attachment; filename=ratings-{study_id}.jsonl"}
        lines = list(actions.ratings_long(context, study_id))
        return StreamingResponse(iter(lines), media_type="application/jsonl", headers=headers)

    @routes.get("/rate/sheet")
    def sheet(key: Key, token: Short = "", holder: Short = "") -> JSONResponse:
        return _sheet(context, key, token, holder)

    @routes.post("/rate/hold")
    def hold(body: HoldBody, key: Key) -> JSONResponse:
        refusal = ratings.hold(database, key, body.token, body.holder, context.now(), body.take_over)
        return _refused(refusal) if refusal else _sheet(context, key, body.token, body.holder)

    @routes.post("/rate/acts")
    def save(body: ActsBody, key: Key) -> JSONResponse:
        acts = [Act(**item.model_dump()) for item in body.acts]
        answer = ratings.save(database, key, body.token, body.holder, acts, context.now())
        if isinstance(answer, Refusal):
            return _refused(answer)
        return JSONResponse({"saved": [item.client_id for item in answer.saved], "sheet": _shown(answer.sheet)})

    return routes


def _sheet(context: Context, key: str, token: str, holder: str) -> JSONResponse:
    found = ratings.sheet(context.database, key, token, holder, context.now())
    return _refused(found) if isinstance(found, Refusal) else JSONResponse(_shown(found))


def _shown(sheet: Sheet) -> dict[str, Any]:
    return sheet._asdict() | {"anchors": ANCHORS}


def _refused(refusal: Refusal) -> JSONResponse:
    return JSONResponse({"error": refusal.text, "code": refusal.code}, status_code=_STATUS[refusal.code])


def report_view(found: StudyReport) -> dict[str, Any]:
    """A report as JSON: undefined numbers are null."""
    figures = [
        {
            "model": row.model,
            "al": row.figures.al.tolist(),
            "band": row.band.tolist(),
            "n": row.n,
            "avg": [row.figures.avg, *row.avg],
            "ir": [row.figures.ir, *row.ir],
            "n_ir": [row.figures.n_ir, *row.n_ir],
            "null_n_ir": row.null_n_ir,
            "r2": row.figures.r2,
            "fives": found.fives.get(row.model),
        }
        for row in found.figures.models
    ]
    view = {
        "figures": figures,
        "differences": [item._asdict() for item in found.figures.differences],
        "crossed": found.figures.crossed,
        "agreement": found.agreement._asdict(),
        "cards": [card._asdict() for card in found.cards],
        "ratings": found.ratings,
    }
    return _defined(view)


def _defined(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _defined(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_defined(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
