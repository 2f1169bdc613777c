"""Routes of the Train a policy page: its form, the preflight, the start, and the alarms of a running one."""

import shlex
import sys
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.actions import jobs as actions
from app.actions import rollouts
from app.actions.preflight_policy import check
from app.api.critic import bases
from app.context import Context
from app.engines.choices import choices
from app.errors import Refused
from app.executor import TOP
from core.alarms import alarms
from core.job_spec import JobSpec
from core.policy_form import PARTS, SPECS, described, presets
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.preflight import Line, blocked
from db import jobs

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]


class Draft(BaseModel):
    """A training that is not ordered yet."""

    spec: dict[str, Any]


def router(context: Context) -> APIRouter:
    """The routes under /api/train."""
    routes = APIRouter(prefix="/api/train")

    @routes.get("")
    def form() -> dict[str, Any]:
        return {
            "parts": PARTS,
            "fields": {kind: described(kind) for kind in SPECS},
            "presets": presets(),
            "bases": [base._asdict() for base in bases(context)],
            "critics": [choice._asdict() for choice in choices(context)],
        }

    @routes.post("/preflight")
    async def preflight(body: Draft) -> dict[str, Any]:
        """What is checked, or `refused`: why the form is no training yet, such as sizes that do not fit while they are typed."""
        try:
            spec = _policy(body)
        except Refused as refusal:
            return {"refused": str(refusal)}
        lines = await run_in_threadpool(check, context, spec)
        return _told(lines) | {"command": command(context, spec)}

    @routes.post("")
    async def train(body: Draft) -> dict[str, Any]:
        spec = _policy(body)
        lines = await run_in_threadpool(check, context, spec)
        started = None if blocked(lines) else await run_in_threadpool(actions.enqueue, context, spec)
        return _told(lines) | {"id": started}

    @routes.get("/{job_id}/alarms")
    def alarmed(job_id: Id) -> list[dict[str, Any]]:
        return [alarm._asdict() for alarm in alarms(jobs.metrics(context.database, job_id))]

    @routes.get("/{job_id}/samples")
    def sampled(job_id: Id, update: Annotated[int | None, Query(ge=0, lt=1 << 31)] = None) -> dict[str, Any]:
        return rollouts.samples(context, job_id, update)

    return routes


def _policy(body: Draft) -> PolicySpec | SFTSpec | TPOSpec:
    spec = actions.spec_of(body.spec)
    if not isinstance(spec, PolicySpec | SFTSpec | TPOSpec):
        raise Refused("Only the training of a policy can be looked at here.")
    return spec


def _told(lines: list[Line]) -> dict[str, Any]:
    return {"lines": [line._asdict() for line in lines], "blocked": blocked(lines)}


def command(context: Context, spec: JobSpec) -> str:
    """The command that puts the same job into the queue; the spec stands on its standard input."""
    data = shlex.quote(f"SUBTEXT_DATA={context.settings.data.resolve()}")
    run = shlex.join([sys.executable, "-m", "app.cli", "run", "-"])
    return f"cd {shlex.quote(str(TOP))} && echo {shlex.quote(spec.model_dump_json())} | env {data} {run}"
