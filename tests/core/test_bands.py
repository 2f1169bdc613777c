"""The rubric's bands and the histogram against them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bands import BANDS, band_of, histogram


@pytest.mark.parametrize(
    ("score", "key"),
    [
        (1.0, "revolutionary"), (0.99, "exceptional"), (0.9, "exceptional"), (0.89, "strong"), (0.7, "strong"),
        (0.69, "surface"), (0.4, "surface"), (0.39, "none"), (0.1, "none"), (0.0, "irrelevant"), (-0.1, "flawed"),
        (-0.39, "flawed"), (-0.4, "misaligned"), (-0.69, "misaligned"), (-0.7, "harmful"), (-1.0, "harmful"),
    ],
)  # fmt: skip
def test_the_printed_limits_of_the_rubric(score: float, key: str) -> None:
    assert band_of(score).key == key


@pytest.mark.parametrize("score", [1.01, -1.01, float("nan"), float("inf")])
def test_no_band_outside_the_scale(score: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        band_of(score)


@given(st.lists(st.tuples(st.floats(-1, 1) | st.none(), st.integers(1, 9))))
def test_every_score_is_counted_once(pairs: list[tuple[float | None, int]]) -> None:
    found = histogram(pairs)
    scored = sum(count for score, count in pairs if score is not None)
    assert sum(found.bins) == sum(found.bands.values()) == scored == found.total - found.unscored


def test_a_collapsed_scorer_is_named() -> None:
    spread = [(-0.9, 5), (-0.5, 5), (-0.2, 5), (0.2, 5), (0.5, 5), (0.8, 5)]
    assert histogram(spread).warning == ""
    assert "strong" in histogram([(0.75, 70), (0.2, 30)]).warning
    assert "70%" in histogram([(0.75, 70), (0.2, 30)]).warning
    assert histogram([(0.75, 5)]).warning == ""  # too few to say


def test_bands_go_from_low_to_high() -> None:
    assert [band.low for band in BANDS] == sorted(band.low for band in BANDS)
