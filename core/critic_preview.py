"""What a person sees of a critic's training data before it starts: examples in a list, token lengths, findings, both sides.

Pure; knows examples, findings and token counts, no tokenizer and no file.
"""

from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Literal, NamedTuple

from core.critic_data import Example, Finding, Kind, Lint, split

MEANING: Mapping[Kind, str] = MappingProxyType(
    {
        "nothing": "Nothing here can be learned from.",
        "out_of_range": "A score outside -1 to 1 has no place on the rubric's scale.",
        "unreadable": "What would be taught is not read back as what it says, so the critic would learn a broken form.",
        "same_critique": "Different steps have the same critique. Where their scores differ too, the words teach nothing about "
        "the score, and that blocks.",
        "no_score": "Without a score there is nothing to learn; the step is left out.",
        "no_critique": "A score without its critique teaches a guess; the step is left out.",
        "tone": "The words of the critique seem to speak against its score. It is a simple count of words: look yourself.",
        "histogram": "Scores gather in one band of the rubric; a critic trained on them learns to repeat it.",
        "split": "The split between training and held-out scenarios is not what it should be.",
    }
)
"""Every kind of finding in a sentence for people."""


class Origin(NamedTuple):
    """A tree of the set: its ids in the database, its query in short, its group for the split, and the split it states."""

    scenario: int
    tree: int
    query: str
    group: str
    split: str


class Entry(NamedTuple):
    """One example in the list: the place of its tree (from 1), its node, the step number, its score, and its length in tokens.

    `tokens` is None where it was not measured.
    """

    place: int
    node: str
    step: int
    score: float
    tokens: int | None


class Row(NamedTuple):
    """A tree with examples: where its first one stands in the list (from 0), how many there are, and which side it is on."""

    place: int
    scenario: int
    query: str
    first: int
    steps: int
    side: Literal["train", "held_out"]
    stated: bool


class Sides(NamedTuple):
    """The split: (scenarios, steps) on each side, how many scenarios' side was drawn, and every tree with examples."""

    train: tuple[int, int]
    held_out: tuple[int, int]
    drawn: int
    rows: tuple[Row, ...]


class Lengths(NamedTuple):
    """Token counts of `measured` of `total` examples. `bins[i]` counts those in [i width, (i + 1) width); `cut` are longer than
    `limit`. Median, mean and longest are 0 without any."""

    measured: int
    total: int
    limit: int
    mean: float
    median: int
    longest: int
    cut: int
    width: int
    bins: tuple[int, ...]


class Group(NamedTuple):
    """Findings of one kind: what it means, how many there are, how many of them block, and the first of them."""

    kind: Kind
    meaning: str
    total: int
    blocking: int
    findings: tuple[Finding, ...]


def chosen(sizes: Sequence[int], most: int, seed: int = 1) -> list[int]:
    """Which examples to measure, in order: all, or `most` of them: a tenth the longest by `sizes`, the others drawn by the seed.

    The longest are the ones that might be cut, so a cut is not missed because its example was not drawn.
    """
    if len(sizes) <= most:
        return list(range(len(sizes)))
    longest = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    head, rest = longest[: most // 10], sorted(longest[most // 10 :])
    return sorted([*head, *Random(seed).sample(rest, most - len(head))])


def lengths(tokens: Sequence[int | None], limit: int) -> Lengths:
    """The histogram of token counts against a limit in tokens."""
    known = sorted(count for count in tokens if count is not None)
    if not known:
        return Lengths(0, len(tokens), limit, 0.0, 0, 0, 0, 1, ())
    width = _width(known[-1])
    bins = [0] * (known[-1] // width + 1)
    for count in known:
        bins[count // width] += 1
    over = sum(count > limit for count in known)
    mean = sum(known) / len(known)
    return Lengths(len(known), len(tokens), limit, mean, known[len(known) // 2], known[-1], over, width, tuple(bins))


def _width(longest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that needs at most 30 bins."""
    scale = 1
    while True:
        for step in (scale, 2 * scale, 5 * scale):
            if longest // step < 30:
                return step
        scale *= 10


def groups(found: Lint, most: int = 50) -> tuple[Group, ...]:
    """Findings by kind with at most `most` of each, kinds that block first, then those with more findings."""
    kinds: dict[Kind, list[Finding]] = {}
    for one in found.findings:
        kinds.setdefault(one.kind, []).append(one)
    made = [
        Group(kind, MEANING[kind], len(own), sum(one.blocking for one in own), tuple(own[:most]))
        for kind, own in kinds.items()
    ]
    return tuple(sorted(made, key=lambda group: (not group.blocking, -group.total)))


def sides(origins: Sequence[Origin], entries: Sequence[Entry], share: float, seed: int) -> Sides:
    """The split that a training with this share and seed makes (see `core.critic_data.split`). `origins[place - 1]` is a tree."""
    firsts: dict[int, int] = {}
    steps: dict[int, int] = {}
    for index, entry in enumerate(entries):
        firsts.setdefault(entry.place, index)
        steps[entry.place] = steps.get(entry.place, 0) + 1
    parts = split([_stand_in(place, origins[place - 1]) for place in steps], share, seed)
    held = {one.scenario for one in parts.held_out}
    rows = tuple(
        Row(
            place, origins[place - 1].scenario, origins[place - 1].query, firsts[place], count,
            "held_out" if place in held else "train", bool(origins[place - 1].split),
        )
        for place, count in steps.items()
    )  # fmt: skip
    return Sides(_size(rows, origins, "train"), _size(rows, origins, "held_out"), parts.drawn, rows)


def _stand_in(place: int, origin: Origin) -> Example:
    """One example for all of a tree: the split asks for nothing but group and stated split."""
    return Example(place, origin.group, origin.split, "", 0, "", "", 0.0, (), "")


def _size(rows: Sequence[Row], origins: Sequence[Origin], side: str) -> tuple[int, int]:
    own = [row for row in rows if row.side == side]
    return len({origins[row.place - 1].group for row in own}), sum(row.steps for row in own)
