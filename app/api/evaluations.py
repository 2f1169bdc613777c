"""Routes of the Evaluate page and its reports: form, preflight, start, report, items, two rows compared, exports, removal."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.actions import compare_evaluations
from app.actions import evaluations as actions
from app.actions.compare_evaluations import Place
from app.actions.evaluations import FORMATS, Cell, Format, State
from app.actions.preflight_evaluation import check
from app.api import ordering
from app.context import Context
from app.engines.choices import choices
from core.evaluation.form import PARTS, described
from core.evaluation.metrics import Metric
from core.evaluation.spec import MOST_ROWS, EvaluateSpec
from core.evaluation.verdicts import CHECKS
from db.evaluations import WAYS

Id = Annotated[int, Path(ge=1, lt=1 << 62)]
Row = Annotated[int, Query(ge=0, lt=1 << 20)]
Offset = Annotated[int, Query(ge=0, lt=1 << 31)]


class Comparison(BaseModel):
    """Two rows; the second is one of evaluation `other`, of the same one by default."""

    first: Annotated[int, Field(ge=0, lt=1 << 20)]
    second: Annotated[int, Field(ge=0, lt=1 << 20)]
    metric: Metric
    other: Annotated[int, Field(ge=1, lt=1 << 62)] | None = None
    only: Literal["", "win", "lose", "tie", "missing"] = ""
    offset: Annotated[int, Field(ge=0, lt=1 << 31)] = 0


class Removal(BaseModel):
    """What has to be typed to delete an evaluation."""

    name: Annotated[str, Field(max_length=200)]


def router(context: Context) -> APIRouter:
    """The routes under /api/evaluations."""
    routes = APIRouter(prefix="/api/evaluations")

    @routes.get("")
    def listing() -> list[dict[str, Any]]:
        return actions.listing(context)

    @routes.get("/form")
    def form() -> dict[str, Any]:
        return {
            "parts": PARTS,
            "fields": described(),
            "models": [one._asdict() for one in choices(context, "policy")],
            "judges": [one._asdict() for one in choices(context, "policy", "judge")],
            "critics": [one._asdict() for one in choices(context)],
            "methods": {name: label for name, label in WAYS.items() if name != "choice"},
            "checks": CHECKS,
            "defaults": ordering.defaults(EvaluateSpec),
            "most_rows": MOST_ROWS,
        }

    ordering.add(routes, context, EvaluateSpec, check, "Only an evaluation can be looked at here.")

    @routes.get("/{evaluation_id}")
    def shown(evaluation_id: Id) -> dict[str, Any]:
        return actions.shown(context, evaluation_id)

    @routes.get("/{evaluation_id}/items")
    def items(evaluation_id: Id, row: Row, metric: Metric, state: State = "", offset: Offset = 0) -> dict[str, Any]:
        return actions.items(context, evaluation_id, Cell(row, metric, state), offset)

    @routes.get("/{evaluation_id}/items/{row}/{case}")
    def item(evaluation_id: Id, row: Annotated[int, Path(ge=0, lt=1 << 20)], case: Id) -> dict[str, Any]:
        return actions.item(context, evaluation_id, row, case)

    @routes.get("/{evaluation_id}/compare")
    def compare(evaluation_id: Id, asked: Annotated[Comparison, Query()]) -> dict[str, Any]:
        pair = (Place(evaluation_id, asked.first), Place(asked.other or evaluation_id, asked.second))
        return compare_evaluations.compared(context, pair, asked.metric, asked.only, asked.offset)

    @routes.get("/{evaluation_id}/export/{form}")
    def export(evaluation_id: Id, form: Format) -> Response:
        media, ending = FORMATS[form]
        name = f'attachment; filename="evaluation-{evaluation_id}.{ending}"'
        text = actions.exported(context, evaluation_id, form)
        return Response(text.encode("utf-8", "replace"), media_type=media, headers={"Content-Disposition": name})

    @routes.post("/{evaluation_id}/remove")
    def remove(evaluation_id: Id, body: Removal) -> dict[str, str]:
        return {"said": actions.remove(context, evaluation_id, body.name)}

    return routes
