"""A report as one HTML file that needs nothing else: no script, no picture, no address; every text is escaped.

Knows layouts and text. A Content-Security-Policy in the file forbids whatever an overlooked text might try.
"""

from collections.abc import Sequence
from html import escape

from core.bootstrap import Interval
from core.evaluation.export import interval, number
from core.evaluation.layout import Layout, Line, Shown
from core.evaluation.metrics import LABELS
from core.evaluation.report import Report

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#faf7f1;margin:2rem auto;max-width:78rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0;background:#fff;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;font-weight:600;padding:.4rem 0}"
    "th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #e3ddd0}"
    "th:first-child,td:first-child{text-align:left}.paper td{color:#666}"
    ".group th{text-align:left;background:#f1ece1}small{color:#666}td small{white-space:nowrap}.scroll{overflow-x:auto}"
)


def to_html(title: str, layouts: Sequence[Layout], report: Report, paragraphs: Sequence[str] = ()) -> str:
    """The whole file: tables, differences, how far responses came, paragraphs."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for text in paragraphs),
        *map(_table, layouts),
        _differences(report),
        _progress(report),
        "</body></html>",
        "",
    ]
    return "\n".join(part for part in parts if part)


def _table(layout: Layout) -> str:
    head = ["", *layout.marks, *(f"{one.text} {'↓' if one.lower else '↑'}" for one in layout.columns)]
    body: list[str] = []
    group = None
    for line in layout.lines:
        if line.group != group and line.group:
            body.append(f'<tr class="group"><th colspan="{len(head)}" scope="rowgroup">{escape(line.group)}</th></tr>')
        group = line.group
        body.append(_line(layout, line))
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in layout.notes)
    return _framed(f"{layout.title} (percent, 95 % intervals over scenarios)", head, body) + notes


def _framed(caption: str, head: Sequence[str], body: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _line(layout: Layout, line: Line) -> str:
    name = f"{line.name} (paper)" if line.row is None else line.name
    marks = "".join(f"<td>{'yes' if mark else '–'}</td>" for mark in line.marks[: len(layout.marks)])
    kind = ' class="paper"' if line.row is None else ""
    return f"<tr{kind}><td>{escape(name)}</td>{marks}{''.join(map(_shown, line.shown))}</tr>"


def _shown(shown: Shown) -> str:
    if shown.percent != shown.percent:
        return f'<td title="{escape(shown.why)}">–</td>'
    text = number(shown.percent)
    text = f"<b>{text}</b>" if shown.best else text
    span = interval(Interval(shown.low, shown.high))
    return f'<td title="{shown.n} responses">{text} <small>{span}</small></td>' if shown.n else f"<td>{text}</td>"


def _differences(report: Report) -> str:
    found = [one for one in report.differences if one.scenarios]
    if not found:
        return ""
    body = [
        "<tr>"
        + "".join(
            f"<td>{escape(text)}</td>"
            for text in (
                f"{report.rows[one.first].name} less {report.rows[one.second].name}",
                report.rows[one.first].dataset,
                LABELS[one.metric],
                number(100 * one.value),
                interval(Interval(100 * one.interval.low, 100 * one.interval.high)),
                number(one.p, 4),
                number(one.p_holm, 4),
                str(one.scenarios),
            )
        )
        + "</tr>"
        for one in found
    ]
    head = ["Rows", "Data set", "Figure", "Difference", "95 % interval", "p", "p (Holm)", "Scenarios"]
    return _framed("Paired differences, in percentage points", head, body)


def _progress(report: Report) -> str:
    body = [
        f"<tr><td>{escape(row.name)}</td><td>{escape(row.dataset)}</td><td>{escape(LABELS[metric])}</td>"
        + "".join(f"<td>{count}</td>" for count in (cell.planned, cell.generated, cell.judged, cell.parsed, cell.n))
        + f"<td>{cell.cannot}</td><td>{cell.tied}</td><td>{escape(cell.why)}</td></tr>"
        for row, cells in zip(report.rows, report.cells, strict=True)
        for metric, cell in cells.items()
        if cell.judged or (cell.why and metric == "acc_pf")
    ]
    head = [
        "Row",
        "Data set",
        "Figure",
        "Planned",
        "Generated",
        "Judged",
        "Parsed",
        "Counted",
        "Cannot determine",
        "Tied",
        "",
    ]
    return _framed("How far responses came", head, body)
