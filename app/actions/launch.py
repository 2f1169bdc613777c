"""A training on several processes or nodes, outside the queue: what each node runs, written down, and checked before it is.

One node's folder is every node's: they see it under one path (a shared disk), and the first process writes the model there.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, assert_never
from urllib.parse import urlsplit

from app.actions import preflight_policy, train_critic, train_supervised
from app.actions.bases import base_at
from app.actions.policy_runs import parts_of
from app.actions.preflight import memory_of, shape_of, versions
from app.actions.preflight_processes import devices_line, gpus
from app.actions.together import environment_of, missing, threads_of
from app.actions.train_policy import with_reward_model
from app.context import Context
from app.engines.choices import engine_of
from app.engines.endpoint import Endpoint, Engine
from app.errors import Refused
from app.executor import TOP
from app.order import FOLDER, Order, write_order
from core import launching, preflight
from core.launching import CONFIG, Layout, Training
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.preflight import Line
from core.specs import UNTRAINED, CriticSpec
from db import scenarios

_LOADED_S = 120
_ELSEWHERE = ("versions", "processes", "sharding", "memory", "time")
"""Lines of a preflight that the checks of a launch have of their own, or that say nothing about it."""


class Check(NamedTuple):
    """One thing that was looked at: '' where all is well, or what is wrong; and what there is to say."""

    name: str
    ok: bool
    text: str


class Silent:
    """A reporter that nobody reads; the port `core.jobs.Reporter`."""

    def progress(self, done: float, total: float, message: str = "") -> None:
        """See the port."""

    def metric(self, step: int, name: str, value: float) -> None:
        """See the port."""

    def input(self, name: str, digest: str) -> None:
        """See the port."""

    def cancelled(self) -> bool:
        """See the port."""
        return False


def layout_for(context: Context, training: Training, nodes: int, address: str) -> Layout:
    """The layout that is asked for; GPUs where the spec says so, or says nothing and this machine has some. Raises Refused."""
    host, port = read_address(address) if address else ("127.0.0.1", launching.PORT if nodes > 1 else 0)
    on_gpu = training.device == "cuda" or bool(gpus(context, training))
    return Layout(training.processes, nodes, training.sharding, on_gpu, host, port)


def read_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises Refused."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("//")
    if port is None or not parts.hostname or parts.path or parts.username is not None:
        raise Refused(f"An address is HOST:PORT, as in 10.0.0.1:{launching.PORT}, not {text[:80]!r}.")
    return parts.hostname, port


def order_of(context: Context, training: Training, folder: Path) -> Order:
    """What the processes are told: base, rows and critic, read from the data folder now. Raises Refused."""
    told = Silent()
    if isinstance(training, CriticSpec):
        if training.base == UNTRAINED:
            raise Refused(f"The base {UNTRAINED!r} is drawn inside a job; put this training into the queue instead.")
        folder.mkdir(parents=True, exist_ok=True)
        parts, _ = train_critic.parts_of(context, training, folder, told)
        return Order(training, train_critic.base_of(context, training), (list(parts.train), list(parts.held_out)))
    base, asked = base_at(context, training.base), parts_of(context, training)
    match training:
        case PolicySpec():
            prompts = asked.train[: training.limit] if training.limit else asked.train
            training = with_reward_model(context, training, told)
            return Order(training, base, (list(prompts), []), engine_of(context, "critic", training.critic))
        case SFTSpec() | TPOSpec():
            records = list(scenarios.records(context.database, training.set))
            return Order(training, base, train_supervised.sides_of(training, records, asked))
        case _:
            assert_never(training)


def write(context: Context, training: Training, layout: Layout, folder: Path) -> list[Path]:
    """Write spec, order, configuration and one script for each node; returns what was written. Raises Refused."""
    if problem := launching.layout_problem(layout) or launching.size_problem(training, layout.total):
        raise Refused(problem)
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / FOLDER).is_dir() and not (folder / CONFIG).is_file():
            raise Refused(f"{folder / FOLDER} is there and no launch wrote it. Choose another folder to write into.")
        shutil.rmtree(folder / FOLDER, ignore_errors=True)  # a wish to end, or an end, of a run before
        write_order(folder, order_of(context, training, folder))
        files = {"spec.json": training.model_dump_json(indent=1) + "\n"}
        files[CONFIG] = launching.text(launching.config(training, layout))
        files |= {f"node-{rank}.sh": script(layout, rank, folder) for rank in range(layout.nodes)}
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise Refused(f"{folder} could not be written: {(error.strerror or str(error)).lower()}.") from error
    return [folder / name for name in files]


def script(layout: Layout, rank: int, folder: Path) -> str:
    """What the node of a rank runs, for a shell."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in environment_of(layout).items()]
    command = shlex.join(launching.command(layout, rank, sys.executable, str(folder), threads_of(layout)))
    return f"cd {shlex.quote(str(TOP))} && {' '.join([*variables, command])}\n"


def checks(context: Context, training: Training, layout: Layout, rank: int) -> Iterator[Check]:
    """Everything that is looked at on the node of a rank, one after the other."""
    problem = launching.layout_problem(layout, rank)
    yield Check(
        "layout",
        not problem,
        problem or f"{layout.total} processes: {layout.processes} on each node of {layout.nodes}.",
    )
    problem = launching.size_problem(training, layout.total)
    micro = 0 if problem else launching.accumulation(training, layout.total)
    yield Check("sizes", not problem, problem or f"For an update each process adds up micro-batches: {micro}.")
    yield config_check(training, layout, rank)
    yield _of(devices_line(layout, gpus(context, training))._replace(name="devices"))
    yield port_check(layout, rank)
    yield _of(preflight.versions_line(*versions())._replace(name="packages"))
    if lacking := missing(layout):
        yield Check("packages", False, lacking)
    if isinstance(training, CriticSpec):
        yield _of(_base_line(context, training))
    else:
        looked = preflight_policy.check(context, training)
        yield from (_of(line) for line in looked if line.name not in _ELSEWHERE)
        yield from critic_check(context, training, layout)
    yield from memory_check(context, training, layout)


def _of(line: Line) -> Check:
    return Check(line.name, line.level != "blocking", line.text)


def config_check(training: Training, layout: Layout, rank: int) -> Check:
    """Whether accelerate itself, in a process of its own, takes the configuration and the command of the node."""
    with tempfile.TemporaryDirectory(prefix="subtext-launch-") as name:
        made = Path(name) / CONFIG
        made.write_text(launching.text(launching.config(training, layout, rank)), "utf-8")
        arguments = launching.command(layout, rank, sys.executable, name)
        line = [sys.executable, "-m", "training.launch_check", str(made), *arguments[4:]]
        try:
            done = subprocess.run(
                line, cwd=TOP, env=os.environ | environment_of(layout), capture_output=True, text=True, timeout=_LOADED_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Check("config", False, f"accelerate did not answer in {_LOADED_S} seconds.")
    said = done.stdout.strip().splitlines()
    if not said:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        return Check("config", False, f"accelerate could not be asked; it said: {last[0][:300]}")
    return Check("config", done.returncode == 0, said[-1])


def port_check(layout: Layout, rank: int) -> Check:
    """Whether the node of rank 0 can listen where all meet."""
    if layout.port == 0:
        return Check("port", True, "A free one is taken at the start.")
    if rank:
        return Check("port", True, f"{layout.address}:{layout.port} is opened by the node of rank 0; look there.")
    where = "127.0.0.1" if layout.nodes == 1 else layout.address
    try:
        with socket.create_server((where, layout.port)):
            return Check("port", True, f"{where}:{layout.port} is free.")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return Check("port", False, f"{where}:{layout.port} cannot be opened here ({why}): is this the node of rank 0?")


def critic_check(context: Context, training: PolicySpec | SFTSpec | TPOSpec, layout: Layout) -> Iterator[Check]:
    """A critic's address has to mean the same on every node."""
    if not isinstance(training, PolicySpec) or layout.nodes == 1:
        return
    try:
        engine: Engine = engine_of(context, "critic", training.critic)
    except Refused:
        return  # said already
    if isinstance(engine, Endpoint) and (urlsplit(engine.base_url).hostname or "") in ("localhost", "127.0.0.1", "::1"):
        yield Check(
            "critic", False, f"{engine.base_url} is another machine's own on every other node: give it by its address."
        )


def _base_line(context: Context, training: CriticSpec) -> Line:
    try:
        return Line("base", "ok", str(train_critic.base_of(context, training)))
    except Refused as refusal:
        return Line("base", "blocking", str(refusal))


def memory_check(context: Context, training: Training, layout: Layout) -> Iterator[Check]:
    """The estimate for one GPU, or for the processes of this machine on its CPU."""
    try:
        base = (
            train_critic.base_of(context, training)
            if isinstance(training, CriticSpec)
            else base_at(context, training.base)
        )
        net = shape_of(base)
    except Refused:
        return  # said already
    if isinstance(training, CriticSpec):
        alike, need = training, preflight.need(training, net, training.max_length, layout.gpu)
    else:
        alike, need = preflight_policy.alike(training), preflight_policy.need_of(context, training, net, layout.gpu)
    count = layout.total if layout.gpu else layout.processes
    need = preflight.each(need, count, layout.sharding != "none", layout.gpu)
    device, free, total = memory_of(context, alike)
    yield _of(preflight.memory_line(need, free, total, f"each GPU ({device})" if layout.gpu else "this machine"))
