"""Sentences of an answer, and the meter worked by hand."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attention import (
    Unmeasured,
)
from core.preference_use import (
    MEANING,
    MOST_SENTENCES,
    Answer,
    Evidence,
    Meter,
    Quadrant,
    Thresholds,
    meter,
    quadrant,
    sentences,
)
from core.regions import (
    make_prompt,
)
from tests.core.prompted import prompt


def test_sentences_tile_the_text() -> None:
    text = "Step 1: You value 3.5 stars… Really?  Yes!\n\n1. Try «this.» 2. 茶は好き。はい。\nEnd"
    spans = sentences(text)
    assert [text[start:end].strip() for start, end in spans] == [
        "Step 1: You value 3.5 stars…", "Really?", "Yes!", "1. Try «this.»", "2. 茶は好き。", "はい。", "End",
    ]  # fmt: skip
    assert sentences("") == ()
    assert sentences("...") == ((0, 3),)
    assert sentences("One. 7.") == ((0, 7),)


@given(st.text(alphabet="ab .!?\n1。", max_size=300))
def test_sentences_leave_no_gap(text: str) -> None:
    spans = sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


def test_sentences_of_a_hostile_text_are_bounded() -> None:
    for text in ("a. " * 30_000, "!" * 200_000, " " * 200_000, ".\n" * 100_000, "“”" * 100_000):
        spans = sentences(text)
        assert len(spans) <= MOST_SENTENCES
        assert spans[-1][1] == len(text)


def test_the_cases() -> None:
    at = Thresholds()
    assert [quadrant(lift, drop, at) for lift, drop in ((2, 1), (2, 0), (0.5, 1), (0.5, 0), (float("nan"), 1))] == [
        "uses", "looks only", "uses without looking", "ignores", "uses without looking",
    ]  # fmt: skip
    assert quadrant(1.2, 0.2, Thresholds(1.5, 0.1)) == "uses without looking"
    assert {quadrant(lift, -0.06, at) for lift in (0.5, 2)} == {"against"} and quadrant(2, -0.05, at) == "looks only"
    assert set(MEANING) == set(get_args(Quadrant))


def test_the_meter_by_hand() -> None:
    one = prompt(10, (20, 40))
    look, away = [0.1, 0, 0.4, 0.4, 0.1, 0, 0, 0, 0, 0], [0.5, 0.1, 0, 0, 0.1, 0.1, 0.1, 0.1, 0, 0]
    answer = Answer("Tea. Or not", (5, 6, 7, 8, 2), (3, 5, 8, 11, 11), ended=True)
    rows = np.array([look, look, away, away, away], dtype=np.float32)
    given_, without = np.log([0.5, 0.5, 0.1, 0.1, 0.9]), np.log([0.25, 0.125, 0.1, 0.2, 0.9])
    found = meter(answer, one, Evidence(rows, given_, without, without - 1))
    assert isinstance(found, Meter)
    assert [(part.start, part.end, part.tokens, part.quadrant) for part in found.sentences] == [
        (0, 5, 2, "uses"), (5, 11, 3, "against"),
    ]  # fmt: skip
    first, second = found.sentences
    assert first.mass == pytest.approx(0.8)
    assert first.lift == pytest.approx(0.8 / 0.9 / (2 / 9))
    assert first.drop == pytest.approx(1.5 * math.log(2))
    assert first.error == pytest.approx(0.5 * math.log(2))
    assert first.drop_other == pytest.approx(1.5 * math.log(2) + 1)
    assert second.drop == pytest.approx(-math.log(2) / 3)
    assert (first.clear, second.clear) == (True, False), (
        "0.05 is 2.8 errors below the one drop, -0.05 0.8 above the other"
    )
    assert found.answer.tokens == 5
    assert found.answer.drop == pytest.approx(2 * math.log(2) / 5)
    assert found.drops == pytest.approx(given_ - without)
    bare = meter(answer, one, Evidence(rows, given_, without, None))
    assert isinstance(bare, Meter)
    assert math.isnan(bare.answer.drop_other)
    nothing = make_prompt("x" * 100, range(10), one.offsets, {})
    assert isinstance(meter(answer, nothing, Evidence(rows, given_, without, None)), Unmeasured)
    assert isinstance(
        meter(Answer("", (), (), False), one, Evidence(rows[:0], given_[:0], given_[:0], None)), Unmeasured
    )
    with pytest.raises(ValueError, match="does not fit"):
        meter(answer, one, Evidence(rows[:3], given_, without, None))
