"""`subtext jobs`, `subtext run` and `subtext worker`: the Jobs page on the command line."""

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from app import artifacts
from app.actions import jobs as actions
from app.actions.prepare import prepare
from app.context import Context
from app.errors import Refused
from app.keeper import start_worker, work
from app.worker import Worker
from core.jobs import ENDED, STATUSES
from core.specs import KINDS
from db import jobs
from db.jobs import Job

_LOOK = 0.3
_KEEP = 5.0
"""Seconds after which somebody who waits sees to it that there is still a worker."""


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    run = commands.add_parser("run", help="put a job into the queue")
    run.add_argument("spec", help=f"file with the job as JSON, or - for standard input; kinds: {', '.join(KINDS)}")
    run.add_argument("--after", type=_number, help="start only when this job is done")
    run.add_argument(
        "--wait", action="store_true", help="follow it to its end; the exit status is 0 only when it is done"
    )
    run.set_defaults(run=_run)
    serve = commands.add_parser("worker", help="start jobs and watch them, until interrupted")
    serve.add_argument("--also", action="store_true", help="beside the worker the folder has")
    serve.add_argument("--leave", action="store_true", help="end when nothing is to be done and no server runs")
    serve.set_defaults(run=_worker)
    noun = commands.add_parser("jobs", help="background jobs: list, show, cancel, retry, resume, logs")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="newest first")
    listing.add_argument("--status", choices=STATUSES)
    listing.add_argument("--limit", type=_number, default=jobs.PAGE)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)
    for name, action, about in _VERBS:
        verb = verbs.add_parser(name, help=about)
        verb.add_argument("job", type=_number)
        verb.set_defaults(run=action)
        if name == "logs":
            verb.add_argument("--follow", action="store_true", help="until the job ends")


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}; `subtext jobs list` shows the jobs")
    return int(text)


def read(file: str) -> Any:
    """The JSON in a file, `-` being the standard input. Raises Refused."""
    try:
        return json.loads(sys.stdin.read(1 << 20) if file == "-" else Path(file).read_text("utf-8"))
    except OSError as error:
        raise Refused(f"{file} could not be read: {(error.strerror or str(error)).lower()}.") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{file} is no JSON: {error}.") from error


def _run(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    job_id = actions.enqueue(context, actions.spec_of(read(options.spec)), options.after)
    print(f"Job {job_id} is queued.", flush=True)
    start_worker(context)
    return _follow(context, job_id) if options.wait else 0


def _worker(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    work(context, Worker(context), options.leave, options.also)
    return 0


def _list(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    for job in jobs.page(context.database, status=options.status, limit=options.limit):
        print(json.dumps(actions.view(context, job), ensure_ascii=False) if options.json else _line(job))
    return 0


def _line(job: Job) -> str:
    share = f"{job.progress_done / job.progress_total:4.0%}" if job.progress_total else "   –"
    return f"{job.id}\t{job.status}\t{share}\t{job.kind}\t{job.lane}{' ' + job.device if job.device else ''}\t{job.message}"


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    job = actions.one(context, options.job)
    print(json.dumps(actions.view(context, job), ensure_ascii=False, indent=2))
    crash = artifacts.log_traceback(context.settings.data.resolve() / job.folder) if job.status == "failed" else ""
    if crash:
        print(crash)
    return 0


def _cancel(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.cancel(context, options.job))
    return 0


def _retry(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(f"Job {actions.retry(context, options.job)} does the same again.")
    start_worker(context)
    return 0


def _resume(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.resume(context, options.job))
    start_worker(context)
    return 0


def _logs(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    if options.follow:
        return _follow(context, options.job)
    job = actions.one(context, options.job)
    _copy(context, job, 0)
    return 0


def _copy(context: Context, job: Job, offset: int) -> int:
    """Write the log from a byte to standard output; returns the byte where to go on."""
    folder = context.settings.data.resolve() / job.folder
    while True:
        piece = artifacts.log_piece(folder, offset)
        if piece.next <= offset:
            return offset
        sys.stdout.write(piece.text)
        sys.stdout.flush()
        offset = piece.next


def _follow(context: Context, job_id: int) -> int:
    """The log as it is written, then the last sentence; 0 when the job is done. Leaving changes nothing about the job."""
    offset, looked = 0, time.monotonic()
    try:
        while True:
            job = actions.one(context, job_id)
            if time.monotonic() - looked > _KEEP:
                looked = time.monotonic()
                start_worker(context)
            offset = _copy(context, job, offset)
            if job.status in ENDED:
                print(f"Job {job_id} is {job.status}: {job.message}", file=sys.stderr)
                return 0 if job.status == "done" else 1
            time.sleep(_LOOK)
    except KeyboardInterrupt:
        print(f"Job {job_id} goes on; `subtext jobs logs {job_id} --follow` shows it again.", file=sys.stderr)
        return 130


_VERBS = (
    ("show", _show, "everything about one job, its last traceback when it failed"),
    ("cancel", _cancel, "ask a job to end; after the grace time end its processes"),
    ("retry", _retry, "a new job that does the same"),
    ("resume", _resume, "queue a failed or cancelled job again in its folder"),
    ("logs", _logs, "write the log of a job"),
)
