"""What is looked at before a policy's training starts: base, prompts, critic, versions, memory, disk, time. Starts nothing.

Gathers facts; the formulas are those of a critic's training (`core.preflight`), to which a run with the same batch is alike.
"""

import shutil
import statistics
from collections.abc import Iterator

from app import gpu
from app.actions import preflight_processes
from app.actions.bases import base_at
from app.actions.policy_runs import parts_of
from app.actions.preflight import is_classifier, memory_of, shape_of, trackers, versions
from app.context import Context
from app.engines.choices import engine_of
from app.engines.endpoint import Endpoint, Local
from app.engines.roles import STARTER
from app.errors import Refused
from core import preflight
from core.job_spec import AFTER
from core.policy_data import examples, ranked
from core.policy_specs import PolicyJob, PolicySpec, SFTSpec, TPOSpec
from core.preflight import Line, Need, Shape
from core.specs import CriticSpec
from db import jobs, scenarios

_RUNS = 20
_PROMPT = 400
"""Tokens of a prompt that are reckoned with."""


def check(context: Context, spec: PolicySpec | SFTSpec | TPOSpec) -> list[Line]:
    """Every line, in the order a person would want them."""
    base, net = _base(context, spec)
    lines = [base, *_data(context, spec), _critic(context, spec), *_reward_model(context, spec)]
    lines += [preflight.versions_line(*versions()), *trackers(spec.report_to, context.environment)]
    same = alike(spec)
    device, free, total = memory_of(context, same)
    on_gpu = device != gpu.CPU
    if spec.device == "cuda" and not on_gpu:
        lines.append(Line("device", "blocking", "A GPU is asked for, but none is found here; choose auto or cpu."))
    if net.parameters:
        need = preflight.each(need_of(context, spec, net, on_gpu), spec.processes, spec.sharding != "none", on_gpu)
        where = f"{'each ' if on_gpu and spec.processes > 1 else ''}GPU {device}" if on_gpu else "this machine"
        lines.append(preflight.memory_line(need, free, total, where))
        free_disk = shutil.disk_usage(context.settings.data).free
        lines.append(preflight.disk_line(preflight.disk(same, net, on_gpu), free_disk))
    lines += preflight_processes.lines(context, spec)
    if (said := preflight_processes.vllm_line(context, spec)) is not None:
        lines.append(said)
    if isinstance(spec, PolicySpec):
        lines.append(_time(context, spec))
    return lines


def need_of(context: Context, spec: PolicyJob, net: Shape, on_gpu: bool) -> Need:
    """Memory of one process that holds the whole model: the reference and a critic that is no server lie beside it."""
    found = preflight.need(alike(spec), net, _tokens(spec), on_gpu)
    if isinstance(spec, PolicySpec | TPOSpec) and spec.beta > 0 and not spec.lora_rank:
        found = found._replace(weights=2 * found.weights)
    if isinstance(spec, PolicySpec):
        try:
            engine = engine_of(context, "critic", spec.critic)
            own = Shape(0, 0, 0, 0, 0) if isinstance(engine, Endpoint) else shape_of(engine.path if engine else STARTER)
        except Refused:
            return found  # another line says so
        found = found._replace(weights=found.weights + own.parameters * (2 if on_gpu else 4))
    return found


def _base(context: Context, spec: PolicyJob) -> tuple[Line, Shape]:
    nothing = Shape(0, 0, 0, 0, 0)
    if spec.base == AFTER:
        return Line("base", "ok", "The model that the job before makes; it is looked at when this job begins."), nothing
    try:
        folder = base_at(context, spec.base)
        net = shape_of(folder)
    except Refused as refusal:
        return Line("base", "blocking", str(refusal)), nothing
    return Line("base", "ok", f"{folder.name}: {net.parameters / 1e6:,.1f} million parameters."), net


def _data(context: Context, spec: PolicyJob) -> list[Line]:
    try:
        parts = parts_of(context, spec)
    except Refused as refusal:
        return [Line("data", "blocking", str(refusal))]
    held = len(parts.held_out)
    lines = [Line("data", "ok", f"{len(parts.train):,} prompts to train on, {held:,} held out.")]
    if not held and spec.report_prompts:
        lines.append(Line("report", "warning", "Nothing is held out, so there will be no report."))
    return lines + _lessons(context, spec)


def _lessons(context: Context, spec: PolicyJob) -> list[Line]:
    match spec:
        case SFTSpec(data=data):
            count, what = len(examples(scenarios.records(context.database, spec.set), data)), "finished paths"
        case TPOSpec(paths=paths):
            count = len(ranked(scenarios.records(context.database, spec.set), paths))
            what = "trees with two or more ranked paths"
        case _:
            return []
    if not count:
        return [Line("examples", "blocking", f"The set has no {what}. Build trees, or choose another set.")]
    return [Line("examples", "ok", f"{count:,} {what} in the set.")]


def _critic(context: Context, spec: PolicyJob) -> Line:
    if not isinstance(spec, PolicySpec) and not spec.report_prompts:
        return Line("critic", "ok", "None is asked: nothing is reported.")
    try:
        engine = engine_of(context, "critic", spec.critic)
    except Refused as refusal:
        return Line("critic", "blocking", str(refusal))
    match engine:
        case Endpoint(model=model, base_url=url):
            return Line("critic", "ok", f"{model} at {url}.")
        case Local(path=path):
            return Line("critic", "ok", f"The checkpoint {path.name}, in the job's own process.")
        case None:
            return Line(
                "critic", "warning", "The starter model: it shows the machinery, its scores are a simple rule on words."
            )


def _reward_model(context: Context, spec: PolicyJob) -> Iterator[Line]:
    if not isinstance(spec, PolicySpec) or spec.reward != "response":
        return
    if not spec.reward_model:
        yield Line("reward model", "warning", "None is chosen: the critic judges the whole response in its place.")
        return
    try:
        folder = base_at(context, spec.reward_model)
        net = shape_of(folder)
        if not is_classifier(folder):
            raise Refused(
                f"{folder.name} writes texts and gives no number: choose a model for sequence classification."
            )
        yield Line(
            "reward model",
            "ok",
            f"{folder.name}: {net.parameters / 1e6:,.1f} million parameters, in the job's own process.",
        )
    except Refused as refusal:
        yield Line("reward model", "blocking", str(refusal))


def alike(spec: PolicyJob) -> CriticSpec:
    """A critic's training with the same base, batch and LoRA: the memory of both is alike."""
    batch = getattr(spec, "batch", 1) * (spec.paths if isinstance(spec, TPOSpec) else 1)
    return CriticSpec(
        name="alike", set=spec.set, lora_rank=spec.lora_rank, lora_alpha=spec.lora_alpha, batch=min(batch, 1024),
        device=spec.device,
    )  # fmt: skip


def _tokens(spec: PolicyJob) -> int:
    return spec.max_length if isinstance(spec, SFTSpec | TPOSpec) else _PROMPT + spec.max_new


def _time(context: Context, spec: PolicySpec) -> Line:
    """By the seconds an update took in the newest run of this kind; before there is one, nobody knows."""
    responses = spec.group * spec.prompts
    whole = f"{spec.updates:,} updates of {responses:,} responses"
    for job in jobs.page(context.database, status="done", limit=_RUNS):
        steps = jobs.metrics(context.database, job.id).get("step_time", []) if job.kind == "policy" else []
        known = [value for _, value in steps if value]
        if known:
            before = int(job.spec.get("group", 5)) * int(job.spec.get("prompts", 4))
            seconds = statistics.median(known) * responses / max(1, before) * spec.updates
            return Line(
                "time",
                "ok",
                f"About {preflight.spell(seconds)} for {whole}, at the pace of job {job.id}; it may be half or twice that.",
            )
    return Line("time", "ok", f"{whole}. How long they take is known after the first run on this machine.")
