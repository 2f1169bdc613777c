"""A bench for jobs that misbehave: puts them in, runs workers on them in this process or in others, waits for what comes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.actions import jobs as actions
from app.context import Context
from app.processes import alive, process
from app.worker import Worker
from core.specs import ExportSpec
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


def gone(pid: int) -> bool:
    one = process(pid)
    return one is None or not alive(one)
