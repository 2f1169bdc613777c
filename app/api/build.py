"""Routes of the Build page: what a build would cost, and the council audit of a set."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel

from app.actions import jobs as actions
from app.actions.estimate_build import audit_set, estimate
from app.actions.try_role import role_states
from app.context import Context
from app.engines.choices import choices
from app.errors import Refused
from core.specs import BuildSpec
from db import growing

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]


class Wanted(BaseModel):
    """A build that is not ordered yet."""

    spec: dict[str, Any]


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")

    @routes.get("/build")
    def form() -> dict[str, Any]:
        fields = {
            name: field.get_default() for name, field in BuildSpec.model_fields.items() if not field.is_required()
        }
        roles = [state for state in role_states(context) if state.role in ("council", "critic", "judge")]
        return {
            "defaults": fields,
            "roles": [{"role": one.role, "kind": one.kind, "model": one.model} for one in roles],
            "critics": [choice._asdict() for choice in choices(context, "critic")],
        }

    @routes.post("/build/estimate")
    def cost(body: Wanted) -> dict[str, Any]:
        spec = actions.spec_of(body.spec)
        if not isinstance(spec, BuildSpec):
            raise Refused("Only a build has an estimate.")
        found = estimate(context, spec)
        return {name: getattr(found, name) for name in type(found).__slots__}

    @routes.get("/build/{job_id}")
    def grown(job_id: Id) -> dict[str, Any]:
        job = actions.one(context, job_id)
        return {"set": growing.set_of(context.database, job.folder.rsplit("/", 1)[-1])}

    @routes.get("/sets/{set_id}/audit")
    def council(set_id: Id) -> list[dict[str, Any]]:
        return [share._asdict() for share in audit_set(context, set_id)]

    return routes
