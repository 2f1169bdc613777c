"""Checks of critiques: what to check next, saving one, the report, the files, and reading our own file back."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app.actions.export_data import Download
from app.context import Context
from app.errors import Refused
from core.check_queue import Place, case_of, queue
from core.check_report import CheckReport, Row, check_report
from core.checks import Check, digest, label_of, storable
from core.formats import checks as formats
from core.formats.checks import CheckLine, Labelled, read_line
from core.types import Json
from db import checks
from db.checks import Event, Listed, Refusal, Target

LEARNED_FROM = 5000
"""The newest checks that the order of the queue is learned from."""
LONGEST_FILE = 64 << 20
FORMATS = {
    "jsonl": "Checks, our own JSON lines (can be imported again)",
    "sft": "SFT rows for a critic, corrected labels",
    "stepwise": "TRL stepwise supervision, scores",
    "stepwise_bool": "TRL stepwise supervision, true and false",
    "prm800k": "PRM800K shape, ratings -1, 0 and 1",
}


@dataclass(frozen=True, slots=True)
class Next:
    """The head of the queue, how it was made, how many steps were looked at, and how many checks there are."""

    items: list[tuple[Target, Place]]
    how: str
    looked_at: int
    checks: int


def upcoming(context: Context, who: str, set_id: int = 0, seed: int = 0, limit: int = 20) -> Next:
    """What `who` should check next, out of a sample of steps drawn by the seed."""
    held = checks.held(context.database, limit=LEARNED_FROM)
    history = [(case_of(event.seen), event.check.verdict != "agree") for event in held]
    found = checks.sample(context.database, set_id, who, seed)
    ordered = queue([case_of(one.seen) for one in found], history, seed)
    head = ordered.places[:limit]
    return Next([(found[place.candidate], place) for place in head], ordered.how, len(found), len(held))


def save(context: Context, wanted: tuple[int, str, str], check: Check, who: str, client_id: str) -> Event | Refusal:
    """Keep a check at once; see `db.checks.save`."""
    return checks.save(context.database, wanted, check, who, client_id, context.now())


def listing(context: Context, offset: int = 0, limit: int = 50) -> tuple[list[Listed], int]:
    """The checks that hold, newest first, and their number."""
    return checks.listing(context.database, offset, limit)


def report(context: Context) -> CheckReport:
    """Agreement of the critic with people over the checks that hold. A scenario is its preference and query."""
    return check_report([_row(event) for event in checks.held(context.database)])


def _row(event: Event) -> Row:
    judged = event.seen.judged
    people = label_of(judged, event.check).score
    scenario = json.dumps([judged.preference, judged.query])
    return Row(scenario, event.check.verdict, judged.score, people, judged.depth, judged.persona, event.who)


def export(context: Context, form: str) -> Download:
    """The checks as a file. Raises Refused for an unknown format, and where there is nothing to write."""
    if form not in FORMATS:
        raise Refused(f"There is no format {form[:40]!r}. Formats: {', '.join(FORMATS)}.")
    if form == "jsonl":
        return Download("checks.jsonl", "application/jsonl", _lines(map(_line, checks.events(context.database))))
    steps = [
        Labelled(one.tree_id, one.seen.judged, one.check, one.who, one.source, one.at)
        for one in checks.held(context.database)
    ]
    makers: dict[str, Callable[[], Iterator[Json]]] = {
        "sft": lambda: formats.sft(steps),
        "stepwise": lambda: formats.stepwise(steps),
        "stepwise_bool": lambda: formats.stepwise(steps, binary=True),
        "prm800k": lambda: formats.prm800k(steps),
    }
    return Download(f"checks.{form}.jsonl", "application/jsonl", _lines(makers[form]()))


def _line(event: Event) -> Json:
    judged = event.seen.judged._asdict()
    made: dict[str, Any] = {
        "form": "subtext.check.1",
        "tree": event.tree_id,
        "digest": event.digest,
        "judged": judged,
        "siblings": event.seen.siblings,
        "marks": event.seen.marks,
        "diff": event.diff,
    }
    return (
        made
        | event.check._asdict()
        | {
            "who": event.who,
            "source": event.source,
            "at": event.at,
            "client_id": event.client_id,
        }
    )


def _lines(rows: Iterable[Json]) -> Iterator[bytes]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"


def restore(context: Context, lines: Iterable[bytes]) -> str:
    """Read our own file back; returns a sentence. Raises Refused, and keeps nothing, when a line cannot be used."""
    given: list[Event] = []
    now, size = context.now(), 0
    for number, line in enumerate(lines, 1):
        size += len(line)
        if size > LONGEST_FILE:
            raise Refused(
                f"The file is larger than {LONGEST_FILE >> 20} MiB. Split it; the parts can be imported in any order."
            )
        if line.strip():
            given.append(_event(number, line, now))
    done = checks.restore(context.database, given)
    words = [f"{done.added} checks added" if done.added != 1 else "1 check added"]
    words += [f"{done.known} were here already"] if done.known else []
    words += (
        [f"{done.homeless} of the added ones found no such step here and are kept with their texts"]
        if done.homeless
        else []
    )
    return "; ".join(words) + "."


def _event(number: int, line: bytes, now: str) -> Event:
    found = read_line(line)
    if not isinstance(found, CheckLine):
        raise Refused(f"Line {number} is not a check of ours: {found}. Nothing was imported.")
    seen, check = found.seen(), Check(found.verdict, found.score, found.critique, found.reason)
    problem = checks.problem_of(check)
    if problem:
        raise Refused(f"Line {number}: {problem} Nothing was imported.")
    if not storable(line.decode("utf-8", "replace")) or not storable(
        json.dumps(found.model_dump(), ensure_ascii=False)
    ):
        raise Refused(f"Line {number} holds half a character (a lone surrogate). Nothing was imported.")
    if digest(seen.judged) != found.digest:
        raise Refused(f"Line {number}: the texts do not fit their digest; the file was changed. Nothing was imported.")
    if found.at > now:
        raise Refused(f"Line {number}: the check was made in the future ({found.at}). Nothing was imported.")
    key, diff = seen.judged.key, checks.diff_of(seen, check)
    return Event(found.tree, key, found.digest, check, diff, seen, found.who, found.source, found.at, found.client_id)
