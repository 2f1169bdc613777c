"""Numbers of attention worked by hand: figures, controls, bins."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attention import (
    BINS,
    SEGMENTS,
    Control,
    Measured,
    Unmeasured,
    anchors,
    average,
    binned,
    control,
    head_masses,
    measure,
    windows,
)
from core.regions import (
    PREFERENCE,
    QUERY,
    Prompt,
    make_prompt,
)
from tests.core.prompted import prompt


def measured(row: Sequence[float], one: Prompt) -> Measured:
    found = measure(row, one)
    assert isinstance(found, Measured), found
    return found


def test_figures_by_hand() -> None:
    one = prompt(10, (25, 50), template=(0, 9))
    assert one.region(PREFERENCE).tolist() == [0, 0, 0.5, 1, 1, 0, 0, 0, 0, 0]
    row = [0.5, 0.02, 0.08, 0.1, 0.1, 0.02, 0.02, 0.03, 0.03, 0.1]
    found = measured(row, one)
    assert found.mass == pytest.approx(0.24)
    assert found.share == pytest.approx(0.25)
    assert found.lift == pytest.approx(0.96)
    assert found.first == 0.5
    assert found.kept == pytest.approx(0.4)
    assert found.kept_mass == pytest.approx(0.6)
    assert found.kept_share == pytest.approx(2.5 / 8)
    assert found.kept_lift == pytest.approx(0.6 * 8 / 2.5)


@pytest.mark.parametrize("tokens", [5, 59, 620])
def test_uniform_attention_has_lift_one(tokens: int) -> None:
    found = measured([1 / tokens] * tokens, prompt(tokens, (13, 38)))
    assert found.lift == pytest.approx(1)
    assert found.kept_lift == pytest.approx(1)


def test_a_sink_does_not_change_what_is_said_without_it() -> None:
    one, rng = prompt(40, (100, 200)), np.random.default_rng(3)
    row = rng.dirichlet(np.ones(40))
    sunk = row * 0.05
    sunk[0] += 0.95
    plain, taken = measured(row, one), measured(sunk, one)
    assert taken.mass < plain.mass / 10
    assert taken.kept_mass == pytest.approx(plain.kept_mass)
    assert taken.kept_lift == pytest.approx(plain.kept_lift)


def test_what_cannot_be_measured_is_a_reason() -> None:
    one = make_prompt("abc", [1], [(0, 3)], {0: ((0, 3),), PREFERENCE: ()})
    for found in (
        measure([1.0], one),
        control([1.0], one),
        anchors(one),
        binned([1.0], one),
        measure([1.0], one, QUERY),
    ):
        assert isinstance(found, Unmeasured)
        assert found.reason.endswith(".")
    with pytest.raises(ValueError, match="does not fit"):
        measure([0.5, 0.5], one)
    assert math.isnan(measured([1, 0, 0], prompt(3, (10, 20))).kept_mass), "everything lies on the first token"


def test_means_over_layers_and_heads() -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(12), size=(3, 4)).astype(np.float32)
    one = prompt(12, (25, 60))
    assert average(weights).sum() == pytest.approx(1, abs=1e-6)
    assert measured(average(weights).tolist(), one).mass == pytest.approx(
        float(head_masses(weights, one.region(PREFERENCE)).mean()), abs=1e-6
    )
    for layer, head in ((0, 0), (2, 3)):
        expected = float((weights[layer, head] * one.region(PREFERENCE)).sum())
        assert head_masses(weights, one.region(PREFERENCE))[layer, head] == pytest.approx(expected, abs=1e-6)


def test_control_looks_at_every_other_span() -> None:
    one = prompt(12, (40, 60), template=(0, 8))
    row = np.array([0.3, 0.01, 0.02, 0.03, 0.1, 0.2, 0.04, 0.05, 0.1, 0.06, 0.07, 0.02])
    others = windows(row, one)
    assert not isinstance(others, Unmeasured)
    # 1-2, 2-3 before; 6-7, 7-9 over the template's token 8, 9-10, 10-11 behind; none with 0, 4, 5 or across.
    assert others.length == 2
    assert sorted(others.masses.tolist()) == pytest.approx(sorted([0.03, 0.05, 0.09, 0.11, 0.13, 0.09]))
    found = control(row, one)
    assert isinstance(found, Control)
    assert (found.windows, found.above) == (6, 1.0)
    assert found.mean == pytest.approx(0.5 / 6)
    uniform = control(np.full(12, 1 / 12), one)
    assert isinstance(uniform, Control)
    assert uniform.above == 0.5
    assert isinstance(control(row, prompt(12, (10, 100))), Unmeasured)


def test_a_fraction_of_tokens_is_compared_with_as_much() -> None:
    one = prompt(30, (45, 71))
    others = windows(np.full(30, 1 / 30), one)
    assert not isinstance(others, Unmeasured)
    assert others.masses == pytest.approx(2.6 / 30)


def test_where_nothing_is_as_long_shorter_spans_are_scaled() -> None:
    one = prompt(12, (10, 70))
    row = np.array([0.2, *([0.05] * 6), 0.04, 0.06, 0.1, 0.2, 0.1])
    others = windows(row, one)
    assert not isinstance(others, Unmeasured)
    # Five tokens are left of the messages: spans of 3, twice their mass.
    assert others.length == 3
    assert others.masses == pytest.approx([0.4, 0.72, 0.8])


@given(st.integers(8, 200), st.data())
def test_bins_keep_the_mass(tokens: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, 10 * tokens - 2))
    end = data.draw(st.integers(start + 1, 10 * tokens - 1))
    query = data.draw(st.none() | st.tuples(st.integers(0, 10 * tokens - 1), st.integers(1, 40)))
    asked = (query[0], min(query[0] + query[1], 10 * tokens)) if query else None
    one = prompt(tokens, (start, end), asked)
    row = np.random.default_rng(tokens).dirichlet(np.ones(tokens) * 0.1)
    found = binned(row, one)
    assert not isinstance(found, Unmeasured)
    mass, share = found
    assert len(mass) == len(share) == BINS == 52
    assert mass.sum() == pytest.approx(1)
    assert share.sum() == pytest.approx(1)
    assert (mass >= -1e-12).all()
    assert (share >= -1e-12).all()
    flat = binned(np.full(tokens, 1 / tokens), one)
    assert not isinstance(flat, Unmeasured)
    assert flat[0] == pytest.approx(flat[1])


def test_bins_are_anchored_to_the_text() -> None:
    """The same texts in prompts of different length fall into the same bins."""
    edges = np.cumsum([0, *(count for _, count in SEGMENTS)])
    for before, between, after in ((16, 12, 8), (160, 6, 80)):
        tokens = before + 32 + between + 16 + after
        own, asked = (10 * before, 10 * before + 320), (10 * (before + 32 + between), 10 * (before + 48 + between))
        one = prompt(tokens, own, asked)
        assert anchors(one) == (0, before, before + 32, before + 32 + between, before + 48 + between, tokens)
        row = np.zeros(tokens)
        row[before : before + 32] = 0.6 / 32
        row[before + 32 + between : before + 48 + between] = 0.4 / 16
        found = binned(row, one)
        assert not isinstance(found, Unmeasured)
        mass = found[0]
        assert mass[edges[1] : edges[2]] == pytest.approx(0.6 / 16)
        assert mass[edges[3] : edges[4]] == pytest.approx(0.4 / 8)
    first = prompt(20, (100, 150), (20, 40))
    assert anchors(first) == (0, 10, 15, 15, 15, 20), "a query before the preference is part of the head"
