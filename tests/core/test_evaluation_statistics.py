"""Evaluation, statistics: coverage of intervals in simulation, kappa and power against second implementations, audits."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.power import TTestPower

from core.agreement import quadratic_kappa
from core.bootstrap import Interval
from core.evaluation.audits import consistency, order_audit, places, verbosity
from core.evaluation.intervals import clustered, drawn_means, expanded, resample, student, student_cdf
from core.evaluation.people import (
    Pairs,
    against,
    against_people,
    figures,
    mcnemar,
    pairs_of,
    sampled,
    sampled_responses,
)
from core.evaluation.planner import Components, components, detectable, from_disagreement, needed, plan, plans, t_power
from core.evaluation.ppi import Labels, estimates, labels_of
from core.evaluation.table import ABSENT, CANNOT, NO, YES, Item, Row, Said, verdicts_of
from core.evaluation.verdicts import Column, Outcome

ROWS = (Row("ours", "d"),)


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


@pytest.mark.parametrize("clusters", [20, 60])
def test_bootstrap_intervals_cover_the_truth(clusters: int) -> None:
    """400 studies: the nominal 95 % has a standard error of 1.1 points here; 4,000 of each are in benchmarks.covering."""
    found = coverage(400, 1, clusters, lambda values, scenario, rng: bootstrapped(values, scenario, rng, 400))
    assert 0.92 <= found <= 0.98


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


CODES = st.lists(st.tuples(st.sampled_from([NO, YES]), st.sampled_from([NO, YES])), min_size=1, max_size=40)


@given(CODES)
@settings(max_examples=200, deadline=None)
def test_kappa_agreement_and_mcnemar_agree_with_other_implementations(codes: list[tuple[int, int]]) -> None:
    judge, people = np.array(codes).T
    found = against(Pairs(judge, people, np.arange(judge.size)), draws=20)
    table = np.array([[found.yes_yes, found.yes_no], [found.no_yes, found.no_no]])
    assert found.agree == pytest.approx((judge == people).mean())
    assert found.bias == pytest.approx(judge.mean() - people.mean())
    assert found.p == pytest.approx(mcnemar_of(table, exact=True).pvalue)
    if math.isnan(found.kappa):
        assert len({*judge.tolist(), *people.tolist()}) == 1
    else:
        assert found.kappa == pytest.approx(cohens_kappa(table).kappa)
        assert found.kappa == pytest.approx(quadratic_kappa(judge.astype(float), people.astype(float)).value)


def test_what_is_not_compared_is_counted() -> None:
    judge = np.array([YES, NO, CANNOT, YES, ABSENT, CANNOT])
    people = np.array([YES, YES, NO, CANNOT, NO, CANNOT])
    found = against(Pairs(judge, people, np.arange(6)), draws=20)
    assert (found.both, found.judge_cannot, found.people_cannot, found.neither) == (2, 1, 1, 2)
    assert (found.agree, found.bias) == (0.5, -0.5)
    nothing = against(Pairs(np.array([CANNOT]), np.array([YES]), np.arange(1)), draws=20)
    assert nothing.both == 0
    assert math.isnan(nothing.agree)
    assert math.isnan(nothing.agree_drawn.low)
    assert mcnemar(0, 0) == 1.0


def test_the_interval_of_agreement_goes_by_scenario() -> None:
    rng = np.random.default_rng(21)
    scenario = np.repeat(np.arange(30), 10)
    wrong = np.repeat(rng.random(30) < 0.3, 10)
    people = rng.integers(0, 2, 300)
    found = against(Pairs(np.where(wrong, 1 - people, people), people, scenario))
    assert found.agree_drawn.high - found.agree_drawn.low > 2 * (found.wilson.high - found.wilson.low)
    sure = against(Pairs(people, people, scenario))
    assert sure.agree_drawn.low < 0.95
    assert np.isnan(figures(np.array([[4.0, 0, 0, 0]]))[1, 0])


def test_people_are_columns_of_the_same_table() -> None:
    items = [Item(0, f"s{at}") for at in range(6)]
    said = [Said(at, "misleading", "yes" if at < 4 else "no", "judge") for at in range(6)]
    said += [Said(at, "violate", "no", "judge") for at in range(6)]
    said += [Said(at, "misleading", "yes" if at < 2 else "no", "ann") for at in range(5)]
    said += [Said(at, "misleading", "yes" if at < 3 else "no", "bob") for at in range(5)]
    said += [Said(0, "violate", "yes", "ann")]
    table = verdicts_of(ROWS, items, said)
    judge, people = [table.judges.index("judge")], [table.judges.index(name) for name in ("ann", "bob")]
    found = against_people(table, judge, people, draws=50)
    assert set(found) == {None, "misleading", "violate"}
    misleading = found["misleading"]
    assert (misleading.both, misleading.yes_yes, misleading.yes_no, misleading.no_no, misleading.neither) == (
        4,
        2,
        1,
        1,
        1,
    )
    assert found[None].both == 5
    assert found["violate"].bias == -1
    assert misleading.p_holm >= misleading.p
    assert pairs_of(table, judge, people, "helpful").judge.size == 0


def test_samples_for_people_are_spread_and_blind_to_the_answer() -> None:
    items = [Item(at % 2, f"s{at}") for at in range(200)]
    rows = (Row("a", "d"), Row("b", "d"))
    said = [Said(at, "misleading", "yes" if at % 5 == 0 else "no", "judge") for at in range(200)]
    said += [Said(at, "violate", "failed" if at > 40 else "no", "judge") for at in range(200)]
    table = verdicts_of(rows, items, said)
    found = sampled(table, [0], 60, 3)
    assert found == sampled(table, [0], 60, 3) != sampled(table, [0], 60, 4)
    assert len(set(found)) == 60
    assert [check for _, check in found].count("violate") == 30
    assert all(at <= 40 for at, check in found if check == "violate")
    yes = sum(at % 5 == 0 for at, check in sampled(table, [0], 400, 5) if check == "misleading")
    assert yes == 40, "with room for all, all of them"
    assert len(sampled(table, [0], 10_000, 3)) == 241
    assert sampled(verdicts_of(rows, items, []), [], 5, 1) == []
    picked = sampled_responses(table, [0], 1, "acc_mis", (30, 2))
    assert len(set(picked)) == 30
    assert all(at % 2 == 1 for at in picked)
    assert sampled_responses(table, [0], 0, "acc_pf", (30, 2)) == []


def test_labels_of_a_table_give_the_peoples_mean() -> None:
    """A judge that says yes too often, on two rows; people label a sample of one of them."""
    rng = np.random.default_rng(31)
    items = [Item(at % 2, f"s{at // 2}") for at in range(3000)]
    truth = rng.random(3000) < 0.3
    said = [Said(at, "misleading", "yes" if truth[at] or rng.random() < 0.2 else "no", "judge") for at in range(3000)]
    said[1] = said[1]._replace(outcome="cannot")
    table = verdicts_of((Row("a", "d"), Row("b", "d")), items, said)
    picked = sampled_responses(table, [0], 1, "acc_mis", (300, 1))
    said += [Said(at, "misleading", "yes" if truth[at] else "no", "people") for at in picked]
    table = verdicts_of(table.rows, items, said)
    labels = labels_of(table, [0], [1], 1, "acc_mis")
    assert (labels.people.size, labels.judge_only.size) == (300, 1500 - 300 - 1)
    found = estimates(labels)
    assert found.judge > 0.4
    assert found.tuned.interval.low < truth[1::2].mean() < found.tuned.interval.high
    assert found.tuned.effective > 400


def two_orders(rng: np.random.Generator, push: float) -> list[Said]:
    """A judge that says yes more often by `push` where the response stands first."""
    said: list[Said] = []
    for at in range(150):
        first = rng.random() < 0.4
        second = first or rng.random() < push
        for judge, yes in (("given", first), ("swapped", second)):
            said.append(Said(at, "misleading", "yes" if yes else "no", judge))
    return said


def test_a_judge_that_the_order_moves_is_found() -> None:
    items = [Item(0, f"s{at}") for at in range(150)]
    moved = order_audit(verdicts_of(ROWS, items, two_orders(np.random.default_rng(1), 0.3)), 0, 1, 100)["misleading"]
    assert moved.bias < -0.05
    assert moved.p_holm < 0.01
    calm = order_audit(verdicts_of(ROWS, items, two_orders(np.random.default_rng(1), 0.0)), 0, 1, 100)["misleading"]
    assert (calm.agree, calm.bias, calm.p) == (1.0, 0.0, 1.0)


def test_repeats_that_differ_are_counted() -> None:
    answers: tuple[tuple[Outcome, ...], ...] = (
        ("yes", "yes", "yes"),
        ("yes", "no", "yes"),
        ("no", "failed", "no"),
        ("no", "failed", "failed"),
    )
    said = [
        Said(at, "violate", one, "j", repeat) for at, given in enumerate(answers) for repeat, one in enumerate(given)
    ]
    found = consistency(verdicts_of(ROWS, [Item(0, f"s{at}") for at in range(4)], said), 0)
    assert (found["violate"].asked, found["violate"].same) == (3, 2)
    assert found["violate"].pairs == pytest.approx((3 + 1 + 1) / (3 + 3 + 1))
    assert math.isnan(found["helpful"].pairs)


def lengthy(rng: np.random.Generator, taste: float, column: Column = "thoughtful") -> tuple[list[Item], list[Said]]:
    """Responses of two rows, one of which writes more and better; people do not care for length, the judge has `taste` for it."""
    items, said = [], []
    for at in range(600):
        row = at % 2
        doublings = rng.normal(9 + row, 1)
        people = rng.random() < 0.3 + 0.3 * row
        judge = rng.random() < min(1, max(0, 0.3 + 0.3 * row + taste * (doublings - 9 - row)))
        items.append(Item(row, f"s{at // 2}", length=round(2**doublings)))
        said += [
            Said(at, column, "yes" if judge else "no", "judge"),
            Said(at, column, "yes" if people else "no", "people"),
        ]
    return items, said


def test_a_judge_that_likes_length_is_found_and_one_that_likes_a_model_is_not_accused() -> None:
    rows = (Row("short", "d"), Row("long", "d"))
    for taste in (0.15, 0.0):
        table = verdicts_of(rows, *lengthy(np.random.default_rng(3), taste))
        found = verbosity(table, [0], [1])["thoughtful"]
        assert found.excess is not None
        for slope in (found.slope, found.excess):
            assert slope.interval.low < taste < slope.interval.high
            assert (slope.n, slope.scenarios) == (600, 300)
            assert (slope.interval.low > 0) == (taste > 0)
        assert [quarter[3] for quarter in found.quarters] == [150] * 4
        assert found.quarters[0][2] < found.quarters[-1][2]
    assert verbosity(table, [0])["thoughtful"].excess is None
    flat = verdicts_of(
        ROWS, [Item(0, f"s{at}", length=100) for at in range(9)], [Said(at, "violate", "no", "j") for at in range(9)]
    )
    assert math.isnan(verbosity(flat, [0])["violate"].slope.value)


def test_a_preferred_letter_is_found() -> None:
    rng = np.random.default_rng(5)
    right = rng.integers(0, 4, 200).tolist()
    calm = [place if rng.random() < 0.6 else int(rng.integers(0, 4)) for place in right]
    lazy = [place if rng.random() < 0.4 else 0 for place in right]
    assert places(calm, right, 4).p > 0.05
    found = places(lazy, right, 4)
    assert found.p < 0.001
    assert found.found[0] == 1.0 > max(found.found[1:])
    assert sum(found.chosen) == sum(found.right) == 200
    assert math.isnan(places([], [], 4).p)


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
