"""Routes of the Rollouts page: runs, one run's updates, an update's prompts, one prompt's responses, two updates compared."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from app.actions import rollouts as actions
from app.context import Context

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
Number = Annotated[int, Path(ge=0, lt=1 << 31)]
Asked = Annotated[int, Query(ge=0, lt=1 << 31)]


def router(context: Context) -> APIRouter:
    """The routes under /api/rollouts."""
    routes = APIRouter(prefix="/api/rollouts")
    prompts = actions.Prompts()

    @routes.get("")
    def runs() -> dict[str, Any]:
        return {"runs": actions.runs(context)}

    @routes.get("/{job_id}")
    def run(job_id: Id) -> dict[str, Any]:
        return actions.run_of(context, job_id)

    @routes.get("/{job_id}/{update}")
    def update(job_id: Id, update: Number) -> dict[str, Any]:
        return actions.overview(context, job_id, update)

    @routes.get("/{job_id}/{update}/{group}")
    def group(job_id: Id, update: Number, group: Number) -> dict[str, Any]:
        return actions.group_of(context, job_id, update, group)

    @routes.get("/{job_id}/{update}/{group}/updates")
    def others(job_id: Id, update: Number, group: Number) -> list[dict[str, int]]:
        return actions.other_updates(context, prompts, job_id, update, group)

    @routes.get("/{job_id}/{update}/{group}/against")
    def against(job_id: Id, update: Number, group: Number, other: Asked, other_group: Asked) -> dict[str, Any]:
        return actions.compared(context, job_id, (update, group), (other, other_group))

    return routes
