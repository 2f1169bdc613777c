"""How well a critic scores steps it was not trained on: its scores beside those of the data. Pure; knows pairs of scores only.

A step that the critic did not score leaves every mean, and is counted (SPEC 3). A measure without enough data is None, never 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.bands import band_of

Key = TypeVar("Key", int, str)
BINS = 10
"""Calibration bins of width 0.2 from -1 to 1."""


class Judged(NamedTuple):
    """One held-out step: the data's score in [-1, 1], the critic's or None with the reason in `why`, and where it stands.

    `node`, `scenario` and `tree` are handed through from the example: a key, and numbers that the caller knows them by.
    """

    stated: float
    said: float | None
    why: str
    step: int
    persona: str
    node: str = ""
    scenario: int = 0
    tree: int = 0


class Quality(NamedTuple):
    """`unscored` is a share of `steps`. Over the scored: `mae` mean |said - stated|; `spearman` rank correlation in [-1, 1], None
    with fewer than two steps or where one side does not vary; `band` share whose band of the rubric is the same."""

    steps: int
    unscored: float | None
    mae: float | None
    spearman: float | None
    band: float | None


class Bin(NamedTuple):
    """Steps that the critic scored in [low, low + 0.2): how many, its mean score and the data's. The last bin includes 1."""

    low: float
    steps: int
    said: float | None
    stated: float | None


class Report(NamedTuple):
    """A critic on its held-out steps. Groups are sorted: by step number, by persona's name ('' = not stated)."""

    all: Quality
    bins: tuple[Bin, ...]
    by_step: dict[int, Quality]
    by_persona: dict[str, Quality]
    reasons: dict[str, int]


def report(judged: Sequence[Judged]) -> Report:
    """The report of one critic."""
    reasons: dict[str, int] = {}
    for one in judged:
        if one.said is None:
            reasons[one.why] = reasons.get(one.why, 0) + 1
    return Report(
        quality(judged),
        bins(judged),
        _grouped(judged, lambda one: one.step),
        _grouped(judged, lambda one: one.persona),
        reasons,
    )


def _grouped(judged: Sequence[Judged], key: Callable[[Judged], Key]) -> dict[Key, Quality]:
    return {name: quality([one for one in judged if key(one) == name]) for name in sorted({key(one) for one in judged})}


def quality(judged: Sequence[Judged]) -> Quality:
    """The measures over these steps."""
    pairs = [(one.said, one.stated) for one in judged if one.said is not None]
    unscored = 1 - len(pairs) / len(judged) if judged else None
    if not pairs:
        return Quality(len(judged), unscored, None, None, None)
    said, stated = np.array(pairs, dtype=np.float64).T
    same = [band_of(a).key == band_of(b).key for a, b in pairs]
    return Quality(
        len(judged), unscored, float(np.abs(said - stated).mean()), spearman(said, stated), sum(same) / len(same)
    )


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson correlation of the ranks, ties sharing their mean rank (Spearman 1904); None where it is undefined."""
    if first.size < 2:
        return None
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[inverse].astype(np.float64)


def bins(judged: Sequence[Judged]) -> tuple[Bin, ...]:
    """Calibration: in each bin of the critic's scores, what the data says on average. A calibrated critic has said = stated."""
    held: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for one in judged:
        if one.said is not None:
            held[min(BINS - 1, int((one.said + 1) * BINS / 2 + 1e-9))].append((one.said, one.stated))
    return tuple(
        Bin(
            round(-1 + place * 2 / BINS, 1),
            len(pairs),
            sum(said for said, _ in pairs) / len(pairs) if pairs else None,
            sum(stated for _, stated in pairs) / len(pairs) if pairs else None,
        )
        for place, pairs in enumerate(held)
    )


def points(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Every step as JSON values, in the order given: where it stands, what the data states, what the critic said."""
    return [one._asdict() for one in judged]


def as_json(found: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "all": found.all._asdict(),
        "bins": [one._asdict() for one in found.bins],
        "by_step": {str(name): one._asdict() for name, one in found.by_step.items()},
        "by_persona": {name or "unknown": one._asdict() for name, one in found.by_persona.items()},
        "reasons": found.reasons,
    }
