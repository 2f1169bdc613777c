"""What the machinery of a job costs beside a bare process, and the queue's route at 10 and at 1,000 queued jobs.

An empty job is claimed, started as a process of its own and finished in the database; beside it a bare process of the same
interpreter that imports the same modules and ends. `python -m benchmarks.jobs`
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from app.actions import jobs as actions
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.executor import TOP, job_command
from app.run import main as run_main
from app.settings import Settings
from app.worker import TURN, Worker
from core.jobs import Reporter
from core.specs import DoctorSpec, Spec
from db import jobs

ROUNDS = 30


def nothing(_context: Context, _spec: Spec, _folder: Path, _reporter: Reporter) -> Mapping[str, Any]:
    """The empty job."""
    return {}


def empty_job(context: Context, worker: Worker) -> float:
    """Milliseconds from the claim to a process that is gone and collected."""
    actions.enqueue(context, DoctorSpec())
    start = time.perf_counter()
    while not worker.idle():
        worker.turn()
        time.sleep(0.001)
    return (time.perf_counter() - start) * 1000


def bare() -> float:
    """Milliseconds of a process that imports what a job imports."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import app.run"], check=True, cwd=TOP, start_new_session=True)
    return (time.perf_counter() - start) * 1000


def answer(client: Any, path: str) -> Callable[[], float]:
    """Milliseconds of one answer of a route."""

    def ask() -> float:
        start = time.perf_counter()
        assert client.get(path).status_code == 200
        return (time.perf_counter() - start) * 1000

    return ask


def routes(folder: Path) -> None:
    """Print the queue's route with few and with many jobs."""
    from starlette.testclient import TestClient

    from app.main import create_app

    clients: dict[int, Any] = {}
    for count in (10, 1000):
        context = open_context(Settings(data=folder / str(count), starter_set=False))
        prepare(context)
        for _ in range(count):
            actions.enqueue(context, DoctorSpec())
        clients[count] = TestClient(create_app(context), base_url="http://127.0.0.1:7860")
    for limit, what in ((10, "ten rows of each"), (50, "a page of each: 10 rows against 50")):
        asks = {count: answer(client, f"/api/jobs?limit={limit}") for count, client in clients.items()}
        taken: dict[int, list[float]] = {count: [] for count in asks}
        for _ in range(200):
            for count, ask in asks.items():
                taken[count].append(ask())
        few, many = (statistics.median(taken[count][20:]) for count in (10, 1000))
        print(f"list route, 10 queued {few:.2f} ms, 1,000 queued {many:.2f} ms: {many / few:.2f} x ({what})")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(Settings(data=Path(folder) / "data", starter_set=False, devices="cpu"))
        prepare(context)
        worker = Worker(context, command=partial(job_command, module="benchmarks.jobs"))
        pairs = [(empty_job(context, worker), bare()) for _ in range(ROUNDS)]
        ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
        done = jobs.counts(context.database)["done"]
        print(
            f"an empty job {ours:.0f} ms, a bare process {plain:.0f} ms: {ours / plain:.2f} x ({done} of {ROUNDS} done);",
            end=" ",
        )
        print(f"a job waits at most {TURN * 1000:.0f} ms more for the worker's next round")
        routes(Path(folder))


if __name__ == "__main__":
    sys.exit(run_main(sys.argv[1:], nothing)) if "--job" in sys.argv else main()
