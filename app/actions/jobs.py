"""Background jobs as people handle them: put in, look at, cancel, retry, resume. Refuses in sentences; starts no process."""

from typing import Any

from app.actions.rollout_files import has_rollouts
from app.context import Context
from app.errors import Refused
from app.executor import Command, job_command
from app.processes import named
from app.ray_executor import KIND
from core.job_spec import AFTER
from core.jobs import ENDED
from core.specs import KINDS, Spec, lane, read_spec, resumable
from db import jobs
from db.jobs import Job, NewJob


def enqueue(context: Context, spec: Spec, after: int | None = None, retry_of: int | None = None) -> int:
    """Put a job into the queue; returns its id. Raises Refused when the job it shall wait for is not there or has failed.

    `after` in a spec is the model of the job that it waits for.
    """
    if spec.names_before():
        if after is None:
            raise Refused(f"{AFTER!r} is the model of the job before: say after which job this one comes.")
        spec = spec_of(spec.behind(after).model_dump())
    new = NewJob(spec.kind, spec.model_dump(mode="json"), lane(spec), after, retry_of)
    try:
        return jobs.enqueue(context.database, new, context.now())
    except ValueError as error:
        raise Refused(str(error)) from error


def spec_of(value: object) -> Spec:
    """A spec from JSON of a person. Raises Refused."""
    try:
        return read_spec(value)
    except ValueError as error:
        raise Refused(str(error)) from error


def one(context: Context, job_id: int) -> Job:
    """A job. Raises Refused when it is not there."""
    job = jobs.get(context.database, job_id)
    if job is None:
        raise Refused(f"There is no job {job_id}. `subtext jobs list` lists them.")
    return job


def command(context: Context, job: Job) -> Command:
    """The command that runs, ran or will run the newest attempt of a job."""
    return job_command(context.settings.data, job.id, max(job.attempt, 1), job.device)


def cancel(context: Context, job_id: int) -> str:
    """Ask for the end of a job; returns a sentence."""
    before = one(context, job_id)
    match jobs.cancel(context.database, job_id, context.now()):
        case "cancelling":
            return (
                f"Job {job_id} is asked to end; after {context.settings.job_grace} seconds all its processes are ended."
            )
        case "cancelled" if before.status == "queued":
            return f"Job {job_id} is cancelled before it started."
        case status:
            raise Refused(f"Job {job_id} has ended already: {status}.")


def retry(context: Context, job_id: int) -> int:
    """A new job with the spec of an ended one; returns its id."""
    job = one(context, job_id)
    if job.status not in ENDED:
        raise Refused(f"Job {job_id} has not ended ({job.status}). Cancel it first.")
    return enqueue(context, spec_of(job.spec), retry_of=job.id)


def resume(context: Context, job_id: int) -> str:
    """Queue a failed or cancelled job again in its folder, where its action goes on with what is left; returns a sentence."""
    job = one(context, job_id)
    if not resumable(job.kind):
        able = ", ".join(kind for kind in KINDS if resumable(kind))
        raise Refused(f"A job of kind {job.kind} starts from the beginning: retry it. Kinds that go on: {able}.")
    try:
        if not jobs.resume(context.database, job_id):
            raise Refused(f"Only a failed or cancelled job is resumed; job {job_id} is {job.status}.")
    except ValueError as error:
        raise Refused(f"{error} Resume that one first.") from error
    return f"Job {job_id} is queued again; attempt {job.attempt + 1} goes on in {job.folder}."


def view(context: Context, job: Job, brief: bool = False) -> dict[str, Any]:
    """A job as JSON, with its command and what can be done to it; `brief` leaves its result out."""
    eta = None
    if job.status == "running" and job.rate and job.progress_total > job.progress_done:
        eta = (job.progress_total - job.progress_done) / job.rate
    shown = {name: value for name, value in job._asdict().items() if name not in ("worker", "handle")}
    can = {
        "cancel": job.status in ("queued", "running"),
        "retry": job.status in ENDED,
        "resume": job.status in ("failed", "cancelled") and resumable(job.kind),
    }
    here = named(job.handle) if job.status in ("running", "cancelling") else None
    if brief:
        del shown["result"]
    return shown | {
        "rollouts": has_rollouts(context.settings.data.resolve() / job.folder),
        "command": command(context, job).line(),
        "eta_seconds": eta,
        "can": can,
        "pid": here.pid if here else None,
        "cluster": job.handle.removeprefix(KIND) if job.handle.startswith(KIND) else None,
        "now": context.now(),
    }
