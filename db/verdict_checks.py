"""People's answers to checks of an evaluation: queues drawn from its verdicts, events added one by one, the ones that hold.

An answer belongs to a response, a check and a person, whatever queue asked for it, and keeps the digest of what was read. Hands
out nothing that a judge said before the person did. Computes no figure.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

from core.evaluation.asking_people import ANSWERS, Answer, Kind, digest
from core.evaluation.verdicts import COLUMNS, Column, Material
from db.engine import Database

_CHECK = {name: place for place, name in enumerate(COLUMNS)}


class Refusal(NamedTuple):
    """Why nothing was stored, in words. `changed`: the response is not what the person read; `seen`: they know the verdict."""

    code: Literal["unknown", "changed", "closed", "seen", "unanswered", "invalid"]
    text: str


class Pick(NamedTuple):
    """A verdict that is asked about: ids of row and case, the check, and the digest of what is judged."""

    row_id: int
    case_id: int
    check: Column
    digest: str


class New(NamedTuple):
    """A queue to lay out: `each` verdict is asked of so many people; `who` drew it; `uid` names it in files."""

    uid: str
    kind: Kind
    metric: str
    size: int
    seed: int
    each: int
    who: str


class Queue(NamedTuple):
    """A stored queue with the number of its `tasks`; `closed_at` is None while it is open."""

    id: int
    evaluation_id: int
    uid: str
    kind: Kind
    metric: str
    size: int
    seed: int
    each: int
    who: str
    created_at: str
    closed_at: str | None
    tasks: int


class Task(NamedTuple):
    """A verdict of a queue as it is asked, with what is judged now. `answer` is what the person said, '' nothing yet."""

    id: int
    pick: Pick
    about: Material
    answer: Answer
    seen: bool


class Event(NamedTuple):
    """Something that somebody said. `answer` is an Answer, or `seen`."""

    pick: Pick
    answer: str
    who: str
    at: str
    client_id: str


_QUEUE = """
SELECT q.id, q.evaluation_id, q.uid, q.kind, q.metric, q.size, q.seed, q.each, q.who, q.created_at, q.closed_at,
  (SELECT count(*) FROM verdict_task t WHERE t.queue_id = q.id) FROM verdict_queue q
"""
_SAME = 'e.row_id = t.row_id AND e.case_id = t.case_id AND e."check" = t."check" AND e.digest = t.digest'
_TASK = f"""
SELECT t.id, t.row_id, t.case_id, t."check", t.digest, c.preference, c.query, a.judged,
  coalesce((SELECT e.answer FROM verdict_event_held e WHERE {_SAME} AND e.who = :who), ''),
  EXISTS (SELECT 1 FROM verdict_event e WHERE {_SAME} AND e.who = :who AND e.answer = 'seen')
FROM verdict_task t JOIN evaluation_case c ON c.id = t.case_id
JOIN evaluation_answer a ON a.row_id = t.row_id AND a.case_id = t.case_id
"""
_MINE = f"EXISTS (SELECT 1 FROM verdict_event_held e WHERE {_SAME} AND e.who = :who)"
_OTHERS = f"(SELECT count(*) FROM verdict_event_held e WHERE {_SAME} AND e.who <> :who)"
_ASKED = f"""
SELECT 1 FROM verdict_task t JOIN verdict_queue q ON q.id = t.queue_id
WHERE t.row_id = :row AND t.case_id = :case AND t.digest = :digest AND q.closed_at IS NULL AND NOT {_MINE} AND {_OTHERS} < q.each
"""
_TOLD = """
SELECT 1 FROM verdict_event e
WHERE e.row_id = :row AND e.case_id = :case AND e.digest = :digest AND e.who = :who AND e.answer = 'seen'
"""


def add_queue(database: Database, evaluation_id: int, new: New, picks: Sequence[Pick], now: str) -> int:
    """Lay out a queue in one transaction; returns its id."""
    with database.write() as connection:
        return lay_out(connection, evaluation_id, new, picks, now)


def lay_out(connection: Connection, evaluation_id: int, new: New, picks: Sequence[Pick], now: str) -> int:
    """The same inside a transaction."""
    names = ", ".join(New._fields)
    values = f":{names.replace(', ', ', :')}"
    query = f"INSERT INTO verdict_queue (evaluation_id, {names}, created_at) VALUES (:evaluation, {values}, :now)"
    made = connection.execute(text(query), new._asdict() | {"evaluation": evaluation_id, "now": now})
    queue_id: int = made.lastrowid  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    rows = [(queue_id, at, one.row_id, one.case_id, _CHECK[one.check], one.digest) for at, one in enumerate(picks)]
    connection.exec_driver_sql(
        'INSERT INTO verdict_task (queue_id, position, row_id, case_id, "check", digest) VALUES (?, ?, ?, ?, ?, ?)',
        rows,
    )
    return queue_id


def queues(database: Database, evaluation_id: int) -> list[Queue]:
    """The queues of an evaluation, oldest first."""
    return _queues(database, "WHERE q.evaluation_id = :value ORDER BY q.id", evaluation_id)


def open_queues(database: Database) -> list[Queue]:
    """All queues that can be worked on, newest first; at most 200."""
    return _queues(database, "WHERE q.closed_at IS NULL ORDER BY q.id DESC LIMIT :value", 200)


def queue(database: Database, queue_id: int) -> Queue | None:
    """A queue, or None."""
    return next(iter(_queues(database, "WHERE q.id = :value", queue_id)), None)


def _queues(database: Database, where: str, value: int) -> list[Queue]:
    with database.read() as connection:
        return [Queue(*row) for row in connection.execute(text(f"{_QUEUE} {where}"), {"value": value})]


def close(database: Database, queue_id: int, at: str | None) -> None:
    """Close a queue, or open it again with None."""
    with database.write() as connection:
        connection.execute(text("UPDATE verdict_queue SET closed_at = :at WHERE id = :id"), {"at": at, "id": queue_id})


class Progress(NamedTuple):
    """Of a queue: verdicts that `who` answered, and those that are left for them: neither asked of enough others nor changed."""

    done: int
    left: int


def progress(database: Database, one: Queue, who: str) -> Progress:
    """How far somebody is."""
    done = f"SELECT count(*) FROM verdict_task t WHERE t.queue_id = :id AND {_MINE}"
    left = f"""SELECT count(*), t.digest, c.preference, c.query, a.judged
    FROM verdict_task t JOIN evaluation_case c ON c.id = t.case_id
    JOIN evaluation_answer a ON a.row_id = t.row_id AND a.case_id = t.case_id
    WHERE t.queue_id = :id AND a.judged IS NOT NULL AND NOT {_MINE} AND {_OTHERS} < :each GROUP BY a.id, t.digest"""
    values = {"id": one.id, "who": who, "each": one.each}
    with database.read() as connection:
        fresh = sum(row[0] for row in connection.execute(text(left), values) if digest(Material(*row[2:])) == row[1])
        return Progress(connection.execute(text(done), values).scalar_one(), fresh)


def upcoming(database: Database, one: Queue, who: str, start: int, limit: int) -> list[Task]:
    """What somebody is asked next: what fewest others answered first, else in the queue's order from place `start` on.

    Responses that changed since the queue was drawn are left out.
    """
    query = f"""SELECT t.id FROM verdict_task t WHERE t.queue_id = :id AND NOT {_MINE} AND {_OTHERS} < :each
    ORDER BY {_OTHERS}, (t.position - :start + :size) % :size"""
    size = max(1, one.tasks)
    values = {"id": one.id, "who": who, "each": one.each, "start": start % size, "size": size}
    return _tasks(database, query, values, limit)


def latest(database: Database, one: Queue, who: str, limit: int) -> list[Task]:
    """What somebody answered last in a queue, oldest first."""
    query = """SELECT t.id FROM verdict_task t JOIN verdict_event_held h ON h.row_id = t.row_id AND h.case_id = t.case_id
      AND h."check" = t."check" AND h.digest = t.digest AND h.who = :who
    WHERE t.queue_id = :id ORDER BY h.at DESC, h.id DESC"""
    return _tasks(database, query, {"id": one.id, "who": who}, limit)[::-1]


def _tasks(database: Database, query: str, values: Mapping[str, object], limit: int) -> list[Task]:
    """The first `limit` tasks, of those whose ids a query finds, that are as they were when the queue was drawn."""
    with database.read() as connection:
        ids = connection.execute(text(query), values).scalars().all()
        found = (_row(connection, number, str(values["who"])) for number in ids)
        fresh = (one for one in found if one is not None and digest(one.about) == one.pick.digest)
        return list(islice(fresh, limit))


def _task(row: Sequence[object]) -> Task:
    number, row_id, case_id, check, kept, preference, query, judged, answer, seen = row
    pick = Pick(row_id, case_id, COLUMNS[check], kept)  # type: ignore[arg-type, index]
    return Task(number, pick, Material(preference, query, judged), answer, bool(seen))  # type: ignore[arg-type]


class Given(NamedTuple):
    """What a browser sends: the digest of what was read, the answer, and the event's own id."""

    digest: str
    answer: str
    client_id: str


_UNKNOWN = Refusal("unknown", "This verdict is not asked about here; its evaluation may have been deleted.")
_SEEN = Refusal("seen", "You have seen what the judge said; the answer that you gave before it stands.")
_FIRST = Refusal(
    "unanswered",
    "You are asked more about this response, and what the judge said of one question tells about the others. Answer those "
    "first; then it is shown.",
)
_OTHER = Refusal("invalid", "This id belongs to another answer.")


def save(database: Database, task_id: int, given: Given, who: str, now: str) -> Event | Refusal:
    """Add an answer. The same client id again changes nothing. After a verdict on the response was shown no answer is changed."""
    if given.answer not in (*ANSWERS, ""):
        return Refusal("invalid", "A check is answered with yes, no or cannot.")
    with database.write() as connection:
        found = _ready(connection, task_id, given.client_id, who)
        match found:
            case Refusal():
                return found
            case Event():
                told = (found.answer, found.pick.digest) == (given.answer, given.digest)
                return found if told else _OTHER
            case Task():
                pass
        if found.pick.digest != given.digest or digest(found.about) != given.digest:
            return Refusal("changed", "This response was changed since the queue was drawn. Load the page again.")
        if found.seen or (found.answer and _about_response(connection, _TOLD, found, who)):
            return _SEEN
        event = Event(found.pick, given.answer, who, now, given.client_id)
        keep(connection, _evaluation_of(connection, task_id), event)
    return event


class Told(NamedTuple):
    """What judge number `judge` said in a repeat."""

    judge: int
    repeat: int
    outcome: int
    explanation: str
    why: str


def reveal(database: Database, task_id: int, client_id: str, who: str, now: str) -> list[Told] | Refusal:
    """What the judges said, for somebody who answered all that open queues ask them of the response; from then on their answers
    are fixed."""
    with database.write() as connection:
        found = _ready(connection, task_id, client_id, who, closed=True)
        if isinstance(found, Refusal):
            return found
        if isinstance(found, Event) and found.answer != "seen":
            return _OTHER
        if isinstance(found, Task) and not found.answer:
            return Refusal("unanswered", "Answer first: what the judge said is shown afterwards.")
        task = _row(connection, task_id, who)
        if task is None or _about_response(connection, _ASKED, task, who):
            return _UNKNOWN if task is None else _FIRST
        pick = found.pick
        if isinstance(found, Task) and not found.seen:
            keep(connection, _evaluation_of(connection, task_id), Event(pick, "seen", who, now, client_id))
        query = """
        SELECT v.judge, v.repeat, v.outcome, v.explanation, v.why FROM evaluation_verdict v
        JOIN evaluation_answer a ON a.id = v.answer_id JOIN evaluation_row r ON r.id = a.row_id
        JOIN evaluation e ON e.id = r.evaluation_id
        WHERE a.row_id = :row AND a.case_id = :case AND v."check" = :check AND v.judge < json_array_length(e.judges)
        ORDER BY v.judge, v.repeat
        """
        values = {"row": pick.row_id, "case": pick.case_id, "check": _CHECK[pick.check]}
        return [Told(*row) for row in connection.execute(text(query), values)]


def _about_response(connection: Connection, query: str, task: Task, who: str) -> bool:
    """Whether a query about somebody and a task's response, as it is now, finds anything."""
    values = {"row": task.pick.row_id, "case": task.pick.case_id, "digest": digest(task.about), "who": who}
    return connection.execute(text(f"{query} LIMIT 1"), values).first() is not None


def _row(connection: Connection, task_id: int, who: str) -> Task | None:
    row = connection.execute(text(f"{_TASK} WHERE t.id = :id"), {"id": task_id, "who": who}).first()
    return None if row is None or row[7] is None else _task(row)


def _ready(
    connection: Connection, task_id: int, client_id: str, who: str, closed: bool = False
) -> Task | Event | Refusal:
    """The task as it stands; the event where this id of this person was kept before for the same verdict; or why neither."""
    if not 1 <= len(client_id) <= 100 or not client_id.isascii():
        return Refusal("invalid", "An answer has an id of 1 to 100 plain characters.")
    task = _row(connection, task_id, who)
    if task is None:
        return _UNKNOWN
    same = _events(connection, "WHERE client_id = :id", {"id": client_id})
    if same:
        mine = same[0].who == who and same[0].pick[:3] == task.pick[:3]
        return same[0] if mine else _OTHER
    ended = "SELECT q.closed_at FROM verdict_queue q JOIN verdict_task t ON t.queue_id = q.id WHERE t.id = :id"
    if not closed and connection.execute(text(ended), {"id": task_id}).scalar_one() is not None:
        return Refusal("closed", "This queue is closed; thank you. Nothing more is taken here.")
    return task


_EVALUATION = "SELECT q.evaluation_id FROM verdict_queue q JOIN verdict_task t ON t.queue_id = q.id WHERE t.id = :id"


def evaluation_of(database: Database, task_id: int) -> int | None:
    """The evaluation that a task is about, or None where the task is not here."""
    with database.read() as connection:
        found = connection.execute(text(_EVALUATION), {"id": task_id}).first()
    return None if found is None else int(found[0])


def _evaluation_of(connection: Connection, task_id: int) -> int:
    return int(connection.execute(text(_EVALUATION), {"id": task_id}).scalar_one())


def keep(connection: Connection, evaluation_id: int, event: Event) -> None:
    """Add an event inside a transaction."""
    pick = event.pick
    connection.exec_driver_sql(
        'INSERT INTO verdict_event (evaluation_id, row_id, case_id, "check", digest, answer, who, at, client_id) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (evaluation_id, pick.row_id, pick.case_id, _CHECK[pick.check], pick.digest, *event[1:]),
    )


def _events(
    connection: Connection, where: str, values: Mapping[str, object], table: str = "verdict_event"
) -> list[Event]:
    query = f'SELECT row_id, case_id, "check", digest, answer, who, at, client_id FROM {table} {where}'
    rows = connection.execute(text(query), values)
    return [Event(Pick(row[0], row[1], COLUMNS[row[2]], row[3]), *row[4:]) for row in rows]


def held(database: Database, evaluation_id: int) -> list[Event]:
    """The answers of an evaluation that hold, oldest first."""
    with database.read() as connection:
        where = "WHERE evaluation_id = :id ORDER BY at, id"
        return _events(connection, where, {"id": evaluation_id}, "verdict_event_held")


def events(database: Database, evaluation_id: int) -> list[Event]:
    """Every event of an evaluation in the order it was added."""
    with database.read() as connection:
        return _events(connection, "WHERE evaluation_id = :id ORDER BY id", {"id": evaluation_id})


def tasks(database: Database, queue_id: int) -> list[Pick]:
    """The verdicts of a queue, in its order."""
    query = 'SELECT row_id, case_id, "check", digest FROM verdict_task WHERE queue_id = :id ORDER BY position'
    with database.read() as connection:
        found = connection.execute(text(query), {"id": queue_id}).all()
    return [Pick(row[0], row[1], COLUMNS[row[2]], row[3]) for row in found]
