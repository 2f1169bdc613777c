"""95 % intervals of shares and means where items come in clusters (scenarios): a bootstrap, a formula, and Student's t.

Knows numbers and clusters. Items of one scenario share its texts, so scenarios are drawn, never items.
"""

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval
from core.check_report import wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NORMAL = NormalDist()
LEVEL = 0.975
FEWEST = 5
"""Clusters from which percentiles of draws are intervals."""
UNKNOWN = Interval(float("nan"), float("nan"))


def student_cdf(x: float, freedom: int) -> float:
    """P(T <= x) for Student's t with 1 or more degrees of freedom: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    if freedom < 1:
        raise ValueError(f"degrees of freedom start at 1, not {freedom}")
    angle = math.atan(x / math.sqrt(freedom))
    cos2 = math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for at in range(3 if odd else 2, freedom - 1, 2):
        term *= cos2 * (at - 1) / at
        total += term
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return 0.5 + inside / 2


@cache
def student(probability: float, freedom: int) -> float:
    """The quantile of Student's t; `probability` in (0.5, 1). Beyond 2,000 degrees of freedom the expansion of A&S 26.7.5."""
    z = NORMAL.inv_cdf(probability)
    if freedom > 2000:
        return z + (z**3 + z) / (4 * freedom)
    low, high = z, 2 * z
    while student_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def resample(clusters: int, draws: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn: shape (draws, clusters), rows add up to `clusters`."""
    picked = rng.integers(0, clusters, (draws, clusters))
    picked += np.arange(draws)[:, None] * clusters
    return np.bincount(picked.ravel(), minlength=draws * clusters).reshape(draws, clusters).astype(np.float64)


def drawn_means(sums: Floats, counts: Floats, weights: Floats) -> Floats:
    """Means of drawn clusters: sums and counts (clusters, F), weights (draws, clusters); (draws, F), NaN where none has an
    item. Multiplied in single precision, which is exact for counts below 16 million."""
    drawn = weights.astype(np.float32)
    top, bottom = ((drawn @ part.astype(np.float32)).astype(np.float64) for part in (sums, counts))
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def expanded(drawn: Floats, clusters: Ints) -> tuple[Floats, Floats]:
    """Percentile intervals of drawn figures (draws, F), a little wider where clusters are few: low and high, (F,) each.

    The percentile interval is too narrow by sqrt((n - 1) / n) and by the difference between the normal and Student's t;
    its levels are moved to Phi(-+ t sqrt(n / (n - 1))) (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015,
    section 3.6). With fewer than FEWEST clusters no draw is as far out as the truth may be: there the interval is Student's t
    with the spread of the draws, which is as wide as so little knowledge is. `clusters` (F,): the clusters with an item. NaN
    with fewer than two, or where half of the draws have no figure.
    """
    ordered = np.sort(drawn, axis=0)
    known = (~np.isnan(drawn)).sum(axis=0)
    usable = (clusters >= 2) & (known >= max(2, drawn.shape[0] / 2))
    counts = np.unique(np.maximum(clusters, 2))
    tails = {int(n): NORMAL.cdf(-student(LEVEL, int(n) - 1) * math.sqrt(n / (n - 1))) for n in counts}
    tail = np.array([tails[int(n)] for n in np.maximum(clusters, 2)])
    last = np.maximum(known - 1, 0)
    low, high = (np.where(usable, _at(ordered, level * last), np.nan) for level in (tail, 1 - tail))
    for column in np.flatnonzero(usable & (clusters < FEWEST)):
        own, n = ordered[: known[column], column], int(clusters[column])
        middle, away = float(own.mean()), student(LEVEL, n - 1) * float(own.std()) * math.sqrt(n / (n - 1))
        low[column], high[column] = middle - away, middle + away
    return low, high


def _at(ordered: Floats, place: Floats) -> Floats:
    """Values between neighbours of sorted columns (draws, F) at fractional places (F,)."""
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, ordered.shape[0] - 1)
    columns = np.arange(ordered.shape[1], dtype=np.int64)
    low, high = ordered[below, columns], ordered[above, columns]
    return np.where(place > below, low + (high - low) * (place - below), low)


def certain(share: float, clusters: int) -> Interval:
    """The interval of a share of exactly 0 or 1, about which drawing again says nothing: Wilson's, each cluster counted once."""
    return wilson(round(share * clusters), clusters) if clusters >= 2 else UNKNOWN


def share_intervals(sums: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Intervals of shares from sums of 0 and 1 and counts (clusters, F), also where hardly any or nearly all hold: (F,) each.

    Wilson's with the sample that would spread as much were items independent, p (1 - p) / Var with the variance of
    `clustered`, at most n, and for shares of 0 or 1 the clusters; Student's t for the normal (the effective sample of
    Korn and Graubard, Survey Methodology 24, 1998, in Wilson's interval). NaN with fewer than two clusters.
    """
    n: Floats = counts.sum(axis=0)
    clusters: Floats = (counts > 0).sum(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = sums.sum(axis=0) / n
        variance: Floats = (((sums - share * counts) / n) ** 2).sum(axis=0) * clusters / (clusters - 1)
        spread: Floats = share * (1 - share)
        alike: Floats = np.minimum(n, spread / variance)
        effective: Floats = np.where(spread > 0, alike, clusters)
        t = np.array([student(LEVEL, int(one) - 1) if one >= 2 else np.nan for one in clusters])
        middle = (share + t**2 / (2 * effective)) / (1 + t**2 / effective)
        half = t * np.sqrt(spread / effective + t**2 / (4 * effective**2)) / (1 + t**2 / effective)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def clustered(values: Floats, clusters: Ints) -> tuple[float, Interval]:
    """Mean and interval by formula: values (n,) without NaN, clusters (n,).

    Var = C / (C - 1) sum over clusters of (sum of deviations)^2 / n^2 (Liang and Zeger 1986), Student's t with C - 1
    degrees. The mean is NaN without values, the interval with fewer than two clusters; shares of 0 or 1 as in `certain`.
    """
    if values.size == 0:
        return float("nan"), UNKNOWN
    mean = float(values.mean())
    names, place = np.unique(clusters, return_inverse=True)
    if names.size < 2:
        return mean, UNKNOWN
    if mean in (0.0, 1.0) and bool((values == mean).all()):
        return mean, certain(mean, int(names.size))
    error = math.sqrt(cluster_variance(np.bincount(place, values - mean) / values.size))
    half = student(LEVEL, int(names.size) - 1) * error
    return mean, Interval(mean - half, mean + half)


def cluster_variance(parts: Floats) -> float:
    """The variance of a sum from what each of its C >= 2 clusters adds (parts around 0): C / (C - 1) sum of squares."""
    return float(parts.size / (parts.size - 1) * (parts**2).sum())
