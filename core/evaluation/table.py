"""Many outcomes as columns of numbers, and the majority of several judges and repeats on every response.

Knows rows (a model with a method on a data set), their responses and what judges said; does not know figures (`metrics`).
Columns, because a report over 100,000 verdicts must open at once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.evaluation.verdicts import COLUMNS, OUTCOMES, Column, Outcome

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO, YES, CANNOT, TIED, UNPARSED, FAILED, ABSENT = range(7)
"""What is settled about one check of one response, from most to least is known: an answer (NO, YES, CANNOT), votes that
are tied, replies without a verdict, calls without a reply, no call at all."""


class Row(NamedTuple):
    """One line of a report: a model with a method on a data set. `turns`: filler turns before the query.

    Multiple choice has rows of its own: its responses have no other check, and would count there as planned and not judged.
    """

    name: str
    dataset: str
    model: str = ""
    method: str = ""
    turns: int = 0


class Item(NamedTuple):
    """One planned response: the place of its row, its scenario and topic, and what came out.

    `length` is the response's length in characters, 0 where nothing was generated.
    """

    row: int
    scenario: str
    topic: str = ""
    generated: bool = True
    length: int = 0


class Said(NamedTuple):
    """What one judge said in one repeat about one check of the response at place `item`; `why` where it has no answer."""

    item: int
    check: Column
    outcome: Outcome
    judge: str = ""
    repeat: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Planned responses (I of them) and outcomes (V of them) as columns.

    Of the responses: `row`, `scenario`, `topic` are places in `rows`, `scenarios`, `topics`; `generated` and `length` as
    in Item. Of the outcomes: `item` a place in 0..I-1, `check` in COLUMNS, `judge` in `judges`, `repeat` from 0, `outcome`
    in OUTCOMES. A judge, repeat, check and response come together once: a call that was tried again has one outcome, its
    last. Raises ValueError for columns that do not fit together.
    """

    rows: tuple[Row, ...]
    scenarios: tuple[str, ...]
    topics: tuple[str, ...]
    judges: tuple[str, ...]
    row: Ints
    scenario: Ints
    topic: Ints
    generated: Flags
    length: Floats
    item: Ints
    check: Ints
    judge: Ints
    repeat: Ints
    outcome: Ints

    def __post_init__(self) -> None:
        for size, names in ((self.row.size, _RESPONSES), (self.item.size, _OUTCOMES)):
            if any(getattr(self, name).shape != (size,) for name in names):
                raise ValueError("columns of one table have the same length")
        limits = (
            ("row", len(self.rows)), ("scenario", len(self.scenarios)), ("topic", len(self.topics)), ("item", self.row.size),
            ("check", len(COLUMNS)), ("judge", len(self.judges)), ("outcome", len(OUTCOMES)), ("repeat", 1 << 16),
        )  # fmt: skip
        for name, limit in limits:
            column: Ints = getattr(self, name)
            if column.size and not 0 <= int(column.min()) <= int(column.max()) < limit:
                raise ValueError(f"column {name!r} names something that is not there")
        keys = ((self.item * len(COLUMNS) + self.check) * max(1, len(self.judges)) + self.judge) * (
            1 << 16
        ) + self.repeat
        ordered = np.sort(keys)
        if bool((ordered[1:] == ordered[:-1]).any()):
            raise ValueError("one judge has two outcomes for one check, response and repeat")
        if self.item.size and not bool(self.generated[self.item].all()):
            raise ValueError("a response that was not generated has a verdict")


_RESPONSES = ("row", "scenario", "topic", "generated", "length")
_OUTCOMES = ("item", "check", "judge", "repeat", "outcome")


def verdicts_of(rows: Sequence[Row], items: Sequence[Item], said: Sequence[Said]) -> Verdicts:
    """The columns of values. Scenarios, topics and judges are numbered by name."""
    scenarios = tuple(sorted({item.scenario for item in items}))
    topics = tuple(sorted({item.topic for item in items}))
    judges = tuple(sorted({one.judge for one in said}))
    at_scenario, at_topic, at_judge, at_check, at_outcome = (
        {name: place for place, name in enumerate(names)} for names in (scenarios, topics, judges, COLUMNS, OUTCOMES)
    )
    return Verdicts(
        tuple(rows),
        scenarios,
        topics,
        judges,
        _ints([item.row for item in items]),
        _ints([at_scenario[item.scenario] for item in items]),
        _ints([at_topic[item.topic] for item in items]),
        np.array([item.generated for item in items], dtype=np.bool_),
        np.array([item.length for item in items], dtype=np.float64),
        _ints([one.item for one in said]),
        _ints([at_check[one.check] for one in said]),
        _ints([at_judge[one.judge] for one in said]),
        _ints([one.repeat for one in said]),
        _ints([at_outcome[one.outcome] for one in said]),
    )


def with_judges(table: Verdicts, said: Sequence[Said]) -> tuple[Verdicts, tuple[int, ...]]:
    """The table with further judges beside its own, such as people, and their places in `judges`, by name.

    A further judge called like one of the table's stays another one. Raises ValueError as `Verdicts` does.
    """
    names = sorted({one.judge for one in said})
    places = tuple(range(len(table.judges), len(table.judges) + len(names)))
    at = dict(zip(names, places, strict=True))
    more = (
        [one.item for one in said],
        [COLUMNS.index(one.check) for one in said],
        [at[one.judge] for one in said],
        [one.repeat for one in said],
        [OUTCOMES.index(one.outcome) for one in said],
    )
    made = {name: np.concatenate([getattr(table, name), _ints(own)]) for name, own in zip(_OUTCOMES, more, strict=True)}
    return replace(table, judges=(*table.judges, *names), **made), places


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def reasons(said: Sequence[Said], most: int = 20) -> list[tuple[str, int]]:
    """Why outcomes have no answer: the `most` frequent reasons with their counts."""
    return Counter(one.why for one in said if one.outcome in ("unparsed", "failed")).most_common(most)


def opinions(table: Verdicts) -> Ints:
    """Each judge's own answer by majority of its repeats: shape (I, C, J), values NO to ABSENT."""
    shape = (table.row.size, len(COLUMNS), len(table.judges))
    key = (table.item * shape[1] + table.check) * shape[2] + table.judge
    size = int(np.prod(shape))
    counts = np.bincount(key * len(OUTCOMES) + table.outcome, minlength=size * len(OUTCOMES))
    return _majority(counts.reshape(*shape, len(OUTCOMES)))


def settle(table: Verdicts, judges: Sequence[int] | None = None) -> Ints:
    """What is settled about every check of every response: shape (I, C), values NO to ABSENT.

    The answer that more judges give than any other (yes, no and cannot determine are three answers); each judge has one
    vote, by the same rule over its repeats; whoever has no answer or is tied with itself does not vote. `judges` are the
    places of those who vote, all of them by default.
    """
    own = opinions(table)
    own = own if judges is None else own[:, :, list(judges)]
    votes = np.stack([(own == code).sum(axis=2) for code in range(ABSENT)], axis=2)
    counts = np.concatenate([votes[:, :, :3], votes[:, :, UNPARSED : FAILED + 1]], axis=2)
    found = _majority(counts)
    return np.where((found > CANNOT) & (votes[:, :, TIED] > 0), TIED, found)


def _majority(counts: Ints) -> Ints:
    """The answer with the most of the counts (..., 5) by outcome, or why there is none: shape (...)."""
    answers = counts[..., :3]
    most = answers.max(axis=-1)
    found = np.where((answers == most[..., None]).sum(axis=-1) > 1, TIED, answers.argmax(axis=-1))
    none = np.where(counts[..., 3] > 0, UNPARSED, np.where(counts[..., 4] > 0, FAILED, ABSENT))
    return np.where(most > 0, found, none)
