"""Routes of the Models page: the list, one model with its held-out report, and what can be done to it. For researchers."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from app.actions import models as actions
from app.actions import servers
from app.actions.models import Asked, Opened, Shown
from app.context import Context
from app.engines.choices import choices, place
from core.critic_change import changes
from core.registered import KIND_MEANING, NAME, NOTE, ModelKind
from core.report_file import HeldOut, Own
from db import sets
from db.models import Model

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]
POINTS = 1000
"""Steps of one critic that a page draws at most; of more every n-th."""
REASONS = 30


class Name(BaseModel):
    """A name, and a note where it shall change too."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=10 * NAME)
    note: str | None = Field(default=None, max_length=2 * NOTE)


class Forget(BaseModel):
    """`delete_files` is the model's name, typed by the person, or ''."""

    model_config = ConfigDict(extra="forbid")
    delete_files: str = Field(default="", max_length=10 * NAME)


class Serve(BaseModel):
    """Where to serve a model; '' lets the machine decide."""

    model_config = ConfigDict(extra="forbid")
    device: str = Field(default="", max_length=10)


def router(context: Context) -> APIRouter:
    """The routes under /api/models."""
    routes = APIRouter(prefix="/api/models")

    @routes.get("")
    def listed(kind: ModelKind | None = None) -> dict[str, Any]:
        there = {one.id for one in sets.all_sets(context.database)}
        found = actions.listing(context, kind)
        names = {shown.model.id: shown.model.name for shown in found}
        rows = [
            _row(shown, there)
            | {"parents": [{"id": one, "name": names.get(one, f"model {one}")} for one in shown.model.parents]}
            for shown in found
        ]
        return {"models": rows, "kinds": KIND_MEANING}

    @routes.get("/states")
    def states() -> dict[str, str]:
        return {str(model_id): sentence for model_id, sentence in actions.states(context).items()}

    @routes.get("/choices")
    def chooseable(kind: Annotated[ModelKind, Query()] = "critic") -> list[dict[str, str]]:
        return [choice._asdict() for choice in choices(context, kind)]

    @routes.get("/{model_id}")
    def one(model_id: Id) -> dict[str, Any]:
        there = {one.id for one in sets.all_sets(context.database)}
        return _opened(context, actions.one(context, model_id), there)

    @routes.post("/{model_id}/rename")
    def rename(model_id: Id, body: Name) -> dict[str, str]:
        return {"text": actions.rename(context, model_id, body.name, body.note)}

    @routes.post("/{model_id}/forget")
    def forget(model_id: Id, body: Forget) -> dict[str, str]:
        return {"text": actions.forget(context, model_id, body.delete_files)}

    @routes.post("/{model_id}/serve")
    def serve(model_id: Id, body: Serve) -> dict[str, Any]:
        return servers.view(actions.serve(context, model_id, Asked(body.device)))

    return routes


def _row(shown: Shown, there: set[int]) -> dict[str, Any]:
    model = shown.model
    return {
        "id": model.id,
        "name": model.name,
        "kind": model.kind,
        "base": model.base,
        "data": _data(model, there),
        "metrics": model.metrics,
        "created_at": model.created_at,
        "ports": shown.ports,
        "removed_at": model.removed_at,
    }


def _data(model: Model, there: set[int]) -> dict[str, Any] | None:
    return model.data | {"there": model.data["set"] in there} if model.data else None


def _opened(context: Context, opened: Opened, there: set[int]) -> dict[str, Any]:
    model, report = opened.shown.model, opened.report
    return _row(opened.shown, there) | {
        "meaning": KIND_MEANING[model.kind],
        "folder": str(place(context, model)),
        "digest": model.digest,
        "base_digest": model.base_digest,
        "data_hash": model.data_hash,
        "note": model.note,
        "standing": opened.standing,
        "parents": [_named(one) for one in opened.parents],
        "children": [_named(one) for one in opened.children],
        "job": opened.job,
        "spec": opened.spec,
        "no_report": report if isinstance(report, str) else "",
        "report": None if isinstance(report, str) else _report(report),
    }


def _named(model: Model) -> dict[str, Any]:
    return {"id": model.id, "name": model.name, "removed": model.removed_at is not None}


def _report(report: HeldOut) -> dict[str, Any]:
    told = {measure: change._asdict() for measure, change in changes(report).items()}
    return {"base": _own(report.base), "trained": _own(report.trained), "changes": told}


def _own(own: Own) -> dict[str, Any]:
    """The report of one critic in the size of a page: at most `POINTS` steps and `REASONS` reasons, the most frequent first."""
    reasons = sorted(own.reasons.items(), key=lambda item: -item[1])
    thin = 1 + (len(own.points) - 1) // POINTS if own.points else 1
    return own.model_dump(exclude={"points", "reasons"}) | {
        "points": [point.model_dump() for point in own.points[::thin]],
        "points_in_all": len(own.points),
        "reasons": reasons[:REASONS],
        "reasons_left": len(reasons) - len(reasons[:REASONS]),
    }
