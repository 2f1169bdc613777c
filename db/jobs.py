"""The queue of background jobs: put in, claim, report, end, cancel, go on. The row is the truth about a job.

Every write about a running job names the attempt it belongs to and changes nothing once the job has ended or another attempt
runs: a process that everybody believed dead cannot overwrite its successor. Knows no process; `handle` is only a text here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from core.jobs import STATUSES, Status
from db.engine import Database

PAGE = 50
POINTS = 600
"""Points of one curve that are handed out at most; of a longer one every n-th."""


class Job(NamedTuple):
    """A stored job. Times are UTC as ISO 8601; `rate` is units a second; `folder` is relative to the data folder."""

    id: int
    kind: str
    spec: dict[str, Any]
    lane: str
    device: str
    status: Status
    after_id: int | None
    retry_of: int | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    worker: str
    handle: str
    attempt: int
    restarts: int
    progress_done: float
    progress_total: float
    rate: float | None
    message: str
    heartbeat_at: str | None
    folder: str
    result: dict[str, Any] | None


class NewJob(NamedTuple):
    """What is put into the queue."""

    kind: str
    spec: Mapping[str, Any]
    lane: str
    after_id: int | None = None
    retry_of: int | None = None


class Place(NamedTuple):
    """Where a worker could run a job now: lane, device ('' where it does not matter), how many jobs fit there at once.

    A job that needs several devices has their names by comma; it is full as soon as another job of the lane has one of them.
    """

    lane: str
    device: str
    limit: int


class Report(NamedTuple):
    """How far a job is. `message` '' keeps the last one."""

    done: float
    total: float
    rate: float | None
    message: str = ""


class Metric(NamedTuple):
    """A number at a step; None where it was no finite number."""

    step: int
    name: str
    value: float | None


_COLUMNS = ", ".join(Job._fields)
_READY = """
FROM job j LEFT JOIN job a ON a.id = j.after_id
WHERE j.status = 'queued' AND j.lane = :lane AND (j.after_id IS NULL OR a.status = 'done')
"""
_MINE = "id = :id AND attempt = :attempt AND status IN ('running', 'cancelling')"


def _job(row: Row[Any]) -> Job:
    job = Job(*row)
    spec: Any = json.loads(row.spec)
    result: Any = None if row.result is None else json.loads(row.result)
    return job._replace(spec=spec, result=result)


def enqueue(database: Database, new: NewJob, now: str) -> int:
    """Put a job into the queue; returns its id. Raises ValueError when the job it shall wait for is not there or has failed."""
    with database.write() as connection:
        if new.after_id is not None:
            _check_first(connection, new.after_id)
        query = """
        INSERT INTO job (kind, spec, lane, device, status, after_id, retry_of, created_at, worker, handle, attempt, restarts,
                         progress_done, progress_total, message, folder)
        VALUES (:kind, :spec, :lane, '', 'queued', :after_id, :retry_of, :now, '', '', 0, 0, 0, 0, '', '')
        """
        values = new._asdict() | {"spec": json.dumps(dict(new.spec), ensure_ascii=False), "now": now}
        job_id = connection.execute(text(query), values).lastrowid
        connection.execute(text("UPDATE job SET folder = 'jobs/' || id WHERE id = :id"), {"id": job_id})
    return job_id


def _check_first(connection: Connection, after_id: int) -> None:
    status = connection.execute(text("SELECT status FROM job WHERE id = :id"), {"id": after_id}).scalar()
    if status is None:
        raise ValueError(f"There is no job {after_id} to wait for.")
    if status in ("failed", "cancelled"):
        raise ValueError(f"Job {after_id}, which this one would wait for, is {status}.")


def get(database: Database, job_id: int) -> Job | None:
    """A job by id, or None."""
    with database.read() as connection:
        row = connection.execute(text(f"SELECT {_COLUMNS} FROM job WHERE id = :id"), {"id": job_id}).first()
    return None if row is None else _job(row)


def page(database: Database, before: int | None = None, status: Status | None = None, limit: int = PAGE) -> list[Job]:
    """Jobs, newest first, from the one before the id `before`; of one status or of all."""
    conditions = [part for part, on in (("id < :before", before), ("status = :status", status)) if on is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {_COLUMNS} FROM job {where} ORDER BY id DESC LIMIT :limit"
    with database.read() as connection:
        rows = connection.execute(text(query), {"before": before, "status": status, "limit": limit})
        return [_job(row) for row in rows]


def counts(database: Database) -> dict[Status, int]:
    """How many jobs have each status."""
    with database.read() as connection:
        found = {row[0]: row[1] for row in connection.execute(text("SELECT status, count(*) FROM job GROUP BY status"))}
    return {status: found.get(status, 0) for status in STATUSES}


def living(database: Database) -> list[Job]:
    """Jobs that have or should have a process, oldest first."""
    query = f"SELECT {_COLUMNS} FROM job WHERE status IN ('running', 'cancelling') ORDER BY id"
    with database.read() as connection:
        return [_job(row) for row in connection.execute(text(query))]


class Waiting(NamedTuple):
    """The oldest job of a lane that could start now, and how many processes it has; each takes a device."""

    id: int
    processes: int


def ready(database: Database, lane: str) -> Waiting | None:
    """The oldest job of the lane that could start now. A cheap look before `claim`, which takes the write door."""
    query = f"""
    SELECT j.id, iif(json_extract(j.spec, '$.device') = 'cpu', 1, coalesce(json_extract(j.spec, '$.processes'), 1))
    {_READY} ORDER BY j.id LIMIT 1
    """
    with database.read() as connection:
        row = connection.execute(text(query), {"lane": lane}).first()
    return None if row is None else Waiting(row[0], int(row[1]))


def taken(database: Database, lane: str) -> frozenset[str]:
    """The devices that running jobs of a lane have."""
    query = "SELECT device FROM job WHERE status IN ('running', 'cancelling') AND lane = :lane"
    with database.read() as connection:
        found = connection.execute(text(query), {"lane": lane}).scalars()
        return frozenset(name for device in found for name in device.split(","))


def claim(database: Database, worker: str, place: Place, now: str, job_id: int | None = None) -> Job | None:
    """Take the oldest job that may run in a place, or None when there is none or the place is full.

    One UPDATE under the write lock: two workers never get one job, and a place never holds more than its limit. With `job_id`
    only that job is taken, if it is still the oldest: somebody looked how many devices it needs.
    """
    query = f"""
    UPDATE job SET status = 'running', worker = :worker, device = :device, handle = '', attempt = attempt + 1,
                   started_at = :now, ended_at = NULL, rate = NULL, message = '', heartbeat_at = :now
    WHERE id = (SELECT j.id {_READY} ORDER BY j.id LIMIT 1)
      AND (:job_id IS NULL OR id = :job_id)
      AND (SELECT count(*) FROM job b WHERE b.status IN ('running', 'cancelling') AND b.lane = :lane AND EXISTS (
             SELECT 1 FROM json_each(:names) d WHERE instr(',' || b.device || ',', ',' || d.value || ','))) < :limit
    RETURNING {_COLUMNS}
    """
    with database.write() as connection:
        values = place._asdict() | {"names": json.dumps(place.device.split(",")), "job_id": job_id}
        row = connection.execute(text(query), values | {"worker": worker, "now": now}).first()
        return None if row is None else _job(row)


def begin(database: Database, job_id: int, attempt: int, handle: str) -> Job | None:
    """Write down which process runs an attempt; called by the worker and by the process itself, whoever is first.

    None when the attempt is over or belongs to another process: then whoever asks must not run it.
    """
    query = f"UPDATE job SET handle = :handle WHERE {_MINE} AND handle IN ('', :handle) RETURNING {_COLUMNS}"
    with database.write() as connection:
        row = connection.execute(text(query), {"id": job_id, "attempt": attempt, "handle": handle}).first()
        return None if row is None else _job(row)


def adopt(database: Database, job: Job, worker: str) -> bool:
    """Take over watching a job whose worker is gone; False when another worker did."""
    query = text(f"UPDATE job SET worker = :worker WHERE {_MINE} AND worker = :old")
    with database.write() as connection:
        values = {"id": job.id, "attempt": job.attempt, "worker": worker, "old": job.worker}
        return connection.execute(query, values).rowcount == 1


def report(
    database: Database, job_id: int, attempt: int, progress: Report | None, metrics: Sequence[Metric], now: str
) -> None:
    """Store how far an attempt is and its new numbers, in one transaction; nothing once the attempt is over."""
    mine = {"id": job_id, "attempt": attempt}
    query = f"""
    UPDATE job SET heartbeat_at = :now, progress_done = coalesce(:done, progress_done), rate = coalesce(:rate, rate),
           progress_total = coalesce(:total, progress_total), message = coalesce(nullif(:message, ''), message)
    WHERE {_MINE}
    """
    said = progress._asdict() if progress else {"done": None, "total": None, "rate": None, "message": ""}
    with database.write() as connection:
        if not connection.execute(text(query), mine | said | {"now": now}).rowcount or not metrics:
            return
        rows = [item._asdict() | {"id": job_id, "value": _finite(item.value)} for item in metrics]
        upsert = """
        INSERT INTO job_metric (job_id, name, step, value) VALUES (:id, :name, :step, :value)
        ON CONFLICT (job_id, name, step) DO UPDATE SET value = excluded.value
        """
        connection.execute(text(upsert), rows)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class End(NamedTuple):
    """How an attempt ended."""

    status: Status
    message: str
    result: Mapping[str, Any] | None = None


def finish(database: Database, job_id: int, attempt: int, end: End, now: str) -> bool:
    """End an attempt; jobs that wait for a job that did not get done are cancelled with the reason. False when it is over."""
    query = text(
        f"UPDATE job SET status = :status, message = :message, result = :result, ended_at = :now WHERE {_MINE}"
    )
    result = None if end.result is None else json.dumps(dict(end.result), ensure_ascii=False)
    values = {
        "id": job_id,
        "attempt": attempt,
        "status": end.status,
        "message": end.message,
        "result": result,
        "now": now,
    }
    with database.write() as connection:
        done = connection.execute(query, values).rowcount == 1
        if done and end.status != "done":
            _cancel_followers(connection, job_id, end.status, now)
    return done


def requeue(database: Database, job_id: int, attempt: int, message: str) -> bool:
    """Queue a job whose process vanished again, in its folder; False when the attempt is over or the job shall be cancelled."""
    query = f"""
    UPDATE job SET status = 'queued', restarts = restarts + 1, worker = '', handle = '', rate = NULL, message = :message
    WHERE {_MINE} AND status = 'running'
    """
    with database.write() as connection:
        values = {"id": job_id, "attempt": attempt, "message": message}
        return connection.execute(text(query), values).rowcount == 1


def cancel(database: Database, job_id: int, now: str) -> Status | None:
    """Ask for the end of a job: a queued one is cancelled at once, a running one becomes `cancelling`.

    Returns the status afterwards (an ended job keeps its own), None when there is no such job.
    """
    query = """
    UPDATE job SET status = iif(status = 'queued', 'cancelled', 'cancelling'),
                   message = iif(status = 'queued', 'Cancelled before it started.', message),
                   ended_at = iif(status = 'queued', :now, ended_at)
    WHERE id = :id AND status IN ('queued', 'running')
    """
    with database.write() as connection:
        changed = connection.execute(text(query), {"id": job_id, "now": now}).rowcount
        status: Status | None = connection.execute(
            text("SELECT status FROM job WHERE id = :id"), {"id": job_id}
        ).scalar()
        if changed and status == "cancelled":
            _cancel_followers(connection, job_id, status, now)
    return status


def _cancel_followers(connection: Connection, job_id: int, status: Status, now: str) -> None:
    query = """
    WITH RECURSIVE later(id) AS (
        SELECT id FROM job WHERE after_id = :id UNION SELECT j.id FROM job j JOIN later l ON j.after_id = l.id
    )
    UPDATE job SET status = 'cancelled', ended_at = :now, message = :message
    WHERE status = 'queued' AND id IN (SELECT id FROM later)
    """
    message = f"Job {job_id}, which this one waited for, {'failed' if status == 'failed' else 'was cancelled'}."
    connection.execute(text(query), {"id": job_id, "now": now, "message": message})


def resume(database: Database, job_id: int) -> bool:
    """Queue a failed or cancelled job again in its folder; False when it has another status.

    Raises ValueError when the job it waits for has not been done and will not be.
    """
    query = """
    UPDATE job SET status = 'queued', ended_at = NULL, restarts = 0, worker = '', handle = '', rate = NULL, result = NULL,
                   message = 'Waiting to go on.'
    WHERE id = :id AND status IN ('failed', 'cancelled') RETURNING after_id
    """
    with database.write() as connection:
        row = connection.execute(text(query), {"id": job_id}).first()
        if row is not None and row.after_id is not None:
            _check_first(connection, row.after_id)
    return row is not None


def metrics(database: Database, job_id: int, since: int = -1) -> dict[str, list[tuple[int, float | None]]]:
    """The numbers of a job after a step, by name: [(step, value)] in the order of steps, thinned when there are very many."""
    query = """
    SELECT name, step, value FROM (
        SELECT name, step, value, row_number() OVER (PARTITION BY name ORDER BY step DESC) - 1 AS back,
               count(*) OVER (PARTITION BY name) AS many
        FROM job_metric WHERE job_id = :id AND step > :since
    ) WHERE back % (1 + (many - 1) / :points) = 0 ORDER BY name, step LIMIT 50000
    """
    found: dict[str, list[tuple[int, float | None]]] = {}
    with database.read() as connection:
        for name, step, value in connection.execute(text(query), {"id": job_id, "since": since, "points": POINTS}):
            found.setdefault(name, []).append((step, value))
    return found
