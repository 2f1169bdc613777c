"""How many scenarios a paired comparison needs: power and interval width from the variances of a pilot.

Knows differences of two rows by scenario; does not know what is compared. Sources: the usual components of a nested design
(mean squares), power from the noncentral t distribution (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions
2, ch. 31).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.evaluation.intervals import student, student_cdf
from core.evaluation.metrics import METRICS, Metric, scores
from core.evaluation.table import Verdicts, settle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_SCENARIOS = 1_000_000


class Components(NamedTuple):
    """Variances of the difference of two rows: `between` scenarios, and `within` one (of one pair of responses to it).

    Both >= 0, for shares at most 1. `scenarios` and `pairs` are what the pilot had; with one pair for each scenario the
    two cannot be told apart, and `between` holds both.
    """

    between: float
    within: float
    scenarios: int
    pairs: int


class Plan(NamedTuple):
    """A design: `scenarios`, each answered `each` times by both rows. `error` is the standard error of the difference,
    `half` half of its 95 % interval (corrected for `comparisons`), `power` the chance to find the effect, `responses` what
    both rows write."""

    scenarios: int
    each: int
    error: float
    half: float
    power: float
    responses: int


def components(differences: Floats, scenario: Ints) -> Components:
    """The variances from a pilot: `differences` (n,) of pairs of responses, without NaN, and their scenarios (n,).

    Between: (MS_between - MS_within) / n_0, at least 0, with n_0 for scenarios of unequal size. Raises ValueError with a
    sentence for fewer than three scenarios: they say nothing about the spread of others.
    """
    names, place = np.unique(scenario, return_inverse=True)
    sizes = np.bincount(place).astype(np.float64)
    if names.size < 3:
        raise ValueError(f"a pilot has at least 3 scenarios that both rows answered, and this one has {names.size}")
    total, means = differences.size, np.bincount(place, differences) / sizes
    among = float((sizes * (means - differences.mean()) ** 2).sum()) / (names.size - 1)
    if total == names.size:
        return Components(among, 0.0, int(names.size), total)
    within = float(((differences - means[place]) ** 2).sum()) / (total - names.size)
    even = (total - float((sizes**2).sum()) / total) / (names.size - 1)
    return Components(max(0.0, (among - within) / even), within, int(names.size), total)


def pilot(
    table: Verdicts, pair: tuple[int, int], metric: Metric, judges: Sequence[int] | None = None
) -> tuple[Floats, Ints]:
    """What `components` takes, from two rows of a report (places): first minus second and the scenarios, (n,) each.

    The first response to a scenario of one row is paired with the first of the other, and so on; pairs that lack a figure are
    left out.
    """
    value = scores(table, settle(table, judges)).value[:, METRICS.index(metric)]
    first, second = (_numbered(table, row) for row in pair)
    both = sorted(first.keys() & second.keys())
    apart = np.array([value[first[key]] - value[second[key]] for key in both], dtype=np.float64)
    scenario = np.array([key[0] for key in both], dtype=np.int64)
    known = ~np.isnan(apart)
    return apart[known], scenario[known]


def _numbered(table: Verdicts, row: int) -> dict[tuple[int, int], int]:
    """The responses of a row by scenario and number within it."""
    seen: dict[int, int] = {}
    made: dict[tuple[int, int], int] = {}
    for item in np.flatnonzero(table.row == row).tolist():
        scenario = int(table.scenario[item])
        seen[scenario] = seen.get(scenario, -1) + 1
        made[scenario, seen[scenario]] = item
    return made


def from_disagreement(first_only: float, second_only: float) -> Components:
    """The variance of a difference of yes and no answers without a pilot: the shares of scenarios on which only the one,
    or only the other row holds. Raises ValueError for what are no shares."""
    if min(first_only, second_only) < 0 or first_only + second_only > 1:
        raise ValueError("the two shares of disagreement are at least 0 and add up to at most 1")
    return Components(first_only + second_only - (first_only - second_only) ** 2, 0.0, 0, 0)


def plan(found: Components, effect: float, scenarios: int, each: int = 1, comparisons: int = 1) -> Plan:
    """The power to find a true difference `effect` with a two-sided paired test at 5 %, divided by `comparisons`
    (Bonferroni, which Holm's correction never falls below). `scenarios` >= 2, `each` >= 1; ValueError otherwise.

    Var = between / scenarios + within / (scenarios each).
    """
    if scenarios < 2 or each < 1 or comparisons < 1:
        raise ValueError("a design has two or more scenarios, answered once or more, and one comparison or more")
    error = math.sqrt((found.between + found.within / each) / scenarios)
    critical = student(1 - 0.025 / comparisons, scenarios - 1)
    certain = 1.0 if effect else 0.05 / comparisons
    power = certain if error == 0 else t_power(effect / error, critical, scenarios - 1)
    return Plan(scenarios, each, error, critical * error, power, 2 * scenarios * each)


def plans(
    found: Components, effect: float, scenarios: Sequence[int], each: Sequence[int] = (1,), comparisons: int = 1
) -> list[Plan]:
    """Every design of these sizes."""
    return [plan(found, effect, size, times, comparisons) for times in each for size in scenarios]


def needed(found: Components, effect: float, power: float = 0.8, each: int = 1, comparisons: int = 1) -> Plan | None:
    """The smallest design with this power; None where a million scenarios are too few or there is no effect to find."""
    if effect == 0 or plan(found, effect, MOST_SCENARIOS, each, comparisons).power < power:
        return None
    low, high = 1, 2
    while plan(found, effect, high, each, comparisons).power < power:
        low, high = high, min(2 * high, MOST_SCENARIOS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if plan(found, effect, middle, each, comparisons).power >= power else (middle, high)
    return plan(found, effect, high, each, comparisons)


def detectable(found: Components, scenarios: int, power: float = 0.8, each: int = 1, comparisons: int = 1) -> float:
    """The smallest difference that a design finds with this power; infinite where it is more than 1,000 standard errors."""
    error = plan(found, 0.0, scenarios, each, comparisons).error
    low, high = 0.0, 1000 * error
    if error == 0:
        return 0.0
    if plan(found, high, scenarios, each, comparisons).power < power:
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        enough = plan(found, middle, scenarios, each, comparisons).power >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def t_power(shift: float, critical: float, freedom: int) -> float:
    """P(|T| > critical) for a noncentral t with noncentrality `shift`: the normal's tails averaged over the sample deviation.

    T = (Z + shift) / S with freedom S^2 chi-squared; the integral over S by Simpson's rule on its nine deviations either side.
    """
    if shift == 0:
        return (
            2 * (1 - student_cdf(critical, freedom)) if freedom <= 2000 else 2 * (1 - _normal(np.array([critical]))[0])
        )
    spread = 1 / math.sqrt(2 * freedom)
    s = np.linspace(max(1e-9, 1 - 9 * spread), 1 + 9 * spread, 1001)
    log = freedom / 2 * math.log(freedom / 2) - math.lgamma(freedom / 2) + math.log(2)
    density = np.exp(log + (freedom - 1) * np.log(s) - freedom * s**2 / 2)
    tails = 1 - _normal(critical * s - shift) + _normal(-critical * s - shift)
    weights = np.where(np.arange(1001) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    area = float((weights * density).sum())
    return min(1.0, float((weights * density * tails).sum()) / area)


def _normal(x: Floats) -> Floats:
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x.tolist()])
