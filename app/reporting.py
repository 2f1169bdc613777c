"""How a running job tells the database how far it is: a thread that writes at most twice a second and never fails the job."""

import math
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from app.context import Context
from core.jobs import rate, told_text
from db import jobs
from db.jobs import Metric, Report

GAP = 0.5
"""Seconds between two writes at least."""

LOOK = 1.0
"""Seconds between two looks whether the job shall end; beside the signal, which may not arrive."""

WAITING = 20_000
"""Numbers that wait for a database that is busy; beyond it the oldest are dropped."""


class DatabaseReporter:
    """The port `core.jobs.Reporter` on a job's row. A context manager: what waits is written at its end."""

    def __init__(self, context: Context, job_id: int, attempt: int) -> None:
        self._context, self._job_id, self._attempt = context, job_id, attempt
        self._lock = threading.Lock()
        self._progress: Report | None = None
        self._metrics: list[Metric] = []
        self._first: tuple[float, float] | None = None
        self._cancel, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="reporter", daemon=True)
        self.inputs: dict[str, str] = {}
        self.message = ""
        self.told = False

    def progress(self, done: float, total: float, message: str = "") -> None:
        """See the port."""
        now = time.monotonic()
        done, total = (value if math.isfinite(value) else 0.0 for value in (done, total))
        with self._lock:
            first = self._first or (done, now)
            self._first = first
            self.message = told_text(message) or self.message
            self._progress = Report(done, total, rate(done, first[0], now - first[1]), self.message)

    def metric(self, step: int, name: str, value: float) -> None:
        """See the port."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan  # shown as no number
        with self._lock:
            self._metrics.append(Metric(max(0, min(int(step), 1 << 53)), told_text(name, 100), number))
            del self._metrics[:-WAITING]

    def input(self, name: str, digest: str) -> None:
        """See the port."""
        self.inputs[told_text(name, 200)] = digest

    def cancelled(self) -> bool:
        """See the port."""
        if self._cancel.is_set():
            self.told = True
        return self.told

    def cancel(self) -> None:
        """Somebody asked the job to end. Safe inside a signal handler."""
        self._cancel.set()

    @property
    def asked_to_end(self) -> bool:
        """True once somebody asked, whether or not the action looked."""
        return self._cancel.is_set()

    def __enter__(self) -> "DatabaseReporter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _loop(self) -> None:
        looked = time.monotonic()
        while not self._over.wait(GAP):
            self._write()
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                self._look()
        self._write()

    def _write(self) -> None:
        with self._lock:
            progress, metrics = self._progress, self._metrics
            self._progress, self._metrics = None, []
        if progress is None and not metrics:
            return
        try:
            jobs.report(self._context.database, self._job_id, self._attempt, progress, metrics, self._context.now())
        except SQLAlchemyError:  # busy or full: told later, or never; the job goes on
            with self._lock:
                self._progress = self._progress or progress
                self._metrics = [*metrics, *self._metrics][-WAITING:]

    def _look(self) -> None:
        try:
            job = jobs.get(self._context.database, self._job_id)
        except SQLAlchemyError:
            return
        if job is None or job.attempt != self._attempt or job.status != "running":
            self.cancel()
