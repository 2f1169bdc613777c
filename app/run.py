"""The process of one job: loads the spec, runs its action, writes down how it ended. One of the two places that catch everything.

Started by a worker as `python -m app.run --job ID --attempt N`. Knows which action belongs to which kind; the actions are
imported late, so that a job loads only what its own kind needs.
"""

import argparse
import contextlib
import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, assert_never

from sqlalchemy.exc import SQLAlchemyError

from app import record
from app.context import Context, open_context
from app.errors import Killed, Refused
from app.executor import job_command
from app.locks import Lock
from app.processes import boot, myself
from app.reporting import DatabaseReporter
from app.settings import read_settings
from core.attention_spec import AttentionSpec
from core.evaluation.spec import EvaluateSpec
from core.jobs import Reporter, plain, told_text
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.simulation.spec import SimulateSpec
from core.specs import BuildSpec, CriticSpec, DoctorSpec, ExportSpec, Spec, read_spec
from db import jobs
from db.jobs import End, Job

Act = Callable[[Context, Spec, Path, Reporter], Mapping[str, Any]]
RESULT_LIMIT = 20_000
"""Characters of a result that are kept in the row; a longer one is a file in the job's folder."""


def act(context: Context, spec: Spec, folder: Path, reporter: Reporter) -> Mapping[str, Any]:
    """Run the action of a spec; its result is JSON. An action that was told to stop leaves everything in order and returns."""
    match spec:
        case DoctorSpec():
            from app.actions.examine import examine_installation

            return examine_installation(context, reporter)
        case ExportSpec():
            from app.actions.export_to_folder import export_to_folder

            return export_to_folder(context, spec, folder, reporter)
        case BuildSpec():
            from app.actions.build_trees import build_trees

            return build_trees(context, spec, folder, reporter)
        case CriticSpec():
            from app.actions.train_critic import train_critic

            return train_critic(context, spec, folder, reporter)
        case PolicySpec():
            from app.actions.train_policy import train_policy

            return train_policy(context, spec, folder, reporter)
        case SFTSpec() | TPOSpec():
            from app.actions.train_supervised import train_supervised

            return train_supervised(context, spec, folder, reporter)
        case EvaluateSpec():
            from app.actions.evaluate import evaluate

            return evaluate(context, spec, folder, reporter)
        case SimulateSpec():
            from app.actions.simulate import simulate

            return simulate(context, spec, folder, reporter)
        case AttentionSpec():
            from app.actions.read_attention import read_attention

            return read_attention(context, spec, folder, reporter)
        case _:
            assert_never(spec)


def main(arguments: Sequence[str] | None = None, action: Act = act) -> int:
    """Run one attempt of a job; returns the exit status of the process: 0 done, 1 failed, 2 not to be run, 3 cancelled."""
    parser = argparse.ArgumentParser(prog="app.run", description="Run one attempt of a background job.")
    parser.add_argument("--job", type=int, required=True)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--handle", default="", help="the name an executor of another machine gave this process")
    parser.add_argument("--machine", default="", help="the boot of the machine whose database this is")
    options = parser.parse_args(arguments)
    try:
        _same_machine(options.machine)
        context = open_context(read_settings(os.environ))
        job = jobs.begin(context.database, options.job, options.attempt, options.handle or str(myself()))
        if job is None:
            raise Refused(
                f"Attempt {options.attempt} of job {options.job} is not to be run; `subtext jobs retry` makes a new job."
            )
        folder = context.settings.data.resolve() / job.folder
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder / ".lock")
        if not any(lock.take() or time.sleep(0.2) for _ in range(50)):  # an attempt before may just be leaving
            raise Refused(f"Another process works in {folder}.")
    except (Refused, OSError) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    return run(context, job, folder, action)


def _same_machine(wanted: str) -> None:
    """Raises Refused on another machine than the database's: SQLite's write-ahead log is shared memory of one machine."""
    if wanted and wanted != boot():
        raise Refused(
            "This node is another machine than the one of the worker. The database can only be written on one machine: "
            "run the Ray nodes there, or unset SUBTEXT_RAY_ADDRESS."
        )


def run(context: Context, job: Job, folder: Path, action: Act) -> int:
    """Run a job that this process has begun, and write down how it ended."""
    reporter = DatabaseReporter(context, job.id, job.attempt)

    def ask(_number: int, _frame: FrameType | None) -> None:
        reporter.cancel()

    signal.signal(signal.SIGTERM, ask)
    told = _opening(context, job)
    with reporter:
        end = _attempt(context, job, folder, reporter, action, told)
    if end.status == "cancelled" and not _wanted(context, job):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    end = _closed(folder, told, end, reporter, context.now())
    _say(f"{chr(10) if end.status == 'failed' else ''}{end.status}: {end.message}\n")
    for _ in range(3):
        try:
            jobs.finish(context.database, job.id, job.attempt, end, context.now())
        except SQLAlchemyError:
            time.sleep(1)
            continue
        return {"done": 0, "cancelled": 3}.get(end.status, 1)
    _say("The database took no answer; the worker will find this job without an end.\n")
    return 4


def _say(text: str) -> None:
    """Into the log, if it takes it: on a full disk the end of the job still has to reach the row."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _wanted(context: Context, job: Job) -> bool:
    """False when the signal to end came from outside, such as a machine that shuts down: then the job is to go on later."""
    try:
        row = jobs.get(context.database, job.id)
    except SQLAlchemyError:
        return True
    return row is None or row.status != "running"


def _opening(context: Context, job: Job) -> dict[str, Any]:
    return {
        "job": job.id, "kind": job.kind, "spec": job.spec, "attempt": job.attempt, "retry_of": job.retry_of,
        "after": job.after_id, "seed": job.spec.get("seed"), "device": job.device,
        "command": job_command(context.settings.data, job.id, job.attempt, job.device).line(),
        "versions": record.versions(), "commit": record.commit(), "started": context.now(), "inputs": {},
    }  # fmt: skip


def _attempt(
    context: Context, job: Job, folder: Path, reporter: DatabaseReporter, action: Act, told: Mapping[str, Any]
) -> End:
    try:
        spec = read_spec(job.spec)
    except ValueError as error:
        return End("failed", f"This version cannot run the job. {error}"[:600])
    try:
        record.write(folder, told)
        result = plain(action(context, spec, folder, reporter))
    except Refused as refusal:
        return _ended(reporter, told_text(str(refusal)))
    except Killed as killed:
        _say(f"{killed}\n")
        os.kill(os.getpid(), signal.SIGKILL)  # the worker finds the job without an end, and queues it again
        raise
    except OSError as error:
        _say(traceback.format_exc())
        return _ended(reporter, _storage(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the job border: whatever an action raises ends here)
        return _ended(reporter, _crashed(error))
    if reporter.told:
        return End("cancelled", "Cancelled; it ended by itself at its next safe point.", result)
    return End("done", reporter.message or "Done.", result)


def _ended(reporter: DatabaseReporter, message: str) -> End:
    if reporter.asked_to_end:
        return End("cancelled", f"Cancelled; it ended with: {message}"[:600])
    return End("failed", message[:600])


def _crashed(error: BaseException) -> str:
    _say(traceback.format_exc())
    text = told_text(" ".join(str(error).split()), 300)
    return f"{type(error).__name__}{': ' + text if text else ''}. This is a fault of the program; the log has the traceback."


def _storage(error: OSError) -> str:
    where = f" ({told_text(str(error.filename), 300)})" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full{where}. Free some space, then resume or retry."
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return (
                f"It is not allowed to write or read here{where}. Give this program the right to, then resume or retry."
            )
        case errno.ENOENT:
            return f"A file or the folder of the job is not there any more{where}. Retry makes a new folder."
        case _:
            return f"{error.strerror or type(error).__name__}{where}. The log has the traceback."


def _closed(folder: Path, told: dict[str, Any], end: End, reporter: DatabaseReporter, now: str) -> End:
    """The end with job.json completed beside it, and a result that is too long for a row moved into a file."""
    try:
        text = json.dumps(end.result, ensure_ascii=False)
        if len(text) > RESULT_LIMIT:
            (folder / "result.json").write_text(text, "utf-8")
            end = end._replace(result={"file": "result.json"})
        closing = {"ended": now, "status": end.status, "message": end.message, "inputs": reporter.inputs}
        record.write(folder, told | closing | {"result": end.result})
    except (TypeError, ValueError) as error:
        return End("failed", f"The result is no JSON ({error}). This is a fault of the program.")
    except OSError as error:
        return end._replace(message=f"{end.message} Its job.json could not be completed: {_storage(error)}"[:600])
    return end


if __name__ == "__main__":
    sys.exit(main())
