"""Workers and their jobs as real processes: kills of each of them, adoption, numbers used again, two workers, start-up."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.actions import jobs as actions
from app.actions.import_data import Labels, import_files
from app.errors import Refused
from app.gpu import devices
from app.keeper import start_worker, work, worker_lock, worker_runs
from app.processes import Process, myself
from app.worker import Worker
from core.specs import DoctorSpec
from db import jobs
from tests.app.odd_bench import Bench, gone
from tests.app.odd_job import odd_command

TOP = Path(__file__).parents[2]


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
