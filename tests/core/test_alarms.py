"""Alarms on made histories: each rule, when it began, one odd batch, holes, and a run that only stands still."""

import math

from core.alarms import STALL, WINDOW, Alarm, alarms


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
