"""Checks of critiques as values: digest, label, word diff, the order of the queue, the report, and the training files."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from core.agreement import quadratic_kappa
from core.bands import BANDS, band_of
from core.check_queue import NEEDED, Case, expected, features, fit, queue
from core.check_report import Row, check_report, figures, wilson
from core.checks import Check, Judged, Label, digest, judged_of, label_of, problem_of, word_diff
from core.formats.checks import LONGEST_LINE, Labelled, newest, prm800k, rating, read_line, sft, stepwise
from core.parsing import read_reply
from core.types import ROOT, Node, Scenario

CASE = Scenario("I avoid crowds.", "What should I see?")


def judged(key: str = "1", score: float | None = 0.5, before: tuple[tuple[str, str], ...] = (), **more: Any) -> Judged:
    """A judged step."""
    made = Judged(
        CASE.preference,
        CASE.query,
        "travel",
        before,
        key,
        "thought",
        len(before) + 1,
        "pragmatist",
        f"Step {key}.",
        "Clear.",
        score,
    )
    return made._replace(**more)


def test_digest_changes_with_everything_that_is_judged() -> None:
    base = judged(before=(("0.1", "first"),))
    changes: list[dict[str, Any]] = [
        {"preference": "x"}, {"query": "x"}, {"before": (("0.1", "other"),)}, {"before": ()}, {"step": "x"}, {"critique": "x"}, {"score": 0.51}, {"score": None}, {"key": "2"},
    ]  # fmt: skip
    assert len({digest(base._replace(**change)) for change in changes} | {digest(base)}) == len(changes) + 1
    assert digest(base) == digest(judged(before=(("0.1", "first"),)))


def test_what_cannot_be_judged_is_not_offered() -> None:
    nodes = {
        ROOT: Node(ROOT, None, "root", 0, "q"),
        "1": Node("1", ROOT, "thought", 1, "t"),
        "2": Node("2", ROOT, "thought", 1, "t", "c" * 70_000, 1),
    }
    assert [judged_of(CASE, nodes, key) for key in (ROOT, "1", "2", "9")] == [None] * 4
    whole = {ROOT: nodes[ROOT], "1": Node("1", ROOT, "thought", 1, "t", "c", 1)}
    found = judged_of(CASE, whole, "1")
    assert found is not None and isinstance(found.score, float)


@pytest.mark.parametrize(
    ("check", "label"),
    [
        (Check("agree"), Label(0.5, "Clear.")),
        (Check("agree", 0.6), Label(0.6, "Clear.")),
        (Check("partly"), Label(None, None)),
        (Check("partly", 0.1), Label(0.1, "Clear.")),
        (Check("partly", None, "Vague."), Label(0.5, "Vague.")),
        (Check("wrong"), Label(None, None)),
        (Check("wrong", -0.5), Label(-0.5, None)),
        (Check("wrong", 0.0, "Vague."), Label(0.0, "Vague.")),
    ],
)
def test_label(check: Check, label: Label) -> None:
    assert label_of(judged(), check) == label


@pytest.mark.parametrize(
    "check",
    [
        Check("maybe"),
        Check("agree", float("nan")),
        Check("agree", 1.01),
        Check("agree", critique=""),
        Check("agree", critique="x" * 8001),
        Check("agree", reason="x" * 2001),
        Check("", 0.5),
        Check("agree", reason="\ud800"),
    ],  # type: ignore[arg-type]
)
def test_checks_that_cannot_be_kept(check: Check) -> None:
    assert problem_of(check).endswith(".")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=14), st.lists(st.sampled_from("abcd"), max_size=14))
def test_word_diff_holds_both_texts_and_as_much_as_possible_stays(one: list[str], two: list[str]) -> None:
    pieces = word_diff(" ".join(one), " ".join(two))
    assert " ".join(p.text for p in pieces if p.what != "new").split() == one
    assert " ".join(p.text for p in pieces if p.what != "gone").split() == two
    table = np.zeros((len(one) + 1, len(two) + 1), dtype=int)
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    assert sum(len(p.text.split()) for p in pieces if p.what == "same") == table[-1, -1]


def test_word_diff_of_hostile_texts_is_bounded() -> None:
    pieces = word_diff("a b " * 2000, "b c " * 2000)
    assert [piece.what for piece in pieces] == ["gone", "new"]


def cases(count: int, seed: int) -> list[Case]:
    """Random cases."""
    rng = np.random.default_rng(seed)
    words = ["clear", "deep", "misses", "vague", "the", "step", "person"]
    return [
        Case(
            " ".join(rng.choice(words, size=int(rng.integers(5, 80)))),
            round(float(rng.uniform(-1, 1)), 2),
            int(rng.integers(1, 6)),
            (0.2, 0.4),
            int(rng.integers(0, 2)),
        )
        for _ in range(count)
    ]


def test_regression_recovers_a_planted_signal() -> None:
    """The critic is wrong on long critiques of deep steps, and nothing else matters."""
    given_cases, rng = cases(600, 1), np.random.default_rng(2)
    table = np.array([features(case) for case in given_cases])
    truth = 1.6 * (table[:, 1] - table[:, 1].mean()) / table[:, 1].std() + 0.9 * (table[:, 3] - 3) / table[:, 3].std()
    wrong = (rng.random(600) < 1 / (1 + np.exp(-truth))).astype(float)
    found = fit(table, wrong)
    assert found.weights[1] == pytest.approx(1.6, abs=0.35) and found.weights[3] == pytest.approx(0.9, abs=0.3)
    assert all(abs(found.weights[at]) < 0.35 for at in (0, 2, 4, 5, 6, 7))
    fresh = cases(300, 7)
    made = queue(fresh, list(zip(given_cases, wrong > 0, strict=True)), 3)
    lengths = [len(fresh[place.candidate].critique) for place in made.places]
    assert np.mean(lengths[:60]) > 2 * np.mean(lengths[-60:])
    chances = [place.probability or 0.0 for place in made.places]
    assert chances == sorted(chances, reverse=True) and 0 < chances[-1] < 0.2 < 0.8 < chances[0] < 1
    assert {reason.text for reason in made.places[0].reasons} == {
        "the critique is long",
        "the step is deep in its tree",
    }
    assert all(reason.weight > 0 for reason in made.places[0].reasons)


def test_regression_is_the_minimum_of_its_loss() -> None:
    """Newton's end point has no slope left, also where the classes can be separated."""
    table = np.array([features(case) for case in cases(60, 4)])
    wrong = (table[:, 5] > 0).astype(float)
    found = fit(table, wrong)
    scaled = (table - found.means) / found.spreads
    chance = 1 / (1 + np.exp(-(scaled @ found.weights + found.intercept)))
    assert np.abs(scaled.T @ (wrong - chance) - found.weights).max() < 1e-6
    assert abs((wrong - chance).sum() - found.intercept / 100) < 1e-6
    assert 0 < expected(found, table[0])[0] < 1


def test_before_twenty_checks_the_queue_is_an_even_spread() -> None:
    scores = [0.5] * 50 + [-0.9, -0.5, -0.2, 0.0, 0.2, 0.8, 0.95, 1.0, None]
    candidates = [Case("c", score, 1, (), 0) for score in scores]
    history = [(Case("c", 0.1, 1, (), 0), bool(at % 2)) for at in range(NEEDED - 1)]
    made = queue(candidates, history, 5)
    first = [scores[place.candidate] for place in made.places[:10]]
    assert {"none" if s is None else band_of(s).key for s in first} == {band.key for band in BANDS} | {"none"}
    assert sorted(place.candidate for place in made.places) == list(range(len(scores)))
    assert (
        "19 of the 20" in made.how and made == queue(candidates, history, 5) and made != queue(candidates, history, 6)
    )
    same = queue(candidates, [(Case("c", 0.1, 1, (), 0), True)] * 30, 5)
    assert same.places == made.places and "say the same" in same.how
    assert queue([], history, 1).places == ()


@given(st.integers(1, 400).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_wilson_is_the_one_of_statsmodels(pair: tuple[int, int]) -> None:
    assert wilson(*pair) == pytest.approx(proportion_confint(*pair, alpha=0.05, method="wilson"), abs=1e-9)


def rows(count: int, scenarios: int, seed: int) -> list[Row]:
    """Random checks: the critic is 0.2 too kind on average."""
    rng = np.random.default_rng(seed)
    made: list[Row] = []
    for at in range(count):
        people = float(rng.uniform(-0.9, 0.6))
        critic = float(np.clip(people + rng.normal(0.2, 0.1), -1, 1))
        verdict = ("agree", "partly", "wrong")[int(rng.integers(0, 3))]
        made.append(Row(f"s{at % scenarios}", verdict, critic, people, 1 + at % 3, "", f"p{at % 2}"))
    return made


def test_report_figures_are_those_of_their_definitions() -> None:
    given_rows = [
        *rows(200, 25, 1),
        Row("s1", "wrong", 0.5, None, 1, "contrarian", "p1"),
        Row("s2", "agree", None, None, 2, "", "p1"),
    ]
    made = check_report(given_rows, 500)
    both = [(row.critic, row.people) for row in given_rows if row.critic is not None and row.people is not None]
    critic, people = np.array(both).T
    all_ = made.overall
    assert (all_.checks, all_.scored, all_.scenarios) == (202, 200, 25)
    assert all_.mae == pytest.approx(np.abs(critic - people).mean()) and all_.bias == pytest.approx(
        (critic - people).mean()
    )
    keys = [band.key for band in BANDS]
    bands = [np.array([float(keys.index(band_of(float(v)).key)) for v in side]) for side in (critic, people)]
    assert all_.kappa == pytest.approx(quadratic_kappa(*bands).value)
    for value, (low, high) in (
        (all_.agree, all_.agree_drawn),
        (all_.mae, all_.mae_drawn),
        (all_.bias, all_.bias_drawn),
        (all_.kappa, all_.kappa_drawn),
    ):
        assert low < value < high
    assert (
        sum(one.checks for _, one in made.bands)
        == sum(one.checks for _, one in made.depths)
        == sum(one.checks for _, one in made.personas)
        == 202
    )
    assert ("unscored", 1) in [(label, one.checks) for label, one in made.bands] and made.people == [
        ("p0", 100),
        ("p1", 102),
    ]
    assert repr(made) == repr(check_report(given_rows, 500))


def test_interval_of_the_bias_covers_the_truth() -> None:
    """Over 120 studies of 30 scenarios whose checks share an error: about 95 in 100 intervals hold the true bias."""
    hits = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        made = [
            Row(f"s{s}", "agree", float(np.clip(0.1 + shift + rng.normal(0, 0.05), -1, 1)), 0.0, 1, "", "p")
            for s, shift in enumerate(rng.normal(0, 0.1, 30))
            for _ in range(4)
        ]
        low, high = figures(made, 400).bias_drawn
        hits += low <= 0.1 <= high
    assert 105 <= hits <= 119


def test_report_without_checks_or_with_one_scenario_has_no_interval() -> None:
    empty = check_report([]).overall
    assert empty.checks == 0 and np.isnan([empty.agree, empty.mae, empty.kappa, *empty.wilson]).all()
    one = figures([Row("s", "agree", 0.5, 0.5, 1, "", "p")] * 3)
    assert one.agree == 1 and np.isnan(one.agree_drawn).all() and one.wilson.low < 0.5 and np.isnan(one.kappa)


def labelled(step: Judged, check: Check, at: str = "2026-01-05T09:00:00+00:00", who: str = "Ada") -> Labelled:
    """A checked step."""
    return Labelled(3, step, check, who, "person", at)


ONE = judged("1", 0.8)
TWO = judged("2", 0.2, (("1", "Step 1."),))
THREE = judged("3", -0.5, (("1", "Step 1."), ("2", "Step 2.")))


def test_sft_rows_carry_the_corrected_label_and_can_be_read_back() -> None:
    given_steps = [
        labelled(ONE, Check("agree")),
        labelled(TWO, Check("wrong", -0.7, "It is an advert.")),
        labelled(THREE, Check("wrong", 0.1)),
    ]
    made = list(sft(given_steps))
    assert [row["node"] for row in made] == ["1", "2"]
    assert read_reply(made[1]["completion"][0]["content"])[:2] == ("It is an advert.", -0.7)
    assert "Step 1." in made[1]["prompt"][1]["content"] and made[1]["ai_score"] == 0.2 and made[1]["source"] == "person"


def test_stepwise_keeps_the_longest_run_and_puts_the_rest_into_the_prompt() -> None:
    whole = [labelled(ONE, Check("agree")), labelled(TWO, Check("partly", 0.4)), labelled(THREE, Check("agree"))]
    assert [(row["completions"], row["labels"]) for row in stepwise(whole)] == [
        (["Step 1.", "Step 2.", "Step 3."], [0.8, 0.4, -0.5])
    ]
    assert [row["labels"] for row in stepwise(whole, binary=True)] == [[True, True, False]]
    gap = [whole[0], labelled(TWO, Check("wrong")), whole[2]]
    found = list(stepwise(gap))
    assert [row["completions"] for row in found] == [["Step 1."], ["Step 3."]]
    assert found[1]["prompt"].endswith("Step 1.\n\nStep 2.") and "Step" not in found[0]["prompt"]


def test_prm800k_rates_checked_steps_and_leaves_the_others_open() -> None:
    made = list(prm800k([labelled(THREE, Check("agree"))]))
    steps = made[0]["label"]["steps"]
    assert [step["completions"][0]["rating"] for step in steps] == [None, None, -1]
    assert made[0]["question"]["query"] == CASE.query and made[0]["label"]["finish_reason"] == "found_error"
    assert [rating(score) for score in (-1, -0.01, 0, 0.39, 0.4, 1)] == [-1, -1, 0, 0, 1, 1]


def test_of_several_people_the_newest_check_is_the_label() -> None:
    late = labelled(ONE, Check("agree", 0.9), "2026-02-01T00:00:00+00:00", "Ben")
    assert newest([late, labelled(ONE, Check("wrong"))]) == [late]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b'{"form":"subtext.check.9"}',
        b'"' + b"x" * LONGEST_LINE + b'"',
    ],
)
def test_lines_that_are_no_checks_give_a_sentence(line: bytes) -> None:
    found = read_line(line)
    assert isinstance(found, str) and 0 < len(found) < 400
