"""Which critiques to check next: those where the critic is expected to be wrong, by a small logistic regression of our own.

The regression is fitted on the checks so far from a few features that can be said in words; below 20 checks, or while all of
them say the same, the queue is an even spread over the rubric's bands. Pure and seeded; knows values only.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bands import BANDS, band_of
from core.checks import Seen

Floats = NDArray[np.float64]
NEEDED = 20
"""Checks before the regression is used."""
RIDGE = 1.0
"""Weight of the squared coefficients (of standardised features) against the summed log loss."""
_EDGES = (-0.695, -0.395, 0.0, 0.1, 0.4, 0.7, 0.9)
_KIND = frozenset(
    """accurate apt clear clever compelling convincing deep excellent good helpful insightful nuanced original precise
    profound relevant sharp solid sound strong thoughtful useful valid valuable well""".split()  # noqa: SIM905
)
_HARSH = frozenset(
    """bad confused contradicts contradictory fails flawed generic harmful ignores inaccurate irrelevant lacks misaligned
    misreads misses missing obvious poor repeats shallow superficial unfounded vague weak wrong""".split()  # noqa: SIM905
)
_WORD = re.compile(r"[a-z]{1,30}")


class Case(NamedTuple):
    """What the features of one critique are read from. `siblings` are the scores of the other children of its parent."""

    critique: str
    score: float | None
    depth: int
    siblings: tuple[float, ...]
    marks: int


def case_of(seen: Seen) -> Case:
    """The case of what somebody judged or is to judge."""
    judged = seen.judged
    return Case(judged.critique, judged.score, judged.depth, seen.siblings, seen.marks)


class Feature(NamedTuple):
    """A feature in words: what is true of a step where it is above the average of the checked ones, and where below."""

    key: str
    above: str
    below: str


FEATURES: tuple[Feature, ...] = (
    Feature("edge", "the score is close to the edge of a band", "the score is far from the edges of its band"),
    Feature("length", "the critique is long", "the critique is short"),
    Feature("tone", "the words do not sound like the score", "the words sound like the score"),
    Feature("depth", "the step is deep in its tree", "the step is near the root"),
    Feature("siblings", "the score is unlike its siblings' scores", "the score is like its siblings' scores"),
    Feature("high", "the score is high", "the score is low"),
    Feature("unscored", "the step is unscored", "the step is scored"),
    Feature("marks", "the step carries a quality mark", "the step carries no quality mark"),
)


class Reason(NamedTuple):
    """A feature in words and its part in the log odds; positive makes an error of the critic likelier."""

    text: str
    weight: float


class Place(NamedTuple):
    """A candidate in the queue by its number, the expected probability that people do not agree (None for an even spread),
    and its two strongest reasons."""

    candidate: int
    probability: float | None
    reasons: tuple[Reason, ...]


class Queue(NamedTuple):
    """The order and a sentence that says how it was made."""

    places: tuple[Place, ...]
    how: str


class Fit(NamedTuple):
    """A fitted regression: means and spreads (F,) of the features, coefficients (F,) of the standardised ones, intercept."""

    means: Floats
    spreads: Floats
    weights: Floats
    intercept: float


def features(case: Case) -> Floats:
    """The features of a critique, shape (F,), in the order of `FEATURES`. A feature that needs a score is 0 without one."""
    score = case.score
    words = _WORD.findall(case.critique.lower())
    edge = 0.0 if score is None else max(0.0, 1 - min(abs(score - limit) for limit in _EDGES) / 0.1)
    alone = score is None or not case.siblings
    apart = 0.0 if alone else abs((score or 0.0) - math.fsum(case.siblings) / len(case.siblings))
    tone = tone_of(words)
    clash = 0.0 if score is None or tone is None else abs(tone - score) / 2
    values = (edge, math.log1p(len(words)), clash, case.depth, apart, score or 0.0, score is None, case.marks > 0)
    return np.array(values, dtype=np.float64)


def tone_of(words: Sequence[str]) -> float | None:
    """Balance of praising and blaming words, -1 to 1; None where there are none of either."""
    kind, harsh = sum(word in _KIND for word in words), sum(word in _HARSH for word in words)
    return (kind - harsh) / (kind + harsh) if kind + harsh else None


def fit(cases: Floats, wrong: Floats) -> Fit:
    """Ridge logistic regression by Newton steps. `cases` is (n, F), `wrong` (n,) of 0 and 1; n >= 1.

    Maximises the log likelihood minus `RIDGE`/2 times the squared coefficients (le Cessie and van Houwelingen 1992, eq. 2);
    the intercept is held by a hundredth of it, so that it stays finite. A feature that never varies gets no weight.
    """
    means, spreads = cases.mean(axis=0), cases.std(axis=0)
    flat = spreads < 1e-9
    scaled = np.where(flat, 0.0, (cases - means) / np.where(flat, 1.0, spreads))
    design = np.hstack([np.ones((len(scaled), 1)), scaled])
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = RIDGE / 100
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        chance = _logistic(design @ beta)
        slope = design.T @ (wrong - chance) - penalty * beta
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        beta += step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    return Fit(means, np.where(flat, np.inf, spreads), beta[1:], float(beta[0]))


def expected(found: Fit, case: Floats) -> tuple[float, tuple[Reason, ...]]:
    """The probability that people do not agree with this critique, and its two strongest reasons."""
    parts = found.weights * (case - found.means) / found.spreads
    chance = float(_logistic(np.array([found.intercept + float(parts.sum())]))[0])
    strongest = sorted(range(len(FEATURES)), key=lambda at: -abs(float(parts[at])))[:2]
    named = (
        Reason(FEATURES[at].above if case[at] >= found.means[at] else FEATURES[at].below, float(parts[at]))
        for at in strongest
        if abs(float(parts[at])) > 1e-6
    )
    return chance, tuple(named)


def queue(candidates: Sequence[Case], checked: Sequence[tuple[Case, bool]], seed: int) -> Queue:
    """The candidates in the order in which to check them; `checked` are (case, people did not agree) so far."""
    wrong = np.array([float(outcome) for _, outcome in checked])
    if len(checked) < NEEDED or wrong.min() == wrong.max():
        return _spread(candidates, len(checked), seed)
    found = fit(np.array([features(case) for case, _ in checked]), wrong)
    places = [Place(index, *expected(found, features(case))) for index, case in enumerate(candidates)]
    places.sort(key=lambda place: (-(place.probability or 0.0), place.candidate))
    how = f"Ordered by where the critic is expected to be wrong, learned from {len(checked)} checks."
    return Queue(tuple(places), how)


def _spread(candidates: Sequence[Case], checks: int, seed: int) -> Queue:
    """One of each band in turn, unscored ones too; within a band by chance."""
    order: list[int] = np.random.default_rng(seed).permutation(len(candidates)).tolist()
    bands: dict[str, list[int]] = {band.key: [] for band in BANDS} | {"unscored": []}
    for index in order:
        score = candidates[index].score
        bands["unscored" if score is None else band_of(score).key].append(index)
    turns = [(turn, at, index) for at, band in enumerate(bands.values()) for turn, index in enumerate(band)]
    places = tuple(Place(index, None, ()) for _, _, index in sorted(turns))
    if checks < NEEDED:
        how = f"An even spread over the rubric's bands: {checks} of the {NEEDED} checks are there that an expectation needs."
    else:
        how = "An even spread over the rubric's bands: all checks so far say the same, so there is nothing to learn from yet."
    return Queue(places, how)


def _logistic(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))
