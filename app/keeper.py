"""Sees to it that a data folder has its worker: who holds which lock file, starting a worker, working until it may leave.

`worker.lock` is held by the worker, `server.lock` by every web server (shared). A worker that a server or a command started
leaves when no server runs and nothing is to be done; nothing here ends a job.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from app.context import Context
from app.errors import Refused
from app.executor import TOP
from app.locks import Lock
from app.worker import TURN, Worker

LOG = "worker.log"
_LOG_LIMIT = 1 << 20
_LOOK = 2.0
"""Seconds between two looks whether the worker still runs, or whether it may leave."""


def worker_lock(data: Path) -> Lock:
    """The lock that a folder's worker holds."""
    return Lock(data / "worker.lock")


def server_lock(data: Path) -> Lock:
    """The lock that web servers of a folder share."""
    return Lock(data / "server.lock")


def worker_runs(context: Context) -> bool:
    """True when the data folder has its worker."""
    return not worker_lock(context.settings.data).free()


def start_worker(context: Context) -> subprocess.Popen[bytes] | None:
    """Start a worker in a session of its own when there is none; it leaves by itself. None when there is one."""
    if worker_runs(context):
        return None
    data = context.settings.data.resolve()
    log = data / LOG
    fresh = log.exists() and log.stat().st_size > _LOG_LIMIT
    with log.open("wb" if fresh else "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker", "--leave"],
            cwd=TOP,
            env=os.environ | {"SUBTEXT_DATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@contextmanager
def attended(context: Context) -> Generator[None]:
    """While a web server runs: a worker is started, and started again should it die."""
    over, lock = threading.Event(), server_lock(context.settings.data)
    lock.take(shared=True, wait=True)
    thread = threading.Thread(target=_keep, args=(context, over), name="keeper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)
        lock.release()


def _keep(context: Context, over: threading.Event) -> None:
    started: subprocess.Popen[bytes] | None = None
    while True:
        if started is None or started.poll() is not None:
            try:
                started = start_worker(context)
            except OSError:
                started = None  # the disk is full or the folder is away: tried again
        if over.wait(_LOOK):
            return


def work(context: Context, worker: Worker, leave: bool = False, also: bool = False) -> None:
    """Work until a signal, or with `leave` until there is nothing to do and no server. Jobs go on in either case.

    Raises Refused when the folder has a worker, unless `also` is set.
    """
    lock = worker_lock(context.settings.data)
    alone = lock.take() or (not also and any(lock.take() or time.sleep(0.1) for _ in range(10)))
    if not alone and not also:
        raise Refused(f"The folder {context.settings.data} has a worker already. Use --also for a second one.")
    over, looked = threading.Event(), time.monotonic()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with lock:
        while not over.wait(TURN):
            worker.turn()
            if leave and time.monotonic() - looked > _LOOK:
                looked = time.monotonic()
                if worker.idle() and _last(context, lock) and (worker.idle() or not lock.take()):
                    return


def _last(context: Context, lock: Lock) -> bool:
    """Let go of the worker's lock when no server runs, without a moment in which a new server could count on this worker.

    A job that a command put in just before counted on it too: look again whether there is one after this.
    """
    with server_lock(context.settings.data) as servers:
        if not servers.take():
            return False
        lock.release()
        return True
