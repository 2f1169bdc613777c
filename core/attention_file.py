"""What is kept of the attention of one model on one prompt: a slice, as bytes and back.

Pure; streams are handed in. A slice is an .npz archive without compression, so that a reader that wants the mean and the masses
does not read the weights. Everything that is read back is foreign: its size, names, types and shapes are checked before a number
is believed, and nothing in it is executed.
"""

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from core.attention import average, head_masses, kept_tokens
from core.regions import PREFERENCE, QUERY, Prompt, Span, merged, token_weights

Weights = NDArray[np.float32]
VERSION = 1
MOST_TOKENS = 200_000
MOST_ROWS = 16_384
"""Layers times heads."""
MOST_WEIGHTS = 1 << 30
"""Weights of a slice: 2 GiB in float16."""
LONGEST_META = 8_000_000
LONGEST_TEXT = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Attention of the last prompt token.

    `mean` (T,) is the mean over layers and heads; `masses`, `kept_masses`, `kept` and `first` (L, H) are, head by head, the
    preference's mass, that without the first token and the template's tokens, what such tokens get, and what the first gets.
    `weights` (L, H, T) are all of them, or None where they were not kept or not read.
    """

    model: str
    scenario: str
    prompt: Prompt
    mean: Weights
    masses: Weights
    kept_masses: Weights
    kept: Weights
    first: Weights
    weights: Weights | None


class _Meta(BaseModel):
    """What a slice says in words. Regions follow from `spans` and the offsets of the tokens."""

    version: int
    model: str = Field(max_length=600)
    scenario: str = Field(max_length=600)
    text: str = Field(max_length=LONGEST_TEXT)
    spans: dict[str, tuple[Span, ...]] = Field(max_length=2)


class Unreadable(NamedTuple):
    """Why a slice cannot be used; a sentence for a person."""

    reason: str


def make_slice(model: str, scenario: str, prompt: Prompt, weights: Weights) -> Slice:
    """A slice of weights (L, H, T) that a probe read of a prompt."""
    region, kept = prompt.region(PREFERENCE), kept_tokens(prompt).astype(np.float32)
    return Slice(
        model, scenario, prompt, average(weights).astype(np.float32), head_masses(weights, region),
        head_masses(weights, region * kept), head_masses(weights, kept), weights[:, :, 0].astype(np.float32), weights,
    )  # fmt: skip


def write_slice(one: Slice, to: BinaryIO, whole: bool = True) -> None:
    """Write a slice; `whole` keeps all weights, as float16 (below 6e-8 they become 0), else only what is made of them."""
    prompt = one.prompt
    spans = {name: prompt.spans.get(name, ()) for name in (PREFERENCE, QUERY)}
    meta = _Meta(version=VERSION, model=one.model, scenario=one.scenario, text=prompt.text, spans=spans)
    arrays: dict[str, NDArray[Any]] = {
        "meta": np.frombuffer(meta.model_dump_json().encode(), dtype=np.uint8),
        "ids": prompt.ids.astype(np.int32),
        "offsets": prompt.offsets.astype(np.int32),
        "content": prompt.content,
        "mean": one.mean, "masses": one.masses, "kept_masses": one.kept_masses, "kept": one.kept, "first": one.first,
    }  # fmt: skip
    if whole and one.weights is not None:
        arrays["weights"] = one.weights.astype(np.float16)
    np.savez(to, allow_pickle=False, **arrays)


def read_slice(source: BinaryIO, whole: bool = False) -> Slice | Unreadable:
    """Read a slice back from a file that can be searched in; without `whole` the weights are left where they are."""
    try:
        with zipfile.ZipFile(source) as archive:
            problem = _too_much(archive)
            if problem:
                return Unreadable(problem)
            names = {name for name in archive.namelist() if whole or name != "weights.npy"}
            found = {name.removesuffix(".npy"): _array(archive, name) for name in names}
        return _checked(found)
    except FOREIGN as error:
        return _foreign(error)


FOREIGN = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, NotImplementedError)
"""What reading a file that is no slice, or a broken one, ends in."""


def _foreign(error: Exception) -> Unreadable:
    return Unreadable(f"This is no attention slice of ours: {' '.join(str(error).split())[:200]}.")


_SIZES: Mapping[str, int] = {
    "meta": LONGEST_META, "ids": 4 * MOST_TOKENS, "offsets": 8 * MOST_TOKENS, "content": MOST_TOKENS, "mean": 4 * MOST_TOKENS,
    "masses": 4 * MOST_ROWS, "kept_masses": 4 * MOST_ROWS, "kept": 4 * MOST_ROWS, "first": 4 * MOST_ROWS,
    "weights": 2 * MOST_WEIGHTS,
}  # fmt: skip
"""Most bytes of each array."""
_HEADER = 1024
_KINDS = {"meta": "uint8", "ids": "int32", "offsets": "int32", "content": "bool", "weights": "float16"}


def _too_much(archive: zipfile.ZipFile) -> str:
    entries = archive.infolist()
    known = {f"{name}.npy": size for name, size in _SIZES.items()}
    if len(entries) > len(known) or any(entry.filename not in known for entry in entries):
        return "This file holds something else than an attention slice."
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > known[entry.filename] + _HEADER:
            return f"The part {entry.filename[:40]} of this attention slice is larger than any that is read."
    return ""


def _header(archive: zipfile.ZipFile, part: IO[bytes], name: str) -> tuple[int, ...]:
    """The shape of an array that says no more than the file holds; a header alone could ask for any amount of memory."""
    wanted = np.dtype(_kind(name))
    if np.lib.format.read_magic(part) != (1, 0):
        raise ValueError(f"{name} is written in another way")
    shape, by_column, kind = np.lib.format.read_array_header_1_0(part, max_header_size=_HEADER)
    if kind != wanted or by_column or min(shape, default=0) < 0:
        raise ValueError(f"{name} does not hold rows of {wanted}")
    if math.prod(shape) * wanted.itemsize > archive.getinfo(name).file_size:
        raise ValueError(f"{name} is shorter than it says")
    return shape


def _kind(name: str) -> str:
    return _KINDS.get(name.removesuffix(".npy"), "float32")


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as part:
        shape, kind = _header(archive, part, name), np.dtype(_kind(name))
        found = np.frombuffer(part.read(math.prod(shape) * kind.itemsize), dtype=kind).reshape(shape)
    return found.astype(np.float32) if kind == np.float16 else found


def read_head(source: BinaryIO, layer: int, head: int) -> Weights | Unreadable:
    """The row (T,) of one head, from 0, without the other heads. Unreadable where the slice has no such row."""
    try:
        with zipfile.ZipFile(source) as archive:
            problem = _too_much(archive)
            if problem:
                return Unreadable(problem)
            if "weights.npy" not in archive.namelist():
                return Unreadable("This attention slice was kept without the weights of its heads.")
            with archive.open("weights.npy") as part:
                layers, heads, tokens = _header(archive, part, "weights.npy")
                if not (0 <= layer < layers and 0 <= head < heads):
                    return Unreadable(f"This model has {layers} layers of {heads} heads.")
                part.seek(part.tell() + 2 * tokens * (layer * heads + head))
                row = np.frombuffer(part.read(2 * tokens), dtype=np.float16).astype(np.float32)
    except FOREIGN as error:
        return _foreign(error)
    return row if np.isfinite(row).all() else Unreadable("A row of this attention slice holds numbers that are none.")


def _checked(found: dict[str, NDArray[Any]]) -> Slice | Unreadable:
    meta = _Meta.model_validate_json(found["meta"].tobytes())
    if meta.version != VERSION:
        return Unreadable("This attention slice was written by another version; read the attention again.")
    tokens, rows = len(found["mean"]), found["masses"].shape
    shapes = {
        "ids": (tokens,), "offsets": (tokens, 2), "content": (tokens,),
        "mean": (tokens,), "masses": rows, "kept_masses": rows, "kept": rows, "first": rows, "weights": (*rows, tokens),
    }  # fmt: skip
    for name, shape in shapes.items():
        if (name in found and found[name].shape != shape) or (name not in found and name != "weights"):
            return Unreadable(f"The part {name} of this attention slice does not fit the others.")
        if name in found and found[name].dtype.kind == "f" and not np.isfinite(found[name]).all():
            return Unreadable(f"The part {name} of this attention slice holds numbers that are none.")
    if len(rows) != 2 or tokens == 0 or math.prod(rows) == 0:
        return Unreadable("This attention slice is empty.")
    offsets, length = found["offsets"], len(meta.text)
    edges = [offsets, *(np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in meta.spans.values())]
    if any(len(one) and (one.min() < 0 or one.max() > length or (one[:, 0] > one[:, 1]).any()) for one in edges):
        return Unreadable("The tokens or regions of this attention slice lie outside its text.")
    regions = {name: token_weights(offsets, merged(spans)) for name, spans in meta.spans.items()}
    prompt = Prompt(meta.text, found["ids"], offsets, found["content"], regions, meta.spans)
    return Slice(
        meta.model, meta.scenario, prompt, found["mean"], found["masses"],
        found["kept_masses"], found["kept"], found["first"], found.get("weights"),
    )  # fmt: skip
