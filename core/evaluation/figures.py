"""What the pictures of the report show: the radar of Figure 4 and the frontier of innovation against misleading risk.
Numbers only."""

from collections.abc import Sequence
from typing import NamedTuple

from core.bootstrap import Interval
from core.evaluation.intervals import UNKNOWN
from core.evaluation.metrics import METRICS, Metric
from core.evaluation.paper import COLUMNS, TABLE_1
from core.evaluation.report import Report

INVERTED: Metric = "acc_mis"
AXES: tuple[str, ...] = ("Acc_PF", "Acc_DA", "100 − Acc_Mis", "m_th", "m_dm", "m_ie")


class Spoke(NamedTuple):
    """One value of a radar in percent, higher is better; NaN where there is none."""

    percent: float
    interval: Interval


class Radar(NamedTuple):
    """One line of the radar, a spoke for each of AXES. `row` is a place in the report, None for the paper's."""

    name: str
    row: int | None
    spokes: tuple[Spoke, ...]


def radars(report: Report, dataset: str, paper: bool = True) -> list[Radar]:
    """Our rows on a data set, then the paper's (CDRA paper, Figure 4): misleading risk as 100 - Acc_Mis, its interval
    turned with it."""
    made: list[Radar] = []
    for place, row in enumerate(report.rows):
        if row.dataset == dataset:
            cells = report.cells[place]
            made.append(
                Radar(row.name, place, tuple(_spoke(one, cells[one].value, cells[one].interval) for one in COLUMNS))
            )
    if paper:
        for printed in TABLE_1.get(dataset, ()):
            values = zip(COLUMNS, printed.values, strict=True)
            spokes = tuple(_spoke(metric, value / 100, UNKNOWN) for metric, value in values)
            made.append(Radar(f"{printed.name} (paper)", None, spokes))
    return made


def _spoke(metric: Metric, value: float, interval: Interval) -> Spoke:
    if metric == INVERTED:
        return Spoke(100 - 100 * value, Interval(100 - 100 * interval.high, 100 - 100 * interval.low))
    return Spoke(100 * value, Interval(100 * interval.low, 100 * interval.high))


class Point(NamedTuple):
    """A row as a trade of gain against risk, shares in 0..1 with their intervals. `frontier`: no other row has as much
    gain at as little risk, and more of one."""

    name: str
    row: int
    gain: float
    gain_interval: Interval
    risk: float
    risk_interval: Interval
    frontier: bool


def frontier(report: Report, dataset: str, gain: Metric = "m_ie", risk: Metric = "acc_mis") -> list[Point]:
    """Every row of a data set that has both figures, by rising risk. Raises ValueError for a figure that is not known."""
    if gain not in METRICS or risk not in METRICS:
        raise ValueError(f"there is no figure {gain!r} or {risk!r}")
    pairs = [
        (place, report.cells[place][gain], report.cells[place][risk])
        for place, row in enumerate(report.rows)
        if row.dataset == dataset and report.cells[place][gain].n and report.cells[place][risk].n
    ]
    made = [
        Point(
            report.rows[place].name, place, up.value, up.interval, down.value, down.interval,
            not any(
                other.value >= up.value and less.value <= down.value and (other.value, less.value) != (up.value, down.value)
                for _, other, less in pairs
            ),
        )
        for place, up, down in pairs
    ]  # fmt: skip
    return sorted(made, key=lambda point: (point.risk, -point.gain, point.row))


class Ranked(NamedTuple):
    """A point with what it is worth where one misleading answer costs as much as `cost` gains: gain - cost risk."""

    point: Point
    worth: float


def ranked(points: Sequence[Point], cost: float) -> list[Ranked]:
    """The points by falling worth. Raises ValueError for a cost below 0."""
    if not cost >= 0:
        raise ValueError(f"a misleading answer costs 0 or more, not {cost!r}")
    return sorted(
        (Ranked(one, one.gain - cost * one.risk) for one in points), key=lambda found: (-found.worth, found.point.row)
    )


def switches(points: Sequence[Point]) -> list[tuple[float, str]]:
    """Which point is the best from which cost on: (cost, name), from cost 0; every name is on the frontier."""
    if not points:
        return []
    best = ranked(points, 0.0)[0].point
    best = min((one for one in points if one.gain == best.gain), key=lambda one: (one.risk, one.row))
    found = [(0.0, best.name)]
    while True:
        safer = [one for one in points if one.risk < best.risk]
        if not safer:
            return found
        costs = [((best.gain - one.gain) / (best.risk - one.risk), one.risk, one.row) for one in safer]
        cost, _, row = min(costs)
        best = next(one for one in safer if one.row == row)
        found.append((cost, best.name))
