"""Best of N: the highest value wins, the first of equals; a response with an unscored step is never chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.best_of import Best, By, best_of, value
from core.scoring import Scored


def steps(*scores: float | None) -> list[Scored]:
    return [Scored(score, "", None, (), "" if score is not None else "away") for score in scores]


@pytest.mark.parametrize(
    ("by", "wanted"),
    [("mean", Best(0, 0.75)), ("total", Best(1, 1.25)), ("lowest", Best(0, 0.75)), ("last", Best(1, 1.0))],
)
def test_what_the_best_one_is(by: By, wanted: Best) -> None:
    found = [steps(0.75), steps(0.0, 0.25, 1.0), steps(1.0, None), steps()]
    assert best_of(found, by) == wanted


def test_nothing_is_guessed() -> None:
    assert best_of([]) is None
    assert best_of([steps(), steps(None), steps(1.0, None)]) is None
    assert best_of([steps(0.5), steps(0.5)]) == Best(0, 0.5)
    assert value(steps(None)) is None


@given(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=4), min_size=1, max_size=6))
def test_no_other_response_has_more(scores: list[list[float]]) -> None:
    found = [steps(*own) for own in scores]
    best = best_of(found)
    assert best is not None
    assert all((value(own) or 0.0) <= best.value for own in found if value(own) is not None)
