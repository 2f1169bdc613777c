"""Two rows, of one evaluation or of two, response by response on the cases that both have.

Knows verdicts as columns and which responses belong together; does not know where the rows come from.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from core.evaluation.differences import Difference
from core.evaluation.metrics import LOWER_IS_BETTER, METRICS, Metric, scores
from core.evaluation.report import report
from core.evaluation.table import Ints, Verdicts, settle

Against = Literal["win", "lose", "tie", "missing"]


class Side(NamedTuple):
    """A row (place) of a table and its responses (places) that take part, in the order of the pairs."""

    table: Verdicts
    row: int
    items: Sequence[int]


class Paired(NamedTuple):
    """One case of two rows: whether the figure holds for its response, 1 or 0, None where it does not count.

    `win`: the first is better, lower where lower is better; `missing`: one of them does not count.
    """

    first: float | None
    second: float | None
    against: Against


def beside(first: Side, second: Side) -> Verdicts:
    """A table of two rows, the first's N responses before the second's: responses i and N + i are of one case.

    Scenarios are those of the same name. Each response keeps its own judges, so `settle` on the whole table settles it as
    its own table does. Raises ValueError where the sides have not as many responses.
    """
    if len(first.items) != len(second.items):
        raise ValueError("both sides have a response for every case")
    sides = (_alone(first), _alone(second))
    one, two = sides
    scenarios, topics = tuple(sorted({*one.scenarios, *two.scenarios})), tuple(sorted({*one.topics, *two.topics}))
    size, judges = one.row.size, len(one.judges)
    return Verdicts(
        rows=(one.rows[0], two.rows[0]._replace(dataset=one.rows[0].dataset)),
        scenarios=scenarios,
        topics=topics,
        judges=(*one.judges, *two.judges),
        row=np.repeat(np.arange(2), size),
        scenario=np.concatenate([_renamed(side.scenarios, scenarios)[side.scenario] for side in sides]),
        topic=np.concatenate([_renamed(side.topics, topics)[side.topic] for side in sides]),
        generated=np.concatenate([one.generated, two.generated]),
        length=np.concatenate([one.length, two.length]),
        item=np.concatenate([one.item, two.item + size]),
        check=np.concatenate([one.check, two.check]),
        judge=np.concatenate([one.judge, two.judge + judges]),
        repeat=np.concatenate([one.repeat, two.repeat]),
        outcome=np.concatenate([one.outcome, two.outcome]),
    )


def _alone(side: Side) -> Verdicts:
    """The table of these responses only, in their order."""
    table, chosen = side.table, np.array(side.items, dtype=np.int64)
    if not (table.row[chosen] == side.row).all():
        raise ValueError("a side has responses of another row")
    place = np.full(table.row.size, -1, dtype=np.int64)
    place[chosen] = np.arange(chosen.size)
    kept = place[table.item] >= 0
    outcomes = {name: getattr(table, name)[kept] for name in ("check", "judge", "repeat", "outcome")}
    responses = {name: getattr(table, name)[chosen] for name in ("scenario", "topic", "generated", "length")}
    row = np.zeros(chosen.size, dtype=np.int64)
    return replace(table, rows=(table.rows[side.row],), row=row, item=place[table.item[kept]], **outcomes, **responses)


def _renamed(own: Sequence[str], every: Sequence[str]) -> Ints:
    at = {name: place for place, name in enumerate(every)}
    return np.array([at[name] for name in own], dtype=np.int64)


def paired(table: Verdicts, metric: Metric) -> list[Paired]:
    """The cases of a table from `beside`, in the order of its pairs."""
    value = scores(table, settle(table)).value[:, METRICS.index(metric)]
    known = [None if one != one else float(one) for one in value.tolist()]
    half = len(known) // 2
    return [Paired(one, two, _against(one, two, metric)) for one, two in zip(known[:half], known[half:], strict=True)]


def _against(first: float | None, second: float | None, metric: Metric) -> Against:
    if first is None or second is None:
        return "missing"
    if first == second:
        return "tie"
    return "win" if (first > second) != (metric in LOWER_IS_BETTER) else "lose"


def difference(table: Verdicts, metric: Metric) -> Difference:
    """First less second row of a table from `beside`, paired by scenario, with interval and sign-flip test."""
    return next(one for one in report(table, [(0, 1)]).differences if one.metric == metric)
