"""From verdicts to the cells of Tables 1 and 3: shares with intervals, how far responses came, the published score beside.

Knows verdicts as columns; does not know how tables are laid out (`layout`) or written (`export`). Deterministic for a
seed. Rows of one data set share the scenarios that are drawn, so cells of one column can be compared; differences are in
`differences`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval
from core.evaluation.differences import Difference, differences
from core.evaluation.intervals import UNKNOWN, drawn_means, expanded, resample, share_intervals
from core.evaluation.metrics import LABELS, METRICS, PARTS, Counted, Metric, Scores, counted, scores
from core.evaluation.table import Ints, Row, Verdicts, settle

Floats = NDArray[np.float64]
RARE = 10
"""Responses of a kind below which a share's interval is by formula (`intervals.share_intervals`)."""


class Published(NamedTuple):
    """The same figure by the published rule: over all `n` generated responses, whatever was said about them (for multiple
    choice over all replies).

    `value` in 0..1; `uncounted` responses have no yes or no where one is needed, and the published rule takes `held` of
    them for responses of which the figure holds. The two figures differ by nothing else.
    """

    value: float
    n: int
    uncounted: int
    held: int


class Cell(NamedTuple):
    """One figure of one row. NaN where there is none; then `why` is a sentence that says so, otherwise ''.

    `value` = `hits` / `n` in 0..1 over the responses that count, with its 95 % interval over `scenarios`. `low` and `high`
    bound what it could be if every generated response that does not count had failed or held. `published` is None where
    its rule has nothing to count. The counts are those of `metrics.Counted`.
    """

    value: float
    interval: Interval
    hits: int
    n: int
    scenarios: int
    planned: int
    generated: int
    judged: int
    parsed: int
    cannot: int
    tied: int
    low: float
    high: float
    published: Published | None
    why: str


class Report(NamedTuple):
    """All rows, their cells by figure, and the differences between rows."""

    rows: tuple[Row, ...]
    cells: tuple[dict[Metric, Cell], ...]
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Drawing:
    """`draws` of scenarios for the intervals, `flips` of signs for the tests, from `seed`."""

    draws: int = 2000
    flips: int = 10_000
    seed: int = 6


def report(
    table: Verdicts,
    pairs: Sequence[tuple[int, int]] | None = None,
    judges: Sequence[int] | None = None,
    drawing: Drawing | None = None,
) -> Report:
    """Cells of every row, and differences of the `pairs` of rows (places): by default every row less the first of its data set.

    `judges`: the places of those whose majority counts, all by default. Raises ValueError for a pair from two data sets.
    """
    drawing = drawing or Drawing()
    pairs = against_first(table.rows) if pairs is None else pairs
    if any(table.rows[one].dataset != table.rows[two].dataset for one, two in pairs):
        raise ValueError("rows are compared on one data set, and a pair names two")
    found = scores(table, settle(table, judges))
    low, high = (np.full((len(table.rows), len(METRICS)), np.nan) for _ in range(2))
    scenarios = np.zeros((len(table.rows), len(METRICS)), dtype=np.int64)
    compared: list[Difference] = []
    for place, dataset in enumerate(sorted({row.dataset for row in table.rows})):
        rows = [at for at, row in enumerate(table.rows) if row.dataset == dataset]
        sums, counts = _by_scenario(table, found.value, rows)
        rng = np.random.default_rng([drawing.seed, place])
        scenarios[rows] = (counts > 0).sum(axis=0)
        weights = resample(counts.shape[0], drawing.draws, rng) if counts.shape[0] else np.zeros((drawing.draws, 0))
        low[rows], high[rows] = _intervals(sums, counts, weights)
        own = [(rows.index(one), rows.index(two)) for one, two in pairs if table.rows[one].dataset == dataset]
        for one in differences(sums, counts, own, weights, (rng, drawing.flips)):
            compared.append(one._replace(first=rows[one.first], second=rows[one.second]))
    how_far = counted(table, found.state, table.row, len(table.rows))
    shares = _Shares(*_totals(table, found), low, high, scenarios)
    cells = tuple(_cells(shares, how_far, row) for row in range(len(table.rows)))
    return Report(table.rows, cells, compared)


def against_first(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Every row with the first row of its data set."""
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(row.dataset, place)
    return [(place, first[row.dataset]) for place, row in enumerate(rows) if first[row.dataset] != place]


class _Shares(NamedTuple):
    """Arrays (R, M): sums of what holds, of the published score, and of it where nothing counts; how many that score is
    over; intervals; scenarios."""

    hits: Floats
    published: Floats
    held: Floats
    scored: Floats
    low: Floats
    high: Floats
    scenarios: Ints


def _totals(table: Verdicts, found: Scores) -> tuple[Floats, Floats, Floats, Floats]:
    def by_row(values: Floats) -> Floats:
        columns = [np.bincount(table.row, column, len(table.rows)) for column in values.T]
        return np.stack(columns, axis=1).astype(np.float64)

    published = np.nan_to_num(found.published)
    outside = np.where(np.isnan(found.value), published, 0.0)
    scored = (~np.isnan(found.published)).astype(np.float64)
    return by_row(np.nan_to_num(found.value)), by_row(published), by_row(outside), by_row(scored)


def _by_scenario(table: Verdicts, value: Floats, rows: Sequence[int]) -> tuple[Floats, Floats]:
    """Sums and counts of the figures of these rows by scenario: (S, R, M) each, over the scenarios that the rows have."""
    place = np.full(len(table.rows), -1)
    place[list(rows)] = np.arange(len(rows))
    chosen = np.flatnonzero(place[table.row] >= 0)
    names, scenario = np.unique(table.scenario[chosen], return_inverse=True)
    key = scenario * len(rows) + place[table.row[chosen]]
    shape = (names.size, len(rows), value.shape[1])
    sums, counts = np.empty(shape), np.empty(shape)
    for column in range(value.shape[1]):
        own = value[chosen, column]
        known = ~np.isnan(own)
        sums[:, :, column] = np.bincount(key[known], own[known], names.size * len(rows)).reshape(shape[:2])
        counts[:, :, column] = np.bincount(key[known], minlength=names.size * len(rows)).reshape(shape[:2])
    return sums, counts


def _intervals(sums: Floats, counts: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """By the bootstrap; by formula where fewer than RARE responses hold, or do not: drawing them again says too little."""
    scenarios, rows, columns = sums.shape
    flat = (scenarios, rows * columns)
    drawn = drawn_means(sums.reshape(flat), counts.reshape(flat), weights)
    low, high = expanded(drawn, (counts > 0).sum(axis=0).ravel())
    hits, n = sums.sum(axis=0).ravel(), counts.sum(axis=0).ravel()
    rare = np.flatnonzero(np.minimum(hits, n - hits) < RARE)
    low[rare], high[rare] = share_intervals(sums.reshape(flat)[:, rare], counts.reshape(flat)[:, rare])
    return low.reshape(rows, columns), high.reshape(rows, columns)


def _cells(shares: _Shares, how_far: Counted, row: int) -> dict[Metric, Cell]:
    return {metric: _cell(shares, how_far, (row, column)) for column, metric in enumerate(METRICS)}


def _cell(shares: _Shares, how_far: Counted, at: tuple[int, int]) -> Cell:
    planned, generated, judged, parsed, n, cannot, tied = (int(counts[at]) for counts in how_far)
    hits, scenarios = round(float(shares.hits[at])), int(shares.scenarios[at])
    interval = Interval(float(shares.low[at]), float(shares.high[at]))
    scored, held = round(float(shares.scored[at])), round(float(shares.held[at]))
    published = Published(float(shares.published[at]) / scored, scored, scored - n, held) if scored else None
    low, high = (hits / generated, (hits + generated - n) / generated) if generated else (float("nan"), float("nan"))
    counts = (scenarios, planned, generated, judged, parsed, cannot, tied)
    if n == 0:
        why = _why(METRICS[at[1]], planned, generated, judged, parsed)
        return Cell(float("nan"), UNKNOWN, 0, 0, *counts, low, high, published, why)
    return Cell(hits / n, interval, hits, n, *counts, low, high, published, "")


def _why(metric: Metric, planned: int, generated: int, judged: int, parsed: int) -> str:
    checks = "the choice" if metric == "acc_mc" else " and ".join(PARTS[metric]).replace("_", " ")
    if not planned:
        return "No result: nothing is planned."
    if not generated:
        return f"No result: none of {planned} planned responses was generated."
    if not judged:
        return f"No result: no call about {checks} was answered for any of {generated} responses."
    if not parsed:
        return f"No result: none of {judged} responses with replies has a readable verdict on {checks}."
    return f"No result: none of {parsed} responses has a yes or no on {checks}."


def explained(cell: Cell, metric: Metric) -> str:
    """Why the published score differs from ours, as a sentence; '' where both rest on the same responses."""
    theirs = cell.published
    if theirs is None or not theirs.uncounted:
        return ""
    ours = f"{cell.value:.1%}" if cell.n else "no result"
    without = "a letter" if metric == "acc_mc" else "a yes or no on every check it needs"
    return (
        f"{theirs.uncounted} of {theirs.n} responses are without {without}. Of {LABELS[metric]} the published rule counts "
        f"{theirs.held} of them as yes and {theirs.uncounted - theirs.held} as no, and gives {theirs.value:.1%}; "
        f"left out: {ours}."
    )
