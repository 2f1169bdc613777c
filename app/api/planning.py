"""Routes of the study planner: what can be a pilot, and what a next study can find."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.actions import plan_study as actions
from app.actions.plan_study import EFFECT, Pilot, Shares
from app.context import Context
from core.evaluation.metrics import Metric
from core.evaluation.outlook import MOST_COMPARISONS, Wanted


class _Design(BaseModel):
    effect: float | None = Field(default=None, gt=0, le=1)
    power: float = Field(default=0.8, gt=0.05, lt=1)
    scenarios: int = Field(default=100, ge=2, le=1_000_000)
    each: int = Field(default=1, ge=1, le=100)
    comparisons: int = Field(default=1, ge=1, le=MOST_COMPARISONS)

    def wanted(self, otherwise: float) -> Wanted:
        return Wanted(self.effect or otherwise, self.power, self.scenarios, self.each, self.comparisons)


class PilotQuery(_Design):
    """Two rows (places) of an evaluation and a number."""

    first: int = Field(ge=0, lt=1 << 20)
    second: int = Field(ge=0, lt=1 << 20)
    metric: Metric


class SharesQuery(_Design):
    """Shares of scenarios on which only one of the rows holds."""

    first_only: float = Field(ge=0, le=1)
    second_only: float = Field(ge=0, le=1)


def router(context: Context) -> APIRouter:
    """The routes under /api/plan."""
    routes = APIRouter(prefix="/api/plan")

    @routes.get("")
    def choices() -> dict[str, Any]:
        return actions.choices(context)

    @routes.get("/shares")
    def shares(asked: Annotated[SharesQuery, Query()]) -> dict[str, Any]:
        apart = round(abs(asked.first_only - asked.second_only), 6) or EFFECT
        return actions.shown(context, Shares(asked.first_only, asked.second_only), asked.wanted(apart))

    @routes.get("/{evaluation_id}")
    def pilot(
        evaluation_id: Annotated[int, Path(ge=1, lt=1 << 62)], asked: Annotated[PilotQuery, Query()]
    ) -> dict[str, Any]:
        source = Pilot(evaluation_id, asked.first, asked.second, asked.metric)
        return actions.shown(context, source, asked.wanted(EFFECT))

    return routes
