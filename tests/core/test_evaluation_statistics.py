"""Evaluation, statistics: coverage of intervals in simulation, power and quantiles against second implementations."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from core.bootstrap import Interval
from core.evaluation.intervals import clustered, drawn_means, expanded, resample, share_intervals, student, student_cdf
from core.evaluation.planner import (
    Components,
    components,
    detectable,
    from_disagreement,
    needed,
    pilot,
    plan,
    plans,
    t_power,
)
from core.evaluation.ppi import Labels, estimates
from core.evaluation.table import Item, Row, Said, verdicts_of


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 29, 300, 1999, 2500])
def test_student_agrees_with_another_implementation(freedom: int) -> None:
    for probability in (0.8, 0.975, 0.995):
        assert student(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-6)
    for x in (-3.0, -0.2, 0.0, 1.7):
        assert student_cdf(x, freedom) == pytest.approx(stats.t.cdf(x, freedom), abs=1e-9)
    with pytest.raises(ValueError, match="not 0"):
        student_cdf(1.0, 0)


def drawn_share(rng: np.random.Generator, clusters: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Yes and no answers of 1 to 2 `each` - 1 responses to every scenario; scenarios differ, the true share is 0.4."""
    hard = rng.beta(2, 3, clusters)
    scenario = np.repeat(np.arange(clusters), rng.integers(1, 2 * each, clusters))
    return (rng.random(scenario.size) < hard[scenario]).astype(float), scenario


def bootstrapped(values: np.ndarray, scenario: np.ndarray, rng: np.random.Generator, draws: int) -> Interval:
    size = int(scenario.max()) + 1
    sums, counts = (
        np.bincount(scenario, values, size)[:, None],
        np.bincount(scenario, minlength=size)[:, None].astype(float),
    )
    low, high = expanded(drawn_means(sums, counts, resample(size, draws, rng)), np.array([size]))
    return Interval(float(low[0]), float(high[0]))


def coverage(
    runs: int, seed: int, clusters: int, way: Callable[[np.ndarray, np.ndarray, np.random.Generator], Interval]
) -> float:
    """The share of simulated studies whose interval holds the true share."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(runs):
        values, scenario = drawn_share(rng, clusters, 3)
        low, high = way(values, scenario, rng)
        hits += low <= 0.4 <= high
    return hits / runs


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_few_clusters_say_how_little_is_known(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    hits = 0
    for _ in range(300):
        drawn = drawn_means(rng.normal(size=(clusters, 1)), np.ones((clusters, 1)), resample(clusters, 400, rng))
        low, high = expanded(drawn, np.array([clusters]))
        hits += bool(low[0] <= 0 <= high[0])
    assert 0.9 <= hits / 300 <= 0.99, "percentiles of two, three and four held it in 0.50, 0.76 and 0.88 of the studies"


@pytest.mark.parametrize("clusters", [20, 60])
def test_bootstrap_intervals_cover_the_truth(clusters: int) -> None:
    """400 studies: the nominal 95 % has a standard error of 1.1 points here; 4,000 of each are in benchmarks.covering."""
    found = coverage(400, 1, clusters, lambda values, scenario, rng: bootstrapped(values, scenario, rng, 400))
    assert 0.92 <= found <= 0.98


def rare(runs: int, seed: int, clusters: int, each: int) -> float:
    """The share of studies whose interval by formula holds a true share of 2 %, of responses that come in scenarios."""
    rng, hits = np.random.default_rng(seed), 0
    counts = np.full((clusters, 1), float(each))
    for _ in range(runs):
        sums = rng.binomial(each, rng.beta(0.2, 9.8, clusters))[:, None].astype(float)
        low, high = share_intervals(sums, counts)
        hits += low[0] <= 0.02 <= high[0]
    return hits / runs


@pytest.mark.parametrize(("clusters", "each"), [(20, 3), (60, 3), (300, 1)])
def test_intervals_of_rare_answers_cover_the_truth(clusters: int, each: int) -> None:
    assert 0.92 <= rare(600, 3, clusters, each) <= 0.99


@given(st.integers(0, 40), st.integers(2, 40))
def test_a_share_of_independent_responses_has_wilsons_interval(hits: int, n: int) -> None:
    """Up to Student's t for the normal, and n - 1 for n."""
    hits = min(hits, n)
    low, high = share_intervals((np.arange(n) < hits)[:, None].astype(float), np.ones((n, 1)))
    size = n - 1 if 0 < hits < n else n
    z, share = stats.t.ppf(0.975, n - 1), hits / n
    root = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    assert low[0] == pytest.approx(max(0, (share + z * z / (2 * size) - root) / (1 + z * z / size)), abs=1e-9)
    assert high[0] == pytest.approx(min(1, (share + z * z / (2 * size) + root) / (1 + z * z / size)), abs=1e-9)
    assert np.isnan(share_intervals(np.ones((1, 1)), np.ones((1, 1)))[0][0])


def test_intervals_by_formula_cover_the_truth_and_those_that_forget_the_clusters_do_not() -> None:
    assert 0.92 <= coverage(500, 2, 40, lambda values, scenario, _: clustered(values, scenario)[1]) <= 0.98
    naive = coverage(500, 2, 40, lambda values, scenario, _: clustered(values, np.arange(values.size))[1])
    assert naive < 0.92


def test_the_formula_by_hand() -> None:
    mean, interval = clustered(np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1]))
    assert mean == 0.75
    error = math.sqrt(2 / 1 * ((-0.5 / 4) ** 2 + (0.5 / 4) ** 2))
    assert interval.high == pytest.approx(0.75 + stats.t.ppf(0.975, 1) * error)
    assert math.isnan(clustered(np.array([]), np.array([]))[0])
    assert math.isnan(clustered(np.ones(3), np.zeros(3, dtype=np.int64))[1].low)
    assert 0 < clustered(np.zeros(30), np.arange(30))[1].high < 0.2


def labelled(rng: np.random.Generator, n: int, total: int, good: float, each: int = 1) -> Labels:
    """`total` scenarios with `each` responses; people (true mean 0.4) on those of the first `n`; a judge too ready with yes.

    `good`: how often the judge says what people say, the rest by its own taste.
    """
    hard = rng.beta(2, 3, total)
    scenario = np.repeat(np.arange(total), each)
    people = (rng.random(scenario.size) < hard[scenario]).astype(float)
    judge = np.where(rng.random(scenario.size) < good, people, (rng.random(scenario.size) < 0.7).astype(float))
    mine = scenario < n
    return Labels(people[mine], judge[mine], scenario[mine], judge[~mine], scenario[~mine])


@pytest.mark.parametrize(("good", "each"), [(0.9, 1), (0.9, 3), (0.0, 1)])
def test_prediction_powered_intervals_cover_the_truth(good: float, each: int) -> None:
    rng = np.random.default_rng(11)
    hits, biased, runs = np.zeros(3), 0, 400
    for _ in range(runs):
        found = estimates(labelled(rng, 100, 1000, good, each))
        hits += [one.interval.low <= 0.4 <= one.interval.high for one in found[:3]]
        biased += abs(found.judge - 0.4) > 0.02
    assert all(0.92 <= share <= 0.98 for share in hits / runs)
    assert biased / runs > 0.5, "the judge alone is wrong"


def test_a_good_judge_is_worth_labels_and_a_bad_one_costs_none() -> None:
    rng = np.random.default_rng(12)
    good = [estimates(labelled(rng, 100, 2000, 0.9)).tuned for _ in range(40)]
    assert np.mean([one.effective for one in good]) > 300
    assert 0.7 < np.mean([one.trust for one in good]) <= 1
    bad = [estimates(labelled(rng, 100, 2000, 0.0)) for _ in range(40)]
    assert np.mean([one.tuned.trust for one in bad]) < 0.2
    assert min(one.tuned.effective for one in bad) >= 99
    assert np.mean([one.ppi.effective for one in bad]) < 80, "lambda 1 pays for a judge that knows nothing"


def test_ppi_is_the_papers_where_every_response_is_a_scenario() -> None:
    """Eq. 6 of PPI++ and its variance, up to the ddof of the two samples."""
    rng = np.random.default_rng(13)
    labels = labelled(rng, 200, 1200, 0.8)
    y, f, g = labels.people, labels.judge, labels.judge_only
    n, total = y.size, g.size
    spread = (n * f.var() / n + total * g.var() / total * n / total) / (1 + n / total)
    trust = np.cov(y, f, ddof=0)[0, 1] / ((1 + n / total) * spread)
    tuned = estimates(labels).tuned
    assert tuned.trust == pytest.approx(trust, rel=1e-9)
    assert tuned.value == pytest.approx(y.mean() - trust * (f.mean() - g.mean()))
    assert tuned.error == pytest.approx(math.sqrt((y - trust * f).var() / n + trust**2 * g.var() / total), rel=2e-3)
    plain = estimates(labels)
    assert plain.ppi.value == pytest.approx(y.mean() - f.mean() + g.mean())
    assert plain.people.value == y.mean()
    assert plain.people.effective == pytest.approx(n)
    assert plain.judge == pytest.approx(np.concatenate([f, g]).mean())


def test_ppi_says_what_it_cannot() -> None:
    none = np.array([])
    empty = estimates(Labels(none, none, none.astype(int), np.ones(3), np.arange(3)))
    assert math.isnan(empty.tuned.value)
    assert empty.tuned.why == "People labelled responses of 0 scenarios; it takes two."
    one = estimates(Labels(np.ones(2), np.ones(2), np.zeros(2, dtype=int), none, none.astype(int)))
    assert (one.people.value, one.people.why) == (1.0, "People labelled responses of 1 scenario; it takes two.")
    alone = estimates(Labels(np.array([1.0, 0, 1]), np.array([1.0, 1, 1]), np.arange(3), none, none.astype(int)))
    assert alone.tuned == alone.people == alone.ppi
    same = estimates(Labels(np.zeros(20), np.zeros(20), np.arange(20), np.ones(50), np.arange(20, 70)))
    assert same.tuned.interval.high > 0.05
    with pytest.raises(ValueError, match="one length"):
        estimates(Labels(np.ones(2), np.ones(3), np.arange(2), none, none.astype(int)))
    with pytest.raises(ValueError, match="leave its response out"):
        estimates(Labels(np.array([np.nan]), np.ones(1), np.arange(1), none, none.astype(int)))


@pytest.mark.parametrize(("effect", "n"), [(0.05, 30), (0.2, 30), (0.5, 8), (0.1, 400), (-0.3, 50)])
def test_power_agrees_with_another_implementation(effect: float, n: int) -> None:
    found = plan(Components(1.0, 0.0, 0, 0), effect, n)
    assert found.power == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-6)
    assert found.half == pytest.approx(stats.t.ppf(0.975, n - 1) / math.sqrt(n))
    assert t_power(0.0, student(0.975, 9), 9) == pytest.approx(0.05)


def test_how_many_scenarios_are_needed() -> None:
    unit = Components(1.0, 0.0, 0, 0)
    found = needed(unit, 0.3)
    assert found is not None
    assert found.scenarios == math.ceil(TTestPower().solve_power(0.3, power=0.8, alpha=0.05))
    assert found.power >= 0.8 > plan(unit, 0.3, found.scenarios - 1).power
    assert detectable(unit, found.scenarios) <= 0.3
    assert needed(unit, 0.0) is None
    assert needed(Components(1e6, 0, 0, 0), 0.001) is None
    strict = needed(unit, 0.3, comparisons=6)
    assert strict is not None
    assert strict.scenarios > found.scenarios
    noisy = Components(0.1, 0.4, 0, 0)
    grid = plans(noisy, 0.1, (50, 100), (1, 4))
    assert [(one.scenarios, one.each, one.responses) for one in grid] == [
        (50, 1, 100),
        (100, 1, 200),
        (50, 4, 400),
        (100, 4, 800),
    ]
    assert grid[1].power > grid[0].power
    assert grid[2].error == pytest.approx(math.sqrt((0.1 + 0.4 / 4) / 50))
    assert plan(Components(0, 0, 3, 3), 0.1, 5).power == 1.0
    for scenarios, each in ((1, 1), (2, 0)):
        with pytest.raises(ValueError, match="two or more scenarios"):
            plan(unit, 0.1, scenarios, each)


def test_components_of_a_pilot() -> None:
    rng = np.random.default_rng(9)
    scenario = np.repeat(np.arange(400), 3)
    apart = 0.1 + rng.normal(0, 0.3, 400)[scenario] + rng.normal(0, 0.5, 1200)
    found = components(apart, scenario)
    assert found.between == pytest.approx(0.09, abs=0.025)
    assert found.within == pytest.approx(0.25, abs=0.03)
    assert (found.scenarios, found.pairs) == (400, 1200)
    alone = components(apart[::3], scenario[::3])
    assert (alone.within, alone.between) == (0.0, pytest.approx(apart[::3].var(ddof=1)))
    uneven = components(np.array([1.0, 0, 0, 1, 0]), np.array([0, 0, 1, 2, 2]))
    assert uneven.within == pytest.approx(0.5)
    assert uneven.between >= 0
    with pytest.raises(ValueError, match="at least 3 scenarios"):
        components(np.zeros(2), np.arange(2))


def test_a_pilot_is_read_from_two_rows() -> None:
    said_of = {0: ("yes", "no", "yes", "cannot"), 1: ("no", "no", "no", "no")}
    items, said = [], []
    for row, answers in said_of.items():
        for at, answer in enumerate(answers):
            said.append(Said(len(items), "misleading", answer))  # type: ignore[arg-type]
            items.append(Item(row, f"s{at // 2}"))
    items.append(Item(0, "alone"))
    table = verdicts_of((Row("a", "d"), Row("b", "d")), items, said)
    apart, scenario = pilot(table, (0, 1), "acc_mis")
    assert apart.tolist() == [1, 0, 1]
    assert [table.scenarios[place] for place in scenario] == ["s0", "s0", "s1"]
    assert pilot(table, (0, 1), "m_th")[0].size == 0


def test_planned_power_is_the_power_that_simulation_finds() -> None:
    """A paired t-test over scenarios on answers of two rows that disagree as planned."""
    shares = (0.05, 0.15)
    found = from_disagreement(*shares)
    design = needed(found, 0.1)
    assert design is not None
    rng = np.random.default_rng(14)
    drawn = rng.choice([-1.0, 1.0, 0.0], (600, design.scenarios), p=[*shares, 0.8])
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / math.sqrt(design.scenarios))
    assert float((np.abs(t) > student(0.975, design.scenarios - 1)).mean()) == pytest.approx(design.power, abs=0.05)
    with pytest.raises(ValueError, match="disagreement"):
        from_disagreement(0.7, 0.6)
