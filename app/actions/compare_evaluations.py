"""Two rows side by side on the same cases, of one evaluation or of two: who wins, both texts, both sides' checks.

Reads what `app.actions.evaluate` stored; asks no model.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.actions.evaluations import LONGEST, PAGE, SAID, Loaded, about, cases_of, loaded, row_of
from app.context import Context
from app.errors import Refused
from core.checks import word_diff
from core.evaluation.metrics import LABELS, PARTS, Metric
from core.evaluation.pairing import Paired, Side, beside, difference, paired
from core.evaluation.table import Ints, settle
from core.evaluation.verdicts import COLUMNS
from core.jobs import objects, plain
from db import evaluations
from db.evaluations import Case


class Place(NamedTuple):
    """A row of an evaluation."""

    evaluation: int
    row: int


class _Opened(NamedTuple):
    """A side: its evaluation, row, and for every case that both have its response's place and the case as stored here."""

    found: Loaded
    row: int
    items: list[int]
    cases: list[Case]
    alone: int


def compared(
    context: Context, pair: tuple[Place, Place], metric: Metric, only: str = "", offset: int = 0
) -> dict[str, Any]:
    """Two rows on the cases that both have, a page of them, and how far they are apart. Raises Refused.

    Cases are the same where preference, query, what was said before and the options are; wherever they are stored.
    """
    sides = _opened(context, pair)
    if (metric == "acc_mc") != (sides[0].found.lines[sides[0].row].task == "choice"):
        raise Refused(f"{LABELS[metric]} is not a number of these rows.")
    one, two = sides
    table = beside(*(Side(side.found.table, side.row, side.items) for side in sides))
    every = paired(table, metric)
    counts = {name: sum(own.against == name for own in every) for name in ("win", "lose", "tie", "missing")}
    chosen = [place for place, own in enumerate(every) if not only or own.against == only]
    settled, texts = settle(table), [_texts(context, side) for side in sides]
    page = [_shown(sides, texts, settled, metric, place, every[place]) for place in chosen[offset : offset + PAGE]]
    apart = difference(table, metric) if every else None
    told = {
        "total": len(chosen), "counts": counts, "offset": offset, "items": page, "label": LABELS[metric],
        "difference": apart, "alone": [one.alone, two.alone], "notes": _notes(sides, metric), "name": one.found.stored.name,
        "sides": [about(side.found) | {"id": side.found.stored.id} for side in sides],
    }  # fmt: skip
    return plain(objects(told))


def _opened(context: Context, pair: tuple[Place, Place]) -> tuple[_Opened, _Opened]:
    first = loaded(context, pair[0].evaluation)
    second = first if pair[1].evaluation == pair[0].evaluation else loaded(context, pair[1].evaluation)
    lines = [row_of(found, place.row) for found, place in zip((first, second), pair, strict=True)]
    if lines[0].task != lines[1].task:
        raise Refused("Answers and multiple choice cannot be compared with each other.")
    sides = [_by_content(found, place.row) for found, place in zip((first, second), pair, strict=True)]
    shared = [key for key in sides[0] if key in sides[1]]
    one, two = (
        _Opened(
            found,
            place.row,
            [own[key][0] for key in shared],
            [own[key][1] for key in shared],
            len(own) - len(shared),
        )
        for found, place, own in zip((first, second), pair, sides, strict=True)
    )
    return one, two


def _by_content(found: Loaded, row: int) -> dict[tuple[str, ...], tuple[int, Case]]:
    """The responses of a row by what their cases say; a case that stands twice counts once."""
    made: dict[tuple[str, ...], tuple[int, Case]] = {}
    for item, case in cases_of(found, row).items():
        key = (case.preference, case.query, *("\0".join(turn) for turn in case.shown))
        if found.lines[row].task == "choice" and case.choice is not None:
            key = (*key, "\0options", case.choice["query"], *case.choice["options"])
        made.setdefault(key, (item, case))
    return made


def _texts(context: Context, side: _Opened) -> dict[int, tuple[str | None, str]]:
    return evaluations.texts(context.database, side.found.lines[side.row].id)


def _shown(
    sides: Sequence[_Opened],
    texts: Sequence[dict[int, tuple[str | None, str]]],
    settled: Ints,
    metric: Metric,
    place: int,
    own: Paired,
) -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    for number, side in enumerate(sides):
        case = side.cases[place]
        judged, why = texts[number].get(case.id, (None, "It was not asked yet."))
        outcomes = settled[place + number * len(side.items)]
        checks = {name: SAID.get(int(outcomes[COLUMNS.index(name)]), "failed") for name in PARTS[metric]}
        told.append({"case": case.id, "text": (judged or "")[:LONGEST], "why": why, "checks": checks})
    case = sides[0].cases[place]
    return own._asdict() | {
        "preference": case.preference[:LONGEST], "query": case.query[:LONGEST], "shown": len(case.shown), "sides": told,
        "diff": word_diff(told[1]["text"], told[0]["text"]),
    }  # fmt: skip


def _notes(sides: tuple[_Opened, _Opened], metric: Metric) -> list[str]:
    """What else differs than the rows, as sentences: two evaluations may have other judges, prompts or ways of judging."""
    one, two = (side.found.stored for side in sides)
    if one.id == two.id:
        return []
    notes: list[str] = []
    if [(judge["name"], judge["digest"]) for judge in one.judges] != [
        (judge["name"], judge["digest"]) for judge in two.judges
    ]:
        notes.append("The two evaluations have different judges: a difference may be one of the judges.")
    checks = [f"verdict_{check}" for check in PARTS[metric]]
    changed = [name for name in checks if one.prompts.get(name) != two.prompts.get(name)]
    if changed:
        notes.append(
            f"The judge was asked in other words about {', '.join(name[8:].replace('_', ' ') for name in changed)}."
        )
    for field, meaning in _SETTINGS.items():
        if one.spec.get(field) != two.spec.get(field):
            notes.append(f"They differ in {meaning}: {one.spec.get(field)} and {two.spec.get(field)}.")
    return notes


_SETTINGS = {
    "temperature": "temperature",
    "max_new": "the longest answer (tokens)",
    "judged": "what of a response is judged",
    "repeats": "how often a judge is asked",
    "seed": "the seed",
}
