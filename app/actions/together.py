"""Train in several processes of this machine: write what they are told, start them, pass on what they say, end them.

The job's own process stays outside: it has the lock, the row and the report, and does not train. Loads no torch.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from importlib import util
from pathlib import Path
from typing import IO, Any

from app import gpu
from app.context import Context
from app.errors import Killed, Refused
from app.executor import TOP
from app.order import FOLDER, Order, Reading, write_order
from core import launching
from core.jobs import Reporter
from core.launching import CONFIG, NEEDS, Layout, Training

LOOK = 0.1
"""Seconds between two looks at the processes."""
PATIENCE = 15.0
"""Seconds that the launcher has to end its processes before it is killed itself; the job's end takes what is left."""


def layout_of(context: Context, training: Training) -> Layout:
    """How the processes of a job stand on this machine. Raises Refused where it has too few GPUs for them."""
    found = () if training.device == "cpu" else gpu.devices("auto", context.environment)
    on_gpu = bool(found) and found != (gpu.CPU,)
    if on_gpu and training.processes > len(found):
        raise Refused(
            f"{training.processes} processes need as many GPUs, and this job has {len(found)}. Take at most {len(found)} "
            "processes, or let SUBTEXT_DEVICES name more GPUs."
        )
    return Layout(training.processes, 1, training.sharding, on_gpu)


def environment_of(layout: Layout) -> dict[str, str]:
    """What the processes find in their environment beside that of whoever starts them."""
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONFAULTHANDLER": "1"}
    return quiet if layout.gpu else quiet | {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}


def threads_of(layout: Layout) -> int:
    """Threads of the CPU for each process of this machine."""
    return max(1, (os.cpu_count() or 1) // layout.processes)


def train_together(context: Context, order: Order, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Train to the end, or until the job is to stop; returns what the action of one process would have been told.

    Raises Refused with the processes' own sentence, and Killed where one of them was killed or died without a word.
    """
    layout = layout_of(context, order.training)
    if lacking := missing(layout):
        raise Refused(lacking)
    return run_layout(order, layout, folder, reporter)


def missing(layout: Layout) -> str:
    """The sentence about packages that this way of sharding needs and that are not installed; '' where nothing is missing."""
    names = [name for name in NEEDS[layout.sharding] if util.find_spec(name) is None]
    if not names:
        return ""
    return f"Sharding by {layout.sharding} needs {', '.join(names)}, which is not installed: pip install {' '.join(names)}."


def run_layout(
    order: Order, layout: Layout, folder: Path, reporter: Reporter, log: IO[bytes] | None = None
) -> dict[str, Any]:
    """As `train_together`, in a layout of one node that is handed in; what is printed goes to `log` where there is one."""
    if problem := launching.layout_problem(layout) or launching.size_problem(order.training, layout.total):
        raise Refused(problem)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    (folder / FOLDER).mkdir(parents=True)
    write_order(folder, order)
    made = launching.config(order.training, layout)
    (folder / CONFIG).write_text(launching.text(made), "utf-8")
    command = launching.command(layout, 0, sys.executable, str(folder), threads_of(layout))
    if log is None:
        sys.stderr.write(f"{shlex.join(command)}\n")
        sys.stderr.flush()
    launcher = subprocess.Popen(
        command, cwd=TOP, env=os.environ | environment_of(layout), stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )  # fmt: skip
    try:
        updates = _attend(launcher, Reading(folder), reporter)
    finally:
        _end(launcher)
    return _told(launcher.returncode, Reading(folder), reporter, updates, folder)


def _attend(launcher: subprocess.Popen[bytes], reading: Reading, reporter: Reporter) -> int:
    """Pass on what the first process says until the launcher ends; returns the updates that were made.

    A wish to end is passed on once an update was made, so that it is kept; before that there is nothing to keep.
    """
    updates, asked = 0, False
    while True:
        over = launcher.poll() is not None
        for line in reading.new():
            if "progress" in line:
                done, total, message = line["progress"]
                updates = max(updates, int(done))
                reporter.progress(done, total, message)
            else:
                reporter.metric(*line["metric"])
        if over:
            return updates
        if not asked and reporter.cancelled():
            asked = True
            reading.stop()
            if not updates:
                return updates
        time.sleep(LOOK)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """See that the launcher has ended, and with it its processes: told so, it ends them itself."""
    if launcher.poll() is None:
        launcher.terminate()
        try:
            launcher.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            launcher.kill()
            launcher.wait()


def _told(code: int, reading: Reading, reporter: Reporter, updates: int, folder: Path) -> dict[str, Any]:
    outcomes = reading.outcomes()
    if code == 0 and outcomes:
        return outcomes[0] | _counted(outcomes)
    fault = reading.fault()
    if fault is not None and fault.kind == "refused":
        raise Refused(fault.text)
    if reporter.cancelled():
        return {"whole": False, "updates": updates, "planned": 0}
    if fault is not None and fault.kind == "crashed":
        raise RuntimeError(f"A process of the training failed: {fault.text}")
    if not reading.begun():
        raise Refused(
            f"accelerate could not start the processes (exit status {code}); the log has its words, and {folder / CONFIG} is "
            "what it was told."
        )
    raise Killed(f"A process of the training ended without a word (the launcher's exit status is {code}).")


def _counted(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """The calls of all critics together; seconds are those of the slowest, as they wait at the same time."""
    counts = [one["critic"] for one in outcomes if "critic" in one]
    if not counts:
        return {}
    failures: dict[str, int] = {}
    for one in counts:
        for reason, count in one["failures"].items():
            failures[reason] = failures.get(reason, 0) + count
    summed = {name: sum(one[name] for one in counts) for name in ("calls", "tokens")}
    return {"critic": summed | {"failures": failures, "seconds": max(one["seconds"] for one in counts)}}
