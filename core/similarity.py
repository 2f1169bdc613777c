"""How alike two texts are in their words. Pure; knows no tree and no scenario."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+")
_COMPARED = 2000
"""Characters of a text that are looked at."""


def words(text: str) -> frozenset[str]:
    """The words of a text, case ignored."""
    return frozenset(_WORD.findall(text[:_COMPARED].casefold()))


def overlap(one: str, two: str) -> float:
    """Shared words among all words of both (Jaccard), 0 to 1; 1 for two texts without words."""
    first, second = words(one), words(two)
    return len(first & second) / len(first | second) if first or second else 1.0


def nearest(text: str, others: Iterable[str]) -> float:
    """The largest overlap with any of the others; 0 without others."""
    return max((overlap(text, other) for other in others), default=0.0)
