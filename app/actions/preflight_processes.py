"""What several processes and vLLM need before a training starts: devices, cores, packages, a server that takes new weights.

Facts of this machine as lines of a preflight. The same sentences refuse a job at its start, before a model is loaded.
"""

import os
from collections.abc import Iterator
from importlib import util

import httpx2

from app import gpu
from app.actions.together import missing
from app.context import Context
from core.launching import Layout, Training, layout_problem
from core.policy_specs import PolicySpec
from core.preflight import Line

_ANSWER_S = 2.0
SERVE = (
    'VLLM_SERVER_DEV_MODE=1 vllm serve BASE --weight-transfer-config \'{"backend": "nccl"}\' '
    "--logprobs-mode processed_logprobs --max-logprobs -1"
)
"""How TRL 1.16 wants the server of `vllm: server` (`trl.generation.vllm_client.VLLMClient`): plain vLLM, which is also all that
its own, deprecated `trl vllm-serve` starts."""


def layout_here(context: Context, training: Training) -> Layout:
    """The layout that a job would get on this machine, whether or not there are enough devices for it."""
    return Layout(training.processes, 1, training.sharding, bool(gpus(context, training)))


def gpus(context: Context, training: Training) -> tuple[str, ...]:
    """The GPUs of this machine that a training may have; none where it runs on the CPU."""
    if training.device == "cpu":
        return ()
    return tuple(name for name in gpu.devices(context.settings.devices, context.environment) if name != gpu.CPU)


def lines(context: Context, training: Training) -> Iterator[Line]:
    """What there is to say about the processes; nothing where one alone trains."""
    layout = layout_here(context, training)
    if layout.total == 1:
        if layout.sharding != "none":
            yield Line("processes", "warning", "One process has nothing to split a model among: take two or more.")
        return
    yield devices_line(layout, gpus(context, training))
    if problem := layout_problem(layout) or missing(layout):
        yield Line("sharding", "blocking", problem)


def devices_line(layout: Layout, found: tuple[str, ...]) -> Line:
    """Processes against the GPUs or cores that are there."""
    count, cores = layout.processes, os.cpu_count() or 1
    if layout.gpu and count > len(found):
        has = f"{len(found)} GPU{'' if len(found) == 1 else 's'}"
        return Line(
            "processes",
            "blocking",
            f"{count} processes need as many GPUs, and this machine gives jobs {has}: take no more.",
        )
    if layout.gpu:
        return Line("processes", "ok", f"{count} processes, each on a GPU of its own.")
    if count > cores:
        return Line(
            "processes", "warning",
            f"{count} processes take turns on {cores} core{'' if cores == 1 else 's'} of the CPU: no more than {cores} help.",
        )  # fmt: skip
    return Line("processes", "ok", f"{count} processes on the {cores} cores of the CPU.")


def vllm_problem(context: Context, training: Training) -> str:
    """Why the responses of a policy cannot come from vLLM here, as one sentence; '' where they can, or are not asked from it."""
    if not isinstance(training, PolicySpec) or not training.vllm:
        return ""
    if not gpus(context, training):
        return (
            f"vllm={training.vllm} needs a GPU: after every update the new weights reach vLLM over NCCL, which the CPU lacks. "
            "Leave vllm empty, and the trainer writes the responses itself."
        )
    absent = [name for name in ("vllm", "requests") if util.find_spec(name) is None]
    if absent:
        return (
            f"vllm={training.vllm} needs {' and '.join(absent)} in the trainer's own environment, also for a server elsewhere: "
            "pip install 'subtext[vllm]' requests."
        )
    return ""


def vllm_line(context: Context, training: Training) -> Line | None:
    """vLLM's line of a preflight; None where it is not asked for. A server is asked whether it is up."""
    if not isinstance(training, PolicySpec) or not training.vllm:
        return None
    if problem := vllm_problem(context, training):
        return Line("vllm", "blocking", problem)
    if training.vllm == "colocate":
        return Line("vllm", "ok", "vLLM writes the responses on the training's own GPUs and shares their memory.")
    try:
        up = httpx2.get(f"{training.vllm_url.rstrip('/')}/health", timeout=_ANSWER_S).status_code == 200
    except (httpx2.HTTPError, httpx2.InvalidURL):
        up = False
    if up:
        return Line(
            "vllm", "ok", f"The server at {training.vllm_url} is up; it has to be one that was started with: {SERVE}"
        )
    return Line("vllm", "warning", f"Nothing answers at {training.vllm_url} yet. Start it on another GPU with: {SERVE}")
