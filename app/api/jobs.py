"""Routes of the Jobs page: the queue, one job, its log by byte, its numbers, its files, and what can be done to it."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app import artifacts
from app.actions import jobs as actions
from app.context import Context
from app.keeper import worker_runs
from core.jobs import Status
from core.specs import KINDS
from db import jobs

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]
Offset = Annotated[int, Query(ge=-1, lt=1 << 62)]
Step = Annotated[int, Query(ge=-1, lt=1 << 62)]


class OrderBody(BaseModel):
    """A job to put into the queue."""

    spec: dict[str, Any]
    after: int | None = Field(default=None, ge=1, lt=1 << 62)


def router(context: Context) -> APIRouter:
    """The routes under /api/jobs."""
    routes = APIRouter(prefix="/api/jobs")

    def folder(job_id: int) -> Path:
        return context.settings.data.resolve() / actions.one(context, job_id).folder

    @routes.get("")
    def listed(
        before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
        status: Status | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = jobs.PAGE,
    ) -> dict[str, Any]:
        found = jobs.page(context.database, before, status, limit)
        rows = [actions.view(context, job, brief=True) for job in found]
        more = len(found) == limit
        counts = jobs.counts(context.database)
        return {"jobs": rows, "more": more, "counts": counts, "worker": worker_runs(context), "kinds": list(KINDS)}

    @routes.post("")
    def enqueue(body: OrderBody) -> dict[str, int]:
        return {"id": actions.enqueue(context, actions.spec_of(body.spec), body.after)}

    @routes.get("/{job_id}")
    def one(job_id: Id) -> dict[str, Any]:
        job = actions.one(context, job_id)
        failed = job.status == "failed"
        crash = artifacts.log_traceback(context.settings.data.resolve() / job.folder) if failed else ""
        return {"job": actions.view(context, job), "traceback": crash, "worker": worker_runs(context)}

    @routes.get("/{job_id}/live")
    def live(job_id: Id, offset: Offset = -1, step: Step = -1) -> dict[str, Any]:
        """One answer for a page that looks once a second."""
        # the job first: what it wrote before its end is then in the log
        found = one(job_id)
        return found | {"log": log(job_id, offset), "metrics": metrics(job_id, step)}

    @routes.get("/{job_id}/log")
    def log(job_id: Id, offset: Offset = -1) -> dict[str, Any]:
        return artifacts.log_piece(folder(job_id), offset)._asdict()

    @routes.get("/{job_id}/log/search")
    def search(job_id: Id, q: Annotated[str, Query(min_length=1, max_length=200)]) -> dict[str, Any]:
        found = artifacts.log_search(folder(job_id), q)
        return {"hits": [hit._asdict() for hit in found.hits], "more": found.more, "skipped": found.skipped}

    @routes.get("/{job_id}/metrics")
    def metrics(job_id: Id, since: Step = -1) -> dict[str, list[tuple[int, float | None]]]:
        return jobs.metrics(context.database, job_id, since)

    @routes.get("/{job_id}/files")
    def files(job_id: Id) -> list[dict[str, Any]]:
        return [item._asdict() for item in artifacts.listing(folder(job_id))]

    @routes.get("/{job_id}/file")
    def file(job_id: Id, path: Annotated[str, Query(min_length=1, max_length=1000)]) -> StreamingResponse:
        opened = artifacts.open_file(folder(job_id), path)
        disposition = f"attachment; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}"
        headers = {"content-disposition": disposition}
        return StreamingResponse(artifacts.chunks(opened), media_type="application/octet-stream", headers=headers)

    @routes.post("/{job_id}/cancel")
    def cancel(job_id: Id) -> dict[str, str]:
        return {"text": actions.cancel(context, job_id)}

    @routes.post("/{job_id}/retry")
    def retry(job_id: Id) -> dict[str, Any]:
        new = actions.retry(context, job_id)
        return {"id": new, "text": f"Job {new} does the same again."}

    @routes.post("/{job_id}/resume")
    def resume(job_id: Id) -> dict[str, str]:
        return {"text": actions.resume(context, job_id)}

    return routes
