"""Routes of a researcher who checks judges with people: drawing and closing queues, the report, files out and in."""

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.actions import verdict_checks, verdict_files, verdict_report
from app.actions.verdict_checks import AS_IN_THE_PAPER, Order
from app.actions.verdict_report import ALL, What
from app.context import Context
from app.errors import Refused
from core.evaluation.asking_people import MOST_VERDICTS, Kind
from core.evaluation.metrics import Metric
from core.evaluation.people import Kind as Became
from core.evaluation.spec import MOST_ROWS
from core.prompts.verdicts import Check

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
Offset = Annotated[int, Query(ge=0, lt=1 << 31)]


class DrawBody(BaseModel):
    """A queue to draw; see `app.actions.verdict_checks.Order`."""

    kind: Kind = "verdicts"
    size: int = Field(default=AS_IN_THE_PAPER, ge=1, le=MOST_VERDICTS)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    each: int = Field(default=1, ge=1, le=20)
    metric: Metric = "acc_pf"
    rows: list[int] = Field(default=[], max_length=2 * MOST_ROWS)


class CloseBody(BaseModel):
    """Whether a queue is closed."""

    closed: bool


def router(context: Context) -> APIRouter:
    """The routes under /api/evaluations/ID/people."""
    routes = APIRouter(prefix="/api/evaluations/{evaluation_id}/people")

    @routes.get("")
    def shown(evaluation_id: Id) -> dict[str, Any]:
        return verdict_report.shown(context, evaluation_id)

    @routes.get("/items")
    def items(
        evaluation_id: Id,
        judge: Annotated[int, Query(ge=ALL, le=100)] = ALL,
        check: Literal[""] | Check = "",
        became: Literal[""] | Became = "",
        offset: Offset = 0,
    ) -> dict[str, Any]:
        return verdict_report.items(context, evaluation_id, What(judge, check, became), offset)

    @routes.get("/labels")
    def labels(
        evaluation_id: Id, row: Annotated[int, Query(ge=0, lt=1 << 20)], metric: Metric, offset: Offset = 0
    ) -> dict[str, Any]:
        """The answers behind the estimate of a number."""
        return verdict_report.items(context, evaluation_id, What(row=row, metric=metric), offset)

    @routes.post("")
    def draw(evaluation_id: Id, body: DrawBody, request: Request) -> dict[str, Any]:
        order = Order(body.kind, body.size, body.seed, body.each, body.metric, tuple(body.rows))
        made = verdict_checks.draw(context, evaluation_id, order, request.state.who.name)
        return {"id": made.id, "tasks": made.tasks, "title": verdict_checks.title(made)}

    @routes.post("/queues/{queue_id}")
    def close(evaluation_id: Id, queue_id: Id, body: CloseBody) -> dict[str, bool]:
        verdict_checks.close(context, evaluation_id, queue_id, body.closed)
        return {"closed": body.closed}

    @routes.get("/export")
    def export(evaluation_id: Id) -> StreamingResponse:
        found = verdict_files.export(context, evaluation_id)
        headers = {"content-disposition": f'attachment; filename="{found.name}"'}
        return StreamingResponse(found.chunks, media_type=found.media_type, headers=headers)

    @routes.post("/import")
    async def restore(evaluation_id: Id, request: Request) -> dict[str, str]:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > verdict_files.LONGEST_FILE:
                raise Refused(f"The file is larger than {verdict_files.LONGEST_FILE >> 20} MiB.")
        lines = io.BytesIO(bytes(content))
        return {"sentence": await run_in_threadpool(verdict_files.restore, context, evaluation_id, lines)}

    return routes
