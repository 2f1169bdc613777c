"""Agreement between raters: Krippendorff's alpha, quadratic kappa, ICC(2,1) and ICC(2,k).

Knows matrices of ratings (raters x units, NaN = missing); does not know what a unit is. Undefined values are NaN, and
`why_undefined` says in words why.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]


def alpha(ratings: Floats, level: Level = "ordinal") -> float:
    """Krippendorff's alpha of a (raters, units) matrix; NaN = missing.

    alpha = 1 - D_o / D_e from the coincidence matrix of pairable values (Krippendorff, Content Analysis, ch. 12). NaN where no
    unit has two ratings or all pairable ratings are equal.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    if values.size < 2:
        return float("nan")
    counts = np.stack([(ratings == value).sum(axis=0) for value in values], axis=1).astype(np.float64)
    counts = counts[counts.sum(axis=1) >= 2]
    return _alpha_of_counts(counts, values, level)


def _alpha_of_counts(counts: Floats, values: Floats, level: Level) -> float:
    """Alpha from counts of each value in each unit: shape (units, values)."""
    per_unit = counts.sum(axis=1)
    if counts.size == 0:
        return float("nan")
    weighted = counts / (per_unit - 1)[:, None]
    coincidences = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    margins = coincidences.sum(axis=1)
    total = margins.sum()
    distances = _distances(margins, values, level)
    expected = margins @ distances @ margins
    if expected <= 0:
        return float("nan")
    return float(1.0 - (total - 1) * (coincidences * distances).sum() / expected)


def _distances(margins: Floats, values: Floats, level: Level) -> Floats:
    """Squared differences between values: shape (values, values)."""
    match level:
        case "nominal":
            return 1.0 - np.eye(values.size)
        case "interval":
            return (values[:, None] - values[None, :]) ** 2
        case "ordinal":
            middles = np.cumsum(margins) - margins / 2
            return (middles[:, None] - middles[None, :]) ** 2


def alpha_interval(ratings: Floats, clusters: NDArray[np.int64], seed: int, draws: int = 1000) -> tuple[float, float]:
    """95 % percentile interval of ordinal alpha; `clusters` (units,) says which units are drawn together (a dialogue's turns).

    (NaN, NaN) where fewer than two clusters or fewer than half of the draws have an alpha.
    """
    groups: list[NDArray[np.intp]] = [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    if len(groups) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for index in range(draws):
        picked = rng.integers(0, len(groups), len(groups))
        units = np.concatenate([groups[int(one)] for one in picked])
        found[index] = alpha(ratings[:, units])
    found = found[~np.isnan(found)]
    if found.size < draws / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


class Kappa(NamedTuple):
    """Quadratic kappa of two raters and the number of units both rated."""

    value: float
    units: int


def quadratic_kappa(first: Floats, second: Floats) -> Kappa:
    """Cohen's kappa with quadratic weights over the units both rated; NaN where both gave one and the same value throughout.

    kappa = 1 - sum (a - b)^2 / (mean over all pairs of (a_i - b_j)^2) (Cohen 1968); values are numbers, so equal steps weigh
    equally.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    a, b = first[both], second[both]
    if a.size == 0:
        return Kappa(float("nan"), 0)
    expected = float(((a[:, None] - b[None, :]) ** 2).mean())
    if expected <= 0:
        return Kappa(float("nan"), int(a.size))
    return Kappa(1.0 - float(((a - b) ** 2).mean()) / expected, int(a.size))


class Icc(NamedTuple):
    """ICC(2,1) and ICC(2,k), with the targets and raters they rest on."""

    single: float
    average: float
    targets: int
    raters: int


def icc(ratings: Floats) -> Icc:
    """Two-way random, absolute agreement (Shrout and Fleiss 1979) of a (raters, targets) matrix.

    Targets that a rater left out are dropped. NaN with fewer than two raters or targets, or where nothing varies.
    """
    table = ratings[:, ~np.isnan(ratings).any(axis=0)].T
    targets, raters = table.shape
    undefined = Icc(float("nan"), float("nan"), targets, raters)
    if targets < 2 or raters < 2:
        return undefined
    mean = table.mean()
    between = raters * float(((table.mean(axis=1) - mean) ** 2).sum()) / (targets - 1)
    judges = targets * float(((table.mean(axis=0) - mean) ** 2).sum()) / (raters - 1)
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + mean
    error = float((residual**2).sum()) / ((targets - 1) * (raters - 1))
    low = between + (raters - 1) * error + raters * (judges - error) / targets
    top = between + (judges - error) / targets
    if abs(low) < 1e-12 or abs(top) < 1e-12:
        return undefined
    return Icc((between - error) / low, (between - error) / top, targets, raters)


def why_undefined(ratings: Floats) -> str:
    """Why a measure over this (raters, units) matrix has no value; '' where nothing speaks against one."""
    given = ~np.isnan(ratings)
    if not given.any():
        return "there are no ratings"
    if not (given.sum(axis=0) >= 2).any():
        return "no unit was rated by two raters"
    if np.unique(ratings[given]).size == 1:
        return "all ratings are the same"
    return ""


def straight_lining(values: Floats) -> int:
    """The longest run of one and the same value in a rater's ratings, in the order they were given."""
    longest = run = 1 if values.size else 0
    for before, after in pairwise(values.tolist()):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    return longest
