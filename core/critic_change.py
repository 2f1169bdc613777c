"""What a training changed on held-out steps, and whether chance alone could have done it. Pure; knows reports only.

Steps are treated as drawn one by one. Steps of one scenario resemble each other, so the true bounds are wider: a change within
chance is surely nothing, one beyond it may still be little.
"""

import math
from typing import Literal, NamedTuple

from core.report_file import HeldOut, Point, Quality

Verdict = Literal["better", "worse", "chance", ""]
Measure = Literal["unscored", "spearman", "mae", "band"]
HIGHER_IS_BETTER: dict[Measure, bool] = {"unscored": False, "spearman": True, "mae": False, "band": True}
_Z = 1.96
_FEWEST = 10
"""Steps below which nothing is said."""


class Change(NamedTuple):
    """`difference` is trained minus base, None where one side has no number. `verdict` is `chance` where chance alone may do
    as much (95 %), '' where it cannot be told: too few steps, or no single steps in the report."""

    difference: float | None
    verdict: Verdict


def changes(report: HeldOut) -> dict[Measure, Change]:
    """The change of every measure."""
    base, trained = report.base.all, report.trained.all
    tests: dict[Measure, float | None] = {
        "unscored": _shares(base.unscored, trained.unscored, (base.steps, trained.steps)),
        "spearman": _correlations(base, trained),
        "mae": _errors(report),
        "band": _shares(base.band, trained.band, (_scored(base), _scored(trained))),
    }
    return {measure: _change(measure, base, trained, z) for measure, z in tests.items()}


def _change(measure: Measure, base: Quality, trained: Quality, z: float | None) -> Change:
    was: float | None = getattr(base, measure)
    now: float | None = getattr(trained, measure)
    if was is None or now is None:
        return Change(None, "")
    if z is None:
        return Change(now - was, "")
    if abs(z) < _Z:
        return Change(now - was, "chance")
    return Change(now - was, "better" if (z > 0) == HIGHER_IS_BETTER[measure] else "worse")


def _scored(one: Quality) -> int:
    return round(one.steps * (1 - (one.unscored or 0)))


def _shares(was: float | None, now: float | None, steps: tuple[int, int]) -> float | None:
    """z of the difference of two shares, variances not pooled; one more step of each kind keeps 0 and 1 from being certain."""
    if was is None or now is None or min(steps) < _FEWEST:
        return None
    spread = 0.0
    for share, count in ((was, steps[0]), (now, steps[1])):
        kept = (share * count + 1) / (count + 2)
        spread += kept * (1 - kept) / (count + 2)
    return (now - was) / math.sqrt(spread)


def _correlations(base: Quality, trained: Quality) -> float | None:
    """z of the difference of two rank correlations by Fisher's transformation, with the variance 1.06 / (n - 3) of Fieller,
    Hartley and Pearson (1957)."""
    counts = _scored(base), _scored(trained)
    if base.spearman is None or trained.spearman is None or min(counts) < _FEWEST:
        return None
    was, now = (math.atanh(max(-0.999, min(0.999, one))) for one in (base.spearman, trained.spearman))
    return (now - was) / math.sqrt(sum(1.06 / (count - 3) for count in counts))


def _errors(report: HeldOut) -> float | None:
    """z of the mean change of |said - stated| over the steps that both critics scored."""
    before = {(one.tree, one.node): _off(one) for one in report.base.points}
    moved: list[float] = []
    for one in report.trained.points:
        now, was = _off(one), before.get((one.tree, one.node))
        if now is not None and was is not None:
            moved.append(now - was)
    if len(moved) < _FEWEST:
        return None
    mean = sum(moved) / len(moved)
    spread = math.sqrt(sum((one - mean) ** 2 for one in moved) / (len(moved) - 1))
    return 0.0 if spread == 0 and mean == 0 else mean / max(spread, 1e-9) * math.sqrt(len(moved))


def _off(point: Point) -> float | None:
    return None if point.said is None else abs(point.said - point.stated)
