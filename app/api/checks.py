"""Routes of the Checks page: what to check next, one check saved at once, the list, the report, files out and in."""

import io
import math
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.actions import checks as actions
from app.context import Context
from app.errors import Refused
from core.bands import BANDS
from core.check_report import CheckReport, Figures
from core.checks import Check, label_of
from db import checks
from db.checks import Event, Refusal, Target

Id = Annotated[int, Query(ge=0, lt=1 << 62)]
PAGE = 50
_STATUS = {"unknown": 404, "changed": 409, "invalid": 422}


class CheckBody(BaseModel):
    """A check of a step, not yet believed."""

    tree: int = Field(ge=1, lt=1 << 62)
    node: str = Field(max_length=400)
    digest: str = Field(max_length=64)
    verdict: str = Field(max_length=20)
    score: float | None = None
    critique: str | None = Field(default=None, max_length=100_000)
    reason: str = Field(default="", max_length=100_000)
    client_id: str = Field(min_length=1, max_length=100)


def router(context: Context) -> APIRouter:
    """The routes under /api/checks."""
    routes = APIRouter(prefix="/api/checks")

    @routes.get("/queue")
    def upcoming(
        request: Request,
        set: Id = 0,
        seed: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> dict[str, Any]:
        found = actions.upcoming(context, _who(request), set, seed, limit)
        items = [
            _target(one)
            | {"probability": place.probability, "reasons": [reason._asdict() for reason in place.reasons], "held": []}
            for one, place in found.items
        ]
        return {
            "items": items,
            "how": found.how,
            "looked_at": found.looked_at,
            "checks": found.checks,
            "rubric": [band._asdict() for band in BANDS],
            "formats": actions.FORMATS,
        }

    @routes.get("/step")
    def step(
        request: Request, tree: Annotated[int, Query(ge=1, lt=1 << 62)], node: Annotated[str, Query(max_length=400)]
    ) -> dict[str, Any]:
        found, held = checks.one(context.database, tree, node)
        if found is None:
            raise HTTPException(404, "This step is not here or has no critique; its set may have been deleted.")
        return _target(found) | {
            "probability": None,
            "reasons": [],
            "held": [_event(one) | {"mine": one.who == _who(request)} for one in held],
        }

    @routes.get("/tree")
    def of_tree(scenario: Annotated[int, Query(ge=1, lt=1 << 62)]) -> dict[str, Any]:
        """What people said of a tree's critiques, by the key of the node."""
        found: dict[str, list[dict[str, Any]]] = {}
        for one in checks.of_scenario(context.database, scenario):
            found.setdefault(one.event.node_key, []).append(_event(one.event) | {"standing": one.standing})
        return found

    @routes.post("")
    def save(request: Request, body: CheckBody) -> JSONResponse:
        check = Check(body.verdict, body.score, body.critique, body.reason)  # type: ignore[arg-type]
        wanted = (body.tree, body.node, body.digest)
        answer = actions.save(context, wanted, check, _who(request), body.client_id)
        if isinstance(answer, Refusal):
            return JSONResponse({"error": answer.text, "code": answer.code}, status_code=_STATUS[answer.code])
        return JSONResponse(_event(answer))

    @routes.get("")
    def listing(offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0) -> dict[str, Any]:
        found, total = actions.listing(context, offset, PAGE)
        rows = [
            _event(one.event)
            | _judged(one.event.seen)
            | {"standing": one.standing, "scenario": one.scenario_id, "tree": one.event.tree_id}
            for one in found
        ]
        return {"rows": rows, "total": total, "more": offset + len(rows) < total}

    @routes.get("/report")
    def report() -> dict[str, Any]:
        return report_view(actions.report(context))

    @routes.get("/export")
    def export(format: Annotated[str, Query(max_length=40)] = "jsonl") -> StreamingResponse:
        found = actions.export(context, format)
        headers = {"content-disposition": f'attachment; filename="{found.name}"'}
        return StreamingResponse(found.chunks, media_type=found.media_type, headers=headers)

    @routes.post("/import")
    async def restore(request: Request) -> dict[str, str]:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > actions.LONGEST_FILE:
                raise Refused(f"The file is larger than {actions.LONGEST_FILE >> 20} MiB.")
        lines = io.BytesIO(bytes(content))
        return {"sentence": await run_in_threadpool(actions.restore, context, lines)}

    return routes


def report_view(report: CheckReport) -> dict[str, Any]:
    """The report as JSON: NaN as null."""

    def shown(figures: Figures) -> dict[str, Any]:
        return {name: _plain(value) for name, value in figures._asdict().items()}

    groups = {name: getattr(report, name) for name in ("bands", "depths", "personas")}
    made: dict[str, Any] = {"overall": shown(report.overall), "people": report.people}
    return made | {
        name: [{"label": label, **shown(figures)} for label, figures in rows] for name, rows in groups.items()
    }


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case tuple():
            return [_plain(part) for part in value]  # type: ignore[reportUnknownVariableType]
        case _:
            return value


def _who(request: Request) -> str:
    return request.state.who.name


def _target(one: Target) -> dict[str, Any]:
    return {"tree": one.tree_id, "scenario": one.scenario_id, "digest": one.digest} | _judged(one.seen)


def _judged(seen: Any) -> dict[str, Any]:
    judged = seen.judged._asdict()
    return {name: value for name, value in judged.items() if name not in ("critique", "score", "before")} | {
        "before": [text for _, text in seen.judged.before],
        "ai": {"source": "model", "score": seen.judged.score, "critique": seen.judged.critique},
    }


def _event(event: Event) -> dict[str, Any]:
    return event.check._asdict() | {
        "client_id": event.client_id,
        "diff": event.diff,
        "who": event.who,
        "source": event.source,
        "at": event.at,
        "label": label_of(event.seen.judged, event.check)._asdict(),
    }
