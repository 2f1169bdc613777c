"""What came out of a study: its report, also with something left out, the dialogues behind a number, and the report of
ratings that were imported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.actions.studies import one
from app.context import Context
from app.errors import Refused
from core.formats.ratings import long_rows
from core.study_report import Row, StudyReport, study_report
from core.types import Foreign, Json, shorten
from db import scenarios, sets, studies
from db.studies import Rated, Study


@dataclass(frozen=True, slots=True)
class Without:
    """What a report leaves out."""

    rater: str = ""
    profile: str = ""
    model: str = ""

    def keeps(self, row: Row) -> bool:
        """True for a row that stays."""
        return row.rater != self.rater and row.profile != self.profile and row.model != self.model


class Result(NamedTuple):
    """A report with what can be left out of it: models, and user profiles by key with their first words."""

    report: StudyReport
    models: list[str]
    profiles: dict[str, str]


def report(context: Context, study_id: int, without: Without | None = None) -> tuple[Study, Result]:
    """A study and its report; models go by their names once it is unblinded, by letters before."""
    study = one(context, study_id)
    rated = studies.rated(context.database, study_id)
    names = names_of(context, study)
    texts = {item.profile_key[:8]: item.profile for item in studies.dialogues(context.database, study_id)}
    return study, _result([row_of(item, names) for item in rated], texts, without)


def _result(rows: Sequence[Row], texts: dict[str, str], without: Without | None) -> Result:
    kept = [row for row in rows if without is None or without.keeps(row)]
    profiles = {key: shorten(texts.get(key, key), 60) for key in sorted({row.profile for row in rows})}
    return Result(study_report(kept), sorted({row.model for row in rows}), profiles)


def names_of(context: Context, study: Study) -> dict[str, str]:
    """What each model of a study goes by."""
    models = sorted({item.model for item in studies.dialogues(context.database, study.id)})
    if study.status == "unblinded":
        return {model: model for model in models}
    shuffled = sorted(models, key=lambda model: studies.digest(f"{study.id} {study.terms.seed} {model}"))
    return {
        model: f"Model {chr(65 + index)}" if index < 26 else f"Model {index + 1}"
        for index, model in enumerate(shuffled)
    }


def row_of(item: Rated, names: dict[str, str]) -> Row:
    """A stored value as the report takes it."""
    who = (item.rater, item.item, names[item.model], item.profile_key[:8])
    return Row(*who, item.turn, item.value, item.retest, item.active_ms, item.check, item.asked)


def report_of_set(context: Context, set_id: int, without: Without | None = None) -> tuple[str, Result]:
    """The name of a set of imported ratings and their report. Raises Refused when the ratings do not say enough."""
    owner = sets.one_set(context.database, set_id)
    if owner is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted.")
    records = scenarios.records(context.database, set_id)
    rows = list(_imported(long for record in records if isinstance(record, Foreign) for long in long_rows(record)))
    if not rows:
        raise Refused(f"{owner.name} holds no ratings with a model and a user profile, so there is nothing to report.")
    return f"{owner.name} v{owner.version}", _result(rows, {}, without)


def _imported(found: Iterable[Json]) -> Iterable[Row]:
    for long in found:
        value, turn, asked = long.get("value"), long.get("turn"), long.get("asked")
        usable = value is None or (type(value) is int and 1 <= value <= 5)
        if not (usable and type(turn) is int and 1 <= turn <= 1000 and long.get("model") and long.get("profile")):
            continue
        who = (str(long["rater_id"]), str(long["dialogue_id"]), str(long["model"]), str(long["profile"])[:8])
        active = long.get("active_ms")
        more = (bool(long.get("retest")), active if type(active) is int else 0, bool(long.get("check")))
        yield Row(*who, turn, value or 0, *more, asked if type(asked) is int else None)


class Opened(NamedTuple):
    """A dialogue behind a number: its texts and every rating of it, as `(rater, turn, value, retest, flagged, note)`."""

    item: str
    model: str
    profile: str
    turns: list[list[str]]
    mean: float | None
    ratings: list[dict[str, Any]]


PAGE = 10


def behind(
    context: Context, study_id: int, model: str, turn: int | None, without: Without, offset: int
) -> tuple[int, list[Opened]]:
    """The dialogues of a model behind a cell of the report, lowest first; how many there are, and a page of them.

    `turn` None stands for the average over the turns.
    """
    study = one(context, study_id)
    names = names_of(context, study)
    rated = [item for item in studies.rated(context.database, study_id) if not item.check]
    rated = [item for item in rated if without.keeps(row_of(item, names)) and names[item.model] == model]
    by_item: dict[str, list[Rated]] = {}
    for item in rated:
        by_item.setdefault(item.item, []).append(item)
    shown = {one.key: one for one in studies.dialogues(context.database, study_id)}
    found = [
        Opened(key[:8], model, shown[key].profile, shown[key].turns, _mean(given, turn), [_given(one) for one in given])
        for key, given in by_item.items()
    ]
    found.sort(key=lambda opened: (opened.mean is None, opened.mean or 0.0, opened.item))
    return len(found), found[offset : offset + PAGE]


def _mean(given: list[Rated], turn: int | None) -> float | None:
    values = [item.value for item in given if item.value and not item.retest and turn in (None, item.turn)]
    return sum(values) / len(values) if values else None


def _given(item: Rated) -> dict[str, Any]:
    return {
        "rater": item.rater,
        "turn": item.turn,
        "value": item.value,
        "retest": item.retest,
        "flagged": item.flagged,
        "note": item.note,
    }
