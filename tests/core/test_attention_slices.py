"""Slices of attention: what changed on one prompt, slices as bytes, and files of others."""

import io
import zipfile

import numpy as np
import pytest

from core.attention import (
    Unmeasured,
    measure,
)
from core.attention_file import Slice, Unreadable, make_slice, read_head, read_slice, write_slice
from core.attention_report import (
    TokenChange,
    token_change,
)
from core.regions import (
    PREFERENCE,
    QUERY,
)
from tests.core.prompted import prompt
from tests.core.test_attention import measured


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
