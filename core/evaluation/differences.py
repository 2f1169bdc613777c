"""Paired differences between rows on the scenarios that both have: interval, sign-flip test, Holm's correction.

Knows sums and counts by scenario; does not know what a figure means. A scenario counts once, however many responses it
has, and only where both rows have one that counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import EXACT_UP_TO, Interval, holm, sign_flip
from core.check_report import wilson
from core.evaluation.intervals import drawn_means, expanded
from core.evaluation.metrics import METRICS, Metric

Floats = NDArray[np.float64]
_CHUNK = 2000
_EQUAL = 1e-3
"""Sums of differences that lie nearer are the same: single precision is off by less, and two shares by more."""


class Difference(NamedTuple):
    """First minus second row (places) in one figure: the mean over `scenarios` that both have, -1..1, with its 95 % interval.

    `p`: two-sided test by flipping the signs of the scenarios' differences, every flip for up to 12 scenarios. `p_holm`:
    corrected over all pairs of this figure on this data set. NaN without a shared scenario; no interval with fewer than two.
    Where all scenarios differ alike, drawing again says nothing, and the interval holds what a kind of scenario that was
    not seen among so many could change (Wilson's bound).
    """

    first: int
    second: int
    metric: Metric
    value: float
    interval: Interval
    p: float
    p_holm: float
    scenarios: int


def differences(
    sums: Floats,
    counts: Floats,
    pairs: Sequence[tuple[int, int]],
    weights: Floats,
    flips: tuple[np.random.Generator, int],
) -> list[Difference]:
    """The differences of pairs of rows from sums and counts (scenarios, rows, M), pair by pair and figure by figure.

    `weights` (draws, scenarios): how often a scenario is drawn.
    """
    if not pairs:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
    first, second = (means[:, [pair[side] for pair in pairs], :] for side in (0, 1))
    apart = (first - second).reshape(sums.shape[0], -1)
    known = (~np.isnan(apart)).sum(axis=0)
    value, low, high = _means(apart, known, weights)
    p = sign_flips(apart, *flips).reshape(len(pairs), len(METRICS))
    corrected = np.array([holm(column) for column in p.T.tolist()]).T
    return [
        Difference(
            *pair,
            metric,
            float(value[at]),
            Interval(float(low[at]), float(high[at])),
            float(p[row, column]),
            float(corrected[row, column]),
            int(known[at]),
        )
        for row, pair in enumerate(pairs)
        for column, metric in enumerate(METRICS)
        for at in (row * len(METRICS) + column,)
    ]


def _means(apart: Floats, known: NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats, Floats]:
    if apart.shape[0] == 0:
        nothing = np.full(apart.shape[1], np.nan)
        return nothing, nothing, nothing
    sums, counts = np.nan_to_num(apart), (~np.isnan(apart)).astype(np.float64)
    value = drawn_means(sums, counts, np.ones((1, apart.shape[0])))[0]
    low, high = expanded(drawn_means(sums, counts, weights), known)
    same = (known >= 2) & (np.where(counts > 0, np.abs(apart - value), 0.0).max(axis=0) < 1e-12)
    for at in np.flatnonzero(same):
        reach = wilson(0, int(known[at])).high * (1 + abs(value[at]))
        low[at], high[at] = max(-1.0, value[at] - reach), min(1.0, value[at] + reach)
    return value, low, high


def sign_flips(apart: Floats, rng: np.random.Generator, flips: int) -> Floats:
    """`core.bootstrap.sign_flip` of many columns at once: (scenarios, F) in -1..1, NaN for none; (F,) p values.

    All columns see the same flips, in single precision. NaN without any difference.
    """
    known = (~np.isnan(apart)).sum(axis=0)
    drawn_for = np.flatnonzero(known > EXACT_UP_TO)
    values = np.nan_to_num(apart[:, drawn_for]).astype(np.float32)
    total = values.sum(axis=0)
    found = np.zeros(drawn_for.size)
    if drawn_for.size:
        for start in range(0, flips, _CHUNK):
            size = min(_CHUNK, flips - start)
            drawn = rng.integers(0, 256, (size, -(-apart.shape[0] // 8)), dtype=np.uint8)
            kept = np.unpackbits(drawn, axis=1, count=apart.shape[0]).astype(np.float32)
            found += (np.abs(2 * (kept @ values) - total) >= np.abs(total) - _EQUAL).sum(axis=0)
    p = np.full(apart.shape[1], np.nan)
    p[drawn_for] = (1 + found) / (flips + 1)
    for column in np.flatnonzero((known > 0) & (known <= EXACT_UP_TO)):
        p[column] = sign_flip(apart[:, column], rng, flips)
    return p
