"""Evaluations: what is answered and judged, laid out once; answers with their verdicts, each stored whole; a report's columns.

Knows rows only: calls no model and computes no figure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import text

from core.evaluation.table import Row, Verdicts
from core.evaluation.verdicts import COLUMNS, OUTCOMES, Column, Outcome
from db.engine import Database
from db.rows import Rows, insert

Task = Literal["answer", "choice"]
_CHECK = {name: place for place, name in enumerate(COLUMNS)}
_OUTCOME = {name: place for place, name in enumerate(OUTCOMES)}
WAYS: Mapping[str, str] = {
    "zero_shot": "zero-shot",
    "few_shot": "few-shot",
    "chain_of_thought": "chain of thought",
    "step_by_step": "step by step",
    "best_of_n": "best of N",
    "reminder": "reminder",
    "choice": "multiple choice",
}
"""Ways of prompting, and the multiple-choice task, by what people call them."""
CUT = "It was cut off at its longest."
"""Said of an answer, among other things, that was."""
_LOST = (_OUTCOME["unparsed"], _OUTCOME["failed"])


class Evaluation(NamedTuple):
    """A stored evaluation. `data`: id, name and version of the set, how many cases, the `shots` and the
    `critic` of the methods that have them; `judges`: name and digest of each;
    `prompts`: the digest of every prompt by name. `finished_at` is None while answers or verdicts are missing."""

    id: int
    name: str
    job_folder: str
    spec: dict[str, Any]
    data: dict[str, Any]
    judges: list[dict[str, str]]
    prompts: dict[str, str]
    created_at: str
    finished_at: str | None


class New(NamedTuple):
    """An evaluation to lay out; `job_folder` names it."""

    name: str
    job_folder: str
    spec: Mapping[str, Any]
    data: Mapping[str, Any]
    judges: Sequence[Mapping[str, str]]
    prompts: Mapping[str, str]


class Line(NamedTuple):
    """A row of the report: what answers and how it is asked.

    `name` is the model's for people, `digest` that of its weights, '' for a server. `preset` says with which printed row it
    stands (a key of `core.evaluation.paper.PRESETS`), '' with none.
    """

    id: int
    task: Task
    name: str
    model: str
    digest: str
    method: str
    turns: int
    preset: str = ""


class Case(NamedTuple):
    """What is answered. `cluster` is the scenario that repeats share; `shown` the exchanges (user, assistant) before; `choice`
    the `options` as shown and the place of the `right` one, None without."""

    id: int
    scenario_id: int | None
    cluster: str
    topic: str
    preference: str
    query: str
    shown: list[list[str]]
    choice: dict[str, Any] | None


class Verdict(NamedTuple):
    """What judge number `judge` said in a repeat about one check."""

    check: Column
    judge: int
    repeat: int
    outcome: Outcome
    explanation: str
    why: str
    reply: str


class Answer(NamedTuple):
    """A reply; `judged` is what of it is judged, None where there is nothing to judge. `why` says that, and what else is odd."""

    reply: str
    judged: str | None
    why: str
    verdicts: tuple[Verdict, ...] = ()


_EVALUATIONS = Rows("evaluation", Evaluation, ("spec", "data", "judges", "prompts"))
_IN_ORDER = "WHERE evaluation_id = :id ORDER BY position"
_LINES = Rows("evaluation_row", Line)
_CASES = Rows("evaluation_case", Case, ("shown", "choice"))


def begin(database: Database, new: New, lines: Sequence[Line], cases: Sequence[Case], now: str) -> int:
    """Lay out an evaluation in one transaction; the ids of lines and cases are given here. Returns its id."""
    with database.write() as connection:
        evaluation_id = insert(connection, "evaluation", new._asdict() | {"created_at": now})
        _LINES.add(connection, lines, evaluation_id=evaluation_id)
        _CASES.add(connection, cases, evaluation_id=evaluation_id)
    return evaluation_id


def get(database: Database, evaluation_id: int) -> Evaluation | None:
    """An evaluation, or None."""
    return _EVALUATIONS.first(database, "WHERE id = :id", id=evaluation_id)


def of_folder(database: Database, job_folder: str) -> Evaluation | None:
    """The evaluation that a job has laid out, or None."""
    return _EVALUATIONS.first(database, "WHERE job_folder = :folder", folder=job_folder)


def listing(database: Database, limit: int = 200) -> list[Evaluation]:
    """The newest evaluations, newest first."""
    return _EVALUATIONS.read(database, "ORDER BY id DESC LIMIT :limit", limit=limit)


def lines(database: Database, evaluation_id: int) -> list[Line]:
    """The rows of an evaluation, in order."""
    return _LINES.read(database, _IN_ORDER, id=evaluation_id)


def cases(database: Database, evaluation_id: int) -> list[Case]:
    """The cases of an evaluation, in order."""
    return _CASES.read(database, _IN_ORDER, id=evaluation_id)


def settled(database: Database, evaluation_id: int) -> set[tuple[int, int]]:
    """Line and case of every answer that is whole: nothing failed and every judge's reply was read."""
    query = f"""
    SELECT a.row_id, a.case_id FROM evaluation_answer a JOIN evaluation_row r ON r.id = a.row_id
    WHERE r.evaluation_id = :id AND a.judged IS NOT NULL AND NOT EXISTS
      (SELECT 1 FROM evaluation_verdict v WHERE v.answer_id = a.id AND v.outcome IN {_LOST})
    """
    with database.read() as connection:
        return {(row[0], row[1]) for row in connection.execute(text(query), {"id": evaluation_id})}


def put(database: Database, line_id: int, case_id: int, answer: Answer) -> None:
    """Store an answer with all its verdicts, in place of one that was there, in one transaction."""
    given = {"row_id": line_id, "case_id": case_id, "reply": answer.reply, "judged": answer.judged, "why": answer.why}
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO evaluation_answer (row_id, case_id, reply, judged, why) VALUES (:row_id, :case_id, :reply, :judged, "
                ":why) ON CONFLICT (row_id, case_id) DO UPDATE SET reply = :reply, judged = :judged, why = :why"
            ),
            given,
        )
        answer_id = connection.execute(
            text("SELECT id FROM evaluation_answer WHERE row_id = :row_id AND case_id = :case_id"), given
        ).scalar_one()
        connection.execute(text("DELETE FROM evaluation_verdict WHERE answer_id = :id"), {"id": answer_id})
        for one in answer.verdicts:
            row = (answer_id, _CHECK[one.check], one.judge, one.repeat, _OUTCOME[one.outcome], *one[4:])
            connection.exec_driver_sql(
                'INSERT INTO evaluation_verdict (answer_id, "check", judge, repeat, outcome, explanation, why, reply) '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )


def texts(database: Database, line_id: int) -> dict[int, tuple[str | None, str]]:
    """What is judged of every answer of a line, and why not, by the id of its case."""
    query = "SELECT case_id, judged, why FROM evaluation_answer WHERE row_id = :id"
    with database.read() as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(text(query), {"id": line_id})}


def answer(database: Database, line_id: int, case_id: int) -> Answer | None:
    """One answer with its verdicts by check, judge and repeat; None where it is not there."""
    one = "SELECT id, reply, judged, why FROM evaluation_answer WHERE row_id = :row AND case_id = :case"
    said = """
    SELECT "check", judge, repeat, outcome, explanation, why, reply FROM evaluation_verdict WHERE answer_id = :id
    ORDER BY "check", judge, repeat
    """
    with database.read() as connection:
        row = connection.execute(text(one), {"row": line_id, "case": case_id}).first()
        if row is None:
            return None
        found = connection.execute(text(said), {"id": row[0]}).all()
    verdicts = (Verdict(COLUMNS[own[0]], own[1], own[2], OUTCOMES[own[3]], *own[4:]) for own in found)
    return Answer(row[1], row[2], row[3], tuple(verdicts))


def cut_off(database: Database, evaluation_id: int) -> int:
    """How many answers came to the longest they may be and were cut off there."""
    query = """
    SELECT count(*) FROM evaluation_answer a JOIN evaluation_row r ON r.id = a.row_id
    WHERE r.evaluation_id = :id AND instr(a.why, :cut)
    """
    with database.read() as connection:
        return int(connection.execute(text(query), {"id": evaluation_id, "cut": CUT}).scalar_one())


def finish(database: Database, evaluation_id: int, now: str) -> None:
    """Every planned answer was asked for and judged."""
    with database.write() as connection:
        connection.execute(
            text("UPDATE evaluation SET finished_at = :now WHERE id = :id"), {"now": now, "id": evaluation_id}
        )


def remove(database: Database, evaluation_id: int) -> bool:
    """Delete an evaluation with everything in it; False where there is none."""
    with database.write() as connection:
        return bool(connection.execute(text("DELETE FROM evaluation WHERE id = :id"), {"id": evaluation_id}).rowcount)


def swapped(judge: int, judges: int) -> int:
    """The number under which judge number `judge` of `judges` is kept where it read the material in the other order; for a
    choice (0) the one with the options turned round."""
    return judge + max(1, judges)


def columns(database: Database, evaluation_id: int, both_orders: bool = False) -> Verdicts:
    """All planned responses and outcomes of an evaluation as columns; responses line by line, in the order of the cases.

    What was judged once more in the other order is left out; with `both_orders` it stands behind the judges (`swapped`).
    """
    found = get(database, evaluation_id)
    if found is None:
        raise LookupError(f"there is no evaluation {evaluation_id}")
    rows, every = lines(database, evaluation_id), cases(database, evaluation_id)
    planned = [(row, case) for row, line in enumerate(rows) for case, one in enumerate(every) if fits(line, one)]
    place = places(rows, every)
    answers = """
    SELECT a.id, a.row_id, a.case_id, length(a.judged) FROM evaluation_answer a JOIN evaluation_row r ON r.id = a.row_id
    WHERE r.evaluation_id = :id
    """
    outcomes = """
    SELECT v.answer_id, v."check", v.judge, v.repeat, v.outcome FROM evaluation_row r
    JOIN evaluation_answer a ON a.row_id = r.id
    JOIN evaluation_verdict v INDEXED BY ix_evaluation_verdict_outcome ON v.answer_id = a.id WHERE r.evaluation_id = :id
    """
    with database.read() as connection:
        kept = connection.execute(text(answers), {"id": evaluation_id}).all()
        said = connection.execute(text(outcomes), {"id": evaluation_id}).all()
    length = np.full(len(planned), -1.0)
    at_answer = {row[0]: place[row[1], row[2]] for row in kept if (row[1], row[2]) in place}
    for row in kept:
        if row[0] in at_answer and row[3] is not None:
            length[at_answer[row[0]]] = row[3]
    clusters, topics = (tuple(sorted({getattr(one, name) for one in every})) for name in ("cluster", "topic"))
    at_cluster = {name: at for at, name in enumerate(clusters)}
    at_topic = {name: at for at, name in enumerate(topics)}
    told = np.array([tuple(row) for row in said], dtype=np.int64).reshape(-1, 5)
    item = np.array([at_answer.get(answer, -1) for answer in told[:, 0].tolist()], dtype=np.int64)
    names = tuple(str(judge["name"]) for judge in found.judges) or ("",)
    usable = (item >= 0) & (both_orders | (told[:, 2] < len(names)))
    told, item = told[usable], item[usable]
    return Verdicts(
        rows=tuple(Row(label(line), str(found.data["like"]), line.model, line.method, line.turns) for line in rows),
        scenarios=clusters,
        topics=topics,
        judges=(*names, *(f"{name}, other order" for name in names)) if both_orders else names,
        row=np.array([row for row, _ in planned], dtype=np.int64),
        scenario=np.array([at_cluster[every[case].cluster] for _, case in planned], dtype=np.int64),
        topic=np.array([at_topic[every[case].topic] for _, case in planned], dtype=np.int64),
        generated=length >= 0,
        length=np.maximum(length, 0.0),
        item=item,
        check=told[:, 1],
        judge=told[:, 2],
        repeat=told[:, 3],
        outcome=told[:, 4],
    )


def places(rows: Sequence[Line], every: Sequence[Case]) -> dict[tuple[int, int], int]:
    """Where the response of a line to a case (their ids) stands in `columns`."""
    planned = ((line.id, case.id) for line in rows for case in every if fits(line, case))
    return {one: at for at, one in enumerate(planned)}


def label(line: Line) -> str:
    """A row's name for people: model, method, and how many turns stood before the query."""
    late = f", after {line.turns} turns" if line.turns else ""
    return f"{line.name} · {WAYS[line.method]}{late}"


def fits(line: Line, case: Case) -> bool:
    """Whether a line answers a case: multiple choice needs options."""
    return line.task == "answer" or case.choice is not None
