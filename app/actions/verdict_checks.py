"""Checking verdicts of judges with people: drawing a queue, what somebody is asked next, an answer, what the judge said.

What an annotator is handed names no model, method, file or evaluation, and nothing of the judge before they answered.
"""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from app.actions.evaluations import Loaded, loaded
from app.context import Context
from app.errors import Missing, Refused
from core.evaluation.asking_people import MOST_QUEUES, MOST_VERDICTS, Kind, digest, shown, without_names
from core.evaluation.metrics import LABELS, PARTS, Metric
from core.evaluation.people import sampled, sampled_responses
from core.evaluation.verdicts import CHECKS, OUTCOMES, Column, Material
from db import evaluations, jobs, verdict_checks
from db.studies import digest as name_of
from db.verdict_checks import Given, New, Pick, Queue, Refusal, Task, Told

AHEAD = 20
"""Verdicts that a browser gets at a time, and answers that it can still take back after a reload."""
AS_IN_THE_PAPER = 300


class Order(NamedTuple):
    """A queue to draw: `size` verdicts evenly over the checks; or, of each of `rows` (places; none: all), so many responses with
    every check of `metric`. `each` verdict is asked of so many people."""

    kind: Kind = "verdicts"
    size: int = AS_IN_THE_PAPER
    seed: int = 1
    each: int = 1
    metric: Metric = "acc_pf"
    rows: tuple[int, ...] = ()


def draw(context: Context, evaluation_id: int, order: Order, who: str) -> Queue:
    """Draw and store a queue; the same seed draws the same. Raises Refused where there is nothing to ask about."""
    found = loaded(context, evaluation_id)
    _resting(context, found.stored.job_folder, found.stored.id)
    if len(verdict_checks.queues(context.database, evaluation_id)) >= MOST_QUEUES:
        raise Refused(
            f"Evaluation {evaluation_id} has {MOST_QUEUES:,} queues, which is the most. Work on one of those."
        )
    judges = list(range(len(found.stored.judges)))
    if not judges:
        raise Refused("No judge was asked in this evaluation, so there is no verdict to check.")
    picked = _picked(found, judges, order)
    if not picked:
        raise Refused("No response has an answer of the judges to ask people about.")
    if len(picked) > MOST_VERDICTS:
        raise Refused(f"That is {len(picked):,} verdicts; a queue has at most {MOST_VERDICTS:,}. Draw fewer.")
    at = {place: ids for ids, place in evaluations.places(found.lines, found.cases).items()}
    read = materials(context, evaluation_id, [at[item] for item, _ in picked])
    picks = [Pick(*at[item], check, digest(read[at[item]])) for item, check in picked]
    metric = "" if order.kind == "verdicts" else order.metric
    new = New(secrets.token_hex(16), order.kind, metric, order.size, order.seed, order.each, who)
    made = verdict_checks.queue(
        context.database, verdict_checks.add_queue(context.database, evaluation_id, new, picks, context.now())
    )
    assert made is not None
    return made


def _resting(context: Context, folder: str, evaluation_id: int) -> None:
    job = jobs.get(context.database, int(folder)) if folder.isdigit() else None
    if job is not None and job.status in ("queued", "running", "cancelling"):
        raise Refused(
            f"Job {job.id} ({job.status}) still works on evaluation {evaluation_id}. A sample is drawn from all verdicts: "
            "wait until it is done."
        )


def _picked(found: Loaded, judges: Sequence[int], order: Order) -> list[tuple[int, Column]]:
    """Responses (places in the table) with a check each, in the order in which to ask."""
    if order.kind == "verdicts":
        return [*sampled(found.table, judges, order.size, order.seed)]
    if order.metric == "acc_mc":
        raise Refused("Multiple choice has no judge that people could check.")
    lines, draw = found.lines, (order.size, order.seed)
    rows = order.rows or tuple(place for place, line in enumerate(lines) if line.task == "answer")
    if any(not 0 <= row < len(lines) or lines[row].task != "answer" for row in rows):
        raise Refused("A row that was named is not there, or is multiple choice.")
    taken = (sampled_responses(found.table, judges, row, order.metric, draw) for row in dict.fromkeys(rows))
    items = [item for own in taken for item in own]
    mixed = np.random.default_rng(order.seed).permutation(len(items))
    return [(items[int(place)], check) for place in mixed for check in PARTS[order.metric]]


def materials(
    context: Context, evaluation_id: int, wanted: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Material]:
    """What is judged of these responses (ids of row and case), as it is now."""
    cases = {case.id: case for case in evaluations.cases(context.database, evaluation_id)}
    found: dict[tuple[int, int], Material] = {}
    pairs = set(wanted)
    for row_id in {row for row, _ in pairs}:
        for case_id, (judged, _) in evaluations.texts(context.database, row_id).items():
            if judged is not None and (row_id, case_id) in pairs:
                case = cases[case_id]
                found[row_id, case_id] = Material(case.preference, case.query, judged)
    return found


def title(one: Queue) -> str:
    """A queue's name for those who answer: nothing of what was evaluated."""
    what = "single checks" if one.kind == "verdicts" else f"every check of {LABELS.get(one.metric, 'a number')}"  # type: ignore[call-overload]
    return f"Queue {one.id}: {one.tasks:,} questions, {what}"


def listing(context: Context, who: str) -> list[dict[str, Any]]:
    """The open queues with how far somebody is in each, newest first."""
    return [_about(context, one, who) for one in verdict_checks.open_queues(context.database)]


def _about(context: Context, one: Queue, who: str) -> dict[str, Any]:
    how_far = verdict_checks.progress(context.database, one, who)
    told = {"id": one.id, "title": title(one), "tasks": one.tasks, "closed": one.closed_at is not None}
    return told | how_far._asdict()


def upcoming(context: Context, queue_id: int, who: str) -> dict[str, Any]:
    """What somebody is asked next in a queue, what they answered last, and how far they are. Raises Missing."""
    one = verdict_checks.queue(context.database, queue_id)
    if one is None:
        raise Missing("This queue is not here; its evaluation may have been deleted.")
    names = _names(context, one.evaluation_id)
    start = int(name_of(f"{one.uid} {who}")[:8], 16)
    ahead = [] if one.closed_at else verdict_checks.upcoming(context.database, one, who, start, AHEAD)
    before = verdict_checks.latest(context.database, one, who, AHEAD)
    return {
        "queue": _about(context, one, who),
        "owner": name_of(f"verdicts {who}")[:32],
        "before": [_task(task, names) for task in before],
        "items": [_task(task, names) for task in ahead],
    }


def _names(context: Context, evaluation_id: int) -> list[str]:
    return [name for line in evaluations.lines(context.database, evaluation_id) for name in (line.name, line.model)]


def _task(one: Task, names: Sequence[str]) -> dict[str, Any]:
    check = one.pick.check
    assert check in CHECKS
    told = shown(check, one.about, names)._asdict()
    return {"task": one.id, "digest": one.pick.digest, "answer": one.answer, "seen": one.seen} | told


def save(context: Context, task_id: int, given: Given, who: str) -> dict[str, Any] | Refusal:
    """Keep an answer at once; see `db.verdict_checks.save`."""
    found = verdict_checks.save(context.database, task_id, given, who, context.now())
    if isinstance(found, Refusal):
        return found
    return {"task": task_id, "answer": found.answer, "client_id": found.client_id}


def reveal(context: Context, task_id: int, client_id: str, who: str) -> dict[str, Any] | Refusal:
    """What the judges said, without their names and those of models in their words; see `db.verdict_checks.reveal`."""
    evaluation_id = verdict_checks.evaluation_of(context.database, task_id)
    names = [] if evaluation_id is None else _names(context, evaluation_id)
    found = verdict_checks.reveal(context.database, task_id, client_id, who, context.now())
    if isinstance(found, Refusal):
        return found
    return {"task": task_id, "judges": [_told(one, names) for one in found]}


def _told(one: Told, names: Sequence[str]) -> dict[str, Any]:
    words = {"explanation": without_names(one.explanation, names), "why": without_names(one.why, names)}
    return one._asdict() | words | {"outcome": OUTCOMES[one.outcome]}


def close(context: Context, evaluation_id: int, queue_id: int, closed: bool) -> None:
    """Close a queue or open it again. Raises Missing."""
    one = verdict_checks.queue(context.database, queue_id)
    if one is None or one.evaluation_id != evaluation_id:
        raise Missing(f"Evaluation {evaluation_id} has no queue {queue_id}.")
    verdict_checks.close(context.database, queue_id, context.now() if closed else None)
