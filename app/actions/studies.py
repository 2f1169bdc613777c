"""Rating studies: look at what a study would be, start it, freeze and unblind it, report it, export its ratings."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.exc import IntegrityError

from app.context import Context
from app.errors import Refused
from core.dialogues import Dialogue, Turn, dialogue_of
from core.study import ANCHORS, DIMENSION, Cost, Item, Leak, Plan, cost, leaks, masked, plan
from core.study_report import Row, StudyReport, study_report
from core.types import Foreign
from db import scenarios, studies
from db.studies import Rated, Study, Terms

GUIDELINE = "\n".join(
    [
        "Rate every answer for how well it fits this user: what is said fits the profile, how it is said fits the personality, "
        "and it reads like a person who pays attention, without padding. Judge an answer by what could be known at that turn.",
        "",
        *(f"{level}: {words}" for level, words in ANCHORS.items()),
    ]
)
CONSENT = "Your ratings are kept under the name you were given. You may stop at any time and have them deleted."


@dataclass(frozen=True, slots=True)
class Order:
    """What a researcher asks for."""

    name: str
    sets: list[int]
    raters: list[str]
    overlap: int = 2
    seed: int = 1
    retest: float = 0.0
    progressive: bool = True
    guideline: str = GUIDELINE
    consent: str = CONSENT
    mask: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """What a study would be, before anything is stored."""

    dialogues: dict[str, Dialogue]
    models: dict[str, int]
    profiles: int
    plan: Plan
    cost: Cost
    leaks: list[Leak]
    duplicates: int


def draft(context: Context, order: Order) -> Draft:
    """Look at an order. Raises Refused when it cannot become a study."""
    raters = list(dict.fromkeys(name.strip() for name in order.raters if name.strip()))
    if not raters:
        raise Refused("Name at least one rater.")
    dialogues, doubles = _dialogues(context, order)
    if not dialogues:
        raise Refused("There is no multi-turn dialogue in these sets. Choose a set with conversations, or import one.")
    items = [Item(key, one.model, one.profile_key) for key, one in dialogues.items()]
    try:
        made = plan(items, raters, order.overlap, order.seed, order.retest)
    except ValueError as error:
        raise Refused(f"This study cannot be planned: {error}.") from error
    models = Counter(one.model for one in dialogues.values())
    found = [leak for key, one in dialogues.items() for leak in leaks(key, one.turns, models)]
    price = cost(made, {key: len(one.turns) for key, one in dialogues.items()})
    return Draft(
        dialogues, dict(sorted(models.items())), len({item.profile for item in items}), made, price, found, doubles
    )


def _dialogues(context: Context, order: Order) -> tuple[dict[str, Dialogue], int]:
    found: dict[str, Dialogue] = {}
    doubles = 0
    for set_id in dict.fromkeys(order.sets):
        for record in scenarios.records(context.database, set_id):
            dialogue = dialogue_of(record) if isinstance(record, Foreign) else None
            if dialogue is None:
                continue
            doubles += dialogue.key in found
            found.setdefault(dialogue.key, dialogue)
    return found, doubles


def start(context: Context, order: Order) -> tuple[int, dict[str, str]]:
    """Start a study; returns its id and each rater's secret for the link, which is shown once and not kept."""
    if not order.name.strip():
        raise Refused("Give the study a name.")
    made = draft(context, order)
    shown = {key: _masked(one, made.models) for key, one in made.dialogues.items()} if order.mask else made.dialogues
    terms = Terms(
        order.name.strip()[:120],
        order.guideline,
        order.consent,
        order.seed,
        order.overlap,
        order.retest,
        order.progressive,
    )
    try:
        return studies.create(context.database, terms, shown, made.plan, context.now())
    except IntegrityError as error:
        raise Refused(f"There is a study named {terms.name} already. Choose another name.") from error


def _masked(dialogue: Dialogue, models: dict[str, int]) -> Dialogue:
    turns = tuple(Turn(masked(turn.user, models), masked(turn.assistant, models)) for turn in dialogue.turns)
    return Dialogue(masked(dialogue.profile, models), dialogue.model, turns)


def advance(context: Context, study_id: int, to: Literal["frozen", "unblinded"]) -> str:
    """Freeze or unblind a study; returns a sentence. Raises Refused when its status does not allow it."""
    study = one(context, study_id)
    if not studies.advance(context.database, study_id, to, context.now()):
        raise Refused(f"A study goes from running to frozen to unblinded; this one is {study.status}.")
    return f"{study.terms.name} is {to}."


def one(context: Context, study_id: int) -> Study:
    """A study. Raises Refused when it is not there."""
    study = studies.get(context.database, study_id)
    if study is None:
        raise Refused(f"There is no study number {study_id}.")
    return study


@dataclass(frozen=True, slots=True)
class Without:
    """What a report leaves out."""

    rater: str = ""
    profile: str = ""
    model: str = ""


def report(
    context: Context, study_id: int, without: Without | None = None
) -> tuple[Study, StudyReport, dict[str, str]]:
    """A study, its report, and the names its models go by: their own once it is unblinded, letters before."""
    study = one(context, study_id)
    rated = studies.rated(context.database, study_id)
    names = _names(study, rated)
    out = without or Without()
    rows = [_row(item, names) for item in rated]
    kept = [row for row in rows if row.rater != out.rater and row.profile != out.profile and row.model != out.model]
    return study, study_report(kept), names


def _names(study: Study, rated: Any) -> dict[str, str]:
    models = sorted({item.model for item in rated})
    if study.status == "unblinded":
        return {model: model for model in models}
    shuffled = sorted(models, key=lambda model: studies.digest(f"{study.id} {study.terms.seed} {model}"))
    return {model: f"Model {chr(65 + index)}" for index, model in enumerate(shuffled)}


def _row(item: Rated, names: dict[str, str]) -> Row:
    shown = (
        item.rater,
        item.item,
        names[item.model],
        item.profile_key[:8],
        item.turn,
        item.value,
        item.retest,
        item.active_ms,
    )
    return Row(*shown)


def ratings_long(context: Context, study_id: int) -> Iterator[bytes]:
    """The ratings as JSON lines in the long format; models only once the study is unblinded."""
    study = one(context, study_id)
    for item in studies.rated(context.database, study_id):
        row: dict[str, Any] = {
            "study_id": study.terms.name,
            "rater_id": item.rater,
            "dialogue_id": item.item,
            "turn": item.turn,
            "dimension": DIMENSION,
            "value": item.value or None,
            "status": "submitted" if item.value else "cannot rate",
            "profile": item.profile_key,
            "retest": item.retest,
            "order_index": item.position,
            "active_ms": item.active_ms,
            "submitted_at": item.at,
            "guideline_version": study.guideline_version,
        }
        row |= {"model": item.model} if study.status == "unblinded" else {}
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
