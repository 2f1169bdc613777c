"""What an edit of the preference did to a response: steps beside each other, what of each stayed, how far the answers are apart.

Pure. Texts are compared by their words (`core.similarity`), which sees a change of wording and none of meaning: the two numbers
below are descriptions, not judgements.
"""

from collections.abc import Sequence
from typing import NamedTuple

from core.checks import Piece, word_diff
from core.similarity import overlap

_SAME = 0.15
"""Two steps with less in common are not put beside each other."""


class Beside(NamedTuple):
    """A step before the edit and its partner after it, by place; None where it has none. `alike` is their overlap, 0 to 1."""

    before: int | None
    after: int | None
    alike: float
    diff: tuple[Piece, ...]


class Change(NamedTuple):
    """Steps in reading order, the answers word by word, and the overlap of the answers' words (Jaccard), 0 to 1."""

    steps: tuple[Beside, ...]
    answer: tuple[Piece, ...]
    alike: float

    @property
    def apart(self) -> float:
        """1 less the overlap of the answers."""
        return 1.0 - self.alike


def change(before: Sequence[str], after: Sequence[str], answers: tuple[str, str]) -> Change:
    """Steps and answers of two responses. Partners keep the order of both and have the largest overlap in sum."""
    steps = tuple(
        Beside(
            one,
            two,
            overlap(before[one], after[two]) if one is not None and two is not None else 0.0,
            tuple(word_diff("" if one is None else before[one], "" if two is None else after[two])),
        )
        for one, two in _partners(before, after)
    )
    return Change(steps, tuple(word_diff(*answers)), overlap(*answers))


def _partners(before: Sequence[str], after: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The alignment with the largest sum of overlaps, by dynamic programming from the end."""
    rows, columns = len(before), len(after)
    alike = [[overlap(one, two) for two in after] for one in before]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            own = alike[row][column]
            joined = own + best[row + 1][column + 1] if own >= _SAME else -1.0
            best[row][column] = max(joined, best[row + 1][column], best[row][column + 1])
    found: list[tuple[int | None, int | None]] = []
    row = column = 0
    while row < rows and column < columns:
        own = alike[row][column]
        if own >= _SAME and best[row][column] == own + best[row + 1][column + 1]:
            found.append((row, column))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            found.append((row, None))
            row += 1
        else:
            found.append((None, column))
            column += 1
    return [
        *found,
        *((place, None) for place in range(row, rows)),
        *((None, place) for place in range(column, columns)),
    ]
