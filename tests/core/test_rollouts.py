"""Rollouts as values and what is found in them: every finding by a small group made for it, and the groups that must be silent."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rollout_findings import KINDS, MEANING, TITLE, Finding, counted, findings
from core.rollouts import (
    Rollout,
    Step,
    best,
    ceiling,
    figures,
    group_figures,
    mean,
    problem_of,
    prompt_key,
    step_advantages,
    utf16,
)

NO = math.nan


def rollout(response: int, *steps: tuple[float | None, float], **changes: Any) -> Rollout:
    """A response whose steps have two tokens each; a step is given as score and advantage of its tokens."""
    text = "".join(f"s{response}{place}; " for place in range(len(steps))) or f"none {response}"
    spans = tuple(
        Step(5 * place, 5 * place + 5, score, "Said.", "" if score is not None else "The server was away.")
        for place, (score, _) in enumerate(steps)
    )
    text = text if steps else text[:5]
    ends = [end for place in range(len(steps)) for end in (5 * place + 2, 5 * place + 5)] or [2, 5]
    count = len(ends)
    index = [place for place in range(len(steps)) for _ in range(2)] or [-1, -1]
    advantages = [value for _, value in steps for _ in range(2)] or [0.0, 0.0]
    made = Rollout(
        0, response, "p", "like", "q", text, False, 1.0, np.arange(count), np.array(ends), np.array(index),
        np.array(advantages), np.full(count, 0.1), np.full(count, NO), np.zeros(count, bool), spans,
    )  # fmt: skip
    return replace(made, **changes)


def kinds(*group: Rollout) -> list[tuple[str, int | None, int | None]]:
    return [(one.kind, one.response, one.step) for one in findings(group)]


def test_an_ordinary_group_is_silent() -> None:
    assert kinds(rollout(0, (0.8, 0.7), (0.2, -0.7)), rollout(1, (0.2, -0.7), (0.9, 0.7))) == []


def test_every_kind_has_its_words() -> None:
    assert set(TITLE) == set(MEANING) == set(KINDS)


def test_a_step_whose_advantage_has_the_other_sign() -> None:
    # Step means: (.8 + .2) / 2 = .5 and .5. Response 1 is above at step 1 and below at
    # step 2, each with the other sign.
    group = [rollout(0, (0.8, -0.3), (0.2, 0.3), (0.1, -0.7)), rollout(1, (0.2, -0.7), (0.8, 0.7), (0.3, 0.7))]
    found = findings(group)
    assert [(one.response, one.step) for one in found] == [(0, 0), (0, 1)]
    assert found[0].sentence == (
        "Step 1 scores 0.80, above the group's 0.50 for that step, but its mean advantage is −0.30."
    )
    assert "Step 2 scores 0.20, below the group's 0.50" in found[1].sentence
    assert counted(found) == {"turned": 2}


@pytest.mark.parametrize("value", [0.0, 1e-9, -1e-9])
def test_no_advantage_and_no_company_have_no_sign(value: float) -> None:
    assert kinds(rollout(0, (0.8, value), (0.1, 0.7)), rollout(1, (0.2, -0.7))) == []


def test_a_group_without_a_gradient_says_why() -> None:
    same = findings([rollout(0, (0.5, 0)), rollout(1, (0.5, 0))])
    assert [one.kind for one in same] == ["no_gradient"] and "same mean, 0.50" in same[0].sentence
    alone = findings([rollout(0, (0.5, 0)), rollout(1)])
    assert "1 of 2 responses have a scored step, and two are needed" in alone[0].sentence
    apart = findings([rollout(0, (0.5, 0)), rollout(1, (0.7, 1e-9))])
    assert "although the mean scores differ" in apart[0].sentence


def test_equal_means_are_told_only_where_steps_teach() -> None:
    assert kinds(rollout(0, (0.8, 0.7), (0.2, -0.7)), rollout(1, (0.2, -0.7), (0.8, 0.7))) == [
        ("equal_means", None, None)
    ]
    # The same scores at the same places: what is not 0 here comes from the format.
    assert kinds(rollout(0, (0.5, 0.7)), rollout(1, (0.5, -0.7))) == []


def test_what_is_odd_about_one_response() -> None:
    fine = rollout(0, (0.8, 0.7), (0.1, 0.7))
    before = rollout(1, (0.2, -0.7), index=np.array([-1, 0]))
    lost = rollout(2, (None, 0.0), (0.1, -0.1))
    empty = rollout(3, (0.3, -0.1), (0.3, -0.1), index=np.array([0, 0, 0, 0]), format=0.0)
    cut = rollout(4, truncated=True, format=0.0)
    bare = rollout(5, format=0.0, text="plain")
    found = findings([fine, before, lost, empty, cut, bare])
    told = {(one.kind, one.response): one.sentence for one in found if one.kind != "turned"}
    assert told == {
        ("outside", 1): "1 of 2 tokens (50%) belong to no step.",
        ("outside", 5): "2 of 2 tokens (100%) belong to no step.",
        ("unscored", 2): "Step 1: The server was away.",
        ("empty_step", 3): "Step 2 holds no token.",
        ("truncated", 4): "Cut after 2 tokens.",
        ("malformed", 3): "The 2 steps are not well numbered.",
        ("malformed", 5): "No line starts a step.",
    }
    assert [KINDS.index(one.kind) for one in found] == sorted(KINDS.index(one.kind) for one in found)


def test_responses_that_are_the_same() -> None:
    group = [rollout(0, (0.8, 0.7)), rollout(1, (0.2, -0.7)), rollout(2, (0.1, -0.7), text="s00; ")]
    assert findings(group) == [Finding("same", 2, None, "The same text as response 1.")]


def test_figures_by_hand() -> None:
    one = rollout(0, (0.8, 0.6), (None, 0.0), clipped=np.array([True, False, False, False]))
    own = figures(one)
    assert (own.steps, own.scored, own.score, own.tokens, own.outside, own.clipped) == (2, 1, 0.8, 4, 0, 1)
    assert own.advantage == pytest.approx(0.3) and own.kl == pytest.approx(0.1) and own.entropy is None
    assert step_advantages(one) == pytest.approx([0.6, 0.0])
    two = rollout(1, truncated=True)
    both = group_figures([one, two])
    assert (both.responses, both.score, both.tokens, both.steps, both.truncated) == (2, 0.8, 3.0, 1.0, 1)
    assert both.advantage == pytest.approx(0.2)
    assert best([two, one]) is one and best([two]) is two and best([one, replace(one, response=1)]) is one


def test_numbers_that_are_none_are_in_no_mean() -> None:
    assert mean([NO, 1.0, math.inf, 3.0]) == 2.0 and mean([]) is None and mean([NO]) is None
    assert ceiling(np.array([NO, 1.0, 3.0])) == pytest.approx((2.98, 3.0)) and ceiling(np.array([NO])) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kl": np.zeros(3)}, "differ in length"),
        ({"ends": np.array([3, 2])}, "do not lie in its text in order"),
        ({"ends": np.array([-1, 5])}, "do not lie in its text in order"),
        ({"ends": np.array([2, 6])}, "do not lie in its text in order"),
        ({"index": np.array([0, 1])}, "a step that is not there"),
        ({"index": np.array([-2, 0])}, "a step that is not there"),
        ({"steps": (Step(3, 2, 0.5, "", ""),)}, "Its steps do not lie"),
        ({"steps": (Step(0, 9, 0.5, "", ""),)}, "Its steps do not lie"),
        ({"steps": (Step(0, 5, 1.5, "", ""),)}, "outside -1 to 1"),
        ({"text": "x" * 400_001}, "more than can be shown"),
    ],
)
def test_what_cannot_be_believed_says_why(changes: dict[str, Any], sentence: str) -> None:
    assert problem_of(rollout(0, (0.5, 0.1))) == ""
    assert sentence in problem_of(rollout(0, (0.5, 0.1), **changes))


def test_no_token_at_all_is_a_response_too() -> None:
    nothing = np.zeros(0, np.int64)
    bare = rollout(0)
    empty = replace(
        bare, text="", ids=nothing, ends=nothing, index=nothing, advantages=np.zeros(0), kl=np.zeros(0),
        entropy=np.zeros(0), clipped=np.zeros(0, bool),
    )  # fmt: skip
    assert problem_of(empty) == "" and figures(empty).advantage is None
    assert counted(findings([empty, empty])) == {"no_gradient": 1, "same": 1}


@given(st.text(), st.data())
def test_places_of_a_browser(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    expected = len(text[:place].encode("utf-16-le", "surrogatepass")) // 2
    assert utf16(text, np.array([place])).tolist() == [expected]


def test_a_prompt_is_known_by_all_its_texts() -> None:
    assert prompt_key("a", "b", "c") == prompt_key("a", "b", "c") != prompt_key("ab", "", "c")
    assert len(prompt_key("\ud800", "", "")) == 16
