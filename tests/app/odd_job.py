"""Jobs that misbehave, for tests only: the format of an export says what happens instead. `python -m tests.app.odd_job --job ...`

`python -m tests.app.odd_job worker [--also]` is a worker that starts these jobs on the folder of SUBTEXT_DATA.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from app.actions.prepare import prepare
from app.context import Context, open_context
from app.errors import Refused
from app.executor import job_command
from app.keeper import work
from app.run import main as run_main
from app.settings import read_settings
from app.worker import Worker
from core.jobs import Reporter
from core.specs import ExportSpec, Spec

odd_command = partial(job_command, module="tests.app.odd_job")


def act(_context: Context, spec: Spec, folder: Path, reporter: Reporter) -> Mapping[str, Any]:
    """What the words say."""
    assert isinstance(spec, ExportSpec)
    words = spec.format.split()
    with (folder / "ran.txt").open("a") as ran:
        ran.write(f"{os.getpid()}\n")
    match words:
        case ["steps", count, gap]:
            return _steps(folder, reporter, int(count), float(gap))
        case ["stubborn" | "leaves"]:
            return _others(folder, words == ["stubborn"])
        case ["nofolder"]:
            shutil.rmtree(folder)
            (folder / "out.txt").write_text("lost")
        case ["nolog"]:
            (folder / "log.txt").unlink()
            print("nobody reads this", flush=True)
        case ["nojson"]:
            return {"value": object()}
        case ["strange"]:
            reporter.progress(float("nan"), float("inf"), "half a pair \ud800 and \x1b[31m")
            reporter.metric(1 << 70, "many\udcff", "no number")  # type: ignore[arg-type]
            reporter.input("name\udcff", "0" * 64)
            return {"nan": float("nan"), "in": [float("inf"), 1.5], "text": "\ud800", "keys": {1: 2}}
        case ["long"]:
            return {"text": "x" * 200_000}
        case ["lines", count]:
            print("\n".join(f"line {index} of the log, with an ä" for index in range(int(count))))
        case _:
            _end(spec.format)
    return {"format": spec.format}


def _end(how: str) -> None:
    match how:
        case "crash":
            print(f"about to divide {1 / (len(how) - 5)}")
        case "refuse":
            raise Refused("There is nothing to do here. Choose another set.")
        case "full":
            raise OSError(errno.ENOSPC, "No space left on device", "weights.bin")
        case "exit":
            sys.exit(7)
        case "abort":
            os.abort()
        case _:
            pass


def _others(folder: Path, stubborn: bool) -> dict[str, Any]:
    """Starts a process in a session of its own, and leaves it behind or ignores every wish to end."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "other.txt").write_text(str(other.pid))
    while stubborn:
        time.sleep(0.1)
    return {}


def _steps(folder: Path, reporter: Reporter, count: int, gap: float) -> dict[str, Any]:
    """Steps that are kept in a file, so that a later attempt goes on where this one ended."""
    kept = folder / "kept.txt"
    first = int(kept.read_text()) if kept.exists() else 0
    for step in range(first, count):
        reporter.progress(step, count, f"Step {step} of {count}.")
        reporter.metric(step, "loss", 1 / (1 + step))
        reporter.metric(step, "reward", float("nan") if step == 1 else step / 10)
        print(f"step {step}", flush=True)
        if reporter.cancelled():
            return {"stopped_at": step}
        time.sleep(gap)
        kept.write_text(str(step + 1))
    reporter.progress(count, count, "All steps.")
    return {"first": first, "steps": count}


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        made = open_context(read_settings(os.environ))
        prepare(made)
        work(made, Worker(made, command=odd_command), also="--also" in sys.argv)
    else:
        sys.exit(run_main(sys.argv[1:], act))
