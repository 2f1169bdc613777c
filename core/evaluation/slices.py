"""The same figures by topic, and two rows scenario by scenario: what lies behind a cell.

Knows verdicts as columns. Slices are looked at, not tested: with twenty topics some differ by chance.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from core.bootstrap import Interval
from core.evaluation.intervals import UNKNOWN, share_intervals
from core.evaluation.metrics import LOWER_IS_BETTER, METRICS, Metric, counted, scores
from core.evaluation.table import Floats, Ints, Verdicts, settle

Against = Literal["win", "lose", "tie", "missing"]


class Slice(NamedTuple):
    """One figure of one row on one topic; NaN without a response that counts. Counts as in `metrics.Counted`; the interval
    is by formula over scenarios (`intervals.share_intervals`), NaN with fewer than two."""

    row: int
    topic: str
    metric: Metric
    value: float
    interval: Interval
    n: int
    planned: int
    generated: int
    judged: int
    parsed: int


def by_topic(
    table: Verdicts, metrics: Sequence[Metric] = ("acc_pf", "acc_da", "acc_mis"), judges: Sequence[int] | None = None
) -> list[Slice]:
    """Every row on every topic that it has, in the order of rows and topics, by the majority of `judges` (all by default)."""
    found = scores(table, settle(table, judges))
    topics = max(1, len(table.topics))
    group = table.row * topics + table.topic
    how_far = counted(table, found.state, group, len(table.rows) * topics)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(len(table.rows) * topics + 1))
    made: list[Slice] = []
    for place in np.unique(group):
        members = order[ends[place] : ends[place + 1]]
        for metric in metrics:
            column = METRICS.index(metric)
            values = found.value[members, column]
            known = ~np.isnan(values)
            value, interval = _interval(values[known], table.scenario[members][known])
            planned, generated, judged, parsed, n = (int(counts[place, column]) for counts in how_far[:5])
            row, topic = divmod(int(place), topics)
            made.append(Slice(row, table.topics[topic], metric, value, interval, n, planned, generated, judged, parsed))
    return made


def _interval(values: Floats, scenario: Ints) -> tuple[float, Interval]:
    if not values.size:
        return float("nan"), UNKNOWN
    names, place = np.unique(scenario, return_inverse=True)
    sums = np.bincount(place, values, names.size).astype(np.float64)[:, None]
    counts = np.bincount(place, minlength=names.size).astype(np.float64)[:, None]
    low, high = share_intervals(sums, counts)
    return float(values.mean()), Interval(float(low[0]), float(high[0]))


class Compared(NamedTuple):
    """One scenario of two rows: the share of its responses for which the figure holds, None without one that counts.

    `win`: the first row is better, lower where lower is better; `missing`: one of them has nothing that counts. `items`
    are the places of the responses, the first row's before the second's.
    """

    scenario: str
    first: float | None
    second: float | None
    against: Against
    items: tuple[tuple[int, ...], tuple[int, ...]]


def compared(
    table: Verdicts, pair: tuple[int, int], metric: Metric, judges: Sequence[int] | None = None
) -> list[Compared]:
    """Every scenario that both rows of the pair (places) were to answer, in the order of their names."""
    value = scores(table, settle(table, judges)).value[:, METRICS.index(metric)]
    sides: list[dict[int, list[int]]] = []
    for row in pair:
        by: dict[int, list[int]] = {}
        for item in np.flatnonzero(table.row == row).tolist():
            by.setdefault(int(table.scenario[item]), []).append(item)
        sides.append(by)
    made: list[Compared] = []
    for scenario in sorted(sides[0].keys() & sides[1].keys(), key=lambda place: table.scenarios[place]):
        items = (tuple(sides[0][scenario]), tuple(sides[1][scenario]))
        one, two = (_share([float(value[item]) for item in own]) for own in items)
        made.append(Compared(table.scenarios[scenario], one, two, _against(one, two, metric), items))
    return made


def _share(values: list[float]) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _against(first: float | None, second: float | None, metric: Metric) -> Against:
    if first is None or second is None:
        return "missing"
    if first == second:
        return "tie"
    return "win" if (first > second) != (metric in LOWER_IS_BETTER) else "lose"
