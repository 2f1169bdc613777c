"""The evaluator's strict score scale (SPEC 2.4; CDRA paper, figure 12) as bands, and the histogram against it."""

from collections.abc import Iterable
from typing import NamedTuple


class Band(NamedTuple):
    """Scores s with `low` <= s < the next band's `low` (the top band is the single value 1.0)."""

    key: str
    label: str
    low: float


BANDS: tuple[Band, ...] = (
    Band("harmful", "contradictory or harmful", -1.0),
    Band("misaligned", "misaligned", -0.69),
    Band("flawed", "flawed", -0.39),
    Band("irrelevant", "irrelevant", 0.0),
    Band("none", "no real inference", 0.1),
    Band("surface", "surface-level", 0.4),
    Band("strong", "strong", 0.7),
    Band("exceptional", "exceptional", 0.9),
    Band("revolutionary", "revolutionary", 1.0),
)
"""Lowest first. The rubric prints two-decimal limits (-0.4 to -0.69, ...); a score between two printed limits belongs to
the band whose printed limit it has passed, so that every value in [-1, 1] has exactly one band."""

COLLAPSE_SHARE = 0.6
"""A scorer that puts more than this share of its scores into one band is reported as collapsed."""


def band_of(score: float) -> Band:
    """The band of a score in [-1, 1].

    Negative limits are inclusive on the side of zero: -0.69 is misaligned, -0.70 harmful, -0.05 flawed.
    Raises ValueError outside [-1, 1] or for NaN.
    """
    if not -1.0 <= score <= 1.0:
        raise ValueError(f"a score lies in [-1, 1], not {score!r}")
    if score < 0:
        return BANDS[0] if score < -0.695 else BANDS[1] if score < -0.395 else BANDS[2]
    return max((band for band in BANDS[3:] if band.low <= score + 1e-9), key=lambda band: band.low)


class Histogram(NamedTuple):
    """`bins` are 20 counts of width 0.1 from -1 to 1; `bands` counts by band key; `warning` is '' or a sentence."""

    bins: tuple[int, ...]
    bands: dict[str, int]
    unscored: int
    total: int
    warning: str


def histogram(scores: Iterable[tuple[float | None, int]]) -> Histogram:
    """Histogram of (score, how often) pairs; None counts as unscored. An empty input gives zeros and no warning."""
    bins = [0] * 20
    bands = dict.fromkeys((band.key for band in BANDS), 0)
    unscored = total = 0
    for score, count in scores:
        total += count
        if score is None:
            unscored += count
            continue
        bins[min(19, int((score + 1.0) * 10 + 1e-9))] += count
        bands[band_of(score).key] += count
    return Histogram(tuple(bins), bands, unscored, total, _warning(bands, total - unscored))


def _warning(bands: dict[str, int], scored: int) -> str:
    if scored < 20:
        return ""
    key = max(bands, key=lambda name: bands[name])
    share = bands[key] / scored
    if share <= COLLAPSE_SHARE:
        return ""
    label = next(band.label for band in BANDS if band.key == key)
    return (
        f"{share:.0%} of the scores lie in one band ({label}). The rubric asks for the whole range: "
        "check whether the scorer has collapsed before training on this set."
    )
