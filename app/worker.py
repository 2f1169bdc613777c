"""The worker: brings rows and processes together, claims jobs, starts them, ends them. Runs no job itself.

A job is a process of its own that outlives its worker; whoever works next finds it again by its handle. Knows no kind of job.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from app import gpu
from app.context import Context
from app.executor import Attempt, Command, Executor, LocalExecutor, job_command
from app.processes import alive, myself, named
from app.ray_executor import ByHandle, RayExecutor, RayJobs
from app.settings import Settings
from core.jobs import vanished
from core.specs import KINDS, resumable
from db import jobs
from db.jobs import End, Job, Place

TURN = 0.2
"""Seconds between two rounds."""

BIRTH = 20.0
"""Seconds a claimed job has to say which process runs it, when the worker that claimed it is gone."""


class _Watched(NamedTuple):
    job: Job
    asked: float = 0.0


class Worker:
    """One worker on a data folder. Several of them at once are safe."""

    def __init__(
        self,
        context: Context,
        executor: Executor | None = None,
        command: Callable[..., Command] = job_command,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = str(myself())
        self._context, self._command, self._clock = context, command, clock
        self._executor = executor or executor_of(context.settings)
        self._watched: dict[str, _Watched] = {}
        self._unborn: dict[tuple[int, int], float] = {}
        settings = context.settings
        self._light = Place("light", "", settings.light_jobs)
        self._devices = gpu.devices(settings.devices, os.environ)

    def turn(self) -> None:
        """One round: rows against processes, then new jobs. Trouble with the disk or the database is told and tried again."""
        try:
            self._reconcile()
            self._claim()
        except (SQLAlchemyError, OSError) as error:
            _tell(f"This round did not work, the next one may: {' '.join(str(error).split())[:300]}")
            time.sleep(1)

    def idle(self) -> bool:
        """True when nothing runs and nothing waits."""
        found = jobs.counts(self._context.database)
        return not (found["queued"] or found["running"] or found["cancelling"] or self._watched)

    def _reconcile(self) -> None:
        living = jobs.living(self._context.database)
        for job in living:
            if job.worker != self.name:
                if _lives(job.worker) or not jobs.adopt(self._context.database, job, self.name):
                    continue
                _tell(f"Job {job.id} goes on under this worker.")
            if job.handle:
                asked = self._watched[job.handle].asked if job.handle in self._watched else 0.0
                self._watched[job.handle] = _Watched(job, asked)
            else:
                self._wait_for_birth(job)
        for handle, (job, asked) in list(self._watched.items()):
            self._executor.log(handle, self._attempt(job))
            if not self._executor.alive(handle):
                self._collect(handle, job)
            elif job.status == "cancelling" or job.id not in {row.id for row in living if row.handle == handle}:
                self._end(handle, job, asked)

    def _attempt(self, job: Job) -> Attempt:
        return Attempt(self._context.settings.data.resolve() / job.folder, job.attempt)

    def _wait_for_birth(self, job: Job) -> None:
        key = (job.id, job.attempt)
        if self._clock() - self._unborn.setdefault(key, self._clock()) > BIRTH:
            del self._unborn[key]
            self._settle(job, "it did not start", "")

    def _collect(self, handle: str, job: Job) -> None:
        """A process is gone: end what it left behind, then see that its row says so too."""
        left = self._executor.stop(handle, self._attempt(job))
        how = self._executor.ended(handle)
        now = jobs.get(self._context.database, job.id)
        if now is not None and now.handle == handle:
            self._settle(now, how, left)
        del self._watched[handle]

    def _settle(self, job: Job, how: str, left: str) -> None:
        """Give a row without a process its end; changes nothing where the job has written its own."""
        if job.status not in ("running", "cancelling"):
            return
        database, now = self._context.database, self._context.now()
        restarts = KINDS[job.kind].RESTARTS if resumable(job.kind) else 0
        if job.status == "cancelling":
            end = End("cancelled", f"Cancelled; its process ended{f' ({how})' if how else ''}. {left}".strip())
            jobs.finish(database, job.id, job.attempt, end, now)
        elif job.restarts < restarts and jobs.requeue(
            database, job.id, job.attempt, f"{vanished(how, job.attempt, again=True)} {left}".strip()
        ):
            _tell(f"Job {job.id} vanished{f' ({how})' if how else ''} and is queued again.")
        else:
            end = End("failed", f"{vanished(how, job.attempt, again=False)} {left}".strip())
            jobs.finish(database, job.id, job.attempt, end, now)

    def _end(self, handle: str, job: Job, asked: float) -> None:
        """Ask a process that shall not run to end; after the grace time end all of the job's.

        It shall not run when its job is cancelled. One whose row has an end is just leaving: it is not asked, but not waited
        for longer than that either.
        """
        now, grace = self._clock(), self._context.settings.job_grace
        if not asked:
            if job.status == "cancelling":
                self._executor.ask(handle)
            self._watched[handle] = _Watched(job, now)
        elif now - asked > grace:
            left = self._executor.stop(handle, self._attempt(job))
            memory = gpu.memory(job.device)
            said = left or "No process of it is left." + (f" GPU {job.device}: {memory}." if memory else "")
            end = End("cancelled", f"Cancelled by force: it did not end by itself in {grace} seconds. {said}")
            jobs.finish(self._context.database, job.id, job.attempt, end, self._context.now())

    def _claim(self) -> None:
        for free in (self._free_light, self._free_devices):
            while (found := free()) is not None:
                place, job_id = found
                job = jobs.claim(self._context.database, self.name, place, self._context.now(), job_id)
                if job is None:
                    break
                self._start(job)

    def _free_light(self) -> tuple[Place, int] | None:
        waiting = jobs.ready(self._context.database, self._light.lane)
        return None if waiting is None else (self._light, waiting.id)

    def _free_devices(self) -> tuple[Place, int] | None:
        """As many free devices as the oldest gpu job has processes; None while there are too few, also for jobs behind it.

        So a job of many devices is not overtaken for ever. One that wants more than there are gets all, and says so itself.
        On the CPU, which is one device, any number of processes run.
        """
        waiting = jobs.ready(self._context.database, "gpu")
        if waiting is None:
            return None
        taken = jobs.taken(self._context.database, "gpu")
        free = [device for device in self._devices if device not in taken]
        wanted = min(waiting.processes, len(self._devices))
        return (Place("gpu", ",".join(free[:wanted]), 1), waiting.id) if len(free) >= wanted else None

    def _start(self, job: Job) -> None:
        database, attempt = self._context.database, self._attempt(job)
        command = self._command(self._context.settings.data, job.id, job.attempt, job.device)
        try:
            handle = self._executor.start(command, attempt)
        except OSError as error:
            why = f"The job could not be started in {attempt.folder}: {error.strerror.lower() if error.strerror else error}."
            jobs.finish(
                database, job.id, job.attempt, End("failed", f"{why} Then resume or retry."), self._context.now()
            )
            return
        self._watched[handle] = _Watched(job._replace(handle=handle))
        jobs.begin(database, job.id, job.attempt, handle)
        _tell(f"Job {job.id} ({job.kind}), attempt {job.attempt}, runs as {handle.partition(':')[0]}.")


def executor_of(settings: Settings) -> ByHandle:
    """Where jobs run: on the cluster of the settings, else here; a job that runs already stays where its handle says."""
    head = settings.ray_address.rstrip("/")
    return ByHandle(LocalExecutor(), RayExecutor(RayJobs(head), settings.job_grace) if head else None)


def _lives(worker: str) -> bool:
    one = named(worker)
    return one is not None and alive(one)


def _tell(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()
