"""The ratings of a study as files: the long format (JSONL, CSV, Parquet), Argilla, Label Studio, and the table for a paper."""

import json
import tempfile
from collections.abc import Iterator

from app.actions import tables
from app.actions.export_data import Download
from app.actions.results import names_of, report, row_of
from app.actions.studies import one
from app.context import Context
from app.errors import Refused
from core import latex
from core.alignment import PAPER_TABLE_2
from core.formats.ratings import ARGILLA, LABEL_STUDIO, shaped
from core.study import DIMENSION
from core.study_report import StudyReport
from core.types import Json
from db import studies
from db.blobs import CHUNK

FORMATS = {
    "jsonl": "Ratings, JSON lines",
    "csv": "Ratings, CSV",
    "parquet": "Ratings, Parquet",
    "argilla": "Ratings, Argilla",
    "label_studio": "Ratings, Label Studio",
    "latex": "Report, LaTeX table",
}


def export_ratings(context: Context, study_id: int, form: str) -> Download:
    """A study in a format; models go by letters until it is unblinded. Raises Refused for an unknown study or format."""
    study = one(context, study_id)
    stem = "".join(char if char.isalnum() or char in "-_." else "-" for char in study.terms.name).strip("-.") or "study"
    rows = long_format(context, study_id)
    match form:
        case "jsonl":
            return Download(f"{stem}.jsonl", "application/jsonl", _lines(rows))
        case "csv":
            return Download(f"{stem}.csv", "text/csv", tables.to_csv(rows))
        case "parquet":
            return Download(f"{stem}.parquet", "application/vnd.apache.parquet", _parquet(context, rows))
        case "argilla":
            return Download(f"{stem}.argilla.jsonl", "application/jsonl", _lines(shaped(_by_item(rows), ARGILLA)))
        case "label_studio":
            tasks = list(shaped(_by_item(rows), LABEL_STUDIO))
            text = json.dumps(tasks, ensure_ascii=False, indent=1)
            return Download(f"{stem}.label-studio.json", "application/json", iter([text.encode()]))
        case "latex":
            found = report(context, study_id)[1].report
            return Download(
                f"{stem}.tex", "text/plain; charset=utf-8", iter([latex_table(study.terms.name, found).encode()])
            )
        case _:
            raise Refused(f"There is no format {form[:40]!r}. Formats: {', '.join(FORMATS)}.")


def long_format(context: Context, study_id: int) -> Iterator[Json]:
    """The values that hold, one row each, in the order of raters and lists."""
    study = one(context, study_id)
    names = names_of(context, study)
    for item in studies.rated(context.database, study_id):
        row = row_of(item, names)
        yield {
            "study_id": study.terms.name,
            "rater_id": item.rater,
            "dialogue_id": item.item,
            "turn": item.turn,
            "dimension": DIMENSION,
            "value": item.value or None,
            "status": "submitted" if item.value else "cannot rate",
            "model": row.model,
            "profile": item.profile_key,
            "retest": item.retest,
            "check": item.check,
            "asked": item.asked,
            "order_index": item.position,
            "active_ms": item.active_ms,
            "submitted_at": item.at,
            "guideline_version": item.guideline_version,
            "flagged": item.flagged,
            "note": item.note,
        }


def _by_item(rows: Iterator[Json]) -> list[Json]:
    return sorted(rows, key=lambda row: (row["dialogue_id"], row["retest"], row["turn"]))


def _lines(rows: Iterator[Json]) -> Iterator[bytes]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _parquet(context: Context, rows: Iterator[Json]) -> Iterator[bytes]:
    with tempfile.TemporaryFile(dir=context.settings.data) as target:
        tables.to_parquet(rows, target)
        target.seek(0)
        while chunk := target.read(CHUNK):
            yield chunk


def latex_table(name: str, found: StudyReport) -> str:
    """The report in the layout of the paper's Table 2, with its rows beside where there are ten turns."""
    turns = max((len(row.figures.al) for row in found.figures.models), default=0)
    head = ["Model", *(f"k={turn}" for turn in range(1, turns + 1)), "AVG", "IR", "N-IR"]
    rows = [
        [
            row.model,
            *(_number(value) for value in row.figures.al.tolist()),
            f"{_number(row.figures.avg)} [{_number(row.avg[0])}, {_number(row.avg[1])}]",
            f"{_number(row.figures.ir, 3)} [{_number(row.ir[0], 3)}, {_number(row.ir[1], 3)}]",
            _number(row.figures.n_ir, 3),
        ]
        for row in found.figures.models
    ]
    if turns == 10:
        rows += [
            [f"{model} (paper)", *(f"{value:.1f}" for value in levels), f"{average:.2f}", "–", "–"]
            for model, (levels, average) in PAPER_TABLE_2.items()
        ]
    caption = f"{name}: alignment level by turn, average, improvement rate; 95 % intervals over user profiles."
    return latex.table(caption, "tab:alignment", head, rows)


def _number(value: float, digits: int = 2) -> str:
    return "–" if value != value else f"{value:.{digits}f}".replace("-", "−")
