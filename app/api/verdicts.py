"""Routes of people who check verdicts: the open queues, what is asked next, an answer, what the judge said afterwards. Blind.

Nothing that is sent from here names a model, a method, a file or an evaluation; see `app.actions.verdict_checks`.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.actions import verdict_checks as actions
from app.context import Context
from core.jobs import plain
from db.verdict_checks import Given, Refusal

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
_STATUS = {"unknown": 404, "changed": 409, "closed": 409, "seen": 409, "unanswered": 409, "invalid": 422}


class AnswerBody(BaseModel):
    """An answer, not yet believed."""

    task: int = Field(ge=1, lt=1 << 62)
    digest: str = Field(max_length=64)
    answer: str = Field(max_length=20)
    client_id: str = Field(max_length=100)


class RevealBody(BaseModel):
    """A wish to see what the judge said."""

    task: int = Field(ge=1, lt=1 << 62)
    client_id: str = Field(max_length=100)


def router(context: Context) -> APIRouter:
    """The routes under /api/verdicts."""
    routes = APIRouter(prefix="/api/verdicts")

    @routes.get("")
    def listing(request: Request) -> list[dict[str, Any]]:
        return actions.listing(context, _who(request))

    @routes.get("/{queue_id}")
    def upcoming(queue_id: Id, request: Request) -> dict[str, Any]:
        return plain(actions.upcoming(context, queue_id, _who(request)))

    @routes.post("")
    def save(body: AnswerBody, request: Request) -> JSONResponse:
        given = Given(body.digest, body.answer, body.client_id)
        return _answer(actions.save(context, body.task, given, _who(request)))

    @routes.post("/reveal")
    def reveal(body: RevealBody, request: Request) -> JSONResponse:
        return _answer(actions.reveal(context, body.task, body.client_id, _who(request)))

    return routes


def _answer(found: dict[str, Any] | Refusal) -> JSONResponse:
    if isinstance(found, Refusal):
        return JSONResponse({"error": found.text, "code": found.code}, status_code=_STATUS[found.code])
    return JSONResponse(plain(found))


def _who(request: Request) -> str:
    return request.state.who.name
