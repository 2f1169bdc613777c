"""Reports as CSV, JSON and LaTeX. Texts are made harmless for what reads them; numbers keep their meaning: nothing is no zero.

Knows reports and layouts; does not know files. CSV and JSON hold shares in 0..1 with every count, LaTeX percent as on the page.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping

from core.bootstrap import Interval
from core.evaluation.differences import Difference
from core.evaluation.layout import Layout, Line, Shown
from core.evaluation.metrics import METRICS
from core.evaluation.report import Cell, Report
from core.latex import escape

Plain = str | int | float | None
FIELDS: tuple[str, ...] = (
    "dataset", "row", "model", "method", "turns", "metric", "value", "low", "high", "hits", "n", "scenarios", "planned",
    "generated", "judged", "parsed", "cannot_determine", "tied", "lowest", "highest", "published", "published_n", "uncounted",
    "uncounted_held", "why",
)  # fmt: skip
"""The columns of the CSV, one line for each row and figure."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
NONE = "–"


def records(report: Report) -> list[dict[str, Plain]]:
    """Every cell as a flat record with FIELDS; what there is not is None."""
    return [
        {
            "dataset": row.dataset, "row": row.name, "model": row.model, "method": row.method, "turns": row.turns,
            "metric": metric, **_cell(cells[metric]),
        }
        for row, cells in zip(report.rows, report.cells, strict=True)
        for metric in METRICS
    ]  # fmt: skip


def _cell(cell: Cell) -> dict[str, Plain]:
    theirs = cell.published
    return {
        "value": _number(cell.value), "low": _number(cell.interval.low), "high": _number(cell.interval.high), "hits": cell.hits,
        "n": cell.n, "scenarios": cell.scenarios, "planned": cell.planned, "generated": cell.generated, "judged": cell.judged,
        "parsed": cell.parsed, "cannot_determine": cell.cannot, "tied": cell.tied, "lowest": _number(cell.low),
        "highest": _number(cell.high), "published": None if theirs is None else _number(theirs.value),
        "published_n": None if theirs is None else theirs.n, "uncounted": None if theirs is None else theirs.uncounted,
        "uncounted_held": None if theirs is None else theirs.held, "why": cell.why,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if value == value else None


def to_csv(report: Report) -> str:
    """All cells with a header. A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(FIELDS)
    for record in records(report):
        writer.writerow([_text(record[name]) for name in FIELDS])
    return buffer.getvalue()


def _text(value: Plain) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else repr(value)


def to_json(report: Report, about: Mapping[str, Plain] | None = None) -> str:
    """Cells and differences, and what the caller has to say `about` the run; NaN is null."""
    found = {
        "about": dict(about or {}),
        "cells": records(report),
        "differences": [_difference(report, one) for one in report.differences],
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1)


def _difference(report: Report, one: Difference) -> dict[str, Plain]:
    first, second = report.rows[one.first], report.rows[one.second]
    return {
        "dataset": first.dataset, "first": first.name, "second": second.name, "metric": one.metric, "value": _number(one.value),
        "low": _number(one.interval.low), "high": _number(one.interval.high), "p": _number(one.p), "p_holm": _number(one.p_holm),
        "scenarios": one.scenarios,
    }  # fmt: skip


def number(value: float, digits: int = 1) -> str:
    """A number for people: a true minus sign, a dash for NaN."""
    return NONE if value != value else f"{value:.{digits}f}".replace("-", "−")


def interval(found: Interval, digits: int = 1) -> str:
    """[low, high] for people, '' where there is none."""
    return "" if found.low != found.low else f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def to_latex(layout: Layout) -> str:
    """A floating table for booktabs: groups under a line each, the best of our rows in bold, intervals small beside the number.

    Every cell is escaped. A row starts with `{}`, as a `[` there would be taken for an argument of the `\\\\` before it.
    """
    head = ["", *layout.marks, *(f"{one.text} {'↓' if one.lower else '↑'}" for one in layout.columns)]
    lines = [_row(map(_escaped, head)), "\\midrule"]
    group = None
    for line in layout.lines:
        if line.group != group and line.group:
            lines += (["\\midrule"] if group is not None else []) + [
                f"\\multicolumn{{{len(head)}}}{{l}}{{\\textit{{{_escaped(line.group)}}}}} \\\\"
            ]
        group = line.group
        lines.append(_row(_cells(layout, line)))
    notes = [f"\\par\\footnotesize {_escaped(note)}" for note in layout.notes]
    columns = "l" + "c" * len(layout.marks) + "r" * len(layout.columns)
    return "\n".join(
        [
            "\\begin{table}[t]",
            "\\centering",
            f"\\caption{{{_escaped(layout.title)} (percent, 95\\,\\% intervals over scenarios)}}",
            f"\\label{{{layout.label}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            *lines,
            "\\bottomrule",
            "\\end{tabular}",
            *notes,
            "\\end{table}",
            "",
        ]
    )


def _row(cells: Iterable[str]) -> str:
    return "{}" + " & ".join(cells) + r" \\"


def _cells(layout: Layout, line: Line) -> list[str]:
    name = f"{line.name} (paper)" if line.row is None else line.name
    marks = ["yes" if mark else "--" for mark in line.marks[: len(layout.marks)]]
    return [_escaped(name), *marks, *map(_latex, line.shown)]


def _latex(shown: Shown) -> str:
    text = _escaped(number(shown.percent))
    text = f"\\textbf{{{text}}}" if shown.best else text
    span = interval(Interval(shown.low, shown.high))
    return f"{text} {{\\scriptsize {_escaped(span)}}}" if span else text


def _escaped(text: str) -> str:
    """As `core.latex.escape`, with the arrows and dashes of our own texts."""
    return escape(text).replace("↓", "$\\downarrow$").replace("↑", "$\\uparrow$").replace("–", "--")
