"""How much attention a region of a prompt gets, with what keeps the number honest (CDRA paper, Figure 6; SPEC 7).

Pure. Knows rows of attention weights and which tokens are a region, a message or the template's own; not which model they come
from. Attention says where a model looks, not why it answers as it does: the drop in probability beside it is
`core.preference_use`.

Every figure but the weights themselves is a function of one row (T,) that adds up to 1: the mean over layers and heads, or one
head's row, or that of one token of the answer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.regions import PREFERENCE, QUERY, Prompt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.float32]

SEGMENTS = (("head", 8), ("preference", 16), ("turns", 12), ("question", 8), ("tail", 8))
"""Parts of a prompt in their order and the bins of each: what stands before the preference, the preference, what lies between
it and the query (fences, turns of a conversation), the query, and the rest."""
BINS = sum(count for _, count in SEGMENTS)
NOTICE = (
    "Attention shows where a model looks, not what it uses: read it beside the drop in probability when the "
    "preference is taken away."
)


class Unmeasured(NamedTuple):
    """Why there is no number; a sentence for a person."""

    reason: str


class Measured(NamedTuple):
    """The figures of one row.

    `mass`: sum of the row over the region, tokens that lie in it partly by their part, in [0, 1] (the paper's number).
    `share`: the region's part of all tokens. `lift`: mass / share, 1 where attention is uniform. `first`: what the first token
    gets, the sink of most models. `kept`: what the tokens of messages get without the first token and the template's own;
    `kept_mass`, `kept_share` and `kept_lift` are mass, share and lift among those alone (NaN where `kept` is 0).
    """

    mass: float
    share: float
    lift: float
    first: float
    kept: float
    kept_mass: float
    kept_share: float
    kept_lift: float


def kept_tokens(prompt: Prompt) -> Bools:
    """Tokens of messages, without the first token of the prompt: (T,)."""
    kept = prompt.content.copy()
    kept[:1] = False
    return kept


def average(weights: Weights) -> Floats:
    """The mean over layers and heads of weights (L, H, T): (T,) in float64, which adds up to 1."""
    return weights.mean(axis=(0, 1), dtype=np.float64)


def head_masses(weights: Weights, region: ArrayLike) -> Weights:
    """The mass of a region (T,) for every layer and head: (L, H)."""
    return (weights @ np.asarray(region, dtype=np.float32)).astype(np.float32)


def measure(row: ArrayLike, prompt: Prompt, name: str = PREFERENCE) -> Measured | Unmeasured:
    """The figures of a row (T,) for a region of the prompt. Raises ValueError for a row of another length."""
    values, region, kept = np.asarray(row, dtype=np.float64), prompt.region(name), kept_tokens(prompt)
    if values.shape != region.shape:
        raise ValueError(f"a row of {values.shape} does not fit a prompt of {len(region)} tokens")
    tokens = float(region.sum(dtype=np.float64))
    if tokens <= 0:
        return Unmeasured(f"The prompt holds no {name}, so nothing can be said about it.")
    mass, share = float(values @ region), tokens / len(region)
    held, own = float(values[kept].sum()), float(region[kept].sum(dtype=np.float64))
    kept_mass = float(values[kept] @ region[kept]) / held if held > 0 else float("nan")
    kept_share = own / int(kept.sum()) if kept.any() else float("nan")
    kept_lift = kept_mass / kept_share if kept_share > 0 else float("nan")
    return Measured(mass, share, mass / share, float(values[0]), held, kept_mass, kept_share, kept_lift)


SHORTEST = 4
"""Other spans may be shorter than the region by this factor where none is as long."""


class Control(NamedTuple):
    """The region beside every other span of the messages.

    `windows`: how many there are; `length`: their tokens; `mean`, `low` and `high`: their mass, mean and the middle 95 %, as if
    they were as long as the region; `above`: the part of them that gets less than the region, ties by half.
    """

    windows: int
    length: int
    mean: float
    low: float
    high: float
    above: float


class Windows(NamedTuple):
    """The mass of every other span, (N,), scaled to the length of the region, and how many tokens a span has."""

    masses: Floats
    length: int


def windows(row: ArrayLike, prompt: Prompt, name: str = PREFERENCE) -> Windows | Unmeasured:
    """Every other span as long as the region in the nearest whole number of tokens; where there is none, half, or a quarter.

    What a control draws from. A span is a run of tokens of messages, template tokens in it passed over, that touches neither
    the region nor the first token. A span has at least one token, a half or quarter is rounded up; masses are scaled to what
    the region has, which need not be whole.
    """
    values, region, kept = np.asarray(row, dtype=np.float64), prompt.region(name), kept_tokens(prompt)
    tokens = float(region.sum(dtype=np.float64))
    if tokens <= 0:
        return Unmeasured(f"The prompt holds no {name}, so there is nothing to compare other spans with.")
    free = kept & (region == 0)
    sums = np.concatenate([[0.0], np.cumsum(np.where(free, values, 0.0))])
    side = np.cumsum(region > 0)
    runs = [np.flatnonzero(free & (side == run)) for run in np.unique(side[free])]
    length = max(1, round(tokens))
    for wanted in dict.fromkeys((length, -(-length // 2), -(-length // SHORTEST))):
        found = [sums[run[wanted - 1 :] + 1] - sums[run[: len(run) - wanted + 1]] for run in runs if len(run) >= wanted]
        if found:
            return Windows(np.concatenate(found) * (tokens / wanted), wanted)
    shortest = -(-length // SHORTEST)
    return Unmeasured(
        f"No other part of the messages has even {shortest} tokens, so there is no control for the {name}."
    )


def control(row: ArrayLike, prompt: Prompt, name: str = PREFERENCE) -> Control | Unmeasured:
    """The region beside all other spans. Nothing is drawn: there are few enough to look at every one."""
    others = windows(row, prompt, name)
    if isinstance(others, Unmeasured):
        return others
    mass = float(np.asarray(row, dtype=np.float64) @ prompt.region(name))
    low, high = np.quantile(others.masses, [0.025, 0.975])
    mean, above = float(others.masses.mean()), part_below(others.masses, mass)
    return Control(len(others.masses), others.length, mean, float(low), float(high), above)


def part_below(others: Floats, value: float) -> float:
    """The part of others (N,) below a value, ties by half; what differs by rounding only is a tie."""
    ties = np.isclose(others, value, rtol=1e-9, atol=0)
    return float(((others < value) & ~ties).mean() + ties.mean() / 2)


def anchors(prompt: Prompt) -> tuple[float, ...] | Unmeasured:
    """Where the segments begin and end, in tokens: six places, the first 0 and the last T, a token that is cut by its part.

    Without a query behind the preference everything behind it is the tail. Unmeasured without a preference.
    """
    own = _extent(prompt.region(PREFERENCE))
    if own is None:
        return Unmeasured("The prompt holds no preference, so it cannot be laid over others.")
    total = float(len(prompt.ids))
    asked = _extent(prompt.region(QUERY))
    start, end = asked if asked is not None and asked[0] >= own[1] else (own[1], own[1])
    return (0.0, *own, start, end, total)


def _extent(region: ArrayLike) -> tuple[float, float] | None:
    """The first and last place of a region in tokens; what of the edge tokens lies outside is cut off."""
    values = np.asarray(region, dtype=np.float64)
    inside = np.flatnonzero(values)
    if len(inside) == 0:
        return None
    first, last = int(inside[0]), int(inside[-1])
    start = first + 1.0 - float(values[first])
    return start, start + float(values[first]) if first == last else last + float(values[last])


def binned(row: ArrayLike, prompt: Prompt) -> tuple[Floats, Floats] | Unmeasured:
    """The row laid over the bins of SEGMENTS: the mass and the share of the tokens of each bin, (BINS,) twice.

    Both add up to what the row and 1 add up to. A token that two bins share is split evenly over its width. The bins of a
    segment without tokens are 0 in both. Prompts of different lengths can then be averaged bin by bin: the same bin is the
    same part of the same text in all of them.
    """
    places = anchors(prompt)
    if isinstance(places, Unmeasured):
        return places
    values = np.asarray(row, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    edges = np.concatenate(
        [np.linspace(places[at], places[at + 1], count, endpoint=False) for at, (_, count) in enumerate(SEGMENTS)]
        + [np.array([places[-1]])]
    )
    return np.diff(np.interp(edges, np.arange(len(sums)), sums)), np.diff(edges) / len(values)
