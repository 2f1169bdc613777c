"""Evaluation, what is known about a judge: against people, by order, length, letter and repeat, and what people are asked."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of
from statsmodels.stats.inter_rater import cohens_kappa

from core.agreement import quadratic_kappa
from core.evaluation.audits import consistency, order_audit, places, verbosity
from core.evaluation.people import (
    Pairs,
    against,
    against_people,
    figures,
    flipped,
    pairs_of,
    sampled,
    sampled_responses,
)
from core.evaluation.ppi import caution, estimates, labels_of
from core.evaluation.table import ABSENT, CANNOT, NO, YES, Item, Row, Said, verdicts_of
from core.evaluation.verdicts import Column, Outcome

ROWS = (Row("ours", "d"),)

CODES = st.lists(st.tuples(st.sampled_from([NO, YES]), st.sampled_from([NO, YES])), min_size=1, max_size=40)


@given(CODES)
@settings(max_examples=200, deadline=None)
def test_kappa_agreement_and_mcnemar_agree_with_other_implementations(codes: list[tuple[int, int]]) -> None:
    judge, people = np.array(codes).T
    found = against(Pairs(judge, people, np.arange(judge.size)), draws=20)
    table = np.array([[found.yes_yes, found.yes_no], [found.no_yes, found.no_no]])
    assert found.agree == pytest.approx((judge == people).mean())
    assert found.bias == pytest.approx(judge.mean() - people.mean())
    exact = 1e-9 if found.yes_no + found.no_yes <= 12 else 0.025
    assert found.p == pytest.approx(mcnemar_of(table, exact=True).pvalue, abs=exact)
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
    assert math.isnan(nothing.p)
    assert flipped(np.zeros(3)) == 1.0
    assert flipped(np.array([2.0, 1.0, 0.0, 1.0])) == 2 / 8


def test_answers_of_one_scenario_are_not_taken_as_independent() -> None:
    """40 scenarios with 8 rows: the judge errs alike on all rows of a scenario, as often for yes as against it."""
    rng, scenario, hits, naive = np.random.default_rng(43), np.repeat(np.arange(40), 8), 0, 0
    for _ in range(300):
        lean = rng.choice([-1, 0, 1], 40, p=[0.25, 0.5, 0.25])[scenario]
        people = rng.integers(0, 2, 320)
        judge = np.where((lean != 0) & (rng.random(320) < 0.4), (lean > 0).astype(np.int64), people)
        found = against(Pairs(judge, people, scenario), draws=20)
        hits += found.p < 0.05
        naive += float(mcnemar_of([[0, found.yes_no], [found.no_yes, 0]], exact=True).pvalue) < 0.05
    assert hits / 300 <= 0.08
    assert naive / 300 > 0.12, "as if every answer stood alone"


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
    assert math.isnan(found[None].p), "all checks together have no one bias"
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


def hard_study(rng: np.random.Generator) -> list[Said]:
    """600 responses, a quarter of them hard: the judge says yes to 20 % of these, two people cannot determine them or are tied.

    Of the others half are a yes, and the judge knows 90 %. People are asked about the first 150, at `p` and `q`.
    """
    hard, truth, wrong = rng.random(600) < 0.25, rng.random(600) < 0.5, rng.random(600) < 0.1
    judge = np.where(hard, rng.random(600) < 0.2, truth ^ wrong)
    said = [Said(at, "misleading", "yes" if judge[at] else "no", "judge") for at in range(600)]
    for at in range(150):
        known: Outcome = "yes" if truth[at] else "no"
        vague: tuple[Outcome, Outcome] = ("cannot", "cannot") if at % 2 else ("yes", "no")
        for person, outcome in zip("pq", vague if hard[at] else (known, known), strict=True):
            said.append(Said(at, "misleading", outcome, person))
    return said


def test_hard_responses_that_people_were_asked_about_do_not_bend_the_mean() -> None:
    rng = np.random.default_rng(41)
    items, hits, off, runs = [Item(0, f"s{at}") for at in range(600)], np.zeros(3), np.zeros(3), 300
    for _ in range(runs):
        table = verdicts_of(ROWS, items, hard_study(rng))
        labels = labels_of(table, [0], [1, 2], 0, "acc_mis")
        assert labels.judge_only.size == 450
        assert labels.people.size + labels.judge_undecided.size == 150
        found = estimates(labels)
        hits += [one.interval.low <= 0.5 <= one.interval.high for one in found[:3]]
        off += [one.value - 0.5 for one in found[:3]]
    assert all(0.92 <= share <= 0.98 for share in hits / runs)
    assert np.abs(off / runs).max() < 0.01


def test_undecided_responses_are_counted_and_told() -> None:
    said = [Said(at, "misleading", "yes" if at % 3 else "no", "judge") for at in range(40)]
    said += [Said(at, "misleading", "yes" if at % 2 else "no", "p") for at in range(12)]
    table = verdicts_of(ROWS, [Item(0, f"s{at}") for at in range(40)], said)
    found = estimates(labels_of(table, [0], [1], 0, "acc_mis"))
    assert (found.tuned.undecided, caution(found)) == (0, "")
    said += [
        Said(12, "misleading", "cannot", "p"),
        Said(13, "misleading", "yes", "p"),
        Said(13, "misleading", "no", "q"),
    ]
    table = verdicts_of(ROWS, [Item(0, f"s{at}") for at in range(40)], said)
    told = estimates(labels_of(table, [0], [1, 2], 0, "acc_mis"))
    assert (told.tuned.n, told.tuned.undecided, told.tuned.judged) == (12, 2, 26)
    assert told.people == found.people._replace(judged=26, undecided=2)
    assert told.judge == found.judge, "the judge's own mean is of all"
    assert caution(told).startswith("Of 14 responses that people answered, 2 have no yes or no")


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
