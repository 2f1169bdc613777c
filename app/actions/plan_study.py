"""The study planner: variances from a stored evaluation or from shares that were typed, and what a next study can find."""

from typing import Any, NamedTuple

from app.actions.evaluations import Loaded, loaded
from app.context import Context
from app.errors import Refused
from core.evaluation.metrics import LABELS, METRICS, Metric
from core.evaluation.outlook import Outlook, Wanted, outlook
from core.evaluation.planner import Components, components, from_disagreement, pilot
from core.jobs import objects, plain
from db import evaluations

EFFECT = 0.1
"""The difference that is planned for where none was given."""


class Pilot(NamedTuple):
    """Two rows (places) of a stored evaluation and the number that they are compared by."""

    evaluation: int
    first: int
    second: int
    metric: Metric


class Shares(NamedTuple):
    """Shares of scenarios on which only the first, or only the second row holds."""

    first_only: float
    second_only: float


class Planned(NamedTuple):
    """An outlook, what it was asked for, and the pilot's own difference (None without one)."""

    components: Components
    wanted: Wanted
    outlook: Outlook
    difference: float | None
    labels: tuple[str, ...]


def planned(context: Context, source: Pilot | Shares, wanted: Wanted) -> Planned:
    """The outlook. Raises Refused with a sentence for what cannot be planned."""
    try:
        found, difference, labels = _components(context, source)
        return Planned(found, wanted, outlook(found, wanted), difference, labels)
    except ValueError as error:
        said = str(error)
        raise Refused(said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")) from error


def _components(context: Context, source: Pilot | Shares) -> tuple[Components, float | None, tuple[str, ...]]:
    if isinstance(source, Shares):
        return from_disagreement(*source), None, ()
    found = loaded(context, source.evaluation)
    if source.first == source.second:
        raise Refused("Choose two different rows of the pilot.")
    labels = tuple(_label(found, row) for row in (source.first, source.second))
    apart, scenario = pilot(found.table, (source.first, source.second), source.metric)
    made = components(apart, scenario)
    return made, float(apart.mean()), labels


def _label(found: Loaded, row: int) -> str:
    if not 0 <= row < len(found.lines):
        raise Refused(f"The evaluation has {len(found.lines)} rows; there is no row {row + 1}.")
    return evaluations.label(found.lines[row])


def shown(context: Context, source: Pilot | Shares, wanted: Wanted) -> dict[str, Any]:
    """The outlook as JSON."""
    return plain(objects(planned(context, source, wanted)))


def choices(context: Context) -> dict[str, Any]:
    """What can be a pilot: the newest evaluations with two rows or more, and the numbers."""
    found: list[dict[str, Any]] = []
    for one in evaluations.listing(context.database):
        rows = evaluations.lines(context.database, one.id)
        if len(rows) > 1:
            named = [
                {"place": place, "label": evaluations.label(row), "task": row.task} for place, row in enumerate(rows)
            ]
            found.append({"id": one.id, "name": one.name, "rows": named})
    return plain({"evaluations": found, "metrics": [{"name": name, "label": LABELS[name]} for name in METRICS]})
