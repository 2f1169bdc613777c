"""Averages of attention over scenarios: means, intervals, curve, control, what differs between two models."""

import numpy as np
import pytest

from core.attention import (
    BINS,
    Unmeasured,
)
from core.attention_report import (
    Change,
    ControlMean,
    Curve,
    Reading,
    Summary,
    change,
    curve_change,
    reading,
    summary,
)
from tests.core.prompted import prompt


def readings(count: int, lift: float, seed: int, prompts: int = 1) -> list[Reading]:
    """Made-up prompts whose preference gets about `lift` times its share."""
    rng = np.random.default_rng(seed)
    found: list[Reading] = []
    for scenario in range(count):
        for _ in range(prompts):
            tokens = int(rng.integers(40, 200))
            one = prompt(tokens, (100, 200), (250, 300))
            row = rng.dirichlet(np.ones(tokens) * 20)
            row[10:20] *= 1 + (lift - 1) * (1 + 0.05 * scenario / count)
            row /= row.sum()
            read = reading(f"s{scenario}", row, one)
            assert isinstance(read, Reading)
            assert len(read.others)
            found.append(read)
    return found


def test_means_over_scenarios_with_intervals() -> None:
    own = readings(30, 3.0, seed=1, prompts=2)
    found = summary(own, seed=4)
    assert isinstance(found, Summary)
    for name, mean in found.figures.items():
        values = [getattr(one.figures, name) for one in own]
        assert mean.value == pytest.approx(np.mean(values))
        assert mean.scenarios == 30
        assert mean.interval.low < mean.value < mean.interval.high
    assert found.curve.mass.sum() == pytest.approx(1)
    assert found.curve.lift[8:24].mean() > 2 > found.curve.lift[-8:].mean()
    assert (found.curve.low <= found.curve.mass + 1e-12).all()
    assert (found.curve.mass <= found.curve.high + 1e-12).all()
    assert isinstance(found.control, ControlMean)
    assert found.control.above == 1.0
    assert found.control.prompts == 60
    assert found.control.interval.low < found.control.mean < found.control.interval.high < found.control.region
    again = summary(own, seed=4)
    assert isinstance(again, Summary)
    assert again.figures == found.figures
    assert again.control == found.control
    assert isinstance(summary([]), Unmeasured)


def test_the_band_of_a_lift_is_its_own() -> None:
    rng = np.random.default_rng(6)
    own: list[Reading] = []
    for scenario in range(20):
        tokens = int(rng.integers(40, 400))
        asked = (250, 300) if scenario == 7 else (200, 300)  # only here something stands between preference and query
        read = reading(f"s{scenario}", np.full(tokens, 1 / tokens), prompt(tokens, (100, 200), asked))
        assert isinstance(read, Reading)
        own.append(read)
    found = summary(own)
    assert isinstance(found, Summary)
    curve, between = found.curve, slice(24, 36)
    assert curve.lift == pytest.approx(np.ones(BINS))
    assert (curve.low / curve.share)[0] < 0.95 and (curve.high / curve.share)[0] > 1.05, "lengths differ, so masses do"
    assert np.isnan(curve.lift_low[between]).all() and np.isnan(curve.lift_high[between]).all(), (
        "one scenario is no band"
    )
    rest = np.delete(np.arange(BINS), np.arange(BINS)[between])
    for side in (curve.lift_low, curve.lift_high):
        assert side[rest] == pytest.approx(1, abs=1e-5)
    without = summary([one for at, one in enumerate(own) if at != 7])
    assert isinstance(without, Summary)
    for values in (without.curve.lift, without.curve.lift_low, without.curve.lift_high):
        assert np.isnan(values[between]).all()
        assert not np.isnan(values[rest]).any()
    lifted = summary(readings(30, 3.0, seed=1))
    assert isinstance(lifted, Summary)
    assert (lifted.curve.lift_low < lifted.curve.lift)[rest].all() and (lifted.curve.lift < lifted.curve.lift_high)[
        rest
    ].all()


def test_a_preference_like_any_other_span_is_not_above_its_control() -> None:
    found = summary(readings(40, 1.0, seed=8))
    assert isinstance(found, Summary)
    assert isinstance(found.control, ControlMean)
    assert 0.02 < found.control.above < 0.98
    assert found.figures["kept_lift"].value == pytest.approx(1, abs=0.1)


def test_prompts_of_one_scenario_are_drawn_together() -> None:
    once = readings(12, 2.0, seed=3)
    many = [one for one in once for _ in range(25)]
    one, more = summary(once), summary(many)
    assert isinstance(one, Summary)
    assert isinstance(more, Summary)
    assert more.figures["mass"].interval.low == pytest.approx(one.figures["mass"].interval.low, abs=1e-6)
    assert more.figures["mass"].interval.high == pytest.approx(one.figures["mass"].interval.high, abs=1e-6)


def test_before_and_after_are_paired() -> None:
    before, after = readings(20, 1.5, seed=5), readings(20, 2.5, seed=5)
    found = change(before, after, "kept_lift")
    assert isinstance(found, Change)
    assert found.scenarios == 20
    assert 0.5 < found.interval.low < found.value < found.interval.high < 1.5
    assert found.p < 0.01
    expected = [b.figures.kept_lift - a.figures.kept_lift for a, b in zip(before, after, strict=True)]
    assert found.value == pytest.approx(np.mean(expected))
    same = change(before, before)
    assert isinstance(same, Change)
    assert (same.value, same.p) == (0, 1)
    curve = curve_change(before, after)
    assert isinstance(curve, Curve)
    assert curve.mass.sum() == pytest.approx(0, abs=1e-9)
    assert (curve.low[8:24] > 0).all()
    assert isinstance(change(before, []), Unmeasured)
    assert isinstance(curve_change(before[:3], after[5:]), Unmeasured)
    with pytest.raises(ValueError, match="no figure"):
        change(before, after, "beauty")
