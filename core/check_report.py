"""How far critic and people agree: share, error, bias and agreement of bands, with intervals; by band, depth and persona.

Intervals come from drawing whole scenarios again, as checks of one scenario share its texts and its checker; the share has
Wilson's interval beside. Pure; knows rows of checks, not where they are kept.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bands import BANDS, band_of
from core.bootstrap import Interval

Floats = NDArray[np.float64]
DRAWS = 2000
SEED = 50
UNKNOWN = Interval(float("nan"), float("nan"))


class Row(NamedTuple):
    """One check that holds. `critic` is the critic's score, `people` the score after the check; None where there is none."""

    scenario: str
    verdict: str
    critic: float | None
    people: float | None
    depth: int
    persona: str
    who: str


class Figures(NamedTuple):
    """Figures over some checks; NaN where undefined.

    `agree` is the share of *agree* with Wilson's 95 % interval and `agree_drawn` from drawing scenarios. Over the `scored`
    checks with both scores: `mae` mean absolute difference, `bias` mean of critic minus people (positive: the critic is
    too kind), `kappa` quadratic-weighted agreement of the bands (nine, lowest to highest).
    """

    checks: int
    scenarios: int
    verdicts: dict[str, int]
    agree: float
    wilson: Interval
    agree_drawn: Interval
    scored: int
    mae: float
    mae_drawn: Interval
    bias: float
    bias_drawn: Interval
    kappa: float
    kappa_drawn: Interval


class CheckReport(NamedTuple):
    """Everything together, then by the critic's band, by depth and by persona, as (label, figures)."""

    overall: Figures
    bands: list[tuple[str, Figures]]
    depths: list[tuple[str, Figures]]
    personas: list[tuple[str, Figures]]
    people: list[tuple[str, int]]


def check_report(rows: Sequence[Row], draws: int = DRAWS) -> CheckReport:
    """The report over these checks. Empty rows give counts of zero and NaN."""
    labels = {band.key: band.label for band in BANDS} | {"unscored": "unscored"}
    who = sorted({row.who for row in rows})
    return CheckReport(
        figures(rows, draws),
        _by(rows, lambda row: "unscored" if row.critic is None else band_of(row.critic).key, labels, draws),
        _by(
            rows, lambda row: str(row.depth), {str(at): f"level {at}" for at in sorted({r.depth for r in rows})}, draws
        ),
        _by(
            rows,
            lambda row: row.persona,
            {name: name or "no persona" for name in sorted({r.persona for r in rows})},
            draws,
        ),
        [(name, sum(row.who == name for row in rows)) for name in who],
    )


def _by(
    rows: Sequence[Row], key: Callable[[Row], str], labels: dict[str, str], draws: int
) -> list[tuple[str, Figures]]:
    groups: dict[str, list[Row]] = {name: [] for name in labels}
    for row in rows:
        groups[key(row)].append(row)
    return [(labels[name], figures(group, draws)) for name, group in groups.items() if group]


def figures(rows: Sequence[Row], draws: int = DRAWS) -> Figures:
    """The figures over these checks, the same at every call."""
    names = sorted({row.scenario for row in rows})
    place = {name: index for index, name in enumerate(names)}
    sums = np.zeros((len(names), 9))
    for row in rows:
        sums[place[row.scenario]] += _sums(row)
    total = _figures(sums.sum(axis=0)[None, :])[:, 0]
    drawn = [UNKNOWN] * 4
    if len(names) > 1:
        rng = np.random.default_rng(SEED)
        weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws).astype(np.float64)
        drawn = [_interval(values) for values in _figures(weights @ sums)]
    agree, mae, bias, kappa = (float(value) for value in total)
    verdicts = {name: sum(row.verdict == name for row in rows) for name in ("agree", "partly", "wrong")}
    wilson_interval = wilson(verdicts["agree"], len(rows))
    scored = sum(row.critic is not None and row.people is not None for row in rows)
    share = (agree, wilson_interval, drawn[0])
    return Figures(len(rows), len(names), verdicts, *share, scored, mae, drawn[1], bias, drawn[2], kappa, drawn[3])


def _sums(row: Row) -> Floats:
    """What the figures are made of, so that a draw is a weighted sum: (9,)."""
    made = np.zeros(9)
    made[:2] = 1, row.verdict == "agree"
    if row.critic is not None and row.people is not None:
        keys = [band.key for band in BANDS]
        a, b = keys.index(band_of(row.critic).key), keys.index(band_of(row.people).key)
        gap = row.critic - row.people
        made[2:] = 1, abs(gap), gap, a, b, a * a + b * b, (a - b) ** 2
    return made


def _figures(sums: Floats) -> Floats:
    """Share, error, bias and kappa (4, n) of sums (n, 9).

    kappa = 1 - mean (a - b)^2 / (mean a^2 + mean b^2 - 2 mean a mean b) (Cohen 1968, quadratic weights).
    """
    count, agree, scored, error, gap, a, b, squares, apart = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = squares / scored - 2 * (a / scored) * (b / scored)
        kappa = np.where(chance > 1e-12, 1 - (apart / scored) / chance, np.nan)
        return np.array([agree / count, error / scored, gap / scored, kappa])


def _interval(values: Floats) -> Interval:
    known = values[~np.isnan(values)]
    if known.size < values.size / 2:
        return UNKNOWN
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high))


def wilson(hits: int, count: int) -> Interval:
    """Wilson's 95 % interval of a share (Wilson 1927, eq. 4 solved for p); NaN without a count."""
    if count == 0:
        return UNKNOWN
    z, share = 1.959963984540054, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
