"""Tables 1 and 3 as rows and columns of shown numbers: the paper's rows with ours right below, and the error types in the
same form.

Knows reports and printed numbers; does not know files, marks or pages (`export`, `web`). Numbers are percent here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from core.evaluation.metrics import LOWER_IS_BETTER, Metric
from core.evaluation.paper import COLUMNS, TABLE_1, TABLE_3, Printed, doubt
from core.evaluation.report import Cell, Report

Rule = Literal["corrected", "published"]
ERRORS: tuple[Metric, ...] = ("e_puv", "e_hp", "e_ir", "e_ur")
SHORT: Mapping[Metric, str] = {
    "acc_pf": "Acc_PF", "acc_da": "Acc_DA", "acc_mis": "Acc_Mis", "m_th": "m_th", "m_dm": "m_dm", "m_ie": "m_ie",
    "e_puv": "Unaware", "e_hp": "Hallucinated", "e_ir": "Inconsistent", "e_ur": "Unhelpful", "acc_mc": "Choice",
}  # fmt: skip
_BOTH: tuple[Metric, ...] = ("acc_pf", "acc_da", "acc_mis")


class Head(NamedTuple):
    """A column: a figure by our rule or by the published one. `lower` is better lower."""

    metric: Metric
    rule: Rule
    text: str
    lower: bool


class Shown(NamedTuple):
    """One number, in percent, with its interval and how many responses it rests on; NaN and `why` where there is none.

    `best`: the best of our rows of this group, where two or more have the number and differ. Printed numbers have no interval
    and `n` 0; a published score has no interval, as its denominator holds what was never judged.
    """

    percent: float
    low: float
    high: float
    n: int
    why: str
    best: bool = False


class Line(NamedTuple):
    """One line. `row`: the place in the report, None for a line of the paper. `marks`: of Table 3, process and critique."""

    group: str
    name: str
    row: int | None
    marks: tuple[bool, ...]
    shown: tuple[Shown, ...]
    note: str = ""


class Layout(NamedTuple):
    """A table: its columns and lines, group by group, and what is to be said below it."""

    title: str
    label: str
    marks: tuple[str, ...]
    columns: tuple[Head, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def table_1(report: Report, beside: Mapping[int, str], both: bool = False) -> Layout:
    """Table 1 over the data sets of the report: on DeepPref and PrefEval the paper's rows with ours below them.

    `beside`: the printed row (a name of `paper.TABLE_1`) that a row of ours stands with, by its place; the others follow.
    `both` shows Acc_PF, Acc_DA and Acc_Mis by the published rule too.
    """
    columns = _columns(COLUMNS, both)
    lines: list[Line] = []
    for dataset in dict.fromkeys([*TABLE_1, *(row.dataset for row in report.rows)]):
        rows = [place for place, row in enumerate(report.rows) if row.dataset == dataset]
        if rows:
            lines += _lines(
                report, rows, [one._replace(group=dataset) for one in TABLE_1.get(dataset, ())], beside, columns
            )
    lines = [line._replace(group=report.rows[line.row].dataset) if line.row is not None else line for line in lines]
    return _finished(
        "Table 1: preference following, deep alignment, misleading risk", "tab:evaluation", (), columns, lines
    )


def table_3(report: Report, beside: Mapping[int, str], dataset: str = "DeepPref", both: bool = False) -> Layout:
    """Table 3, the ablation of rewards, over our rows that stand with one of its rows (`beside`, names of `paper.TABLE_3`)."""
    columns = _columns(COLUMNS, both)
    rows = [place for place, row in enumerate(report.rows) if row.dataset == dataset and place in beside]
    lines = _lines(report, rows, TABLE_3, beside, columns)
    marks = ("Process", "Critique")
    return _finished(f"Table 3: kinds of reward on {dataset}", "tab:ablation", marks, columns, lines)


def error_types(report: Report, both: bool = False) -> Layout:
    """The four errors of PrefEval by row and data set."""
    columns = tuple(head for metric in ERRORS for head in _columns((metric,), both, (metric,)))
    lines = [_own(report, row, columns, (), report.rows[row].dataset) for row in range(len(report.rows))]
    return _finished("Errors in following the stated preference", "tab:errors", (), columns, lines)


def _columns(metrics: Sequence[Metric], both: bool, published: Sequence[Metric] = _BOTH) -> tuple[Head, ...]:
    made: list[Head] = []
    for metric in metrics:
        lower = metric in LOWER_IS_BETTER
        made.append(Head(metric, "corrected", SHORT[metric], lower))
        if both and metric in published:
            made.append(Head(metric, "published", f"{SHORT[metric]} (published rule)", lower))
    return tuple(made)


def _lines(
    report: Report,
    rows: Sequence[int],
    printed: Sequence[Printed],
    beside: Mapping[int, str],
    columns: tuple[Head, ...],
) -> list[Line]:
    """The printed rows, each with ours below it, then ours without one. Where both rules have a column, a printed number stands
    in that of the published rule."""
    left = list(rows)
    lines: list[Line] = []
    for one in printed:
        values = dict(zip(COLUMNS, one.values, strict=True))
        shown = tuple(
            Shown(values[head.metric], math.nan, math.nan, 0, "")
            if head.rule == "published" or not _twice(head, columns)
            else Shown(math.nan, math.nan, math.nan, 0, "The paper prints one score, by the published rule.")
            for head in columns
        )
        marks = (one.process, one.critique)
        lines.append(Line(one.group, one.name, None, marks, shown, doubt(one.values)))
        for row in [row for row in left if beside.get(row) == one.name]:
            lines.append(_own(report, row, columns, marks, one.group))
            left.remove(row)
    return lines + [_own(report, row, columns, (False, False), "") for row in left]


def _twice(head: Head, columns: tuple[Head, ...]) -> bool:
    return any(other.metric == head.metric and other.rule == "published" for other in columns)


def _own(report: Report, row: int, columns: tuple[Head, ...], marks: tuple[bool, ...], group: str) -> Line:
    cells = report.cells[row]
    shown = tuple(_shown(cells[head.metric], head.rule) for head in columns)
    return Line(group, report.rows[row].name, row, marks, shown)


def _shown(cell: Cell, rule: Rule) -> Shown:
    if rule == "published":
        if cell.published is None:
            return Shown(math.nan, math.nan, math.nan, 0, cell.why or "The published rule has nothing to count.")
        return Shown(100 * cell.published.value, math.nan, math.nan, cell.published.n, "")
    return Shown(100 * cell.value, 100 * cell.interval.low, 100 * cell.interval.high, cell.n, cell.why)


def _finished(
    title: str, label: str, marks: tuple[str, ...], columns: tuple[Head, ...], lines: Sequence[Line]
) -> Layout:
    """The layout with the best of ours marked and the notes gathered."""
    best: dict[tuple[str, int], float] = {}
    for group in dict.fromkeys(line.group for line in lines):
        for place, head in enumerate(columns):
            own = [line.shown[place].percent for line in lines if line.group == group and line.row is not None]
            known = [value for value in own if value == value]
            if len(set(known)) > 1:
                best[group, place] = min(known) if head.lower else max(known)
    marked = tuple(
        line._replace(
            shown=tuple(
                one._replace(best=line.row is not None and best.get((line.group, place)) == one.percent)
                for place, one in enumerate(line.shown)
            )
        )
        for line in lines
    )
    notes = dict.fromkeys(f"{line.name}, {line.group}: {line.note}" for line in lines if line.note)
    return Layout(title, label, marks, columns, marked, tuple(notes))
