"""How jobs end: failures as sentences, disks and folders that go wrong, cancelling, processes that stay behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import artifacts
from app.actions import jobs as actions
from app.errors import Refused
from app.executor import Attempt, Command, LocalExecutor
from app.processes import members, myself, named
from app.worker import Worker
from core.specs import DoctorSpec
from db import jobs
from tests.app.odd_bench import Bench, gone
from tests.app.odd_job import odd_command


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("crash", "ZeroDivisionError: division by zero. This is a fault of the program; the log has the traceback."),
        ("refuse", "There is nothing to do here. Choose another set."),
        ("full", "The disk is full (weights.bin). Free some space, then resume or retry."),
        ("exit", "SystemExit: 7. This is a fault of the program; the log has the traceback."),
        (
            "nojson",
            "The result is no JSON (Object of type object is not JSON serializable). This is a fault of the program.",
        ),
    ],
)
def test_failures_are_sentences(bench: Bench, what: str, sentence: str) -> None:
    job = bench.ended(bench.put(what), bench.worker())
    assert (job.status, job.message) == ("failed", sentence)
    crash = artifacts.log_traceback(bench.folder(job.id))
    assert ("ZeroDivisionError: division by zero" in crash) == (what == "crash")


def test_values_that_no_database_takes_fail_no_job(bench: Bench) -> None:
    job = bench.ended(bench.put("strange"), bench.worker())
    assert (job.status, job.message) == ("done", "half a pair ? and  [31m")
    assert job.result == {"nan": None, "in": [None, 1.5], "text": "?", "keys": {"1": 2}}
    assert jobs.metrics(bench.context.database, job.id) == {"many?": [(1 << 53, None)]}
    assert json.loads((bench.folder(job.id) / "job.json").read_text())["inputs"] == {"name?": "0" * 64}
    json.dumps(actions.view(bench.context, job), allow_nan=False)


def test_an_attempt_takes_nothing_from_the_next_one(bench: Bench) -> None:
    one, two = Attempt(bench.context.settings.data, 1), Attempt(bench.context.settings.data, 2)
    executor, started = LocalExecutor(), []
    for attempt in (one, two):
        started.append(executor.start(Command((sys.executable, "-c", "import time; time.sleep(600)")), attempt))
    assert executor.stop(started[0], one) == ""
    assert [executor.alive(handle) for handle in started] == [False, True]
    assert executor.ended(started[0]) == "signal 9"
    executor.stop(started[1], two)
    assert not executor.alive(started[1])


def test_a_folder_that_vanishes_is_a_sentence(bench: Bench) -> None:
    job = bench.ended(bench.put("nofolder"), bench.worker())
    assert job.status == "failed"
    assert job.message.startswith("A file or the folder of the job is not there any more")
    assert artifacts.log_piece(bench.folder(job.id), -1).gone == "This job has no folder (yet)."
    assert artifacts.listing(bench.folder(job.id)) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(bench: Bench) -> None:
    job_id = bench.put("fine")
    folder = bench.folder(job_id)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    job = bench.ended(job_id, bench.worker())
    assert (job.status, job.message[:30]) == ("failed", "The job could not be started i")
    folder.unlink()
    actions.resume(bench.context, job_id)
    assert bench.ended(job_id, bench.worker()).status == "done"


def test_a_folder_that_is_read_only_is_a_sentence(bench: Bench) -> None:
    job_id = bench.put("fine")
    folder = bench.folder(job_id)
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to("/sys/kernel")  # nobody, root included, may write there
    job = bench.ended(job_id, bench.worker())
    assert (job.status, job.message[:28]) == ("failed", "The job could not be started")
    assert artifacts.listing(folder) == [], "a link in the place of the folder is not followed"
    with pytest.raises(Refused, match="There is no file"):
        artifacts.open_file(folder, "notes")


def test_a_deleted_log_ends_nothing(bench: Bench) -> None:
    job = bench.ended(bench.put("nolog"), bench.worker())
    assert job.status == "done"
    assert artifacts.log_piece(bench.folder(job.id), 0).gone.startswith("The log is not there")


@pytest.mark.parametrize(("what", "status"), [("fine", "done"), ("full", "failed"), ("exit", "failed")])
def test_a_log_that_takes_nothing_keeps_no_end_from_the_row(bench: Bench, what: str, status: str) -> None:
    job_id = bench.put(what)
    assert jobs.claim(bench.context.database, str(myself()), jobs.Place("light", "", 2), bench.context.now())
    command = odd_command(bench.context.settings.data, job_id, 1, "")
    with Path("/dev/full").open("wb") as full:  # every write says that the disk is full
        environment = os.environ | dict(command.environment)
        subprocess.run(command.arguments, env=environment, cwd=command.folder, stdout=full, stderr=full, check=False)
    assert bench.job(job_id).status == status


def test_a_result_that_is_too_long_is_a_file(bench: Bench) -> None:
    job = bench.ended(bench.put("long"), bench.worker())
    assert (job.status, job.result) == ("done", {"file": "result.json"})
    assert len(json.loads((bench.folder(job.id) / "result.json").read_text())["text"]) == 200_000


def test_a_job_that_dies_again_and_again_fails_with_a_sentence(bench: Bench) -> None:
    job = bench.ended(bench.put("abort"), bench.worker())
    assert (job.status, job.attempt, job.restarts) == ("failed", 4, 3)
    assert job.message.startswith("The process ended without a word (signal 6)")
    assert "Fatal Python error: Aborted" in artifacts.log_piece(bench.folder(job.id), -1).text


def test_a_kind_that_cannot_go_on_fails_at_once(bench: Bench) -> None:
    job_id = actions.enqueue(bench.context, DoctorSpec())
    worker = Worker(bench.context, command=lambda *_: odd_command(bench.context.settings.data, 99, 1, ""))
    job = bench.ended(job_id, worker)
    assert (job.status, job.attempt) == ("failed", 1)
    assert "exit status 2" in job.message
    with pytest.raises(Refused, match="starts from the beginning: retry it"):
        actions.resume(bench.context, job_id)


def test_cancel_gently(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 1000 0.05")
    after = bench.put("fine", job_id)
    pid = bench.pid(job_id, worker)
    assert "is asked to end" in actions.cancel(bench.context, job_id)
    job = bench.ended(job_id, worker)
    assert (job.status, job.message) == ("cancelled", "Cancelled; it ended by itself at its next safe point.")
    assert job.result is not None
    assert job.result["stopped_at"] < 1000
    bench.until(lambda: gone(pid), worker)
    assert bench.job(after).status == "cancelled"
    with pytest.raises(Refused, match="has ended already: cancelled"):
        actions.cancel(bench.context, job_id)
    assert "attempt 2 goes on in jobs/" in actions.resume(bench.context, job_id)
    bench.until(lambda: bench.job(job_id).attempt == 2, worker)
    actions.cancel(bench.context, job_id)
    assert bench.ended(job_id, worker).status == "cancelled"


@pytest.mark.parametrize("what", ["stubborn", "leaves"])
def test_no_process_of_a_job_is_left(bench: Bench, what: str) -> None:
    worker = bench.worker()
    job_id = bench.put(what)
    pid = bench.pid(job_id, worker)
    other = int(bench.until(lambda: bench.lines(job_id, "other.txt"), worker)[0])
    if what == "stubborn":
        assert {
            one.pid
            for one in members(named(bench.job(job_id).handle) or myself(), Attempt(bench.folder(job_id), 1).mark)
        } == {
            pid,
            other,
        }
        actions.cancel(bench.context, job_id)
        job = bench.ended(job_id, worker)
        assert job.message == "Cancelled by force: it did not end by itself in 1 seconds. No process of it is left."
    else:
        assert bench.ended(job_id, worker).status == "done"
    bench.until(worker.idle, worker)
    assert gone(pid)
    assert gone(other), "a process that left the group is found by its mark"


def test_a_signal_from_outside_is_no_cancel(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 20 0.05")
    os.kill(bench.pid(job_id, worker), signal.SIGTERM)  # as a machine does that shuts down
    bench.until(lambda: bench.job(job_id).attempt == 2, worker)
    assert bench.ended(job_id, worker).status == "done"


def test_a_busy_database_fails_no_job(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 15 0.1")
    bench.pid(job_id, worker)
    with bench.context.database.write():
        time.sleep(2.5)
    job = bench.ended(job_id, worker)
    assert (job.status, job.attempt) == ("done", 1)
    assert len(jobs.metrics(bench.context.database, job_id)["loss"]) == 15, "what was said meanwhile is told later"
