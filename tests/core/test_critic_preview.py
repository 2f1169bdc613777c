"""Previews of training data: which examples are measured, length bins, groups of findings, the split; the form and its command."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bands import histogram
from core.critic_data import Finding, Kind, Lint
from core.critic_form import FIELDS, arguments, described, nearest, preset_values
from core.critic_preview import MEANING, Entry, Origin, chosen, groups, lengths, sides
from core.specs import CRITIC_PRESETS, CriticSpec, critic_preset


def test_every_kind_of_finding_has_a_meaning() -> None:
    assert set(MEANING) == set(get_args(Kind))


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(10, 30))
def test_the_longest_are_measured(sizes: list[int], most: int) -> None:
    found = chosen(sizes, most)
    assert found == sorted(set(found))
    assert len(found) == min(len(sizes), most)
    if len(sizes) > most:
        longest = sorted(sizes, reverse=True)[: most // 10]
        assert sorted((sizes[place] for place in found), reverse=True)[: most // 10] == longest


def test_lengths_against_a_limit() -> None:
    found = lengths([100, 250, None, 300, 301], 300)
    assert (found.measured, found.total, found.cut, found.longest, found.median) == (4, 5, 1, 301, 300)
    assert found.mean == pytest.approx(237.75)
    assert sum(found.bins) == 4
    assert found.bins[100 // found.width] == 1
    assert len(found.bins) <= 30
    assert lengths([None], 10).bins == ()


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=30))
def test_every_length_has_its_bin(tokens: list[int]) -> None:
    found = lengths(tokens, 4096)
    assert sum(found.bins) == len(tokens)
    assert found.bins[-1] > 0
    assert len(found.bins) <= 30


def test_findings_in_groups_blocking_first() -> None:
    rows = [("tone", False)] * 60 + [("same_critique", False), ("same_critique", True)]
    findings = tuple(Finding(kind, str(place), 1, "1", block) for place, (kind, block) in enumerate(rows))  # type: ignore[arg-type]
    first, second = groups(Lint(findings, histogram([])))
    assert (first.kind, first.total, first.blocking) == ("same_critique", 2, 1)
    assert (second.kind, second.total, len(second.findings)) == ("tone", 60, 50)


def test_both_sides_of_a_split() -> None:
    origins = [Origin(10 + n, 20 + n, f"q{n}", f"g{n}", ["", "test", "train", ""][n]) for n in range(4)]
    entries = [Entry(place, "1", 1, 0.5, 9) for place in (1, 1, 2, 4, 4, 4)]
    found = sides(origins, entries, 0.0, 1)
    assert (found.train, found.held_out, found.drawn) == ((2, 5), (1, 1), 2)
    assert [(row.place, row.scenario, row.first, row.steps, row.side, row.stated) for row in found.rows] == [
        (1, 10, 0, 2, "train", False), (2, 11, 2, 1, "held_out", True), (4, 13, 3, 3, "train", False),
    ]  # fmt: skip


def test_a_scenario_in_two_trees_counts_once() -> None:
    origins = [Origin(1, 1, "q", "same", ""), Origin(2, 2, "q", "same", ""), Origin(3, 3, "r", "other", "test")]
    found = sides(origins, [Entry(place, "1", 1, 0.5, 9) for place in (1, 2, 3)], 0.5, 1)
    assert (found.train, found.held_out) == ((1, 2), (1, 1))


def test_every_field_is_explained_once() -> None:
    assert sorted(field.name for field in FIELDS) == sorted(set(CriticSpec.model_fields) - {"kind"})
    assert all(field.meaning.endswith(".") for field in FIELDS)
    shown = {field["name"]: field for field in described()}
    assert (shown["held_out"]["low"], shown["max_length"]["high"], shown["name"]["longest"]) == (0, 131_072, 120)
    assert shown["device"]["choices"] == ["auto", "cpu", "cuda"]
    assert shown["report_to"]["choices"] == ["trackio", "tensorboard", "wandb"]


@pytest.mark.parametrize("preset", CRITIC_PRESETS)
def test_a_preset_is_its_own_nearest(preset: str) -> None:
    spec = critic_preset(preset, name="C", set=3)
    assert nearest(spec) == preset
    assert arguments(spec) == ("train", "3", "--name=C", f"--preset={preset}")
    assert set(preset_values(preset)) == {field.name for field in FIELDS} - {"name", "set"}
