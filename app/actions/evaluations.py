"""Evaluations as people look at them: the list, the report, the items behind a cell, exports, removal.

Reads what `app.actions.evaluate` stored; asks no model. Everything that is handed out is JSON.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from app import record
from app.context import Context
from app.errors import Refused
from core.evaluation import audits, export, figures, layout, paper, slices, web, writing
from core.evaluation.layout import Layout
from core.evaluation.metrics import LABELS, LOWER_IS_BETTER, METRICS, PARTS, Metric, scores
from core.evaluation.report import Drawing, Report, report
from core.evaluation.spec import EvaluateSpec
from core.evaluation.table import ABSENT, CANNOT, NO, TIED, UNPARSED, YES, Verdicts, settle
from core.evaluation.verdicts import CHECKS, COLUMNS
from core.jobs import objects, plain
from core.specs import read_spec
from core.types import shorten
from db import evaluations, jobs
from db.evaluations import Case, Evaluation, Line

Format = Literal["csv", "json", "latex", "html", "methods"]
FORMATS: Mapping[Format, tuple[str, str]] = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "json": ("application/json", "json"),
    "latex": ("text/x-tex; charset=utf-8", "tex"),
    "html": ("text/html; charset=utf-8", "html"),
    "methods": ("text/plain; charset=utf-8", "txt"),
}
"""What a report can be written as: media type and ending."""
State = Literal["", "holds", "fails", "uncounted"]
PAGE = 50
PREVIEW = 600
"""Characters of a text in a list."""
LONGEST = 40_000
"""Characters of a text in full."""
SAID: Mapping[int, str] = {
    NO: "no",
    YES: "yes",
    CANNOT: "cannot determine",
    TIED: "tied",
    UNPARSED: "no verdict",
    ABSENT: "",
}
"""What is settled about a check, for people; whatever is not here failed."""


class Loaded(NamedTuple):
    """A stored evaluation with everything that its figures are made of."""

    stored: Evaluation
    lines: list[Line]
    cases: list[Case]
    table: Verdicts


class Whole(NamedTuple):
    """A stored evaluation with its report."""

    stored: Evaluation
    lines: list[Line]
    table: Verdicts
    report: Report


def listing(context: Context) -> list[dict[str, Any]]:
    """The newest evaluations with the state of their jobs, newest first."""
    found: list[dict[str, Any]] = []
    for one in evaluations.listing(context.database):
        job = _job(context, one)
        found.append(
            {
                "id": one.id, "name": one.name, "data": _data(one), "rows": len(one.spec.get("rows", [])),
                "judges": [judge["name"] for judge in one.judges], "created_at": one.created_at,
                "finished_at": one.finished_at, "job": None if job is None else job.id,
                "status": "" if job is None else job.status,
            }
        )  # fmt: skip
    return found


def _data(one: Evaluation) -> dict[str, Any]:
    """What was evaluated, without the texts of the examples."""
    return {name: value for name, value in one.data.items() if name != "shots"}


def _job(context: Context, one: Evaluation) -> Any:
    return jobs.get(context.database, int(one.job_folder)) if one.job_folder.isdigit() else None


def stored(context: Context, evaluation_id: int) -> Evaluation:
    """An evaluation. Raises Refused where it is not there."""
    found = evaluations.get(context.database, evaluation_id)
    if found is None:
        raise Refused(f"There is no evaluation {evaluation_id}. `subtext evaluations list` lists them.")
    return found


def loaded(context: Context, evaluation_id: int) -> Loaded:
    """An evaluation with its columns. Raises Refused."""
    found = stored(context, evaluation_id)
    lines, cases = (
        evaluations.lines(context.database, evaluation_id),
        evaluations.cases(context.database, evaluation_id),
    )
    return Loaded(found, lines, cases, evaluations.columns(context.database, evaluation_id))


def whole(context: Context, evaluation_id: int) -> Whole:
    """An evaluation with its report. Raises Refused."""
    found = stored(context, evaluation_id)
    table = evaluations.columns(context.database, evaluation_id)
    return Whole(found, evaluations.lines(context.database, evaluation_id), table, report(table))


def layouts(found: Whole) -> list[Layout]:
    """The tables of an evaluation, published scores beside ours; those that have nothing to show are left out."""
    presets = {place: line.preset for place, line in enumerate(found.lines) if line.preset}
    rows = [place for place, line in enumerate(found.lines) if line.task == "answer"]
    made: list[Layout] = []
    if any(check in found.stored.spec.get("checks", ()) for check in CHECKS):
        made.append(_only(layout.table_1(found.report, paper.beside(presets, "table_1"), both=True), rows))
        third = paper.beside(presets, "table_3")
        if third and found.stored.data["like"] == "DeepPref":
            made.append(_only(layout.table_3(found.report, third, both=True), rows))
        made.append(_only(layout.error_types(found.report, both=True), rows))
    return made


def _only(made: Layout, rows: Sequence[int]) -> Layout:
    """The layout without our rows of another task."""
    return made._replace(lines=tuple(line for line in made.lines if line.row is None or line.row in rows))


def shown(context: Context, evaluation_id: int) -> dict[str, Any]:
    """Everything of the report page. Raises Refused."""
    began = time.perf_counter()
    found = whole(context, evaluation_id)
    one, table = found.stored, found.table
    dataset = str(one.data["like"])
    points = figures.frontier(found.report, dataset)
    every = list(range(len(table.judges)))
    job = _job(context, one)
    told = {
        "evaluation": one._asdict()
        | {"data": _data(one), "job": None if job is None else job.id, "status": "" if job is None else job.status},
        "tables": layouts(found),
        "cells": list(found.report.cells),
        "differences": found.report.differences,
        "radar": {"axes": figures.AXES, "rows": figures.radars(found.report, dataset)},
        "frontier": {"points": points, "switches": figures.switches(points)},
        "topics": slices.by_topic(table) if len(table.topics) > 1 else [],
        "verbosity": audits.verbosity(table, every) if table.judges != ("",) else {},
        "consistency": [audits.consistency(table, judge) for judge in every],
        "orders": orders(context, one),
        "answers": {
            "planned": int(table.row.size), "generated": int(table.generated.sum()), "verdicts": int(table.item.size),
            "cut_off": evaluations.cut_off(context.database, evaluation_id),
        },
        "methods": methods(found),
    }  # fmt: skip
    return plain(objects(told | about(found))) | {"seconds": round(time.perf_counter() - began, 3)}


class Orders(NamedTuple):
    """What the order does: for each judge by check (None: all of them), and to multiple choice; empty where it was not asked."""

    judges: list[list[dict[str, Any]]]
    choice: Any


def orders(context: Context, one: Evaluation) -> Orders:
    """The audit of the order of an evaluation."""
    if not one.spec.get("order_audit"):
        return Orders([], None)
    table = evaluations.columns(context.database, one.id, both_orders=True)
    judges = range(len(one.judges))
    pairs = [audits.order_audit(table, judge, evaluations.swapped(judge, len(one.judges))) for judge in judges]
    told = [[found._asdict() | {"check": check} for check, found in by.items()] for by in pairs]
    choice = audits.choice_order(table, 0, evaluations.swapped(0, len(one.judges)))
    return Orders(told, choice if choice.both else None)


def about(found: Whole | Loaded) -> dict[str, Any]:
    """What every view of an evaluation needs to name things: its rows, and the figures with the checks they are made of."""
    return {
        "name": found.stored.name,
        "rows": [
            line._asdict() | {"place": place, "label": evaluations.label(line)}
            for place, line in enumerate(found.lines)
        ],
        "metrics": [
            {"name": metric, "label": LABELS[metric], "lower": metric in LOWER_IS_BETTER, "checks": PARTS[metric]}
            for metric in METRICS
        ],
    }


def methods(found: Whole) -> str:
    """The methods paragraph. Empty where this version cannot read the order."""
    try:
        spec = read_spec(found.stored.spec)
    except ValueError:
        return ""
    assert isinstance(spec, EvaluateSpec)
    judges = tuple(judge["name"] for judge in found.stored.judges)
    setup = writing.Setup(
        judges, spec.judging(), spec.temperature, spec.seed, Drawing(), record.versions().get("subtext", "")
    )
    return writing.methods_paragraph(found.report, setup)


def exported(context: Context, evaluation_id: int, form: Format) -> str:
    """The report as a text in a format. Raises Refused."""
    found = whole(context, evaluation_id)
    about = {"name": found.stored.name, "evaluation": found.stored.id, "created_at": found.stored.created_at}
    match form:
        case "csv":
            return export.to_csv(found.report)
        case "json":
            return export.to_json(found.report, about)
        case "latex":
            return "\n".join(export.to_latex(one) for one in layouts(found))
        case "html":
            return web.to_html(found.stored.name, layouts(found), found.report, [methods(found)])
        case "methods":
            return methods(found) + "\n"


class Cell(NamedTuple):
    """Which items are looked at: a row and a figure by place and name, and what became of them."""

    row: int
    metric: Metric
    state: State = ""


def items(context: Context, evaluation_id: int, cell: Cell, offset: int = 0) -> dict[str, Any]:
    """The items behind a cell, a page of them: what was asked, judged and settled about each check. Raises Refused."""
    found = loaded(context, evaluation_id)
    row_of(found, cell.row)
    settled = settle(found.table)
    value = scores(found.table, settled).value[:, METRICS.index(cell.metric)]
    states = {item: _state(float(value[item])) for item, row in enumerate(found.table.row.tolist()) if row == cell.row}
    counts = {name: sum(state == name for state in states.values()) for name in ("holds", "fails", "uncounted")}
    chosen = [item for item, state in states.items() if cell.state in ("", state)]
    cases = cases_of(found, cell.row)
    texts = evaluations.texts(context.database, found.lines[cell.row].id)
    page: list[dict[str, Any]] = []
    for item in chosen[offset : offset + PAGE]:
        case = cases[item]
        judged, why = texts.get(case.id, (None, "It was not asked yet."))
        page.append(
            {
                "case": case.id, "preference": shorten(case.preference, PREVIEW), "query": shorten(case.query, PREVIEW),
                "topic": case.topic, "judged": None if judged is None else shorten(judged, PREVIEW), "why": why,
                "state": states[item],
                "checks": {name: SAID.get(int(settled[item, COLUMNS.index(name)]), "failed") for name in PARTS[cell.metric]},
            }
        )  # fmt: skip
    told = {"total": len(chosen), "counts": counts, "offset": offset, "items": page, "label": LABELS[cell.metric]}
    return plain(objects(told | about(found)))


def _state(value: float) -> State:
    return "uncounted" if value != value else "holds" if value else "fails"


def row_of(found: Loaded, row: int) -> Line:
    """The row at a place. Raises Refused where it is not there."""
    if not 0 <= row < len(found.lines):
        raise Refused(f"The evaluation has {len(found.lines)} rows; there is no row {row + 1}.")
    return found.lines[row]


def cases_of(found: Loaded, row: int) -> dict[int, Case]:
    """The case of every planned response (place in the table) of a row."""
    own = [case for case in found.cases if evaluations.fits(found.lines[row], case)]
    places = [item for item, at in enumerate(found.table.row.tolist()) if at == row]
    return dict(zip(places, own, strict=True))


def item(context: Context, evaluation_id: int, row: int, case_id: int) -> dict[str, Any]:
    """One answer in full, with every verdict and explanation. Raises Refused."""
    found = stored(context, evaluation_id)
    lines = evaluations.lines(context.database, evaluation_id)
    case = next((one for one in evaluations.cases(context.database, evaluation_id) if one.id == case_id), None)
    if not 0 <= row < len(lines) or case is None:
        raise Refused(f"Evaluation {evaluation_id} has no such answer.")
    answer = evaluations.answer(context.database, lines[row].id, case_id)
    told = None
    if answer is not None:
        said = [
            one._asdict() | {"judge": _judge_name(found, one.judge, one.check == "choice")} for one in answer.verdicts
        ]
        told = {"reply": answer.reply[:LONGEST], "judged": answer.judged, "why": answer.why, "verdicts": said}
    return plain({"row": evaluations.label(lines[row]), "case": case._asdict(), "answer": told})


def _judge_name(found: Evaluation, judge: int, choice: bool) -> str:
    """A judge by its number, and whether it read the material in the other order."""
    judges = max(1, len(found.judges))
    name = "" if choice else str(found.judges[judge % judges]["name"])
    if judge < judges:
        return name
    return "options turned round" if choice else f"{name}, other order"


def remove(context: Context, evaluation_id: int, name: str) -> str:
    """Delete an evaluation after its name was given; says what went. Raises Refused."""
    found = stored(context, evaluation_id)
    job = _job(context, found)
    if job is not None and job.status in ("queued", "running", "cancelling"):
        raise Refused(f"Job {job.id} ({job.status}) still works on it. Cancel it or wait for it.")
    if name != found.name:
        raise Refused("To delete it, give its name exactly.")
    evaluations.remove(context.database, evaluation_id)
    return f"{found.name} is deleted with all its answers and verdicts."
