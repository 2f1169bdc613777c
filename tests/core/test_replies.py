"""Replies of council, critic, reviewer and policy: read where they keep to the form, refused with a reason where not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing import (
    LONGEST_REPLY,
    LONGEST_THOUGHT,
    Malformed,
    Pair,
    Reply,
    read_answer,
    read_critique,
    read_review,
    read_scenarios,
    read_steps,
    read_thought,
    segments,
)
from core.types import Review

READERS = (read_answer, read_critique, read_review, read_scenarios, read_steps, read_thought)


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ("They fear being seen.", "They fear being seen."),
        ('  **Hypothesis:** "They fear it."\n', "They fear it."),
        ("Step 2: They fear it.", "They fear it."),
        ("<think>hm SCORE: 1</think>\nThought: They fear it.", "They fear it."),
    ],
)
def test_thoughts(text: str, thought: str) -> None:
    assert read_thought(text) == thought


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("<think>never ends", "thinking"),
        ("Hypothesis:", "empty"),
        ("N/A", "placeholder"),
        ("x" * (LONGEST_THOUGHT + 1), "4,001 characters"),
        ("x" * (LONGEST_REPLY + 1), "more than 100,000"),
    ],
    ids=lambda text: text[:12],
)
def test_thoughts_that_are_none(text: str, reason: str) -> None:
    found = read_thought(text)
    assert isinstance(found, Malformed)
    assert reason in found.reason


def test_answers() -> None:
    assert read_answer("Book the slow train.") == "Book the slow train."
    assert read_answer("Analysis: the word Answer: is here\nAnswer: go\non") == "go\non"
    assert read_answer("Answer: no\nAnswer: **yes**") == "yes"
    assert isinstance(read_answer("Analysis: a\nAnswer:"), Malformed)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Reasoning: good SCORE: 0.5", Reply("good", 0.5)),
        ("Reasoning: good SCORE: 0.5 SCORE: 2", Reply("good SCORE: 0.5 SCORE: 2", 0.5)),
        ("<think>SCORE: 1</think>Reasoning: bad SCORE: -0.5", Reply("bad", -0.5)),
        ("Reasoning: good", Malformed("The reply holds no SCORE.")),
        ("Reasoning: good SCORE: 7", Malformed("No SCORE in the reply is a number from -1 to 1.")),
        ("SCORE: 0.5", Malformed("The reply holds a score without a critique.")),
        ("Reasoning: n/a SCORE: 0.5", Malformed("The reply holds a score without a critique.")),
    ],
)
def test_critiques(text: str, found: object) -> None:
    assert read_critique(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Reasoning: ok PROCESS: 20 DISCOVERY: 30 ANSWER: 10 TOTAL: 60", Review(20, 30, 10, "ok")),
        ("ok\n**PROCESS:** 20\n**DISCOVERY:** 30\n**ANSWER:** 10", Review(20, 30, 10, "ok")),
        ("PROCESS: 1 DISCOVERY: 1 ANSWER: 1\nPROCESS: 20 DISCOVERY: 30 ANSWER: 10 TOTAL: 60", Review(20, 30, 10, "")),
        ("ok PROCESS: 20.5 DISCOVERY: 30 ANSWER: 10 TOTAL: 60.5", Review(20.5, 30, 10, "ok")),
        ("PROCESS: 20 DISCOVERY: 30 ANSWER: 10 TOTAL: 61", "add up to 60, but the review states a TOTAL of 61"),
        ("PROCESS: 31 DISCOVERY: 30 ANSWER: 10", "PROCESS lies between 0 and 30, not at 31"),
        ("PROCESS: -1 DISCOVERY: 30 ANSWER: 10", "not at -1"),
        ("PROCESS: 20 ANSWER: 10 TOTAL: 30", "states no DISCOVERY"),
        ("PROCESS: 20% DISCOVERY: 30 ANSWER: 10", "states no PROCESS"),
        ("all fine", "states no PROCESS"),
    ],
)
def test_reviews(text: str, found: Review | str) -> None:
    given = read_review(text)
    if isinstance(given, Malformed):
        assert isinstance(found, str), given.reason
        assert found in given.reason
    else:
        assert given == found


def test_scenarios() -> None:
    text = "Sure!\n1. **Preference:** I like\nquiet.\n**Query:** Where to?\n\nPreference: lost\n\nPreference: b\nQuery: c?\nQuery: d?"
    found = read_scenarios(text)
    assert not isinstance(found, Malformed)
    assert found.found == (Pair("I like\nquiet.", "Where to?"), Pair("b", "c?"))
    assert found.broken == 2
    assert len(getattr(read_scenarios("Preference: a\nQuery: b\n" * 80, 5), "found", ())) == 5
    assert isinstance(read_scenarios("Preference: a"), Malformed)
    assert isinstance(read_scenarios("Preference:\nQuery:\n"), Malformed)
    assert isinstance(read_scenarios(f"Preference: {'x' * (LONGEST_THOUGHT + 1)}\nQuery: q"), Malformed)


def test_steps() -> None:
    text = "Let me see.\nStep 1: first\nstill first\n**Step 2:** see Step 3: here\nStep 3: last"
    assert read_steps(text) == ("first\nstill first", "see Step 3: here", "last")
    for segment in segments(text):
        assert text[segment.start : segment.end].lstrip("* ").startswith(f"Step {segment.number}")
    assert [segment.number for segment in segments("Step 1: a\nStep 1: b")] == [1, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no steps", "no `Step 1:`"),
        ("Step 2: a", "numbered 2"),
        ("Step 1: a\nStep 3: b", "Step 2 of the response is numbered 3"),
        ("Step 1: a\nStep 1: b", "numbered 1"),
        ("Step 1:\nStep 2: b", "Step 1 of the response is empty"),
        ("\n".join(f"Step {k}: a" for k in range(1, 60)), "59 steps"),
    ],
    ids=lambda text: text[:18],
)
def test_steps_that_are_none(text: str, reason: str) -> None:
    found = read_steps(text)
    assert isinstance(found, Malformed)
    assert reason in found.reason


@given(st.text(max_size=200) | st.text(alphabet="Step 123:\nSCORE-.*ANWQuryPf", max_size=200))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    for reader in READERS:
        found = reader(text)
        assert not isinstance(found, Malformed) or found.reason.endswith(".")
    review = read_review(text)
    assert isinstance(review, Malformed) or 0 <= review.total <= 100


@pytest.mark.parametrize(
    "text",
    [
        unit * (99_000 // len(unit))
        for unit in (
            " ",
            "*",
            "\n",
            "score ",
            "SCORE: ",
            "Step 1",
            "Step 1: ",
            "\nStep 1:",
            "Answer:",
            "\nAnswer :",
            "\nQuery: ",
        )
    ]
    + ["PROCESS:" * 12_000, "PROCESS: 1" * 9_000, "</think>" * 12_000, "\nPreference:" + " " * 90_000],
    ids=lambda text: repr(text[:10]),
)
def test_hostile_replies_are_read_in_linear_time(text: str) -> None:
    """No clock: with the fault back, a test here takes minutes instead of moments."""
    for reader in READERS:
        reader(text)
