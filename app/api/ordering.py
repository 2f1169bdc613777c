"""Routes of a page that orders a job: what is checked before it starts, and the start. Knows no kind of job."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.actions import jobs
from app.api.train import command
from app.context import Context
from app.errors import Refused
from core.job_spec import JobSpec
from core.preflight import Line, blocked
from core.specs import Spec

_Kind = TypeVar("_Kind", bound=Spec)
Check = Callable[[Context, _Kind], list[Line]]
"""What is looked at before a job of a kind starts."""


class Draft(BaseModel):
    """A job that is not ordered yet; `after` is the job that it comes after, whose model it may name."""

    spec: dict[str, Any]
    after: Annotated[int, Field(ge=1, lt=1 << 62)] | None = None


def add(
    routes: APIRouter, context: Context, kind: type[_Kind], check: Check[_Kind], otherwise: str, start: str = ""
) -> None:
    """Add POST `/preflight` and POST `start` for jobs of a kind; `otherwise` is said of a job of another kind."""

    def ordered(body: Draft) -> _Kind:
        spec = jobs.spec_of(body.spec)
        if not isinstance(spec, kind):
            raise Refused(otherwise)
        return spec

    @routes.post("/preflight")
    async def preflight(body: Draft) -> dict[str, Any]:
        """What is checked, or `refused`: why the form is no order yet."""
        try:
            spec = ordered(body)
        except Refused as refusal:
            return {"refused": str(refusal)}
        lines = await run_in_threadpool(check, context, spec)
        return _told(lines) | {"command": command(context, spec) + (f" --after {body.after}" if body.after else "")}

    @routes.post(start)
    async def begin(body: Draft) -> dict[str, Any]:
        spec = ordered(body)
        lines = await run_in_threadpool(check, context, spec)
        started = None if blocked(lines) else await run_in_threadpool(jobs.enqueue, context, spec, body.after)
        return _told(lines) | {"id": started}


def defaults(kind: type[JobSpec]) -> dict[str, Any]:
    """The values of a spec's fields that need not be given."""
    fields = kind.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}


def _told(lines: list[Line]) -> dict[str, Any]:
    return {"lines": [one._asdict() for one in lines], "blocked": blocked(lines)}
