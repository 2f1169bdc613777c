"""Judges against people on an evaluation: agreement by check and judge, the people's mean of every number, the items behind both.

Reads answers that hold; asks nobody.
"""

import time
from typing import Any, Literal, NamedTuple

import numpy as np

from app.actions.evaluations import LONGEST, PAGE, Loaded, about, loaded
from app.actions.verdict_checks import materials, title
from app.context import Context
from app.errors import Refused
from core.bootstrap import Interval
from core.evaluation.asking_people import digest
from core.evaluation.metrics import LABELS, METRICS, PARTS, Metric, scores
from core.evaluation.people import Against, Kind, against_people, kind_of, pairs, too_few
from core.evaluation.ppi import Estimate, Estimates, caution, estimates, labels_in
from core.evaluation.report import Cell, report
from core.evaluation.table import CANNOT, NO, YES, Said, Verdicts, settle, with_judges
from core.evaluation.verdicts import CHECKS
from core.jobs import objects, plain
from core.prompts.verdicts import Check
from db import evaluations, verdict_checks
from db.verdict_checks import Event, Queue

_WORDS = {NO: "no", YES: "yes", CANNOT: "cannot"}
ALL = -1
"""In place of a judge: the majority of all of them."""


class Answered(NamedTuple):
    """An evaluation with people's answers beside the judges': `judges` and `people` are places in `table.judges`; `events` that
    hold, each with its response (a place in the table); `changed` others are about texts that are not the same any more."""

    loaded: Loaded
    table: Verdicts
    judges: tuple[int, ...]
    people: tuple[int, ...]
    events: list[tuple[int, Event]]
    changed: int


def answered(context: Context, evaluation_id: int) -> Answered:
    """An evaluation with what people said of it. Raises Refused where it is not there."""
    found = loaded(context, evaluation_id)
    held = verdict_checks.held(context.database, evaluation_id)
    read = materials(context, evaluation_id, [one.pick[:2] for one in held])
    now = {ids: digest(own) for ids, own in read.items()}
    at = evaluations.places(found.lines, found.cases)
    fresh = [one for one in held if now.get(one.pick[:2]) == one.pick.digest]
    events = [(at[one.pick[:2]], one) for one in fresh]
    said = [Said(item, one.pick.check, _outcome(one.answer), one.who) for item, one in events]
    table, people = with_judges(found.table, said)
    judges = tuple(range(len(found.stored.judges)))
    return Answered(found, table, judges, people, events, len(held) - len(fresh))


def _outcome(answer: str) -> Literal["no", "yes", "cannot"]:
    match answer:
        case "yes" | "no" | "cannot":
            return answer
        case _:
            raise ValueError(f"{answer!r} is no answer that holds")


class Estimated(NamedTuple):
    """A number of a row (places): by the judge with its interval, by people, and by both."""

    row: int
    metric: Metric
    judge: Cell
    found: Estimates
    caution: str


class People(NamedTuple):
    """Everything of the report: figures by judge (a place, or ALL) and check (None: all of them), and the estimates."""

    answered: Answered
    against: list[tuple[int, dict[Check | None, Against]]]
    estimates: list[Estimated]


def people(context: Context, evaluation_id: int) -> People:
    """Judges against people. Raises Refused."""
    found = answered(context, evaluation_id)
    if not found.events:
        return People(found, [], [])
    sides = [(ALL, found.judges)] if len(found.judges) > 1 else []
    sides += [(judge, (judge,)) for judge in found.judges]
    compared = [(judge, against_people(found.table, side, found.people)) for judge, side in sides]
    return People(found, compared, _estimated(found))


def _estimated(found: Answered) -> list[Estimated]:
    """Every number of a row with a response that people decided."""
    table = found.table
    judge, human = (scores(table, settle(table, side)) for side in (found.judges, found.people))
    cells = report(table, [], found.judges).cells
    made: list[Estimated] = []
    for row in range(len(table.rows)):
        for metric in METRICS:
            labels = labels_in(table, judge, human, row, metric)
            if labels.people.size:
                own = _shares(estimates(labels))
                made.append(Estimated(row, metric, cells[row][metric], own, caution(own)))
    return made


def _shares(found: Estimates) -> Estimates:
    """The estimates of a share: their intervals end at 0 and 1, which takes nothing that could be true away."""

    def within(one: Estimate) -> Estimate:
        low, high = (min(1.0, max(0.0, end)) if end == end else end for end in one.interval)
        return one._replace(interval=Interval(low, high))

    return Estimates(within(found.people), within(found.ppi), within(found.tuned), found.judge)


def shown(context: Context, evaluation_id: int) -> dict[str, Any]:
    """The report as JSON. Raises Refused."""
    began = time.perf_counter()
    found = people(context, evaluation_id)
    own = found.answered
    queues = verdict_checks.queues(context.database, evaluation_id)
    by = [
        {
            "judge": judge, "name": judge_name(own, judge),
            "checks": [one._asdict() | {"check": check, "caution": too_few(one)} for check, one in figures.items()],
        }
        for judge, figures in found.against
    ]  # fmt: skip
    told = {
        "queues": [_queue(context, one, own) for one in queues],
        "people": _people(own),
        "changed": own.changed,
        "judges": [judge["name"] for judge in own.loaded.stored.judges],
        "against": by,
        "estimates": found.estimates,
    }
    return plain(objects(told | about(own.loaded))) | {"seconds": round(time.perf_counter() - began, 3)}


def judge_name(found: Answered, judge: int) -> str:
    """A judge's name for people; of ALL, that they are all."""
    return "all judges, by majority" if judge == ALL else str(found.loaded.stored.judges[judge]["name"])


def _people(found: Answered) -> list[dict[str, Any]]:
    count = {who: sum(one.who == who for _, one in found.events) for who in {one.who for _, one in found.events}}
    return [{"name": who, "answers": count[who]} for who in sorted(count, key=lambda who: (-count[who], who))]


def _queue(context: Context, one: Queue, found: Answered) -> dict[str, Any]:
    said: dict[tuple[int, int, str], int] = {}
    for _, event in found.events:
        said[event.pick[:3]] = said.get(event.pick[:3], 0) + 1
    picks = verdict_checks.tasks(context.database, one.id)
    done = sum(said.get(pick[:3], 0) >= one.each for pick in picks)
    return one._asdict() | {"title": title(one), "done": done, "answered": sum(said.get(pick[:3], 0) for pick in picks)}


class What(NamedTuple):
    """Which answers are looked at: of one check or all (''), what became of them ('' all), beside one judge or ALL; or those
    behind the estimate of a number (`metric`) of a row."""

    judge: int = ALL
    check: Check | Literal[""] = ""
    kind: Kind | Literal[""] = ""
    row: int = -1
    metric: Metric | Literal[""] = ""


def items(context: Context, evaluation_id: int, what: What, offset: int = 0) -> dict[str, Any]:
    """The answers behind a number, a page of them, with every judge's and person's word. Raises Refused."""
    found = answered(context, evaluation_id)
    if what.judge != ALL and what.judge not in found.judges:
        raise Refused(f"The evaluation has {len(found.judges)} judges; there is no judge {what.judge + 1}.")
    every = _behind(found, what)
    kinds = [kind for _, _, kind in every]
    chosen = [one for one in every if what.kind in ("", one[2])]
    told = {
        "total": len(chosen),
        "offset": offset,
        "counts": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "checks": [check for check in CHECKS if any(one.pick.check == check for _, one in found.events)],
        "judges": [judge["name"] for judge in found.loaded.stored.judges],
        "label": LABELS[what.metric] if what.metric else "",
        "items": [_item(context, found, *one) for one in chosen[offset : offset + PAGE]],
    }
    return plain(objects(told | about(found.loaded)))


def _behind(found: Answered, what: What) -> list[tuple[int, Check, Kind]]:
    judges = found.judges if what.judge == ALL else (what.judge,)
    table, labelled = found.table, None
    if what.metric:
        column = METRICS.index(what.metric)
        both = [scores(table, settle(table, side)).value[:, column] for side in (found.judges, found.people)]
        labelled = (table.row == what.row) & ~np.isnan(both[0]) & ~np.isnan(both[1])
    return [
        (int(item), check, kind_of(int(judge), int(human)))
        for check, asked, own in pairs(table, judges, found.people)
        if (what.check in ("", check) and (not what.metric or check in PARTS[what.metric]))
        for item, judge, human in zip(asked, own.judge, own.people, strict=True)
        if labelled is None or labelled[item]
    ]


def _item(context: Context, found: Answered, item: int, check: Check, kind: Kind) -> dict[str, Any]:
    row = int(found.table.row[item])
    line = found.loaded.lines[row]
    said = [one for at, one in found.events if at == item and one.pick.check == check]
    case = next(one for one in found.loaded.cases if one.id == said[0].pick.case_id)
    answer = evaluations.answer(context.database, line.id, case.id)
    verdicts = [] if answer is None else [one for one in answer.verdicts if one.check == check]
    return {
        "row": row, "label": evaluations.label(line), "case": case.id, "check": check, "kind": kind,
        "preference": case.preference[:LONGEST], "query": case.query[:LONGEST],
        "judged": "" if answer is None else (answer.judged or "")[:LONGEST],
        "judges": [one._asdict() for one in verdicts if one.judge in found.judges],
        "people": [{"who": one.who, "answer": one.answer, "at": one.at} for one in said],
        "metric": next(metric for metric in METRICS if check in PARTS[metric]),
    }  # fmt: skip
