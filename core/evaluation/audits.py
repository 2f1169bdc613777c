"""What moves a judge that should not: the order of the material, the length of a response, the letter of an option, chance.

Knows answers, lengths and places; does not know texts. An audit finds that a judge is moved, not why: longer responses may
be better, which is why people's answers are put beside where there are any.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval
from core.evaluation.intervals import LEVEL, UNKNOWN, cluster_variance, student
from core.evaluation.people import Against, Pairs, against, by_check
from core.evaluation.table import ABSENT, CANNOT, YES, Ints, Verdicts, settle
from core.evaluation.verdicts import CHECKS, COLUMNS, Check

Floats = NDArray[np.float64]
SEED = 8
QUARTERS = 4


def order_audit(table: Verdicts, given: int, swapped: int, draws: int = 2000) -> dict[Check | None, Against]:
    """The same judge asked with the response after the preference (`given`) and before it (`swapped`): two places in `judges`.

    Read `judge` as the given order and `people` as the swapped one: `agree` is the share of answers that stay, `bias` how
    much more often the given order says yes, with its test by check.
    """
    one, two = (settle(table, [place]) for place in (given, swapped))
    found: list[tuple[Check, Pairs]] = []
    for check in CHECKS:
        at = COLUMNS.index(check)
        asked = (one[:, at] != ABSENT) & (two[:, at] != ABSENT)
        found.append((check, Pairs(one[asked, at], two[asked, at], table.scenario[asked])))
    return by_check(found, draws)


def choice_order(table: Verdicts, given: int, turned: int, draws: int = 2000) -> Against:
    """Multiple choice with the options as given and turned round (two places in `judges`): read as `order_audit`, a yes being the
    right option. A change from one wrong option to another is not seen."""
    at = COLUMNS.index("choice")
    one, two = (settle(table, [place])[:, at] for place in (given, turned))
    asked = (one != ABSENT) & (two != ABSENT)
    return against(Pairs(one[asked], two[asked], table.scenario[asked]), draws)


class Consistency(NamedTuple):
    """How often a judge says the same again. `asked`: responses with two or more answers to a check; `same`: all of them
    alike, a cannot determine being an answer; `pairs`: the share of pairs of repeats that are alike, NaN without any."""

    asked: int
    same: int
    pairs: float


def consistency(table: Verdicts, judge: int) -> dict[Check, Consistency]:
    """The repeats of one judge (a place in `judges`), by check."""
    own = (table.judge == judge) & (table.outcome <= CANNOT)
    key = table.item[own] * len(COLUMNS) + table.check[own]
    size = table.row.size * len(COLUMNS) * 3
    counts = np.bincount(key * 3 + table.outcome[own], minlength=size).reshape(-1, len(COLUMNS), 3)
    total = counts.sum(axis=2)
    alike, every = (counts * (counts - 1)).sum(axis=2), total * (total - 1)
    found: dict[Check, Consistency] = {}
    for check in CHECKS:
        at = COLUMNS.index(check)
        asked = total[:, at] >= 2
        pairs = float(alike[asked, at].sum() / every[asked, at].sum()) if bool(asked.any()) else float("nan")
        found[check] = Consistency(int(asked.sum()), int((alike[asked, at] == every[asked, at]).sum()), pairs)
    return found


class Slope(NamedTuple):
    """The change of a share for every doubling of a response's length, with its 95 % interval over `scenarios`."""

    value: float
    interval: Interval
    n: int
    scenarios: int


class Verbosity(NamedTuple):
    """One check of one judge. `slope`: share of yes. `quarters`: (shortest, longest, share of yes, responses) from short
    to long. `excess`: share of yes less the people's on the responses that people answered, None without people: that the
    judge is moved by length more than people are."""

    slope: Slope
    quarters: tuple[tuple[float, float, float, int], ...]
    excess: Slope | None


def verbosity(table: Verdicts, judges: Sequence[int], people: Sequence[int] = ()) -> dict[Check, Verbosity]:
    """By check, over responses with a yes or no: lengths in characters, compared within rows, so that a model that writes
    more and better does not look like a judge that likes length."""
    judged = settle(table, judges)
    human = settle(table, people) if people else None
    found: dict[Check, Verbosity] = {}
    for check in CHECKS:
        at = COLUMNS.index(check)
        usable = (judged[:, at] <= YES) & (table.length > 0)
        if not bool(usable.any()):
            continue
        said = (judged[:, at] == YES).astype(np.float64)
        excess = None
        if human is not None:
            shared = usable & (human[:, at] <= YES)
            excess = _slope(table, said - (human[:, at] == YES), shared) if bool(shared.any()) else None
        found[check] = Verbosity(_slope(table, said, usable), _quarters(table.length[usable], said[usable]), excess)
    return found


def _slope(table: Verdicts, share: Floats, usable: NDArray[np.bool_]) -> Slope:
    """Least squares of a share on log2 of the length, both less the mean of their row; variance by scenario (Liang, Zeger
    1986)."""
    row = table.row[usable]
    doublings, share = (_within(values, row) for values in (np.log2(table.length[usable]), share[usable]))
    names, place = np.unique(table.scenario[usable], return_inverse=True)
    squares = float((doublings**2).sum())
    n, scenarios = int(row.size), int(names.size)
    if squares < 1e-12:
        return Slope(float("nan"), UNKNOWN, n, scenarios)
    value = float((doublings * share).sum()) / squares
    if scenarios < 3:
        return Slope(value, UNKNOWN, n, scenarios)
    parts = np.bincount(place, doublings * (share - value * doublings)) / squares
    half = student(LEVEL, scenarios - 1) * math.sqrt(cluster_variance(parts))
    return Slope(value, Interval(value - half, value + half), n, scenarios)


def _within(values: Floats, row: Ints) -> Floats:
    counts = np.maximum(np.bincount(row), 1)
    return values - (np.bincount(row, values) / counts)[row]


def _quarters(length: Floats, said: Floats) -> tuple[tuple[float, float, float, int], ...]:
    order = np.argsort(length, kind="stable")
    parts = [part for part in np.array_split(order, QUARTERS) if part.size]
    return tuple((float(length[p[0]]), float(length[p[-1]]), float(said[p].mean()), int(p.size)) for p in parts)


class Places(NamedTuple):
    """Where the letters fall in multiple choice. By place: how often it was `chosen`, how often `right`, and `found`, the
    share of right choices where the right option stood there (NaN where it never did). `p`: chance of choices at least as
    uneven, were no place preferred, as right options are shuffled evenly."""

    chosen: tuple[int, ...]
    right: tuple[int, ...]
    found: tuple[float, ...]
    p: float


def places(chosen: Sequence[int], right: Sequence[int], options: int, draws: int = 10_000) -> Places:
    """Letters of the replies that have one, beside the places of the right options: places from 0 to options - 1, pair by pair.

    Pearson's statistic against even places, its distribution drawn from the multinomial. NaN without choices.
    """
    one, two = np.array(chosen, dtype=np.int64), np.array(right, dtype=np.int64)
    picks, rights = np.bincount(one, minlength=options), np.bincount(two, minlength=options)
    hits = np.bincount(two[one == two], minlength=options)
    found = tuple(float(hit / count) if count else float("nan") for hit, count in zip(hits, rights, strict=True))
    p = float("nan")
    if one.size:
        rng = np.random.default_rng(SEED)
        even = one.size / options
        drawn = ((rng.multinomial(one.size, np.full(options, 1 / options), draws) - even) ** 2).sum(axis=1)
        p = float((1 + (drawn >= ((picks - even) ** 2).sum() - 1e-9).sum()) / (draws + 1))
    return Places(tuple(int(count) for count in picks), tuple(int(count) for count in rights), found, p)
