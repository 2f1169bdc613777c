"""Every row of the table in SPEC 4a, the levels, the options, and what must never enter a statistic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.advantages import LEVELS, Level, Normal, advantages, normalised, scalar_advantages, signals
from core.steps import steps_of_tokens

EXACT = Normal(eps=0.0)
NO = math.nan


def at_one_position(values: list[float], how: Normal = EXACT) -> list[float]:
    """Each response has one token; NaN: it is not alive there."""
    scores = np.array(values)[:, None]
    return advantages(scores, np.zeros((len(values), 1), np.int64), "position", how)[:, 0].tolist()


@pytest.mark.parametrize(
    ("row", "values", "expected"),
    [
        (1, [0.9, 0.6, 0.3], [1, 0, -1]),
        (3, [0.9, 0.3, NO], [0.7071, -0.7071, 0]),
        (4, [0.01, NO, NO, NO, NO], [0] * 5),
        (5, [-0.01, NO, NO, NO, NO], [0] * 5),
        (6, [0.8, 0.6, NO], [0.7071, -0.7071, 0]),
        (7, [NO, 0.8, 0.8, 0.8, 0.8], [0] * 5),
        (8, [0.9, 0.8, 0.8, 0.8, 0.8], [1.7889, -0.4472, -0.4472, -0.4472, -0.4472]),
    ],
)
def test_the_table_at_one_position(row: int, values: list[float], expected: list[float]) -> None:
    assert at_one_position(values) == pytest.approx(expected, abs=2e-4), row


def test_row_2_two_steps_with_equal_totals_still_teach() -> None:
    scores, index = np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([[0, 1], [0, 1]])
    found = advantages(scores, index, "position", EXACT)
    assert found.tolist() == [pytest.approx([0.7071, -0.7071], abs=2e-4), pytest.approx([-0.7071, 0.7071], abs=2e-4)]
    told = signals(scores, index)
    assert not told.grpo and told.cdpa and (told.steps, told.turned) == (4, 0)


@given(st.floats(-1, 1), st.integers(2, 8))
def test_row_9_identical_scores_teach_nothing(value: float, group: int) -> None:
    assert at_one_position([value] * group, Normal(eps=0.0)) == [0.0] * group
    assert at_one_position([value] * group, Normal()) == [0.0] * group


TEN = (np.array([[0.9, 0.1], [0.5, 0.7]]), np.array([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]]))


@pytest.mark.parametrize(
    ("level", "first", "second"),
    [
        ("position", [0.7071, 0.7071, -0.7071, -0.7071, -0.7071, -0.7071], [-0.7071, -0.7071, 0.7071, 0.7071, 0.7071, 0.7071]),
        ("step", [0.7071, 0.7071, -0.7071, -0.7071, -0.7071, -0.7071], [-0.7071] * 4 + [0.7071] * 2),
        ("group", [1.0247] * 2 + [-1.3175] * 4, [-0.1464] * 4 + [0.4392] * 2),
    ],
)  # fmt: skip
def test_row_10_the_levels_differ(level: Level, first: list[float], second: list[float]) -> None:
    found = advantages(*TEN, level, EXACT)
    assert found.tolist() == [pytest.approx(first, abs=2e-4), pytest.approx(second, abs=2e-4)]


def test_rows_11_and_12_a_floor_and_more_alive() -> None:
    assert at_one_position([0.81, 0.80], Normal(0.0, sigma_floor=0.05)) == pytest.approx([0.1, -0.1], abs=2e-4)
    assert at_one_position([0.81, 0.80]) == pytest.approx([0.7071, -0.7071], abs=2e-4)
    assert at_one_position([0.9, 0.3, NO], Normal(0.0, min_alive=3)) == [0, 0, 0]


def test_the_small_constant_stands_beside_sigma() -> None:
    assert at_one_position([0.9, 0.3], Normal()) == pytest.approx(
        [0.3 / (0.3 * math.sqrt(2) + 1e-4)] * 1 + [-0.3 / (0.3 * math.sqrt(2) + 1e-4)]
    )


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_not_alive_changes_nothing_and_gets_nothing(level: Level) -> None:
    scores = np.array([[0.9, 0.1, NO], [0.5, NO, NO], [NO, NO, NO]])
    index = np.array([[-1, 0, 0, 1, 1, -1], [-1, 0, 1, 1, -1, -1], [-1] * 6])
    found = advantages(scores, index, level, EXACT)
    assert found[index < 0].tolist() == [0.0] * int((index < 0).sum())
    assert found[1, 2] == found[1, 3] == 0, "an unscored step has no advantage"
    alone = advantages(scores[:2], index[:2], level, EXACT)
    assert np.array_equal(found[:2], alone), "a response without any score is as if it were not there"
    padded = np.concatenate([index, np.full((3, 4), -1)], axis=1)
    assert np.array_equal(advantages(scores, padded, level, EXACT)[:, :6], found)


@given(
    st.lists(st.lists(st.one_of(st.just(NO), st.floats(-1, 1)), min_size=3, max_size=3), min_size=2, max_size=6),
    st.sampled_from(LEVELS),
)
def test_advantages_are_finite_bounded_and_do_not_depend_on_the_order(rows: list[list[float]], level: Level) -> None:
    scores = np.array(rows)
    group = len(rows)
    index = np.tile(np.array([0, 0, 1, 2, -1]), (group, 1))
    found = advantages(scores, index, level)
    assert np.isfinite(found).all() and np.abs(found).max() <= math.sqrt(group * 3)
    turned = advantages(scores[::-1], index, level)
    assert np.allclose(turned[::-1], found, atol=1e-9)
    if level == "position":
        assert np.allclose(found.sum(0), 0, atol=1e-6)


def test_a_scalar_advantage_is_that_of_grpo() -> None:
    assert scalar_advantages(np.array([1.0, 0.0, NO]), EXACT).tolist() == pytest.approx([0.7071, -0.7071, 0], abs=2e-4)
    assert normalised(np.array([[1.0, 3.0]]), 1, EXACT).tolist() == [pytest.approx([-0.7071, 0.7071], abs=2e-4)]


def test_signs_that_position_turns_are_counted() -> None:
    # The second step of the first response (.7) is the better second step, but stands beside the first step (.9) of the other.
    scores, index = np.array([[0.8, 0.7], [0.9, 0.1]]), np.array([[0, 1, 1, 1], [0, 0, 0, 1]])
    told = signals(scores, index)
    assert told.steps == 4 and told.turned == 1
    assert signals(np.array([[0.5], [0.5]]), np.array([[0], [0]])) == (False, False, 2, 0)
    assert signals(np.full((2, 1), NO), np.array([[0], [-1]])) == (False, False, 0, 0)


def test_tokens_belong_to_the_step_of_their_last_character() -> None:
    text = "Hm. Step 1: aa\nStep 2: b"
    first, second = text.index("Step 1"), text.index("Step 2")
    spans = [(first, second), (second, len(text))]
    pieces = ["Hm", ". ", "Step", " 1:", " a", "a\nStep", " 2", ": b", ""]
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    assert steps_of_tokens(spans, ends, ended=True) == [-1, -1, 0, 0, 0, 1, 1, 1, 1]
    assert steps_of_tokens(spans, ends[:-1], ended=False) == [-1, -1, 0, 0, 0, 1, 1, 1]


def test_parts_of_a_character_belong_to_its_step() -> None:
    # "a" then an emoji of three tokens that begins the second step, then "b"
    assert steps_of_tokens([(0, 1), (1, 3)], [1, 1, 1, 2, 3], ended=False) == [0, 1, 1, 1, 1]
    assert steps_of_tokens([], [1, 2, 2], ended=True) == [-1, -1, -1]
    assert steps_of_tokens([(0, 1)], [], ended=False) == []
    assert steps_of_tokens([(0, 2)], [1, 2, 2], ended=False) == [0, 0, 0], (
        "a broken character at the end stays in the last step"
    )
