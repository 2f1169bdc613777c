"""Registered models as people handle them: register, list, one with its held-out report, rename, forget, serve.

A model is a checkpoint folder with what it was made of. Loads no weights. Folders are found and checked in `app.engines.choices`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.actions import servers
from app.artifacts import open_file
from app.context import Context
from app.engines import machine
from app.engines.choices import one_model, place, serving, standing, usable
from app.engines.managed import Running
from app.engines.roles import checkpoint_digest
from app.engines.serverspec import GIB, ServerSpec, longest
from app.errors import Refused
from core.jobs import plain
from core.registered import KINDS, NAME, NOTE, ModelKind, Registered, read_choice, text_problem
from core.report_file import LARGEST, HeldOut, read_report
from core.specs import read_spec
from db import jobs, models
from db.models import Entry, Model

REPORT = "report.json"
_LENGTH = 4096
_PATH = 1000


@dataclass(frozen=True, slots=True)
class NewModel:
    """A folder to register. `base` is the folder of the base, `based_on` what the spec called it; the others as in `Entry`."""

    folder: Path
    name: str = ""
    kind: str = "critic"
    base: Path | None = None
    based_on: str = ""
    data_hash: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    job_folder: Path | None = None
    note: str = ""


def register(context: Context, new: NewModel) -> Model:
    """Register a folder; the same folder again is the same model. Raises Refused for a folder that holds no checkpoint.

    A folder below one of our jobs brings its held-out report with it, where that is about these weights.
    """
    kind = kind_of(new.kind)
    folder = checked_folder(new.folder)
    name = " ".join((new.name or _name_of(folder)).split())
    _check_texts(name, new.note)
    path = stored(context, folder)
    parent = None if new.base is None else _registered_at(context, new.base)
    entry = Entry(
        name=name,
        kind=kind,
        path=path,
        digest=_digest(folder),
        base=new.based_on,
        base_digest="" if new.base is None else _digest(new.base),
        data_hash=new.data_hash,
        data=plain(dict(new.data)),
        metrics=plain(dict(new.metrics)),
        parents=() if parent is None else (parent.id,),
        job_folder="" if new.job_folder is None else stored(context, new.job_folder),
        note=new.note,
    )
    return models.put(context.database, entry if new.job_folder else _of_job(context, entry), context.now())


def _of_job(context: Context, entry: Entry) -> Entry:
    found = re.fullmatch(r"(jobs/[0-9]{1,15})/model", entry.path)
    report = _read(context, found[1]) if found else ""
    if found is None or isinstance(report, str) or report.trained.model != named_in_report(entry.digest):
        return entry
    numbers = {side: own.all.model_dump() for side, own in (("base", report.base), ("trained", report.trained))}
    return entry._replace(job_folder=found[1], metrics={**numbers, **entry.metrics})


def _digest(folder: Path) -> str:
    try:
        return checkpoint_digest(folder)
    except OSError as error:
        raise Refused(f"The files in {folder} cannot be read: {(error.strerror or str(error)).lower()}.") from error


def _registered_at(context: Context, folder: Path) -> Model | None:
    try:
        return models.at_path(context.database, stored(context, folder))
    except Refused:
        return None


def kind_of(text: str) -> ModelKind:
    """A kind of model. Raises Refused."""
    for kind in KINDS:
        if text == kind:
            return kind
    raise Refused(f"A model is of the kind {' or '.join(KINDS)}, not {text[:60]!r}.")


def checked_folder(folder: Path) -> Path:
    """The whole path of a folder with a checkpoint. Raises Refused, saying what is missing."""
    try:
        whole = folder.expanduser().resolve()
        names = {file.name for file in whole.iterdir()}
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(f"{str(folder)[:300]!r} is no folder that can be read here.") from error
    if "adapter_config.json" in names:
        raise Refused(
            f"{whole} holds an adapter. Register the folder with the merged weights, often `model` beside it."
        )
    for wanted in ("config.json", "tokenizer_config.json"):
        if wanted not in names:
            raise Refused(f"{whole} holds no {wanted}, so it is no checkpoint that can be loaded.")
    if not any(name.endswith(".safetensors") for name in names):
        raise Refused(f"{whole} holds no safetensors file; other weight formats are not read.")
    return whole


def stored(context: Context, folder: Path) -> str:
    """How a path is kept: relative to the data folder where it lies in it. Raises Refused for one that cannot be kept."""
    whole, data = folder.resolve(), context.settings.data.resolve()
    text = str(whole.relative_to(data)) if whole.is_relative_to(data) else str(whole)
    if len(text) > _PATH or not text.isprintable():
        raise Refused(
            f"The path {text[:100]!r} is too long or holds characters that cannot be printed; move the folder."
        )
    return text


def _name_of(folder: Path) -> str:
    """The name of a folder; one called `model` or so is known by the folder around it."""
    return (folder.parent.name if folder.name in ("model", "weights") else folder.name)[:NAME] or "model"


def _check_texts(name: str, note: str) -> None:
    problem = text_problem("name", name, NAME) or text_problem("note", note, NOTE, 0)
    if problem:
        raise Refused(problem)


class Shown(NamedTuple):
    """A model with where it is served: ports of our own servers."""

    model: Model
    ports: tuple[int, ...]


def listing(context: Context, kind: ModelKind | None = None) -> list[Shown]:
    """The models that are not forgotten, newest first."""
    served = serving(context)
    return [_shown(context, model, served) for model in models.listing(context.database, kind)]


def _shown(context: Context, model: Model, served: Mapping[str, Sequence[Running]]) -> Shown:
    return Shown(model, tuple(running.port for running in served.get(str(place(context, model)), ())))


def states(context: Context) -> dict[int, str]:
    """For every listed model whose folder is not what was registered, the sentence that says so. Reads every folder."""
    told = {model.id: standing(context, model) for model in models.listing(context.database)}
    return {model_id: sentence for model_id, sentence in told.items() if sentence}


@dataclass(frozen=True, slots=True)
class Opened:
    """One model with everything around it. `standing` is '' where its folder is as registered; `report` a report, or why not."""

    shown: Shown
    standing: str
    parents: tuple[Model, ...]
    children: tuple[Model, ...]
    job: int | None
    spec: Mapping[str, Any] | None
    report: HeldOut | str


def one(context: Context, model_id: int) -> Opened:
    """One model, a forgotten one too. Raises Missing."""
    model = one_model(context, model_id)
    named = (models.get(context.database, parent) for parent in model.parents)
    found = re.fullmatch(r"jobs/([0-9]{1,15})", model.job_folder)
    job = jobs.get(context.database, int(found[1])) if found else None
    return Opened(
        _shown(context, model, serving(context)),
        standing(context, model),
        tuple(parent for parent in named if parent),
        tuple(models.children(context.database, model_id)),
        job.id if job else None,
        job.spec if job else None,
        report_of(context, model),
    )


def report_of(context: Context, model: Model) -> HeldOut | str:
    """The held-out report beside a model's job, or a sentence: none was made, it is gone, cannot be read, or is another's."""
    if not model.job_folder:
        return "There is no held-out report: this model was registered by hand, not made by a job here."
    found = _read(context, model.job_folder)
    if isinstance(found, str) or found.trained.model in ("", named_in_report(model.digest)):
        return found
    return "The held-out report in the folder of its job is about other weights than the registered ones."


def named_in_report(digest: str) -> str:
    """How a held-out report calls the weights with this digest."""
    return hashlib.sha256(digest.encode()).hexdigest()[:16]


def _read(context: Context, job_folder: str) -> HeldOut | str:
    try:
        with open_file(context.settings.data.resolve() / job_folder, REPORT) as file:
            content = file.read(LARGEST + 1)
    except Refused:
        return "There is no held-out report: its job made none, or its folder was deleted."
    except OSError as error:
        return f"The held-out report cannot be read: {(error.strerror or str(error)).lower()}."
    if len(content) > LARGEST:
        return f"The held-out report cannot be read: it has more than {LARGEST >> 20} MiB."
    try:
        return read_report(content)
    except ValueError as error:
        return str(error)


def rename(context: Context, model_id: int, name: str, note: str | None = None) -> str:
    """Give a model another name, and another note where one is given; returns a sentence. Raises Refused."""
    model = one_model(context, model_id)
    name = " ".join(name.split())
    _check_texts(name, note or "")
    if not models.describe(context.database, model_id, name, model.note if note is None else note):
        raise Refused(f"Model {model_id} was forgotten and keeps its name.")
    return f"Model {model_id} is now called {name}."


def forget(context: Context, model_id: int, delete_files: str = "") -> str:
    """Take a model off the list; returns a sentence. Its files are deleted only where `delete_files` is the model's name.

    Only files right in its folder, and only below `jobs` or `models` in the data folder. Raises Refused while something uses it.
    """
    model = one_model(context, model_id)
    if model.removed_at is not None and not delete_files:
        raise Refused(f"Model {model_id} ({model.name}) was forgotten before.")
    if delete_files and delete_files != model.name:
        raise Refused(f"To delete its files, give the model's name as it is written: {model.name}")
    if delete_files:
        _check_unused(context, model)
    models.forget(context.database, model_id, context.now())
    freed = f" {_deleted(place(context, model))}" if delete_files else " Its files stay."
    return f"Model {model_id} ({model.name}) is forgotten.{freed}"


def _check_unused(context: Context, model: Model) -> None:
    folder = place(context, model)
    parts = Path(model.path).parts
    own = len(parts) > {"jobs": 2, "models": 1}.get(parts[0] if parts else "", len(parts))
    if not own or folder.resolve() != folder:
        raise Refused(
            f"{folder} is not a folder of its own below `jobs` or `models` in the data folder; delete it by hand."
        )
    for running in serving(context).get(str(folder), ()):
        raise Refused(f"The server {running.name} on port {running.port} serves model {model.id}. Stop it first.")
    waiting = [*jobs.living(context.database), *jobs.page(context.database, status="queued", limit=1000)]
    for job in waiting:
        used = {f"model:{model.id}", model.job_folder.replace("jobs/", "job:")}
        if used & _chosen(job.spec):
            raise Refused(f"Job {job.id} ({job.status}) uses model {model.id}. Cancel it or wait for it.")


def _chosen(spec: Mapping[str, Any]) -> frozenset[str]:
    """The models that a job's spec names; none where this version cannot read it."""
    try:
        return read_spec(spec).models()
    except ValueError:
        return frozenset()


def _deleted(folder: Path) -> str:
    """Delete the files right in a folder, and the folder where nothing is left; what that freed."""
    size = count = 0
    try:
        for file in list(folder.iterdir()) if folder.is_dir() else ():
            if file.is_symlink() or file.is_file():
                size, count = size + file.lstat().st_size, count + 1
                file.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise Refused(
            f"It is forgotten, but not all files in {folder} could be deleted: {(error.strerror or str(error)).lower()}."
        ) from error
    return f"{count} {'file was' if count == 1 else 'files were'} deleted, {size / GIB:.2f} GiB."


def base_folder(context: Context, base: str) -> Path:
    """The folder of a base written as `model:ID`. Raises Refused for any other text, and for a model that cannot be used."""
    try:
        chosen = read_choice(base)
    except ValueError:
        chosen = None
    if not isinstance(chosen, Registered):
        raise Refused(f"A registered model is written model:ID, not {base[:60]!r}. `subtext models list` lists them.")
    return usable(context, chosen.id)[1]


@dataclass(frozen=True, slots=True)
class Asked:
    """How to serve a model; '' and 0 let the machine decide."""

    device: str = ""
    port: int = 0
    max_model_len: int = 0


def serve(context: Context, model_id: int, asked: Asked | None = None) -> Running:
    """Start a vLLM server for a model, or return the one that serves it already. Returns at once. Raises Refused."""
    asked = asked or Asked()
    model, folder = usable(context, model_id)
    for running in serving(context).get(str(folder), ()):
        return running
    device, share = (asked.device, 0.9) if asked.device else best_device()
    length = asked.max_model_len or min(_LENGTH, longest(folder) or _LENGTH)
    spec = ServerSpec(
        str(folder),
        served_name(model),
        port=asked.port,
        device=device,
        max_model_len=length,
        memory_share=share,
        kv_cache_gib=1 if _size(folder) < GIB else 4,
    )
    return servers.start(context, spec)


def served_name(model: Model) -> str:
    """What clients ask a server for. It holds the start of the digest: kept replies never belong to other weights."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", model.name).strip("-")[:60] or model.kind
    return f"{words}-{model.id}-{model.digest[:6]}"


def best_device() -> tuple[str, float]:
    """The GPU with most free memory and the share of it to take; the CPU where there is no GPU."""
    found = machine.gpus()
    if not found:
        return "cpu", 0.9
    number, gpu = max(found.items(), key=lambda item: (item[1].free, -item[0]))
    return f"cuda:{number}", min(0.9, max(0.05, int(95 * gpu.free / gpu.total) / 100))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def data_hash(examples: list[str]) -> str:
    """SHA-256 over what was trained on, in its order."""
    found = hashlib.sha256()
    for example in examples:
        found.update(hashlib.sha256(example.encode("utf-8", "replace")).digest())
    return found.hexdigest()
