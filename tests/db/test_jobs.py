"""The queue: nothing runs twice, limits hold, chains, fencing by attempts, numbers, and a thousand jobs."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.context import Context
from db import jobs
from db.engine import Database
from db.jobs import End, Job, Metric, NewJob, Place, Report

NOW = "2026-01-01T00:00:00+00:00"
WIDE = Place("light", "", 10_000)


def put(database: Database, after: int | None = None, lane: str = "light") -> int:
    return jobs.enqueue(database, NewJob("export", {"kind": "export", "set": 1}, lane, after), NOW)


def take(database: Database, place: Place = WIDE, worker: str = "w") -> Job | None:
    return jobs.claim(database, worker, place, NOW)


def taken(database: Database, place: Place = WIDE) -> Job:
    job = take(database, place)
    assert job is not None
    return job


def one(database: Database, job_id: int) -> Job:
    job = jobs.get(database, job_id)
    assert job is not None
    return job


def test_a_job_is_stored_as_it_was_put_in(context: Context) -> None:
    job = one(context.database, put(context.database))
    assert (job.kind, job.spec, job.status, job.attempt) == ("export", {"kind": "export", "set": 1}, "queued", 0)
    assert job.folder == f"jobs/{job.id}"
    assert jobs.get(context.database, 99) is None


def test_eight_claimers_get_every_job_once(context: Context) -> None:
    wanted = [put(context.database) for _ in range(120)]
    start = threading.Barrier(8)

    def claimer(name: int) -> list[int]:
        own = Database(context.database.file)
        start.wait()
        got: list[int] = []
        while job := take(own, worker=str(name)):
            got.append(job.id)
        own.close()
        return got

    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(claimer, range(8)))
    assert Counter(job for share in shares for job in share) == Counter(wanted)


def test_claimers_together_keep_the_limit_of_a_lane(context: Context) -> None:
    for _ in range(40):
        put(context.database)
    most: list[int] = []

    def claimer(name: int) -> None:
        own = Database(context.database.file)
        while jobs.counts(own)["queued"] or jobs.counts(own)["running"]:
            job = take(own, Place("light", "", 3), str(name))
            most.append(jobs.counts(own)["running"])
            if job:
                jobs.finish(own, job.id, job.attempt, End("done", ""), NOW)
        own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(claimer, range(6)))
    assert max(most) <= 3
    assert jobs.counts(context.database)["done"] == 40


def test_one_gpu_job_for_each_device(context: Context) -> None:
    first, second, third = (put(context.database, lane="gpu") for _ in range(3))
    zero, one_ = Place("gpu", "0", 1), Place("gpu", "1", 1)
    assert take(context.database) is None, "a light place takes no gpu job"
    assert taken(context.database, zero).id == first
    assert take(context.database, zero) is None
    assert taken(context.database, one_).id == second
    jobs.cancel(context.database, first, NOW)
    assert take(context.database, zero) is None, "a job that is being cancelled still has its device"
    jobs.finish(context.database, first, 1, End("cancelled", ""), NOW)
    last = taken(context.database, zero)
    assert (last.id, last.device) == (third, "0")


def wide(database: Database, processes: int, **own: object) -> int:
    spec = {"kind": "sft", "set": 1, "processes": processes} | own
    return jobs.enqueue(database, NewJob("sft", spec, "gpu"), NOW)


def test_a_job_of_several_processes_takes_several_devices(context: Context) -> None:
    database = context.database
    first, second = wide(database, 2), wide(database, 1)
    assert jobs.ready(database, "gpu") == (first, 2) and jobs.taken(database, "gpu") == frozenset()
    both = taken(database, Place("gpu", "0,1", 1))
    assert (both.id, both.device) == (first, "0,1")
    assert jobs.taken(database, "gpu") == {"0", "1"} and jobs.ready(database, "gpu") == (second, 1)
    for device in ("0", "1", "1,2"):
        assert take(database, Place("gpu", device, 1)) is None, "one of them is not free"
    assert jobs.claim(database, "w", Place("gpu", "10", 1), NOW, first) is None, (
        "another job than the oldest is not taken"
    )
    assert taken(database, Place("gpu", "10", 1)).id == second, "10 is another device than 1"
    wide(database, 8, device="cpu")
    waiting = jobs.ready(database, "gpu")
    assert waiting is not None and waiting.processes == 1, "on the CPU no GPU is needed for each"


def test_a_chain_runs_in_order(context: Context) -> None:
    build = put(context.database)
    train = put(context.database, build)
    evaluate = put(context.database, train)
    assert taken(context.database).id == build
    assert take(context.database) is None
    assert not jobs.ready(context.database, "light")
    jobs.finish(context.database, build, 1, End("done", ""), NOW)
    assert taken(context.database).id == train
    jobs.finish(context.database, train, 1, End("failed", "No."), NOW)
    found = one(context.database, evaluate)
    assert (found.status, found.message) == ("cancelled", f"Job {train}, which this one waited for, failed.")
    with pytest.raises(ValueError, match=f"Job {train}, which this one would wait for, is failed"):
        put(context.database, train)
    with pytest.raises(ValueError, match="There is no job 99"):
        put(context.database, 99)


def test_cancelling_a_queued_job_cancels_what_waits_for_it(context: Context) -> None:
    first = put(context.database)
    second = put(context.database, first)
    third = put(context.database, second)
    other = put(context.database)
    assert jobs.cancel(context.database, first, NOW) == "cancelled"
    assert [one(context.database, job).status for job in (second, third, other)] == ["cancelled", "cancelled", "queued"]
    assert "was cancelled" in one(context.database, third).message
    assert jobs.cancel(context.database, first, NOW) == "cancelled"
    assert jobs.cancel(context.database, 99, NOW) is None


def test_a_chain_is_resumed_from_its_broken_link(context: Context) -> None:
    first = put(context.database)
    second = put(context.database, first)
    taken(context.database)
    jobs.finish(context.database, first, 1, End("failed", "No."), NOW)
    with pytest.raises(ValueError, match="is failed"):
        jobs.resume(context.database, second)
    assert one(context.database, second).status == "cancelled", "nothing of a refused resume is kept"
    assert jobs.resume(context.database, first)
    assert jobs.resume(context.database, second)
    assert not jobs.resume(context.database, second), "a queued job is not resumed"
    assert taken(context.database).id == first
    assert take(context.database) is None


def test_an_old_attempt_changes_nothing(context: Context) -> None:
    job_id = put(context.database)
    old = taken(context.database)
    assert jobs.begin(context.database, job_id, old.attempt, "old") is not None
    assert jobs.begin(context.database, job_id, old.attempt, "another") is None, "an attempt has one process"
    assert jobs.requeue(context.database, job_id, old.attempt, "It vanished.")
    assert not jobs.requeue(context.database, job_id, old.attempt, "It vanished.")
    new = taken(context.database)
    assert (new.attempt, new.restarts, new.handle) == (2, 1, "")
    assert jobs.begin(context.database, job_id, old.attempt, "old") is None
    jobs.report(context.database, job_id, old.attempt, Report(9, 10, 1.0, "old"), [Metric(1, "loss", 1.0)], NOW)
    assert not jobs.finish(context.database, job_id, old.attempt, End("done", "old"), NOW)
    found = one(context.database, job_id)
    assert (found.status, found.progress_done, found.message) == ("running", 0, "")
    assert jobs.metrics(context.database, job_id) == {}


def test_nothing_is_reported_after_the_end(context: Context) -> None:
    job_id = put(context.database)
    taken(context.database)
    assert jobs.finish(context.database, job_id, 1, End("done", "Done.", {"a": [1]}), NOW)
    assert not jobs.finish(context.database, job_id, 1, End("failed", ""), NOW)
    jobs.report(context.database, job_id, 1, Report(9, 10, 1.0, "late"), [], NOW)
    found = one(context.database, job_id)
    assert (found.status, found.message, found.result) == ("done", "Done.", {"a": [1]})


def test_a_worker_is_replaced_once(context: Context) -> None:
    put(context.database)
    job = taken(context.database)
    assert jobs.adopt(context.database, job, "new")
    assert not jobs.adopt(context.database, job, "newer")
    assert [item.worker for item in jobs.living(context.database)] == ["new"]


def test_numbers_replace_thin_and_stay_finite(context: Context) -> None:
    job_id = put(context.database)
    taken(context.database)

    def say(*metrics: Metric) -> None:
        jobs.report(context.database, job_id, 1, None, metrics, NOW)

    say(Metric(1, "loss", 2.0), Metric(2, "loss", float("nan")), Metric(2, "kl", float("inf")))
    say(Metric(1, "loss", 3.0))
    assert jobs.metrics(context.database, job_id) == {"kl": [(2, None)], "loss": [(1, 3.0), (2, None)]}
    assert jobs.metrics(context.database, job_id, since=1) == {"kl": [(2, None)], "loss": [(2, None)]}
    say(*(Metric(step, "long", step / 7) for step in range(5000)))
    thin = jobs.metrics(context.database, job_id)["long"]
    assert len(thin) <= jobs.POINTS
    assert thin[-1][0] == 4999
    assert thin == sorted(thin)


def test_a_thousand_jobs_are_paged(context: Context) -> None:
    ids = [put(context.database) for _ in range(1000)]
    seen: list[int] = []
    before = None
    while page := jobs.page(context.database, before, "queued"):
        assert len(page) <= jobs.PAGE
        seen += [job.id for job in page]
        before = seen[-1]
    assert seen == ids[::-1]
    assert jobs.counts(context.database)["queued"] == 1000
    assert [taken(context.database).id for _ in range(3)] == ids[:3], "the oldest goes first"


def test_jobs_survive_the_deletion_of_a_set_and_of_nothing_else(context: Context, tmp_path: Path) -> None:
    first = put(context.database)
    second = put(context.database, first)
    with context.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM job WHERE id = ?", (first,))
    assert one(context.database, second).after_id is None
