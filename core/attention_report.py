"""Attention on a region over many scenarios: means with intervals, the averaged curve of Figure 6, a control, before and after.

Pure. Knows the figures and bins of single prompts (`core.attention`); not models or files. Prompts of one scenario share its
texts, so scenarios are drawn, never prompts (`core.evaluation.intervals`). Deterministic for a seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.attention import BINS, Measured, Unmeasured, binned, measure, part_below, windows
from core.attention_file import Slice
from core.bootstrap import Interval, sign_flip
from core.evaluation.intervals import UNKNOWN, drawn_means, expanded, resample
from core.regions import Prompt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DRAWS = 2000


class Reading(NamedTuple):
    """One prompt of a scenario read by a model: its figures, its bins (mass and share, (BINS,) each), and the masses of other
    spans (N,), empty where there are none."""

    scenario: str
    figures: Measured
    mass: Floats
    share: Floats
    others: Floats


class Mean(NamedTuple):
    """A mean over scenarios with its 95 % interval, NaN where it cannot be given; `scenarios` that have the figure."""

    value: float
    interval: Interval
    scenarios: int


class Curve(NamedTuple):
    """Figure 6 over many scenarios: mean mass of each bin with its interval, mean share of the tokens, and lift = mass / share
    with an interval of its own, in which mass and share are drawn together; NaN for a bin that has no token in any prompt;
    (BINS,) each."""

    mass: Floats
    low: Floats
    high: Floats
    share: Floats
    lift: Floats
    lift_low: Floats
    lift_high: Floats


class ControlMean(NamedTuple):
    """The mean mass of the region beside the mean of one other span of each prompt, drawn many times: mean and the middle 95 %
    of those means, and the part of them that is below the region's, ties by half; over `prompts` that have another span."""

    region: float
    mean: float
    interval: Interval
    above: float
    prompts: int


class Summary(NamedTuple):
    """One model over all its prompts. `figures` has a mean for each field of `core.attention.Measured`."""

    figures: dict[str, Mean]
    curve: Curve
    control: ControlMean | Unmeasured


class Change(NamedTuple):
    """Second minus first model over the scenarios of both: mean difference, bootstrapped interval, two-sided p of flipping the
    signs of the scenarios' differences, and how many scenarios there are."""

    value: float
    interval: Interval
    p: float
    scenarios: int


class TokenChange(NamedTuple):
    """Second minus first slice of one prompt: of the mean of each token (T,), and of the preference's mass of each layer and
    head (L, H), None where the two models have different ones."""

    mean: Floats
    masses: Floats | None


def reading(scenario: str, row: ArrayLike, prompt: Prompt) -> Reading | Unmeasured:
    """What a row (T,) says of a prompt, for the averages. Unmeasured without a preference."""
    figures, bins, others = measure(row, prompt), binned(row, prompt), windows(row, prompt)
    if isinstance(figures, Unmeasured):
        return figures
    if isinstance(bins, Unmeasured):
        return bins
    return Reading(scenario, figures, *bins, np.empty(0) if isinstance(others, Unmeasured) else others.masses)


def token_change(before: Slice, after: Slice) -> TokenChange | Unmeasured:
    """What training changed on one prompt, token by token. Unmeasured where the two did not read the same tokens."""
    if not np.array_equal(before.prompt.ids, after.prompt.ids) or before.prompt.text != after.prompt.text:
        return Unmeasured("The two models read this prompt as different tokens; compare their curves instead.")
    alike = before.masses.shape == after.masses.shape
    return TokenChange(
        np.asarray(after.mean, dtype=np.float64) - before.mean,
        np.asarray(after.masses, dtype=np.float64) - before.masses if alike else None,
    )


def summary(readings: Sequence[Reading], seed: int = 1, draws: int = DRAWS) -> Summary | Unmeasured:
    """Figures, curve and control of one model. Every scenario weighs by its number of prompts."""
    if not readings:
        return Unmeasured("No prompt of this model could be measured.")
    clusters = _clusters(readings)
    table = np.array([one.figures for one in readings], dtype=np.float64)
    rng = np.random.default_rng(seed)
    weights = resample(int(clusters.max()) + 1, draws, rng)
    value, low, high, known = _means(table, clusters, weights)
    figures = {
        name: Mean(float(value[at]), _interval(low[at], high[at]), int(known[at]))
        for at, name in enumerate(Measured._fields)
    }
    masses, shares = np.array([one.mass for one in readings]), np.array([one.share for one in readings])
    return Summary(figures, _curve(masses, shares, clusters, weights), control_mean(readings, rng, draws))


def control_mean(readings: Sequence[Reading], rng: np.random.Generator, draws: int = DRAWS) -> ControlMean | Unmeasured:
    """Draw one other span of every prompt that has one, `draws` times, and compare the means."""
    usable = [one for one in readings if len(one.others)]
    if not usable:
        return Unmeasured("In no prompt is there another span to lay beside the preference, so there is no control.")
    means = np.mean([rng.choice(one.others, size=draws) for one in usable], axis=0)
    region = float(np.mean([one.figures.mass for one in usable]))
    low, high = np.quantile(means, [0.025, 0.975])
    drawn = Interval(float(low), float(high))
    return ControlMean(region, float(means.mean()), drawn, part_below(means, region), len(usable))


def change(
    before: Sequence[Reading], after: Sequence[Reading], figure: str = "mass", seed: int = 1, draws: int = DRAWS
) -> Change | Unmeasured:
    """What training changed in a figure, scenario by scenario; NaN figures are left out. Raises ValueError for no figure."""
    if figure not in Measured._fields:
        raise ValueError(f"{figure} is no figure of attention")
    first, second = _by_scenario(before, figure), _by_scenario(after, figure)
    both = sorted(first.keys() & second.keys())
    if not both:
        return Unmeasured("The two models have no scenario in common, so nothing can be compared.")
    differences = np.array([second[name] - first[name] for name in both])
    rng = np.random.default_rng(seed)
    value, low, high, known = _means(differences[:, None], np.arange(len(both)), resample(len(both), draws, rng))
    p = sign_flip(differences, rng, draws) if len(both) > 1 else float("nan")
    return Change(float(value[0]), _interval(low[0], high[0]), p, int(known[0]))


def curve_change(
    before: Sequence[Reading], after: Sequence[Reading], seed: int = 1, draws: int = DRAWS
) -> Curve | Unmeasured:
    """The difference of the averaged curves over the scenarios of both, paired: mass, interval, and the share of the second,
    by which `lift` divides."""
    first, second = _bins(before), _bins(after)
    both = sorted(first.keys() & second.keys())
    if not both:
        return Unmeasured("The two models have no scenario in common, so nothing can be compared.")
    away = np.array([second[name][0] - first[name][0] for name in both])
    shares = np.array([second[name][1] for name in both])
    return _curve(away, shares, np.arange(len(both)), resample(len(both), draws, np.random.default_rng(seed)))


def _clusters(readings: Sequence[Reading]) -> Ints:
    names = {name: at for at, name in enumerate(dict.fromkeys(one.scenario for one in readings))}
    return np.array([names[one.scenario] for one in readings], dtype=np.int64)


def _means(table: Floats, clusters: Ints, weights: Floats) -> tuple[Floats, Floats, Floats, Ints]:
    """Means of columns (n, F) over rows without NaN, low and high of their intervals, and the clusters that have any: (F,)."""
    known = ~np.isnan(table)
    size = int(clusters.max()) + 1
    sums, counts = np.zeros((size, table.shape[1])), np.zeros((size, table.shape[1]))
    np.add.at(sums, clusters, np.where(known, table, 0.0))
    np.add.at(counts, clusters, known.astype(np.float64))
    total = counts.sum(axis=0)
    value: Floats = np.where(total > 0, sums.sum(axis=0) / np.maximum(total, 1.0), np.nan)
    having = (counts > 0).sum(axis=0)
    low, high = expanded(drawn_means(sums, counts, weights), having.astype(np.int64))
    return value, low, high, having


def _curve(masses: Floats, shares: Floats, clusters: Ints, weights: Floats) -> Curve:
    """The curve of masses and shares (n, BINS). A lift is a ratio of sums over the same scenarios: each draw divides its own."""
    mass, low, high, _ = _means(masses, clusters, weights)
    share: Floats = shares.mean(axis=0, dtype=np.float64)
    lift = np.divide(mass, share, out=np.full(BINS, np.nan, dtype=np.float64), where=share > 0)
    tops, bottoms = (np.zeros((int(clusters.max()) + 1, BINS)) for _ in range(2))
    np.add.at(tops, clusters, masses)
    np.add.at(bottoms, clusters, shares)
    having = (bottoms > 0).sum(axis=0).astype(np.int64)
    lift_low, lift_high = expanded(drawn_means(tops, bottoms, weights), having)
    return Curve(mass, low, high, share, lift, lift_low, lift_high)


def _interval(low: float, high: float) -> Interval:
    return UNKNOWN if np.isnan(low) or np.isnan(high) else Interval(float(low), float(high))


def _by_scenario(readings: Sequence[Reading], figure: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in readings:
        value = float(getattr(one.figures, figure))
        if not np.isnan(value):
            found.setdefault(one.scenario, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _bins(readings: Sequence[Reading]) -> dict[str, tuple[Floats, Floats]]:
    found: dict[str, list[Reading]] = {}
    for one in readings:
        found.setdefault(one.scenario, []).append(one)
    return {
        name: (np.mean([one.mass for one in own], axis=0), np.mean([one.share for one in own], axis=0))
        for name, own in found.items()
    }
