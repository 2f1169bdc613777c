"""Workers and their jobs as real processes: kills of each of them, adoption, cancelling, disks and folders that go wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import artifacts
from app.actions import jobs as actions
from app.actions.import_data import Labels, import_files
from app.context import Context, open_context
from app.errors import Refused
from app.executor import Attempt, Command, LocalExecutor
from app.gpu import devices
from app.keeper import start_worker, work, worker_lock, worker_runs
from app.processes import Process, alive, members, myself, named, process
from app.settings import Settings
from app.worker import Worker
from core.specs import DoctorSpec, ExportSpec
from db import jobs
from db.jobs import Job
from tests.app.odd_job import odd_command

TOP = Path(__file__).parents[2]


class Bench:
    """A context whose jobs misbehave as their format says."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.started: list[subprocess.Popen[bytes]] = []

    def put(self, what: str, after: int | None = None) -> int:
        return actions.enqueue(self.context, ExportSpec(set=1, format=what), after)

    def job(self, job_id: int) -> Job:
        return actions.one(self.context, job_id)

    def folder(self, job_id: int) -> Path:
        return self.context.settings.data.resolve() / self.job(job_id).folder

    def lines(self, job_id: int, name: str = "ran.txt") -> list[str]:
        file = self.folder(job_id) / name
        return file.read_text().split() if file.exists() else []

    def worker(self) -> Worker:
        return Worker(self.context, command=odd_command)

    def process(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        environment = os.environ | {
            "SUBTEXT_DATA": str(self.context.settings.data),
            "SUBTEXT_STARTER_SET": "0",
            "SUBTEXT_JOB_GRACE": "1",
        }
        command = [sys.executable, "-m", "tests.app.odd_job", "worker", *arguments]
        made = subprocess.Popen(command, env=environment, cwd=TOP, start_new_session=True)
        self.started.append(made)
        return made

    def until(self, what: Callable[[], Any], worker: Worker | None = None) -> Any:
        """Wait for something to be so; with a worker, by letting it take its turns."""
        end = time.monotonic() + 40
        while not (found := what()):
            assert time.monotonic() < end, [job._asdict() for job in jobs.page(self.context.database)]
            if worker:
                worker.turn()
            time.sleep(0.02)
        return found

    def ended(self, job_id: int, worker: Worker | None = None) -> Job:
        self.until(lambda: self.job(job_id).status in ("done", "failed", "cancelled"), worker)
        return self.job(job_id)

    def pid(self, job_id: int, worker: Worker | None = None) -> int:
        """The process of a job that has really begun."""
        self.until(lambda: self.lines(job_id), worker)
        return int(self.job(job_id).handle.split(":")[0])


@pytest.fixture
def bench(context: Context) -> Iterator[Bench]:
    settings = Settings(data=context.settings.data, starter_set=False, job_grace=1, devices="cpu")
    made = Bench(open_context(settings))
    yield made
    for one in made.started:
        one.kill()
        one.wait()
    for job in jobs.living(made.context.database):
        LocalExecutor().stop(job.handle, Attempt(made.context.settings.data.resolve() / job.folder, job.attempt))
    made.context.database.close()


def gone(pid: int) -> bool:
    one = process(pid)
    return one is None or not alive(one)


def test_a_job_from_start_to_end(bench: Bench) -> None:
    worker = bench.worker()
    job = bench.ended(bench.put("steps 3 0"), worker)
    assert (job.status, job.message, job.result) == ("done", "All steps.", {"first": 0, "steps": 3})
    assert (job.progress_done, job.progress_total, job.attempt) == (3, 3, 1)
    assert jobs.metrics(bench.context.database, job.id) == {
        "loss": [(0, 1.0), (1, 0.5), (2, 1 / 3)],
        "reward": [(0, 0.0), (1, None), (2, 0.2)],
    }
    assert (bench.folder(job.id) / "log.txt").read_text().startswith("step 0\nstep 1\nstep 2\ndone: All steps.")
    told = json.loads((bench.folder(job.id) / "job.json").read_text())
    assert (told["spec"], told["status"], told["attempt"]) == (job.spec, "done", 1)
    assert told["versions"]["pydantic"]
    assert told["command"] == odd_command(bench.context.settings.data, job.id, 1, "").line().replace(
        "tests.app.odd_job", "app.run"
    )
    bench.until(worker.idle, worker)


def test_the_products_own_kinds(bench: Bench, write: Any) -> None:
    import_files(bench.context, [write("notes.json", ["A keeper of bees.", "A baker."])], Labels("Notes"))
    worker = Worker(bench.context)
    exported = bench.ended(bench.put("subtext"), worker)
    assert exported.status == "done", exported
    assert exported.result is not None
    file = bench.folder(exported.id) / exported.result["file"]
    assert len(file.read_text().splitlines()) == 2
    assert file.stat().st_size == exported.result["bytes"]
    told = json.loads((bench.folder(exported.id) / "job.json").read_text())
    assert list(told["inputs"]) == ["notes.json"]
    checked = bench.ended(actions.enqueue(bench.context, DoctorSpec()), worker)
    assert checked.status == "done"
    assert checked.result is not None
    assert checked.result["ok"], checked.result
    assert {"database", "originals"} <= {finding["name"] for finding in checked.result["findings"]}
    refused = bench.ended(bench.put("pdf"), worker)
    assert (refused.status, refused.message[:26]) == ("failed", "There is no format 'pdf'. ")


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


def test_a_result_that_is_too_long_is_a_file(bench: Bench) -> None:
    job = bench.ended(bench.put("long"), bench.worker())
    assert (job.status, job.result) == ("done", {"file": "result.json"})
    assert len(json.loads((bench.folder(job.id) / "result.json").read_text())["text"]) == 200_000


def test_two_workers_run_no_job_twice(bench: Bench) -> None:
    wanted = [bench.put("fine") for _ in range(12)]
    bench.process()
    bench.process("--also")
    for job_id in wanted:
        assert bench.ended(job_id).status == "done"
        assert len(bench.lines(job_id)) == 1
    workers = Counter(job.worker for job in jobs.page(bench.context.database))
    assert sum(workers.values()) == 12
    assert worker_runs(bench.context)


def test_a_second_worker_is_refused_unless_it_is_wanted(bench: Bench) -> None:
    assert not worker_runs(bench.context)
    lock = worker_lock(bench.context.settings.data)
    assert lock.take()
    assert start_worker(bench.context) is None
    with pytest.raises(Refused, match="has a worker already"):
        work(bench.context, bench.worker())
    lock.release()
    assert not worker_runs(bench.context)


def test_kill_the_worker_and_the_next_one_adopts_its_job(bench: Bench) -> None:
    first = bench.process()
    job_id = bench.put("steps 30 0.1")
    pid = bench.pid(job_id)
    first.kill()
    first.wait()
    assert not gone(pid), "a job outlives its worker"
    bench.process()
    before = bench.job(job_id).worker
    bench.until(lambda: bench.job(job_id).worker != before)
    assert bench.ended(job_id).status == "done"
    assert (bench.job(job_id).attempt, len(bench.lines(job_id))) == (1, 1)


def test_a_job_that_ends_while_no_worker_lives_keeps_its_end(bench: Bench) -> None:
    first = bench.process()
    job_id = bench.put("steps 3 0.1")
    bench.pid(job_id)
    first.kill()
    first.wait()
    assert bench.ended(job_id).status == "done"
    worker = bench.worker()
    worker.turn()
    assert bench.job(job_id).status == "done"


def test_kill_a_job_and_it_goes_on_in_its_folder(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 12 0.1")
    pid = bench.pid(job_id, worker)
    bench.until(lambda: "3" in bench.lines(job_id, "kept.txt"), worker)
    os.kill(pid, signal.SIGKILL)
    bench.until(lambda: bench.job(job_id).attempt == 2, worker)
    job = bench.ended(job_id, worker)
    assert (job.status, job.restarts, len(bench.lines(job_id))) == ("done", 1, 2)
    assert job.result is not None
    assert job.result["first"] >= 3, "the second attempt goes on where the first one was"


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


def test_kill_worker_and_job_at_once(bench: Bench) -> None:
    first = bench.process()
    job_id = bench.put("steps 20 0.05")
    pid = bench.pid(job_id)
    first.kill()
    os.kill(pid, signal.SIGKILL)
    first.wait()
    assert bench.job(job_id).status == "running", "nobody has told the row yet"
    job = bench.ended(job_id, bench.worker())
    assert (job.status, job.attempt) == ("done", 2)


def test_a_reused_pid_is_not_taken_for_the_job(bench: Bench) -> None:
    job_id = bench.put("fine")
    job = jobs.claim(bench.context.database, "1:1:gone", jobs.Place("light", "", 2), bench.context.now())
    assert job is not None
    me = myself()
    other = Process(me.pid, me.ticks - 5, me.boot)  # our own number, but a process that started earlier
    jobs.begin(bench.context.database, job_id, 1, str(other))
    worker = bench.worker()
    ended = bench.ended(job_id, worker)
    assert (ended.status, ended.attempt) == ("done", 2)
    assert not gone(os.getpid()), "the process that has the number now was left alone"


def test_a_job_of_before_the_machine_restarted_is_run_again(bench: Bench) -> None:
    job_id = bench.put("fine")
    jobs.claim(bench.context.database, "1:1:gone", jobs.Place("light", "", 2), bench.context.now())
    jobs.begin(bench.context.database, job_id, 1, str(myself()._replace(boot="an-earlier-boot")))
    assert bench.ended(job_id, bench.worker()).attempt == 2


def test_a_claim_whose_worker_died_before_the_start_is_run_again(bench: Bench) -> None:
    clock = [0.0]
    job_id = bench.put("fine")
    jobs.claim(bench.context.database, "1:1:gone", jobs.Place("light", "", 2), bench.context.now())
    worker = Worker(bench.context, command=odd_command, clock=lambda: clock[0])
    worker.turn()
    assert bench.job(job_id).status == "running", "its process may just be starting"
    clock[0] = 100.0
    job = bench.ended(job_id, worker)
    assert (job.status, job.attempt) == ("done", 2)


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


def test_a_job_does_not_run_twice_by_hand(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 20 0.05")
    bench.pid(job_id, worker)
    command = odd_command(bench.context.settings.data, job_id, 1, "")
    again = subprocess.run(
        command.arguments,
        env=os.environ | dict(command.environment),
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, "is not to be run" in again.stderr) == (2, True)
    assert bench.ended(job_id, worker).status == "done"
    assert len(bench.lines(job_id)) == 1


def test_a_busy_database_fails_no_job(bench: Bench) -> None:
    worker = bench.worker()
    job_id = bench.put("steps 15 0.1")
    bench.pid(job_id, worker)
    with bench.context.database.write():
        time.sleep(2.5)
    job = bench.ended(job_id, worker)
    assert (job.status, job.attempt) == ("done", 1)
    assert len(jobs.metrics(bench.context.database, job_id)["loss"]) == 15, "what was said meanwhile is told later"


def test_a_worker_that_was_started_leaves_when_nothing_is_to_be_done(bench: Bench) -> None:
    started = start_worker(bench.context)
    assert started is not None
    assert started.wait(30) == 0
    assert not worker_runs(bench.context)
    assert (bench.context.settings.data / "worker.log").exists()


def test_devices() -> None:
    assert devices("0, 1,1", {}) == ("0", "1")
    assert devices("cpu", {}) == ("cpu",)
    if shutil.which("nvidia-smi") is None:
        assert devices("auto", {"CUDA_VISIBLE_DEVICES": "3"}) == ("cpu",)
    with pytest.raises(Refused, match="SUBTEXT_DEVICES is 'auto'"):
        devices("gpu0", {})


def test_the_worker_and_the_job_leave_heavy_packages_out() -> None:
    heavy = ("torch", "transformers", "gradio", "fastapi", "alembic", "pyarrow")
    for module, kept in (("app.run", ()), ("app.worker", ()), ("app.keeper", ())):
        code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
        assert done.stdout.strip() == str(list(kept)), module
