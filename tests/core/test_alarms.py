"""Alarms on made histories and on those of real runs: each rule, when it began, one odd batch, holes, a run that stands still."""

import math

import pytest

from core.alarms import STALL, WINDOW, Alarm, alarms

COLLAPSE: dict[str, list[float | None]] = {
    "rewards/format/mean": [0.93, 0.87, 1.0, 1.0, 1.0, 0.67, 0.87, 0.87, 0.8, 0.93, 0.73, 0.87, 0.67, 0.73, 0.47, 0.8, 0.33, 0.2, 0.2, 0.4, 0.13, 0.2, 0.07, 0.13, 0.2],
    "steps": [3.6, 3.0, 3.4, 3.47, 3.73, 3.13, 3.4, 3.67, 3.67, 4.0, 2.87, 3.87, 2.6, 3.2, 3.0, 3.47, 1.0, 1.13, 0.87, 1.6, 0.87, 0.8, 0.27, 0.33, 0.73],
    "completions/clipped_ratio": [0.0, 0.07, 0.0, 0.0, 0.0, 0.13, 0.0, 0.07, 0.07, 0.0, 0.27, 0.07, 0.33, 0.2, 0.33, 0.13, 0.67, 0.73, 0.8, 0.53, 0.8, 0.8, 0.93, 0.87, 0.8],
    "zero_cdpa": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.333, 0.0, 0.0, 0.0, 0.0, 0.0, 0.666, 0.666, 0.666, 0.333, 0.666, 0.666, 1.0, 1.0, 0.666],
    "entropy": [0.27, 0.49, 0.31, 0.3, 0.32, 0.29, 0.69, 0.27, 0.26, 0.28, 0.31, 0.26, 0.29, 0.27, 0.25, 0.26, 0.25, 0.28, 0.25, 0.39, 0.21, 0.29, 0.23, 0.23, 0.2],
    "kl": [0.0, 0.0, 0.0, 0.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02, 0.02, 0.04, 0.03, 0.05, 0.05, 0.07, 0.07, 0.06, 0.05, 0.08, 0.09, 0.08, 0.09, 0.07],
}  # fmt: skip
"""What `make bench-rl` logs with seed 1 where the answer is judged like any step, without the format term."""

COLLAPSE_WITH_FORMAT: dict[str, list[float | None]] = {
    "rewards/format/mean": [0.93, 0.93, 0.93, 1.0, 1.0, 0.93, 0.93, 1.0, 0.93, 0.73, 0.67, 0.87, 0.87, 0.8, 0.53, 0.4, 0.33, 0.47, 0.53, 0.4, 0.4, 0.13, 0.13, 0.27, 0.27],
    "steps": [3.6, 3.07, 3.2, 3.6, 3.87, 3.8, 3.87, 3.6, 3.47, 2.47, 2.2, 3.53, 3.07, 3.0, 2.2, 1.93, 1.27, 1.93, 2.33, 1.2, 2.33, 0.87, 1.0, 0.93, 1.07],
    "completions/clipped_ratio": [0.0, 0.07, 0.07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.07, 0.27, 0.33, 0.07, 0.13, 0.2, 0.4, 0.47, 0.67, 0.47, 0.4, 0.6, 0.4, 0.8, 0.73, 0.67, 0.67],
}  # fmt: skip
"""The same with the format term: a response that does not end has no advantage, so nothing pulls it back."""

LEARNS: dict[str, list[float | None]] = {
    "rewards/format/mean": [0.93, 0.87, 1.0, 0.93, 1.0, 1.0, 1.0, 0.93, 0.93, 1.0, 0.93, 0.93, 1.0, 0.93, 1.0, 1.0, 1.0, 1.0, 0.93, 0.87, 1.0, 0.93, 0.93, 1.0, 0.87, 0.87],
    "steps": [3.6, 3.2, 3.07, 3.07, 3.6, 3.27, 3.13, 3.0, 3.13, 3.27, 2.87, 3.33, 3.0, 2.93, 3.13, 3.07, 2.93, 2.93, 2.93, 2.73, 3.0, 2.6, 2.67, 2.73, 2.87, 2.8],
    "completions/clipped_ratio": [0.0, 0.07, 0.0, 0.07, 0.0, 0.0, 0.0, 0.07, 0.07, 0.0, 0.07, 0.0, 0.0, 0.07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.07, 0.0, 0.0, 0.07, 0.0, 0.07, 0.07],
    "step_score": [0.0, -0.08, -0.08, -0.2, 0.16, 0.1, 0.21, 0.38, 0.34, 0.29, 0.35, 0.22, 0.38, 0.64, 0.56, 0.3, 0.6, 0.57, 0.54, 0.6, 0.62, 0.59, 0.57, 0.46, 0.56, 0.8],
    "zero_cdpa": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.33, 0.33, 0.0, 0.33, 0.0],
    "entropy": [0.27, 0.64, 0.77, 0.29, 0.32, 0.32, 0.27, 0.3, 0.3, 0.29, 0.32, 0.68, 0.27, 0.27, 0.24, 0.26, 0.31, 0.27, 0.24, 0.2, 0.22, 0.4, 0.25, 0.2, 0.21, 0.2],
    "kl": [0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02, 0.03, 0.02, 0.02, 0.03, 0.03, 0.04, 0.03, 0.03, 0.04, 0.04, 0.03, 0.05, 0.05, 0.06],
}  # fmt: skip
"""CDPA on the rule of the benchmark, seed 1: no alarm is due at any time."""


def named(curves: dict[str, list[float | None]]) -> dict[str, int]:
    series = {name: list(enumerate(values, 1)) for name, values in curves.items()}
    return {alarm.name: alarm.update for alarm in alarms(series)}


def test_a_healthy_run_raises_none() -> None:
    rising = [0.1 + place / 200 for place in range(60)]
    assert (
        named(
            {
                "step_score": rising,
                "rewards/format/mean": [0.9] * 60,
                "steps": [3.0] * 60,
                "entropy": [0.5] * 60,
                "kl": [0.01] * 60,
            }
        )
        == {}
    )
    assert named({}) == {} and named({"kl": [9.0] * (WINDOW - 1)}) == {}


def test_a_collapse_without_the_format_term_is_seen_while_it_happens() -> None:
    format_share = [0.92] * 6 + [0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.0, 0.0]
    steps = [3.1] * 6 + [3.0, 2.6, 2.0, 1.6, 1.3, 1.1, 1.0, 1.0, 1.0]
    found = named({"rewards/format/mean": format_share, "steps": steps})
    assert found == {"format": 12, "steps": 13}
    assert named({"rewards/format/mean": format_share[:10], "steps": steps[:10]}) == {}


def test_one_odd_batch_is_no_alarm_and_an_alarm_that_passed_is_silent() -> None:
    assert named({"kl": [0.1] * 9 + [4.0]}) == {}
    assert named({"kl": [0.1] * 5 + [9.0] * 5 + [0.1] * 5}) == {}
    assert named({"kl": [0.1] * 5 + [9.0] * 5}) == {"kl": 6}


def test_missing_numbers_are_left_out() -> None:
    assert named({"unscored": [None, math.nan] + [0.5] * 5}) == {"unscored": 7}


def test_the_other_rules() -> None:
    assert set(named({"entropy": [1.0] * 5 + [0.05] * 5, "completions/clipped_ratio": [0.9] * 5, "zero_cdpa": [1.0] * 5})) == {
        "entropy", "truncated", "no_signal",
    }  # fmt: skip


def test_a_run_that_stands_still_is_told_since_its_best() -> None:
    flat = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] + [0.5] * (STALL + 5)
    assert named({"step_score": flat}) == {"stall": 9}
    assert named({"step_score": flat[:20]}) == {}
    assert all(
        isinstance(alarm, Alarm) and alarm.sentence.endswith(".")
        for alarm in alarms({"kl": [(at, 5.0) for at in range(9)]})
    )


def first_seen(curves: dict[str, list[float | None]]) -> dict[str, int]:
    """After which update each alarm is raised for the first time, when one looks after every update."""
    found: dict[str, int] = {}
    for seen in range(1, max(len(values) for values in curves.values()) + 1):
        for name in named({metric: values[:seen] for metric, values in curves.items()}):
            found.setdefault(name, seen)
    return found


@pytest.mark.parametrize(
    ("curves", "wanted"),
    [
        (COLLAPSE, {"format": 19, "truncated": 19, "steps": 21}),
        (COLLAPSE_WITH_FORMAT, {"format": 19, "truncated": 20, "steps": 24}),
        (LEARNS, {}),
    ],
)
def test_real_histories(curves: dict[str, list[float | None]], wanted: dict[str, int]) -> None:
    assert first_seen(curves) == wanted
    assert named(curves).keys() == wanted.keys(), "an alarm that was raised stays to the end"
