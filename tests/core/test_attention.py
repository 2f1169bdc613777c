"""Numbers of attention worked by hand, averages over scenarios, slices as bytes."""

import io
import math
import zipfile
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
from core.attention_file import Slice, Unreadable, make_slice, read_head, read_slice, write_slice
from core.attention_report import (
    Change,
    ControlMean,
    Curve,
    Reading,
    Summary,
    TokenChange,
    change,
    curve_change,
    reading,
    summary,
    token_change,
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


# Over scenarios


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


# Slices


def sliced(tokens: int = 30) -> Slice:
    weights = np.random.default_rng(2).dirichlet(np.ones(tokens), size=(3, 4)).astype(np.float32)
    return make_slice("a model", "s1", prompt(tokens, (45, 90), (200, 240)), weights)


def test_what_changed_on_one_prompt() -> None:
    before, after = sliced(), make_slice("b", "s1", sliced().prompt, np.full((3, 4, 30), 1 / 30, dtype=np.float32))
    found = token_change(before, after)
    assert isinstance(found, TokenChange)
    assert found.mean.sum() == pytest.approx(0, abs=1e-6)
    assert found.mean == pytest.approx(1 / 30 - before.mean.astype(float), abs=1e-7)
    assert found.masses is not None
    assert found.masses == pytest.approx(4.5 / 30 - before.masses.astype(float), abs=1e-6)
    other = token_change(before, make_slice("b", "s1", sliced().prompt, np.full((2, 4, 30), 1 / 30, dtype=np.float32)))
    assert isinstance(other, TokenChange)
    assert other.masses is None
    assert isinstance(token_change(before, sliced(31)), Unmeasured)


def kept(one: Slice, whole: bool = True) -> bytes:
    to = io.BytesIO()
    write_slice(one, to, whole)
    return to.getvalue()


def test_a_slice_comes_back() -> None:
    one = sliced()
    found = read_slice(io.BytesIO(kept(one)), whole=True)
    assert isinstance(found, Slice)
    assert (found.model, found.scenario, found.prompt.text) == (one.model, one.scenario, one.prompt.text)
    assert found.prompt.spans == one.prompt.spans
    for name in (PREFERENCE, QUERY):
        assert np.array_equal(found.prompt.region(name), one.prompt.region(name))
    for name in ("mean", "masses", "kept_masses", "kept", "first"):
        assert np.array_equal(getattr(found, name), getattr(one, name))
    assert np.array_equal(found.prompt.content, one.prompt.content)
    assert found.weights is not None
    assert np.abs(found.weights - one.weights).max() < 1e-3
    assert measure(found.mean, found.prompt) == measure(one.mean, one.prompt)
    assert one.masses.mean() == pytest.approx(measured(one.mean.tolist(), one.prompt).mass, abs=1e-6)
    small = kept(one, whole=False)
    assert len(small) < len(kept(one))
    for data in (small, kept(one)):
        light = read_slice(io.BytesIO(data))
        assert isinstance(light, Slice)
        assert light.weights is None


def test_one_head_is_read_alone() -> None:
    one = sliced()
    assert one.weights is not None
    for layer, head in ((0, 0), (1, 3), (2, 2)):
        found = read_head(io.BytesIO(kept(one)), layer, head)
        assert not isinstance(found, Unreadable)
        assert found == pytest.approx(one.weights[layer, head], abs=1e-3)
    for data in (
        kept(one, whole=False),
        b"no archive",
        kept(one)[:-300],
        packed(weights=np.zeros((3, 4), dtype=np.float16)),
    ):
        assert isinstance(read_head(io.BytesIO(data), 0, 0), Unreadable)
    for layer, head in ((3, 0), (0, 4), (-1, 0)):
        assert isinstance(read_head(io.BytesIO(kept(one)), layer, head), Unreadable)
    nan = np.full((3, 4, 30), np.nan, dtype=np.float16)
    assert isinstance(read_head(io.BytesIO(packed(weights=nan)), 1, 1), Unreadable)


def packed(**arrays: object) -> bytes:
    """An archive with some parts of a good slice replaced; None leaves a part out."""
    with np.load(io.BytesIO(kept(sliced()))) as good:
        parts = {**{name: good[name] for name in good.files}, **arrays}
    to = io.BytesIO()
    np.savez(to, **{name: part for name, part in parts.items() if part is not None})  # type: ignore[arg-type]
    return to.getvalue()


def test_foreign_slices_are_refused_with_a_sentence() -> None:
    squeezed = io.BytesIO()
    np.savez_compressed(squeezed, mean=np.zeros(1_000_000, dtype=np.float32))
    boasting = io.BytesIO()
    with zipfile.ZipFile(boasting, "w") as archive:
        for entry in zipfile.ZipFile(io.BytesIO(kept(sliced()))).infolist():
            data = zipfile.ZipFile(io.BytesIO(kept(sliced()))).read(entry)
            archive.writestr(
                entry.filename, data.replace(b"(30,), }", b"(3e9), }") if entry.filename == "mean.npy" else data
            )
    vast = io.BytesIO()
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    stated = b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(vast, "w") as archive:
        archive.writestr("mean.npy", header + stated)
    nan = np.full(30, np.nan, dtype=np.float32)
    meta = b'{"version":1,"model":"m","scenario":"s","text":"short","spans":{}}'
    wide = b'{"version":1,"model":"m","scenario":"s","text":"%s","spans":{"preference":[[5,999]]}}' % (b"x" * 300)
    bad = [
        b"", b"no archive", squeezed.getvalue(), boasting.getvalue(), vast.getvalue(), packed(more=np.zeros(3)), packed(mean=nan),
        packed(mean=np.zeros(29, dtype=np.float32)), packed(mean=np.zeros(30)), packed(ids=None),
        packed(content=np.array(["x"] * 30, dtype=object)), packed(meta=np.frombuffer(meta, dtype=np.uint8)),
        packed(meta=np.frombuffer(wide, dtype=np.uint8)), packed(meta=np.frombuffer(b"[1]", dtype=np.uint8)),
        packed(meta=np.frombuffer(meta.replace(b'n":1', b'n":2'), dtype=np.uint8)), kept(sliced())[:-200],
        packed(masses=np.zeros((3, 5), dtype=np.float32)), packed(weights=np.zeros((3, 4, 31), dtype=np.float16)),
    ]  # fmt: skip
    for number, data in enumerate(bad):
        found = read_slice(io.BytesIO(data), whole=True)
        assert isinstance(found, Unreadable), number
        assert found.reason.endswith("."), number
    assert isinstance(read_slice(io.BytesIO(packed()), whole=True), Slice), "the packing itself is sound"
