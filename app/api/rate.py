"""Routes of the rating page: a rater is known by the key of a link or by a signed-in account. Blind: see `db.ratings`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.auth import identify, may
from app.context import Context
from app.guard import session_cookie
from core.study import ANCHORS
from db import raters, ratings
from db.ratings import Act, Idle, Refusal, Sheet, Welcome
from db.studies import digest

Short = Annotated[str, Query(max_length=100)]
_STATUS = {"unknown": 404, "moved": 410, "closed": 409, "held": 423, "invalid": 422, "consent": 428}


class ActBody(BaseModel):
    """One act of a rater, not yet believed."""

    turn: int = Field(ge=-1000, le=1000)
    value: int | None = Field(ge=-1000, le=1000)
    client_id: str = Field(max_length=100)
    active_ms: int = Field(default=0, ge=0, le=1 << 40)
    flagged: bool = False
    note: str = Field(default="", max_length=100_000)
    guideline_version: str = Field(default="", max_length=64)


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


class Words(BaseModel):
    """What a rater confirms in so many words: `yes`."""

    confirm: str = Field(max_length=20)


def router(context: Context) -> APIRouter:
    """The routes under /api/rate."""
    routes = APIRouter(prefix="/api/rate")
    database = context.database

    async def rater(
        request: Request,
        link: Annotated[str, Header(alias="x-rater-key", max_length=200)] = "",
        study: Annotated[str, Header(alias="x-rater-study", max_length=15)] = "",
    ) -> str:
        """The digest that names the rater; '' names nobody."""
        if link:
            return digest(link)
        if not (study.isascii() and study.isdigit()):
            return ""
        return await run_in_threadpool(_by_account, context, session_cookie(request.headers), int(study))

    @routes.get("/sheet")
    def sheet(key: Annotated[str, Depends(rater)], token: Short = "", holder: Short = "") -> JSONResponse:
        return _sheet(context, key, token, holder)

    @routes.post("/consent")
    def consent(body: Words, key: Annotated[str, Depends(rater)]) -> JSONResponse:
        if body.confirm != "yes":
            return _refused(Refusal("invalid", "Nothing was recorded."))
        refusal = ratings.consent(database, key, context.now())
        return _refused(refusal) if refusal else _sheet(context, key, "", "")

    @routes.post("/withdraw")
    def withdraw(body: Words, key: Annotated[str, Depends(rater)]) -> JSONResponse:
        if body.confirm != "yes":
            return _refused(Refusal("invalid", "Nothing was changed."))
        done = raters.withdraw_by_key(database, key, context.now())
        return _refused(ratings.UNKNOWN) if done is None else JSONResponse({"withdrawal": done})

    @routes.post("/hold")
    def hold(body: HoldBody, key: Annotated[str, Depends(rater)]) -> JSONResponse:
        refusal = ratings.hold(database, key, body.token, body.holder, context.now(), body.take_over)
        return _refused(refusal) if refusal else _sheet(context, key, body.token, body.holder)

    @routes.post("/acts")
    def save(body: ActsBody, key: Annotated[str, Depends(rater)]) -> JSONResponse:
        acts = [Act(**item.model_dump()) for item in body.acts]
        answer = ratings.save(database, key, body.token, body.holder, acts, context.now())
        if isinstance(answer, Refusal):
            return _refused(answer)
        return JSONResponse({"saved": [item.client_id for item in answer.saved], "sheet": _shown(answer.sheet)})

    return routes


def _by_account(context: Context, cookie: str, study_id: int) -> str:
    who = identify(context, cookie, local=False)
    if who is None or who.person is None:
        raise HTTPException(401, "Sign in again to go on; what you rated is kept here meanwhile.")
    if not may(who, "annotator"):
        raise HTTPException(403, "A visitor's account rates nothing. Ask an admin for the role of an annotator.")
    return raters.key_of(context.database, study_id, who.person.id) or ""


def _sheet(context: Context, key: str, token: str, holder: str) -> JSONResponse:
    found = ratings.sheet(context.database, key, token, holder, context.now())
    match found:
        case Refusal():
            return _refused(found)
        case Welcome():
            return JSONResponse({"welcome": found._asdict()})
        case Idle():
            return JSONResponse({"idle": found._asdict()})
        case Sheet():
            return JSONResponse(_shown(found))


def _shown(sheet: Sheet) -> dict[str, Any]:
    return sheet._asdict() | {"anchors": ANCHORS}


def _refused(refusal: Refusal) -> JSONResponse:
    return JSONResponse({"error": refusal.text, "code": refusal.code}, status_code=_STATUS[refusal.code])
