"""From the values of a study to its report: alignment figures with intervals, agreement, and a card for each rater.

Pure: leaving out a rater, a model or a user profile is leaving out rows. Knows rows of ratings; not where they are kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.agreement import alpha, alpha_interval, icc, quadratic_kappa, straight_lining, why_undefined
from core.bootstrap import Dialogue, Report, report
from core.study import CHECK_TOLERANCE

Floats = NDArray[np.float64]
SEED = 20


class Row(NamedTuple):
    """One value that holds: 1-5, or 0 where the rater could not rate the turn. `check` is True on every turn of a dialogue
    that checks attention; `asked` is the rating it asked for, on the turn that asked."""

    rater: str
    item: str
    model: str
    profile: str
    turn: int
    value: int
    retest: bool
    active_ms: int
    check: bool = False
    asked: int | None = None


class Agreement(NamedTuple):
    """Between raters, over turns (alpha, kappa) and over dialogue means (ICC). NaN where undefined, `why` says why."""

    alpha: float
    low: float
    high: float
    units: int
    alpha_by_turn: tuple[float, ...]
    kappas: tuple[tuple[str, str, float, int], ...]
    icc_single: float
    icc_average: float
    targets: int
    raters: int
    why: str


class Card(NamedTuple):
    """One rater. `bias`: mean difference to the other raters' mean on the same turns; `repeat`: share of retested turns
    within one point of the first time, NaN without retests; `seconds`: median active seconds a turn; `checks_failed` of
    `checks` attention checks answered more than a point away from what they asked for, or as not to be rated."""

    rater: str
    ratings: int
    cannot: int
    mean: float
    spread: float
    bias: float
    repeat: float
    seconds: float
    longest_run: int
    checks: int
    checks_failed: int


class StudyReport(NamedTuple):
    """Everything the report page shows. `uneven` counts the user profiles whose models were not rated by the same people on the
    same turns."""

    figures: Report
    fives: dict[str, float]
    agreement: Agreement
    cards: list[Card]
    ratings: int
    uneven: int


def study_report(rows: Sequence[Row], draws: int = 2000) -> StudyReport:
    """The report over these rows. Empty rows give an empty report."""
    first = [row for row in rows if not row.retest and not row.check and row.value > 0]
    values: dict[str, list[int]] = {}
    for row in first:
        values.setdefault(row.model, []).append(row.value)
    fives = {model: given.count(5) / len(given) for model, given in sorted(values.items())}
    figures = report(_dialogues(first), SEED, draws)
    return StudyReport(figures, fives, _agreement(first), _cards(rows, first), len(first), _uneven(first))


def _uneven(rows: Sequence[Row]) -> int:
    seen: dict[str, dict[str, set[tuple[str, int]]]] = {}
    for row in rows:
        seen.setdefault(row.profile, {}).setdefault(row.model, set()).add((row.rater, row.turn))
    models = {row.model for row in rows}
    return sum(len(given) < len(models) or len(set(map(frozenset, given.values()))) > 1 for given in seen.values())


def _dialogues(rows: Sequence[Row]) -> list[Dialogue]:
    """Dialogue means per turn: the mean over the raters of each turn."""
    turns = max((row.turn for row in rows), default=0)
    values: dict[tuple[str, str, str], list[list[int]]] = {}
    for row in rows:
        values.setdefault((row.item, row.model, row.profile), [[] for _ in range(turns)])[row.turn - 1].append(
            row.value
        )
    return [
        Dialogue(model, profile, tuple(float(np.mean(given)) if given else float("nan") for given in levels))
        for (_, model, profile), levels in values.items()
    ]


def _matrix(rows: Sequence[Row], raters: list[str], units: list[tuple[str, int]]) -> Floats:
    """Ratings as (raters, units); NaN where a rater did not rate a unit (item, turn)."""
    made = np.full((len(raters), len(units)), np.nan)
    place_r, place_u = {name: i for i, name in enumerate(raters)}, {unit: i for i, unit in enumerate(units)}
    for row in rows:
        made[place_r[row.rater], place_u[row.item, row.turn]] = row.value
    return made


def _agreement(rows: Sequence[Row]) -> Agreement:
    raters = sorted({row.rater for row in rows})
    units = sorted({(row.item, row.turn) for row in rows})
    ratings = _matrix(rows, raters, units)
    items = sorted({item for item, _ in units})
    clusters = np.array([items.index(item) for item, _ in units], dtype=np.int64)
    low, high = alpha_interval(ratings, clusters, SEED, 400) if units else (float("nan"), float("nan"))
    turns = np.array([turn for _, turn in units], dtype=np.int64)
    by_turn = tuple(alpha(ratings[:, turns == turn]) for turn in sorted(set(turns.tolist())))
    pairs = [(a, b) for a in range(len(raters)) for b in range(a + 1, len(raters))]
    measured = ((raters[a], raters[b], quadratic_kappa(ratings[a], ratings[b])) for a, b in pairs)
    kappas = tuple((one, two, kappa.value, kappa.units) for one, two, kappa in measured)
    with np.errstate(invalid="ignore"):
        means = np.array([[_mean(ratings[r, clusters == i]) for i in range(len(items))] for r in range(len(raters))])
    over = icc(means) if means.size else icc(np.empty((0, 0)))
    pooled = alpha(ratings) if units else float("nan")
    pairable = int((np.sum(~np.isnan(ratings), axis=0) >= 2).sum()) if units else 0
    why = why_undefined(ratings) if units else "there are no ratings"
    return Agreement(
        pooled, low, high, pairable, by_turn, kappas, over.single, over.average, over.targets, over.raters, why
    )


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _cards(rows: Sequence[Row], first: Sequence[Row]) -> list[Card]:
    sums: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row in first:
        sums.setdefault((row.item, row.turn), []).append((row.rater, row.value))
    cards: list[Card] = []
    for rater in sorted({row.rater for row in rows}):
        own = [row for row in first if row.rater == rater]
        values = np.array([row.value for row in own], dtype=np.float64)
        gaps = [
            row.value - float(np.mean(others))
            for row in own
            if (others := [value for name, value in sums[row.item, row.turn] if name != rater])
        ]
        before = {(row.item, row.turn): row.value for row in own}
        again = [
            row
            for row in rows
            if row.rater == rater and row.retest and row.value > 0 and (row.item, row.turn) in before
        ]
        same = [abs(row.value - before[row.item, row.turn]) <= 1 for row in again]
        times = [row.active_ms / 1000 for row in rows if row.rater == rater and row.active_ms > 0 and not row.check]
        asked = [(row.value, row.asked) for row in rows if row.rater == rater and row.asked is not None]
        cards.append(
            Card(
                rater,
                len(own),
                sum(1 for row in rows if row.rater == rater and row.value == 0 and not row.check),
                _mean(values),
                float(values.std(ddof=1)) if values.size > 1 else float("nan"),
                float(np.mean(gaps)) if gaps else float("nan"),
                float(np.mean(same)) if same else float("nan"),
                float(np.median(times)) if times else float("nan"),
                straight_lining(values),
                len(asked),
                sum(value == 0 or abs(value - level) > CHECK_TOLERANCE for value, level in asked),
            )
        )
    return cards
