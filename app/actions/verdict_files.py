"""People's answers to checks of an evaluation as a file, and reading our own file back into the same evaluation."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from app.actions.evaluations import Loaded, loaded
from app.actions.export_data import Download
from app.actions.verdict_checks import materials
from app.context import Context
from app.errors import Refused
from core.checks import storable
from core.evaluation.asking_people import MOST_QUEUES, MOST_VERDICTS, digest
from core.formats.verdicts import (
    LONGEST_REASON,
    LONGEST_TEXT,
    AnswerLine,
    AnyLine,
    File,
    QueueLine,
    TaskLine,
    read_line,
)
from core.prompts.verdicts import Check
from core.types import Json
from db import evaluations, verdict_checks, verdict_imports
from db.verdict_checks import Event, New, Pick, Queue

LONGEST_FILE = 256 << 20


def export(context: Context, evaluation_id: int) -> Download:
    """Queues, their verdicts with texts and judges' words, and every answer. Raises Refused where nobody was asked."""
    found = loaded(context, evaluation_id)
    drawn = verdict_checks.queues(context.database, evaluation_id)
    if not drawn:
        raise Refused(f"Nobody was asked about verdicts of evaluation {evaluation_id} yet.")
    lines = _lines(context, found, drawn)
    chunks = (json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for line in lines)
    return Download(f"evaluation-{evaluation_id}-people.jsonl", "application/jsonl", chunks)


def _lines(context: Context, found: Loaded, drawn: Sequence[Queue]) -> Iterator[Json]:
    rows = {line.id: place for place, line in enumerate(found.lines)}
    cases = {case.id: place for place, case in enumerate(found.cases)}

    def where(pick: Pick) -> dict[str, Any]:
        return {"row": rows[pick.row_id], "case": cases[pick.case_id], "check": pick.check, "digest": pick.digest}

    for one in drawn:
        told = {name: getattr(one, name) for name in New._fields}
        yield QueueLine.model_validate(told | {"at": one.created_at}).model_dump(mode="json")
    for one in drawn:
        for pick in verdict_checks.tasks(context.database, one.id):
            beside = _beside(context, found, rows[pick.row_id], cases[pick.case_id], pick)
            yield TaskLine.model_validate(where(pick) | {"queue": one.uid, "beside": beside}).model_dump(mode="json")
    for event in verdict_checks.events(context.database, found.stored.id):
        told = {"answer": event.answer, "who": event.who, "at": event.at, "client_id": event.client_id}
        yield AnswerLine.model_validate(where(event.pick) | told).model_dump(mode="json")


def _beside(context: Context, found: Loaded, row: int, place: int, pick: Pick) -> dict[str, Any]:
    case, answer = found.cases[place], evaluations.answer(context.database, pick.row_id, pick.case_id)
    said = () if answer is None else answer.verdicts
    judges = found.stored.judges
    return {
        "row": evaluations.label(found.lines[row]),
        "preference": case.preference[:LONGEST_TEXT],
        "query": case.query[:LONGEST_TEXT],
        "response": "" if answer is None else (answer.judged or "")[:LONGEST_TEXT],
        "judges": [
            {"name": judges[one.judge]["name"], "repeat": one.repeat, "outcome": one.outcome}
            | {"explanation": one.explanation[:LONGEST_REASON]}
            for one in said
            if one.check == pick.check and one.judge < len(judges)
        ][:50],
    }


def restore(context: Context, evaluation_id: int, lines: Iterable[bytes]) -> str:
    """Read our own file back; returns a sentence. Raises Refused, and keeps nothing, when a line cannot be used."""
    found = loaded(context, evaluation_id)
    given = _read(lines, context.now())
    fitting = _Fitting(context, found, given)
    laid = _laid(given, fitting)
    said = [Event(fitting.pick(one), one.answer, one.who, one.at, one.client_id) for one in given.answers]
    done = verdict_imports.restore(context.database, evaluation_id, laid, said)
    words = [f"{done.added:,} answer{'' if done.added == 1 else 's'} added"]
    words += [f"{done.known:,} were here already"] if done.known else []
    words += [f"{done.queues} queue{'' if done.queues == 1 else 's'} laid out"] if done.queues else []
    return "; ".join(words) + "."


def _laid(given: File, fitting: "_Fitting") -> list[tuple[New, list[Pick], str]]:
    """The queues of a file with their verdicts; of several lines with one id the first counts."""
    if len(given.queues) > MOST_QUEUES:
        raise Refused(f"The file has more than {MOST_QUEUES:,} queues. Nothing was imported.")
    tasks: dict[str, list[TaskLine]] = {one.uid: [] for one in given.queues}
    for task in given.tasks:
        if task.queue in tasks:
            tasks[task.queue].append(task)
    if any(len(own) > MOST_VERDICTS for own in tasks.values()):
        raise Refused(f"A queue has more than {MOST_VERDICTS:,} verdicts. Nothing was imported.")
    laid: list[tuple[New, list[Pick], str]] = []
    for one in {line.uid: line for line in reversed(given.queues)}.values():
        told = {name: getattr(one, name) for name in New._fields}
        laid.append((New(**told), list(dict.fromkeys(map(fitting.pick, tasks[one.uid]))), one.at))
    return laid[::-1]


def _read(lines: Iterable[bytes], now: str) -> File:
    made, size = File([], [], []), 0
    for number, line in enumerate(lines, 1):
        size += len(line)
        if size > LONGEST_FILE:
            raise Refused(f"The file is larger than {LONGEST_FILE >> 20} MiB. Nothing was imported.")
        if not line.strip():
            continue
        found = read_line(line)
        if isinstance(found, str):
            raise Refused(f"Line {number} is none of ours: {found}. Nothing was imported.")
        if not isinstance(found, TaskLine) and (found.at > now or not storable(found.who)):
            raise Refused(
                f"Line {number} is from the future ({found.at}), or its name cannot be kept. Nothing was imported."
            )
        _put(made, found)
    return made


def _put(made: File, line: AnyLine) -> None:
    match line:
        case QueueLine():
            made.queues.append(line)
        case TaskLine():
            made.tasks.append(line)
        case AnswerLine():
            made.answers.append(line)


class _Where(NamedTuple):
    row: int
    case: int


class _Fitting:
    """Finds the responses of a file in an evaluation. Raises Refused for one that is another here."""

    def __init__(self, context: Context, found: Loaded, given: File) -> None:
        self._found = found
        self._id = found.stored.id
        places = {_Where(one.row, one.case) for one in (*given.tasks, *given.answers)}
        rows, cases = len(found.lines), len(found.cases)
        wanted = [self._ids(one) for one in places if one.row < rows and one.case < cases]
        self._digests = {ids: digest(own) for ids, own in materials(context, self._id, wanted).items()}
        ids = [one.uid for one in given.queues], [one.client_id for one in given.answers]
        self._known = verdict_imports.known(context.database, self._id, *ids)

    def _ids(self, where: _Where) -> tuple[int, int]:
        return self._found.lines[where.row].id, self._found.cases[where.case].id

    def pick(self, line: TaskLine | AnswerLine) -> Pick:
        """The verdict that a line is about, with the ids that it has here."""
        where, check = _Where(line.row, line.case), line.check
        known = (line.queue if isinstance(line, TaskLine) else line.client_id) in self._known
        inside = where.row < len(self._found.lines) and where.case < len(self._found.cases)
        if not inside or (not known and self._digests.get(self._ids(where)) != line.digest):
            raise Refused(
                f"The file is not about evaluation {self._id}: its response of row {where.row + 1} to case {where.case + 1} "
                "is another one here, or not here. Nothing was imported."
            )
        return _pick(self._ids(where), check, line.digest)


def _pick(ids: tuple[int, int], check: Check, seen: str) -> Pick:
    return Pick(*ids, check, seen)
