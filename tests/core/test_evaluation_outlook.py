"""The study planner's outlook: against statsmodels, against simulation, and what it refuses or says."""

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from core.evaluation.intervals import student
from core.evaluation.outlook import POINTS, Wanted, outlook, problem_of
from core.evaluation.planner import Components, from_disagreement

PILOT = Components(0.16, 0.0, 40, 40)


@pytest.mark.parametrize("comparisons", [1, 3, 12])
@pytest.mark.parametrize(("effect", "power"), [(0.1, 0.8), (0.05, 0.9), (0.3, 0.8)])
def test_every_number_is_the_other_implementations(effect: float, power: float, comparisons: int) -> None:
    found = outlook(PILOT, Wanted(effect, power, 90, 1, comparisons))
    other, alpha, sd = TTestPower(), 0.05 / comparisons, math.sqrt(0.16)
    theirs = {one.scenarios: float(other.power(effect / sd, one.scenarios, alpha)) for one in found.curve[::8]}
    assert sum(not math.isnan(value) for value in theirs.values()) >= 3, "theirs gives up near a power of 1"
    for one in found.curve[::8]:
        if not math.isnan(theirs[one.scenarios]):
            assert one.power == pytest.approx(theirs[one.scenarios], abs=2e-4)
    mine = float(other.power(effect / sd, 90, alpha))
    assert math.isnan(mine) or found.chosen.power == pytest.approx(mine, abs=1e-5)
    assert found.needed is not None
    assert found.needed.scenarios == math.ceil(other.solve_power(effect / sd, power=power, alpha=alpha))
    seen = other.solve_power(None, nobs=90, power=power, alpha=alpha) * sd
    assert found.detectable == pytest.approx(seen, rel=1e-3)
    assert found.chosen.half == pytest.approx(student(1 - alpha / 2, 89) * sd / math.sqrt(90))


def test_the_curve_rises_to_past_what_is_needed() -> None:
    found = outlook(PILOT, Wanted(0.1))
    sizes, powers = [one.scenarios for one in found.curve], [one.power for one in found.curve]
    assert len(sizes) == POINTS and sizes == sorted(set(sizes)) and sizes[0] == 2
    assert found.needed is not None and sizes[-1] >= 2 * found.needed.scenarios
    assert powers == sorted(powers) and powers[-1] > 0.95
    assert outlook(PILOT, Wanted(0.0005, scenarios=10)).curve[-1].scenarios <= 100_000
    assert outlook(PILOT, Wanted(0.0001)).needed is None


def test_shares_by_hand_have_the_power_that_simulation_finds() -> None:
    first, second = 0.25, 0.10
    found = outlook(from_disagreement(first, second), Wanted(first - second))
    assert found.needed is not None
    n, rng = found.needed.scenarios, np.random.default_rng(4)
    drawn = rng.choice([1.0, -1.0, 0.0], (4000, n), p=[first, second, 1 - first - second])
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / math.sqrt(n))
    assert float((np.abs(t) > student(0.975, n - 1)).mean()) == pytest.approx(0.8, abs=0.03)
    signs = rng.choice([-1.0, 1.0], (2000, n))
    tested = [float((np.abs(signs @ row) >= abs(row.sum()) - 1e-9).mean()) for row in drawn[:400]]
    assert float((np.array(tested) < 0.05).mean()) == pytest.approx(0.8, abs=0.07), "the report's own test"


def test_more_answers_to_a_scenario_help_only_within_it() -> None:
    nested = Components(0.1, 0.2, 40, 120)
    one, five = (outlook(nested, Wanted(0.1, each=each)).needed for each in (1, 5))
    assert one is not None and five is not None and five.scenarios < one.scenarios
    assert five.scenarios == pytest.approx(one.scenarios * (0.1 + 0.2 / 5) / 0.3, rel=0.05)
    assert any("more answers would even out" in text for text in outlook(PILOT, Wanted(0.1, each=3)).assumed)


def test_what_is_assumed_is_said() -> None:
    said = " ".join(outlook(Components(0.2, 0.0, 12, 12), Wanted(0.1, comparisons=6)).assumed)
    assert "5 % / 6" in said and "From 12 scenarios" in said and "44.7 points" in said
    assert "The shares are yours" in " ".join(outlook(from_disagreement(0.2, 0.1), Wanted(0.1)).assumed)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(0), "difference to find"), (Wanted(1.2), "difference to find"), (Wanted(0.1, 1.0), "power"), (Wanted(0.1, 0.8, 1), "design"),
        (Wanted(0.1, each=0), "design"), (Wanted(0.1, comparisons=0), "comparisons"), (Wanted(0.1, comparisons=10_000), "comparisons"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_a_sentence(wanted: Wanted, words: str) -> None:
    assert words in problem_of(PILOT, wanted) and problem_of(PILOT, wanted).endswith(".")
    with pytest.raises(ValueError, match=words):
        outlook(PILOT, wanted)


def test_a_pilot_without_spread_plans_nothing() -> None:
    assert "differ alike" in problem_of(Components(0, 0, 9, 9), Wanted(0.1))
