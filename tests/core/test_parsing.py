"""Replies of the evaluator: critique and score, the last valid score wins, nothing is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing import is_placeholder, number_steps, read_reply, strip_step, write_reply


@pytest.mark.parametrize(
    ("text", "critique", "score"),
    [
        ("Reasoning: good leap SCORE: 0.78", "good leap", 0.78),
        ("**Reasoning:** good leap\n\n**SCORE:** -0.4", "good leap", -0.4),
        ("SCORE: 0.2 then more thought SCORE: 0.9", "SCORE: 0.2 then more thought", 0.9),
        ("Reasoning: a SCORE: 0.9 SCORE: 7", "a SCORE: 0.9 SCORE: 7", 0.9),
        ("Reasoning: a SCORE: high", "a SCORE: high", None),
        ("Reasoning: a SCORE: NaN", "a SCORE: NaN", None),
        ("Reasoning: a SCORE: 1.7", "a SCORE: 1.7", None),
        ("Reasoning: a SCORE: [0.5]", "a", 0.5),
        ("Reasoning: a score: 1", "a", 1.0),
        ("Reasoning: a SCORE: 50%", "a SCORE: 50%", None),
        ("no frame at all", "no frame at all", None),
        ("", "", None),
    ],
)
def test_replies(text: str, critique: str, score: float | None) -> None:
    assert read_reply(text) == (critique, score)


@given(st.text(max_size=80), st.floats(-1, 1) | st.none())
def test_a_written_reply_gives_its_score_back(critique: str, score: float | None) -> None:
    found = read_reply(write_reply(critique, score))
    if score is not None:
        assert found.score == score


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_and_a_score_is_in_range(text: str) -> None:
    score = read_reply(text).score
    assert score is None or -1 <= score <= 1


def test_steps_and_placeholders() -> None:
    assert number_steps(["a", "b"]) == ["Step 1: a", "Step 2: b"]
    assert strip_step("Step 12: go") == "go"
    assert strip_step("Stepping out") == "Stepping out"
    assert is_placeholder("Final Answer Node.")
    assert not is_placeholder("The final answer names a node.")
