"""From the turns and levels of a simulation to its report: the figures of a rating study with judges in the place of raters, and
how many dialogues stand behind every turn.

Figures, intervals by profile, paired differences and Holm are those of `core.study_report`; nothing is computed a second
time here. Knows rows; not where they are kept.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from core.study_report import Row, StudyReport, study_report

State = Literal["held", "failed", "ended", "open"]
"""A planned turn: it took place, it failed, the dialogue had ended by then, or it was not asked yet."""


class Planned(NamedTuple):
    """One planned turn of the dialogue of a model with a person: `dialogue` names it, `why` is the reason of a failed one."""

    model: str
    dialogue: str
    turn: int
    state: State
    why: str = ""


class Coverage(NamedTuple):
    """One turn of one model: planned dialogues, those in which it took place, those of them with a level; `failed` here,
    `ended` at an earlier turn, `open`: not asked yet. They add up: held + failed + ended + open = planned."""

    model: str
    turn: int
    planned: int
    held: int
    rated: int
    failed: int
    ended: int
    open: int


class Loss(NamedTuple):
    """A reason for which turns or levels are missing, and how often, by model and turn."""

    model: str
    turn: int
    what: Literal["turn", "level"]
    why: str
    times: int


class SimulationReport(NamedTuple):
    """Everything that the report shows. `figures` has no rows where nobody judged."""

    figures: StudyReport
    coverage: list[Coverage]
    losses: list[Loss]


def simulation_report(
    planned: Sequence[Planned], rows: Sequence[Row], unscored: Sequence[tuple[str, int, str]], draws: int = 2000
) -> SimulationReport:
    """The report over planned turns, the levels that were given (`rows`, the judge as rater, the dialogue as item) and those
    that were not (model, turn, why)."""
    rated = {(row.item, row.turn) for row in rows if row.value > 0}
    cells: dict[tuple[str, int], Counter[str]] = {}
    for one in planned:
        cell = cells.setdefault((one.model, one.turn), Counter())
        cell[one.state] += 1
        cell["rated"] += one.state == "held" and (one.dialogue, one.turn) in rated
    coverage = [
        Coverage(
            model, turn, sum(cell[state] for state in ("held", "failed", "ended", "open")), cell["held"], cell["rated"],
            cell["failed"], cell["ended"], cell["open"],
        )
        for (model, turn), cell in cells.items()
    ]  # fmt: skip
    lost: Counter[tuple[str, int, Literal["turn", "level"], str]] = Counter()
    lost.update((one.model, one.turn, "turn", one.why) for one in planned if one.state == "failed")
    lost.update((model, turn, "level", why) for model, turn, why in unscored)
    losses = [Loss(*name, times) for name, times in sorted(lost.items(), key=lambda item: (-item[1], item[0]))]
    return SimulationReport(study_report(rows, draws), coverage, losses)
