"""What a training needs, worked by hand; versions against their pins; lines that block."""

from typing import Any

import pytest

from core import preflight
from core.preflight import Line, Need, Pace, Shape, blocked, satisfies, shape, spell
from core.specs import CriticSpec

CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 100}
HEADER: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    "model.embed_tokens.weight": {"dtype": "BF16", "shape": [100, 8]},
    "model.layers.0.q_proj.weight": {"dtype": "BF16", "shape": [8, 8]},
    "model.layers.0.up_proj.weight": {"dtype": "BF16", "shape": [32, 8]},
    "model.layers.0.norm.weight": {"dtype": "BF16", "shape": [8]},
    "lm_head.weight": {"dtype": "BF16", "shape": [100, 8]},
}
NET = Shape(1928, 56, 8, 2, 100)
SEEN: dict[str, Any] = {
    "groups": [], "train": {"scenarios": 3, "steps": 30}, "held_out": {"scenarios": 1, "steps": 4}, "growing": 0, "problem": "",
    "context": 2048, "lengths": {"measured": 34, "total": 34, "limit": 2048, "longest": 900, "cut": 0},
    "checked": {"labels": 0, "corrected": 0, "left_out": 0, "disputed": 0, "stale": 0},
}  # fmt: skip


def spec(**changes: Any) -> CriticSpec:
    """A spec with the defaults."""
    return CriticSpec(name="C", set=1, **changes)


def level(lines: list[Line], name: str) -> str:
    """The level of the line of this name."""
    return next(line.level for line in lines if line.name == name)


def test_a_network_is_read_from_its_headers() -> None:
    assert shape([HEADER], CONFIG) == NET
    assert shape([HEADER, {"x": {"shape": [2, 3]}}], {"text_config": CONFIG}) == Shape(1934, 61, 8, 2, 100)


@pytest.mark.parametrize("odd", [None, 3, {"shape": "x"}, {"shape": [-1, "8"]}, {"shape": [True]}, {}, [1]])
def test_headers_that_make_no_sense_count_as_nothing(odd: Any) -> None:
    assert shape([{"a": odd}], {"hidden_size": [odd], "num_hidden_layers": -1, "vocab_size": 1.5}).width == 0
    assert shape([{"a": odd}], {}).parameters == 0


def test_memory_of_all_weights_and_of_a_lora() -> None:
    whole = preflight.need(spec(lora_rank=0, batch=2), NET, 10, gpu=False)
    assert whole == Need(4 * 1928, 12 * 1928, 2 * 68 * 20 * 8 + 24 * 20 * 100)
    small = preflight.need(spec(lora_rank=4), NET, 10, gpu=True)
    assert small == Need(2 * 1928 + 4 * 4 * 56, 12 * 4 * 56, 2 * 2 * 10 * 8 + 34 * 10 * 8 + 24 * 10 * 100)
    assert preflight.need(spec(lora_rank=4), NET, 10, gpu=False).weights == 4 * 1928 + 4 * 4 * 56
    assert preflight.disk(spec(lora_rank=0), NET, gpu=False) == 3 * 12 * 1928 + 4 * 1928


def test_updates_are_those_of_the_trainer() -> None:
    assert preflight.updates(spec(batch=1, accumulate=16, epochs=3.0), 33) == 9
    assert preflight.updates(spec(batch=4, accumulate=2, epochs=0.5), 33) == 3
    assert preflight.updates(spec(accumulate=16, epochs=3.0, updates=2), 33) == 2


def test_the_time_counts_training_and_looks_at_the_held_out() -> None:
    net = Shape(1000, 0, 0, 0, 0)
    whole = spec(lora_rank=0, batch=1, accumulate=10, epochs=2.0, report_steps=0)
    # 2 epochs x 30 examples x 100 tokens x 6 x 1000, and 2 looks at 10 x 100 tokens x 2 x 1000: 40 million
    line = preflight.time_line(whole, net, (30, 10), 100.0, Pace(1e6, "job 3"))
    assert (
        line.text
        == "About 40 seconds for 6 updates and 6,000 tokens, at the pace of job 3; it may be half or twice that."
    )
    assert "a guess" in preflight.time_line(whole, net, (30, 10), 100.0, Pace(1e6, "")).text
    assert preflight.time_line(whole, Shape(0, 0, 0, 0, 0), (30, 10), 100.0, Pace(1.0, "")).level == "warning"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.1, "1 second"),
        (60, "60 seconds"),
        (95, "2 minutes"),
        (5400, "2 hours"),
        (5000, "83 minutes"),
        (2e5, "2 days"),
    ],
)
def test_durations_are_spelled(seconds: float, said: str) -> None:
    assert spell(seconds) == said


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.13.0+cpu", "==2.13.0", True), ("2.13", "==2.13.0", True), ("2.13.1", "==2.13.0", False), ("0.21.2", "==0.21.*", True),
        ("0.2.1", "==0.21.*", False), ("5.17.0", "<5.18,>=5.16.1", True), ("5.18.0", "<5.18,>=5.16.1", False),
        ("5.16", ">=5.16.1", False), ("5.18.0rc1", "<5.18", False), ("1", "~=1.0", False), ("1", "", True), ("", "==1", False),
    ],
)  # fmt: skip
def test_versions_against_pins(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_versions_that_are_missing_block() -> None:
    pins = {"torch": "==2.13.0", "trl": "==1.16.0"}
    assert preflight.versions_line({"torch": "2.13.0", "trl": "1.16.0"}, pins).level == "ok"
    assert preflight.versions_line({"torch": "2.13.0", "trl": "1.15.0"}, pins).level == "warning"
    missing = preflight.versions_line({"torch": None, "trl": "1.16.0"}, pins)
    assert (missing.level, missing.text) == ("blocking", "torch is not installed: pip install 'subtext[train]'.")


def test_memory_and_disk_lines() -> None:
    need = Need(1 << 30, 2 << 30, 1 << 29, 1 << 29)
    assert [preflight.memory_line(need, free << 30, 8 << 30, "it").level for free in (5, 4, 3)] == [
        "ok",
        "ok",
        "warning",
    ]
    assert preflight.memory_line(need, 3 << 30, 3 << 30, "it").level == "blocking"
    assert preflight.memory_line(need, None, None, "it").level == "warning"
    assert [preflight.disk_line(90, free).level for free in (200, 100, 80)] == ["ok", "warning", "blocking"]


def test_data_that_is_fine() -> None:
    lines = preflight.data_lines(spec(), SEEN)
    assert {line.level for line in lines} == {"ok"}
    assert not blocked(lines)


@pytest.mark.parametrize(
    ("change", "name", "wanted"),
    [
        ({"train": {"scenarios": 0, "steps": 0}}, "split", "blocking"),
        ({"held_out": {"scenarios": 0, "steps": 0}}, "split", "warning"),
        ({"growing": 2}, "growing", "warning"),
        ({"problem": "No chat template."}, "tokens", "blocking"),
        ({"lengths": SEEN["lengths"] | {"cut": 3}}, "tokens", "blocking"),
        ({"groups": [{"total": 3, "blocking": 0, "findings": []}]}, "data", "warning"),
        ({"groups": [{"total": 3, "blocking": 1, "findings": [{"blocking": True, "sentence": "Bad."}]}]}, "data", "blocking"),
    ],
)  # fmt: skip
def test_data_that_is_not(change: dict[str, Any], name: str, wanted: str) -> None:
    lines = preflight.data_lines(spec(), SEEN | change)
    assert level(lines, name) == wanted
    assert blocked(lines) is (wanted == "blocking")


def test_corrections_say_how_many_apply() -> None:
    assert level(preflight.data_lines(spec(corrections=True), SEEN), "corrections") == "warning"
    (line,) = [
        line
        for line in preflight.data_lines(
            spec(corrections=True), SEEN | {"checked": SEEN["checked"] | {"labels": 1, "corrected": 1, "left_out": 2}}
        )
        if line.name == "corrections"
    ]
    assert (
        line.text
        == "1 step has its label from people, 1 of them corrected; 2 judged wrong without a whole correction are left out."
    )
