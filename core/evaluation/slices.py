"""The same figures by topic: what lies behind a cell.

Knows verdicts as columns. Slices are looked at, not tested: with twenty topics some differ by chance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.bootstrap import Interval
from core.evaluation.intervals import UNKNOWN, share_intervals
from core.evaluation.metrics import METRICS, Metric, counted, scores
from core.evaluation.table import Floats, Ints, Verdicts, settle


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
