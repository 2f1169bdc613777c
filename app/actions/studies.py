"""Rating studies: look at what a study would be, start it, care for its raters and guideline, freeze and unblind it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import IntegrityError

from app.actions.import_data import printable
from app.context import Context
from app.errors import Refused
from core.dialogues import Dialogue, Turn, dialogue_of
from core.study import ANCHORS, Cost, Item, Leak, Plan, cost, leaks, masked, plan
from core.types import Foreign
from db import raters, scenarios, studies
from db.people import name_key
from db.studies import Study, Terms

GUIDELINE = "\n".join(
    [
        "Rate every answer for how well it fits this user: what is said fits the profile, how it is said fits the personality, "
        "and it reads like a person who pays attention, without padding. Judge an answer by what could be known at that turn.",
        "",
        *(f"{level}: {words}" for level, words in ANCHORS.items()),
    ]
)
CONSENT = (
    "Your ratings are kept under the name you were given and used to compare the systems. You may stop at any time."
)


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
    checks: int = 0
    withdrawal: Literal["removed", "kept"] = "removed"


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
    raters = rater_names(order.raters)
    dialogues, doubles = _dialogues(context, order)
    if not dialogues:
        raise Refused("There is no multi-turn dialogue in these sets. Choose a set with conversations, or import one.")
    items = [Item(key, one.model, one.profile_key) for key, one in dialogues.items()]
    try:
        made = plan(items, raters, order.overlap, order.seed, order.retest, order.checks)
    except ValueError as error:
        raise Refused(f"This study cannot be planned: {error}.") from error
    models = Counter(one.model for one in dialogues.values())
    found = [leak for key, one in dialogues.items() for leak in leaks(key, one.profile, one.turns, models)]
    price = cost(made, {key: len(one.turns) for key, one in dialogues.items()})
    return Draft(
        dialogues, dict(sorted(models.items())), len({item.profile for item in items}), made, price, found, doubles
    )


def rater_names(names: Sequence[str]) -> list[str]:
    """The names of raters, each once: names that differ only in case or spaces are one. Raises Refused for none or an odd one."""
    found: dict[str, str] = {}
    for name in names:
        shown = " ".join(name.split())
        if shown:
            found.setdefault(name_key(shown), _rater_name(shown))
    if not found:
        raise Refused("Name at least one rater.")
    return list(found.values())


def _rater_name(name: str) -> str:
    if len(name) > 80 or not name.isprintable():
        raise Refused(f"The name of a rater has 1 to 80 printable characters: {printable(name[:40])}")
    if name_key(name).startswith("former rater"):
        raise Refused("“former rater” is what somebody is called who left a study. Choose another name.")
    return name


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


def start(context: Context, order: Order, who: str = "") -> tuple[int, dict[str, str]]:
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
        order.withdrawal,
        order.checks,
    )
    try:
        return studies.create(context.database, terms, shown, made.plan, context.now(), who)
    except IntegrityError as error:
        raise Refused(f"There is a study named {terms.name} already. Choose another name.") from error


def _masked(dialogue: Dialogue, models: dict[str, int]) -> Dialogue:
    turns = tuple(Turn(masked(turn.user, models), masked(turn.assistant, models)) for turn in dialogue.turns)
    return Dialogue(masked(dialogue.profile, models), dialogue.model, turns)


def advance(context: Context, study_id: int, to: Literal["frozen", "unblinded"], who: str = "") -> str:
    """Freeze or unblind a study; returns a sentence. Raises Refused when its status does not allow it."""
    study = one(context, study_id)
    if not studies.advance(context.database, study_id, to, context.now(), who):
        raise Refused(f"A study goes from running to frozen to unblinded; this one is {study.status}.")
    return f"{study.terms.name} is {to}."


def one(context: Context, study_id: int) -> Study:
    """A study. Raises Refused when it is not there."""
    study = studies.get(context.database, study_id)
    if study is None:
        raise Refused(f"There is no study number {study_id}.")
    return study


def rewrite(context: Context, study_id: int, guideline: str, who: str = "") -> str:
    """Give a running study a new guideline; returns a sentence. Raises Refused when it is not running or nothing changed."""
    study = one(context, study_id)
    if not guideline.strip() or len(guideline) > 20_000:
        raise Refused("A guideline has 1 to 20,000 characters.")
    if guideline == study.terms.guideline:
        raise Refused("This is the guideline that holds already.")
    version = studies.rewrite(context.database, study_id, guideline, context.now(), who)
    if version is None:
        raise Refused(f"{study.terms.name} is {study.status}: its guideline stays as it was.")
    return f"Guideline {version} holds from now on; ratings before keep the version they were given under."


def hand_over(
    context: Context, study_id: int, names: tuple[str, str], confirm: bool, who: str = ""
) -> tuple[str, str | None]:
    """Hand unfinished user profiles from one rater to another, who may be new; returns a sentence and the path of a new rater's
    link. Without `confirm` nothing is changed, and the sentence says what would be."""
    one(context, study_id)
    if not names[1].strip():
        raise Refused("Name the rater who goes on.")
    names = (names[0], rater_names([names[1]])[0])
    if not confirm:
        planned = raters.offer(context.database, study_id, names, context.now())
        if not isinstance(planned, raters.Offer):
            raise _why_not(planned, names)
        lost = f"{planned.ratings} ratings of them will no longer count." if planned.ratings else "No rating is lost."
        return f"{_moved(planned, names, 'go')} {lost}", None
    done = raters.hand_over(context.database, study_id, names, context.now(), who)
    if not isinstance(done, raters.HandedOver):
        raise _why_not(done, names)
    return _moved(done.moved, names, "went"), done.secret and f"/rate?key={done.secret}"


def _moved(moved: raters.Offer, names: tuple[str, str], verb: str) -> str:
    return f"{moved.profiles} user profiles ({moved.dialogues} dialogues) {verb} from {names[0]} to {names[1]}."


def _why_not(reason: raters.Why, names: tuple[str, str]) -> Refused:
    giver, receiver = names
    match reason:
        case "not running":
            return Refused("Work can be handed over only while a study runs.")
        case "no such rater":
            return Refused(f"There is no other rater named {giver} in this study.")
        case "nothing":
            return Refused(
                f"Nothing of {giver}'s can go to {receiver}: it is finished, being rated now, or {receiver} has it already."
            )


def relink(context: Context, study_id: int, rater: str, who: str = "") -> str:
    """The path of a new link for a rater; the old one ends. Raises Refused for no such rater."""
    one(context, study_id)
    secret = raters.relink(context.database, study_id, rater, context.now(), who)
    if secret is None:
        raise Refused(f"There is no rater named {rater} in this study.")
    return f"/rate?key={secret}"


def withdraw(context: Context, study_id: int, rater: str) -> str:
    """A rater leaves a study, as its terms say; returns a sentence. Raises Refused for no such rater."""
    study = one(context, study_id)
    keep = study.terms.withdrawal == "kept"
    if not raters.withdraw(context.database, study_id, rater, keep, context.now()):
        raise Refused(f"There is no rater named {rater} in this study.")
    changed = "" if keep or study.status == "running" else " The figures of the report change; it is logged."
    return f"{rater} left the study; the ratings were {'kept without a name' if keep else 'deleted'}.{changed}"
