"""Everything that is looked at before a critic's training starts: base, data, versions, memory, disk, trackers, time.

Gathers facts of this machine; what follows from them is in `core.preflight`. Loads no torch and starts nothing.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

from app import gpu
from app.actions import preflight_processes
from app.actions.preview_critic import Overview, view
from app.actions.train_critic import base_of
from app.context import Context
from app.errors import Refused
from core import preflight
from core.preflight import Line, Pace, Shape
from core.specs import CriticSpec, read_spec
from db import jobs

SHARDS = 500
_RUNS = 20
"""Newest jobs among which a measured one is looked for."""
_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def check(context: Context, spec: CriticSpec, found: Overview) -> list[Line]:
    """Every line, in the order a person would want them. `found` is the preview of the same spec."""
    seen = view(context, spec, found)
    base, net = _base(context, spec)
    device, free, total = memory_of(context, spec)
    on_gpu = device != gpu.CPU
    longest = min(seen["lengths"]["longest"] or spec.max_length, spec.max_length)
    lines = [base, *preflight.data_lines(spec, seen), preflight.versions_line(*versions())]
    if spec.device == "cuda" and not on_gpu:
        lines.append(Line("device", "blocking", "A GPU is asked for, but none is found here; choose auto or cpu."))
    if net.parameters:
        where = f"GPU {device}" if on_gpu else "this machine"
        need = preflight.need(spec, net, longest, on_gpu)
        need = preflight.each(need, spec.processes, spec.sharding != "none", on_gpu)
        lines.append(preflight.memory_line(need, free, total, where))
        free_disk = shutil.disk_usage(context.settings.data).free
        lines.append(preflight.disk_line(preflight.disk(spec, net, on_gpu), free_disk))
    lines += preflight_processes.lines(context, spec)
    lines += trackers(spec.report_to, context.environment)
    pace = _measured(context, on_gpu) or Pace(_guess(on_gpu), "")
    counts = (seen["train"]["steps"], seen["held_out"]["steps"])
    lines.append(preflight.time_line(spec, net, counts, seen["lengths"]["mean"], pace))
    return lines


def without_base(context: Context, spec: CriticSpec) -> list[Line]:
    """The lines of a training whose base cannot be used, so that nothing can be tokenised; empty where the base is fine."""
    base, _ = _base(context, spec)
    if base.level == "ok":
        return []
    return [base, preflight.versions_line(*versions()), *trackers(spec.report_to, context.environment)]


def _base(context: Context, spec: CriticSpec) -> tuple[Line, Shape]:
    nothing = Shape(0, 0, 0, 0, 0)
    try:
        folder = base_of(context, spec)
        net = shape_of(folder)
    except Refused as refusal:
        return Line("base", "blocking", str(refusal)), nothing
    kind = f"{net.parameters / 1e9:.1f} billion" if net.parameters >= 1e9 else f"{net.parameters / 1e6:.1f} million"
    return Line("base", "ok", f"{folder.name}: {kind} parameters in {net.layers} layers."), net


def shape_of(folder: Path) -> Shape:
    """The network in a checkpoint folder, from its config and the headers of its weights. Raises Refused for what is missing."""
    config = _config(folder)
    if not (folder / "tokenizer_config.json").is_file():
        raise Refused(f"The folder {folder} holds no tokenizer_config.json, so its tokenizer cannot be loaded.")
    files = sorted(folder.glob("*.safetensors"))[:SHARDS]
    if not files:
        raise Refused(f"The folder {folder} holds no safetensors file; other weight formats are not read.")
    return preflight.shape(map(_header, files), config)


def is_classifier(folder: Path) -> bool:
    """Whether a checkpoint gives a sequence numbers instead of texts, as a reward model does. Raises Refused."""
    found = _config(folder).get("architectures")
    return isinstance(found, list) and any(str(one).endswith("ForSequenceClassification") for one in found[:9])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config: Any = json.loads((folder / "config.json").read_bytes()[: 1 << 22])
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"The config.json in {folder} cannot be read, so this is no checkpoint.") from error
    if not isinstance(config, dict):
        raise Refused(f"The config.json in {folder} is no JSON object, so this is no checkpoint.")
    return config  # pyright: ignore[reportUnknownVariableType]


def _header(file: Path) -> Mapping[str, Any]:
    """The header of a safetensors file: its length in 8 bytes, then JSON. Raises Refused."""
    try:
        with file.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            if not 0 < length <= min(preflight.LARGEST_HEADER, file.stat().st_size):
                raise ValueError("no header")
            header: Any = json.loads(content.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"The weights in {file} cannot be read: the file is broken or cut off. Copy it again.") from error
    return header if isinstance(header, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def memory_of(context: Context, spec: CriticSpec) -> tuple[str, int | None, int | None]:
    """The device that a training would get, with its free and whole memory in bytes; None where that is not known."""
    device = gpu.CPU if spec.device == "cpu" else gpu.devices(context.settings.devices, context.environment)[0]
    if device != gpu.CPU:
        found = gpu.room(device)
        return (device, *found) if found else (device, None, None)
    return (device, *_ram())


def _ram() -> tuple[int | None, int | None]:
    """Free and whole memory of this machine or, where that is less, of the control group this process is in."""
    told: dict[str, int] = {}
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemAvailable", "MemTotal"):
                told[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError):
        return None, None
    free, total = told.get("MemAvailable"), told.get("MemTotal")
    limit, used = (_group_value(name) for name in ("memory.max", "memory.current"))
    if free is None or total is None or limit is None or used is None:
        return free, total
    return min(free, max(0, limit - used)), min(total, limit)


def _group_value(name: str) -> int | None:
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text("ascii"))
    except (OSError, ValueError):
        return None


def versions() -> tuple[dict[str, str | None], dict[str, str]]:
    """Installed versions of what a training needs, and what this version of Subtext asks for."""
    installed: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = None
    return installed, pins(_requirements())


def _requirements() -> list[str]:
    try:
        return metadata.requires("subtext") or []
    except metadata.PackageNotFoundError:
        return []


def pins(requirements: list[str]) -> dict[str, str]:
    """Conditions on the packages of a training, out of requirements like `torch==2.13.0; extra == "train"`."""
    found: dict[str, str] = dict.fromkeys(_PACKAGES, "")
    for line in requirements:
        wanted = line.partition(";")[0].strip()
        for name in _PACKAGES:
            if wanted.startswith(name) and wanted[len(name) : len(name) + 1] in tuple("=<>"):
                found[name] = wanted[len(name) :]
    return found


def trackers(names: Sequence[str], environment: Mapping[str, str]) -> Iterator[Line]:
    """A line for each tracker that is to get the curves."""
    for name in names:
        if util.find_spec(name) is None:
            yield Line(name, "blocking", f"The curves are to go to {name}, which is not installed: pip install {name}.")
        elif name == "wandb" and not environment.get("WANDB_API_KEY") and environment.get("WANDB_MODE") != "offline":
            yield Line(name, "warning", "wandb sends the curves to a server: set WANDB_API_KEY, or WANDB_MODE=offline.")
        else:
            yield Line(name, "ok", f"The curves go to {name} too.")


def _guess(on_gpu: bool) -> float:
    return preflight.GPU_FLOPS if on_gpu else preflight.CPU_CORE_FLOPS * (os.cpu_count() or 1)


def _measured(context: Context, on_gpu: bool) -> Pace | None:
    """The pace of the newest training that ran to its end at once on such a device, from the numbers it reported."""
    for job in jobs.page(context.database, status="done", limit=_RUNS):
        if job.kind != "critic" or job.attempt != 1 or (job.device not in ("", gpu.CPU)) != on_gpu:
            continue
        numbers = jobs.metrics(context.database, job.id)
        tokens, whole = (numbers.get(name, [(0, None)])[-1][1] for name in ("num_tokens", "train_runtime"))
        seconds = (whole or 0) - sum(value or 0 for _, value in numbers.get("eval_runtime", []))
        try:
            spec = read_spec(job.spec)
            net = shape_of(base_of(context, spec)) if isinstance(spec, CriticSpec) else None
        except (Refused, ValueError):
            continue
        if isinstance(spec, CriticSpec) and net and tokens and seconds > 0:
            flops = preflight.operations(spec, net, tokens) / seconds
            return Pace(flops, f"job {job.id} ({tokens / seconds:,.0f} tokens a second)")
    return None
