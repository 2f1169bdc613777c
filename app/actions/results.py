"""What came out of a study: its report, also with something left out, the dialogues behind a number, and the report of
ratings that were imported."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.actions.studies import one
from app.context import Context
from app.errors import Refused
from core.formats.ratings import long_rows
from core.study import DIMENSION
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


class Imported(NamedTuple):
    """What was taken of imported ratings: the dimension and how many rows each dimension has, and how many rows were left out
    for which reason."""

    dimension: str
    dimensions: dict[str, int]
    left_out: dict[str, int]


class Result(NamedTuple):
    """A report with what can be left out of it: models, and user profiles by key with their first words."""

    report: StudyReport
    models: list[str]
    profiles: dict[str, str]
    imported: Imported | None = None


def report(context: Context, study_id: int, without: Without | None = None) -> tuple[Study, Result]:
    """A study and its report; models go by their names once it is unblinded, by letters before."""
    study = one(context, study_id)
    rated = studies.rated(context.database, study_id)
    names = names_of(context, study)
    texts = {item.profile_key: item.profile for item in studies.dialogues(context.database, study_id)}
    return study, _result([row_of(item, names) for item in rated], texts, without)


def _result(rows: Sequence[Row], texts: Mapping[str, str], without: Without | None) -> Result:
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
    who = (item.rater, item.item, names[item.model], item.profile_key)
    return Row(*who, item.turn, item.value, item.retest, item.active_ms, item.check, item.asked)


def report_of_set(
    context: Context, set_id: int, without: Without | None = None, dimension: str = ""
) -> tuple[str, Result]:
    """The name of a set of imported ratings and the report of one dimension, without a wish the most frequent one.

    Raises Refused when the ratings do not say enough.
    """
    owner = sets.one_set(context.database, set_id)
    if owner is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted.")
    records = scenarios.records(context.database, set_id)
    found = _usable(long for record in records if isinstance(record, Foreign) for long in long_rows(record))
    counts = Counter(name for name, *_ in found.rows)
    if not counts:
        why = f" ({_counted(found.left_out)} left out)" if found.left_out else ""
        raise Refused(
            f"{owner.name} holds no ratings with a model and a user profile, so there is nothing to report{why}."
        )
    chosen = dimension or max(sorted(counts), key=lambda name: (counts[name], name == DIMENSION))
    if chosen not in counts:
        raise Refused(f"{owner.name} has no ratings of {chosen[:80]!r}. It has: {', '.join(sorted(counts))[:400]}.")
    rows = [row for name, *_, row in found.rows if name == chosen]
    taken = Imported(chosen, dict(counts.most_common()), dict(found.left_out.most_common()))
    return f"{owner.name} v{owner.version}", _result(rows, found.texts, without)._replace(imported=taken)


def _counted(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in reasons.items())


class _Usable(NamedTuple):
    """Imported values that count, by what makes them the same one (dimension first), the texts of their user profiles by key,
    and why the others do not count."""

    rows: list[tuple[str, Row]]
    texts: dict[str, str]
    left_out: Counter[str]


def _usable(found: Iterable[Json]) -> _Usable:
    kept: dict[tuple[str, str, str, int, bool], Row] = {}
    texts: dict[str, str] = {}
    left_out = Counter[str]()
    for long in found:
        row = _row(long)
        if isinstance(row, str):
            left_out[row] += 1
            continue
        texts[row.profile] = str(long["profile"])
        name = (str(long["dimension"]), row.rater, row.item, row.turn, row.retest)
        if kept.pop(name, None) is not None:
            left_out["given again later; the last one counts"] += 1
        kept[name] = row
    return _Usable([(name[0], row) for name, row in kept.items()], texts, left_out)


def _row(long: Json) -> Row | str:
    """An imported rating as the report takes it, or why it does not count."""
    turn, asked, retest, check = (long.get(name, default) for name, default in _DEFAULTS)
    problem = _unclear(long)
    if problem:
        return problem
    if type(turn) is not int or not 1 <= turn <= 1000:
        return "with a turn outside 1 to 1000"
    if type(retest) is not bool or type(check) is not bool or not (asked is None or type(asked) is int):
        return "with an unclear retest, check or asked"
    active = long.get("active_ms")
    who = (str(long["rater_id"]), str(long["dialogue_id"]), str(long["model"]), _profile_key(str(long["profile"])))
    return Row(*who, turn, long["value"] or 0, retest, active if type(active) is int else 0, check, asked)


_DEFAULTS: tuple[tuple[str, object], ...] = (("turn", None), ("asked", None), ("retest", False), ("check", False))


def _unclear(long: Json) -> str:
    value, status = long.get("value"), long.get("status") or "submitted"
    if status not in ("submitted", "cannot rate"):
        return f"of the status {str(status)[:40]!r}"
    if status == "cannot rate" and value is not None:
        return "that could not be rated and have a value all the same"
    if status == "submitted" and value is None:
        return "without a value"
    if value is not None and (type(value) is not int or not 1 <= value <= 5):
        return "with a value outside 1 to 5"
    return "" if long.get("model") and long.get("profile") else "without a model or a user profile"


def _profile_key(profile: str) -> str:
    """A foreign file's name of a user profile, or a digest where it is a long text."""
    return profile if len(profile) <= 64 else studies.digest(profile)


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


def report_view(result: Result) -> dict[str, Any]:
    """A report as JSON: undefined numbers are null."""
    found = result.report
    figures = [
        {
            "model": row.model,
            "al": row.figures.al.tolist(),
            "band": row.band.tolist(),
            "n": row.n,
            "avg": [row.figures.avg, *row.avg],
            "ir": [row.figures.ir, *row.ir],
            "n_ir": [row.figures.n_ir, *row.n_ir],
            "null_n_ir": row.null_n_ir,
            "r2": row.figures.r2,
            "fives": found.fives.get(row.model),
        }
        for row in found.figures.models
    ]
    view = {
        "figures": figures,
        "differences": [item._asdict() for item in found.figures.differences],
        "crossed": found.figures.crossed,
        "uneven": found.uneven,
        "agreement": found.agreement._asdict(),
        "cards": [card._asdict() for card in found.cards],
        "ratings": found.ratings,
        "models": result.models,
        "profiles": result.profiles,
    }
    return _defined(view)


def _defined(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _defined(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_defined(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
