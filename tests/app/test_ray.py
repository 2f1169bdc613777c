"""Jobs on a real Ray head: started, followed, cancelled, killed, adopted; a head that is gone. Run by `make test` after `make ray`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.actions import jobs as actions
from app.context import Context, open_context
from app.executor import Attempt, Command, LocalExecutor
from app.processes import Process, boot, members, named
from app.ray_executor import KIND, ByHandle, RayExecutor, RayJobs, State, Unreachable
from app.settings import Settings
from app.worker import Worker, executor_of
from core.specs import DoctorSpec
from db import jobs
from tests.app.odd_bench import Bench, gone
from tests.app.odd_job import odd_command
from tests.app.ray_head import Head, free_port

pytestmark = pytest.mark.skipif(
    not find_spec("ray"), reason="no Ray in this environment: make ray, and make test runs them there"
)
TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with Head() as made:
        yield made
    assert made.processes() == []


class Cluster(Bench):
    """A bench whose workers give their jobs to a Ray head."""

    def worker(self) -> Worker:
        return Worker(self.context, command=odd_command)

    def truth(self, job_id: int) -> State | None:
        """What Ray itself says of the newest attempt."""
        handle = self.job(job_id).handle
        return RayJobs(self.context.settings.ray_address).state(handle.removeprefix(KIND))

    def process_of(self, job_id: int, worker: Worker) -> int:
        return int(self.until(lambda: self.lines(job_id), worker)[-1])


@pytest.fixture
def cluster(context: Context, head: Head, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in {**head.secrets, "SUBTEXT_RAY_ADDRESS": head.address}.items():
        monkeypatch.setenv(name, value)
    where = Settings(data=context.settings.data, starter_set=False, job_grace=2, devices="0", ray_address=head.address)
    made = Cluster(open_context(where))
    yield made
    for one in made.started:
        one.kill()
        one.wait()
    for job in jobs.living(made.context.database):
        executor_of(where).stop(job.handle, Attempt(where.data.resolve() / job.folder, job.attempt))
    made.context.database.close()


def test_a_job_from_start_to_end(cluster: Cluster) -> None:
    worker = cluster.worker()
    job_id = cluster.put("steps 4 0.4")
    cluster.until(lambda: cluster.job(job_id).handle, worker)
    handle = cluster.job(job_id).handle
    assert handle.startswith(f"ray:subtext-{job_id}-1-")
    shown = actions.view(cluster.context, cluster.job(job_id))
    assert (shown["pid"], shown["cluster"]) == (None, handle.removeprefix(KIND))
    log = cluster.folder(job_id) / "log.txt"
    cluster.until(lambda: log.exists() and "step 1\n" in log.read_text(), worker)
    assert cluster.job(job_id).status == "running", "the log comes while the job runs"
    job = cluster.ended(job_id, worker)
    assert (job.status, job.message, job.result) == ("done", "All steps.", {"first": 0, "steps": 4})
    assert (job.progress_done, job.attempt, job.handle) == (4, 1, handle)
    cluster.until(worker.idle, worker)
    assert [line for line in log.read_text().splitlines() if line.startswith("step")] == [
        f"step {step}" for step in range(4)
    ]
    assert log.read_text().rstrip().endswith("done: All steps.")
    assert jobs.metrics(cluster.context.database, job_id)["loss"][0] == (0, 1.0)
    assert cluster.truth(job_id) == State("SUCCEEDED", 0, "Job finished successfully.")
    told = json.loads((cluster.folder(job_id) / "job.json").read_text())
    assert told["status"] == "done"


def test_the_products_own_kinds_and_no_secret_in_ray(
    cluster: Cluster, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-a-person")
    monkeypatch.setenv("SUBTEXT_ADMIN_PASSWORD", "a-long-password")
    worker = Worker(cluster.context)
    checked = cluster.ended(actions.enqueue(cluster.context, DoctorSpec()), worker)
    assert (checked.status, checked.message[:6]) != ("failed", ""), checked
    assert checked.status == "done", checked
    shown = str(RayJobs(head.address)._client().list_jobs())
    assert checked.handle.removeprefix(KIND) in shown and "SUBTEXT_DATA" in shown
    assert "sk-a-key" not in shown and "a-long-password" not in shown and head.token not in shown


def test_a_cancelled_job_ends_by_itself(cluster: Cluster) -> None:
    worker = cluster.worker()
    job_id = cluster.put("steps 300 0.1")
    pid = cluster.process_of(job_id, worker)
    actions.cancel(cluster.context, job_id)
    job = cluster.ended(job_id, worker)
    assert (job.status, job.message[:26]) == ("cancelled", "Cancelled; it ended by its")
    cluster.until(worker.idle, worker)
    assert gone(pid)


def test_a_stubborn_job_and_its_processes_are_ended(cluster: Cluster) -> None:
    worker = cluster.worker()
    job_id = cluster.put("stubborn")
    pid = cluster.process_of(job_id, worker)
    other = int(cluster.until(lambda: cluster.lines(job_id, "other.txt"), worker)[0])
    actions.cancel(cluster.context, job_id)
    job = cluster.ended(job_id, worker)
    assert (job.status, "by force" in job.message, "No process of it is left" in job.message) == (
        "cancelled",
        True,
        True,
    )
    assert gone(pid) and gone(other)
    cluster.until(lambda: (cluster.truth(job_id) or State("", 0, "")).status in ("STOPPED", "FAILED"), worker)


def test_a_killed_job_is_told_and_goes_on(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    worker = cluster.worker()
    job_id = cluster.put("steps 40 0.05")
    pid = cluster.process_of(job_id, worker)
    cluster.until(lambda: "3" in cluster.lines(job_id, "kept.txt"), worker)
    os.kill(pid, signal.SIGKILL)
    cluster.until(lambda: cluster.job(job_id).restarts == 1, worker)
    assert f"Job {job_id} vanished (signal 9) and is queued again." in capsys.readouterr().out
    job = cluster.ended(job_id, worker)
    assert (job.status, job.attempt) == ("done", 2)
    cluster.until(worker.idle, worker)
    steps = [line for line in (cluster.folder(job_id) / "log.txt").read_text().splitlines() if line[:4] == "step"]
    assert steps[-1] == "step 39" and len(steps) <= 41, "the killed step alone is there twice"


def test_a_worker_that_died_leaves_its_jobs_to_the_next(cluster: Cluster) -> None:
    first = cluster.process()
    job_id = cluster.put("steps 60 0.1")
    cluster.until(lambda: cluster.lines(job_id))
    first.kill()
    first.wait()
    worker = cluster.worker()
    worker.turn()
    assert cluster.job(job_id).worker == worker.name
    job = cluster.ended(job_id, worker)
    assert (job.status, job.attempt, len(cluster.lines(job_id))) == ("done", 1, 1)
    cluster.until(worker.idle, worker)
    log = (cluster.folder(job_id) / "log.txt").read_text()
    assert log.count("step 0\n") == log.count("step 59\n") == 1


def test_each_job_stays_where_its_handle_says(cluster: Cluster) -> None:
    local = Worker(cluster.context, executor=LocalExecutor(), command=odd_command)
    here = cluster.put("steps 60 0.1")
    cluster.process_of(here, local)
    local.name = "1:1:gone"
    with cluster.context.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET worker = '1:1:gone'")
    worker = cluster.worker()
    there = cluster.put("steps 60 0.1")
    cluster.process_of(there, worker)
    assert named(cluster.job(here).handle) and cluster.job(there).handle.startswith(KIND)
    assert {cluster.job(here).worker, cluster.job(there).worker} == {worker.name}
    for job_id in (here, there):
        actions.cancel(cluster.context, job_id)
    assert {cluster.ended(job_id, worker).status for job_id in (here, there)} == {"cancelled"}
    cluster.until(worker.idle, worker)


def test_ray_chooses_the_gpu_of_a_gpu_job(cluster: Cluster, tmp_path: Path) -> None:
    executor = executor_of(cluster.context.settings)
    code = "import os; print('devices', os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ['_SUBTEXT_JOB'])"
    said: dict[str, str] = {}
    for number, device in enumerate(("7", "")):
        attempt = Attempt(tmp_path / str(number), 1)
        command = Command((sys.executable, "-c", code), {"CUDA_VISIBLE_DEVICES": device}, TOP)
        handle = executor.start(command, attempt)
        cluster.until(lambda handle=handle: not executor.alive(handle))
        executor.stop(handle, attempt)
        said[device] = (attempt.folder / "log.txt").read_text()
        assert f"devices {'0' if device else ''} {attempt.mark}\n" in said[device]
        assert executor.ended(handle) == ""


def test_ray_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, app.worker, app.run; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "False"


def test_a_node_that_is_another_machine_is_refused(cluster: Cluster) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.run", "--job", "1", "--attempt", "1", "--machine", "another"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "This node is another machine" in done.stderr) == (2, True)


def test_a_head_that_is_killed_is_a_sentence(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Head() as mortal:
        for name, value in mortal.secrets.items():
            monkeypatch.setenv(name, value)
        settings = Settings(data=context.settings.data, job_grace=1, devices="cpu", ray_address=mortal.address)
        bench = Cluster(open_context(settings))
        ray = RayExecutor(RayJobs(mortal.address), 1, patience=3)
        worker = Worker(bench.context, ByHandle(LocalExecutor(), ray), odd_command)
        job_id = bench.put("steps 3000 0.1")
        bench.process_of(job_id, worker)
        attempt = Attempt(bench.folder(job_id), 1)
        mortal.kill()
        bench.until(lambda: bench.job(job_id).restarts == 1, worker)
        said = capsys.readouterr().out
        assert f"vanished (the Ray head at {mortal.address} does not answer" in said and "waited 3 seconds" in said
        assert members(Process(0, 0, boot()), attempt.mark) == [], "what ran here was ended before it goes on"
        job = bench.ended(job_id, worker)
        assert job.status == "failed"
        assert (
            f"could not be started in {attempt.folder}: the Ray head at {mortal.address} does not answer" in job.message
        )
        bench.context.database.close()


def test_a_head_that_forgot_a_job(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = cluster.put("fine")
    jobs.claim(cluster.context.database, "1:1:gone", jobs.Place("light", "", 2), cluster.context.now())
    jobs.begin(cluster.context.database, job_id, 1, "ray:subtext-of-an-earlier-head")
    worker = cluster.worker()
    cluster.until(lambda: cluster.job(job_id).restarts == 1, worker)
    assert "vanished (the Ray cluster does not know it any more)" in capsys.readouterr().out
    assert cluster.ended(job_id, worker).status == "done"


def test_a_wrong_token_and_another_address_are_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    address = cluster.context.settings.ray_address
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match="RAY_API_SERVER_ADDRESS is set and would send jobs elsewhere"):
        RayJobs(address).state("any")
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    with pytest.raises(Unreachable, match="does not answer"):
        RayJobs(f"http://127.0.0.1:{free_port()}").state("any")
