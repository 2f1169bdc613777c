"""What may fill a role for once, chosen in a form or a spec by a short text, and the folders of registered models.

`''` is what the settings say, `starter` the starter model, `model:12` registered model 12 run in the asking process,
`server:8001` the model server of ours on that port. Opens and calls no model.
"""

import shlex
from pathlib import Path
from typing import NamedTuple, assert_never

from app.context import Context
from app.engines import managed
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.engines.managed import Exited, Running, Starting, Up, health
from app.engines.roles import checkpoint_digest
from app.errors import Missing, Refused
from core.registered import AsSet, ModelKind, Registered, Served, Starter, read_choice
from core.types import shorten
from db import models
from db.models import Model


class Choice(NamedTuple):
    """One line of a form: the text that chooses, and what people read."""

    value: str
    label: str


def choices(context: Context, kind: ModelKind = "critic", role: Role | None = None) -> list[Choice]:
    """What can be chosen now: the settings' own, the starter model, registered models whose folder is there, servers that run.

    `role` is what is filled, where that is not the kind of the models.
    """
    found = [
        Choice("", f"as the settings say ({_as_set(context, role or kind)})"),
        Choice("starter", "the starter model"),
    ]
    for model in models.listing(context.database, kind):
        if (place(context, model) / "config.json").is_file():
            found.append(Choice(f"model:{model.id}", f"{model.name} (model {model.id})"))
    for running in servers(context):
        match health(running):
            case Up():
                found.append(Choice(f"server:{running.port}", f"{running.name}, served on port {running.port}"))
            case Starting():
                label = f"{running.name} on port {running.port}, still starting"
                found.append(Choice(f"server:{running.port}", label))
            case Exited():
                pass
    return found


def _as_set(context: Context, role: Role) -> str:
    match context.settings.engines[role]:
        case Endpoint(model=model):
            return shorten(model, 80)
        case Local(path=path):
            return shorten(str(path), 80)
        case None:
            return "starter model"


def engine_of(context: Context, role: Role, choice: str) -> Engine:
    """What a choice fills a role with. Raises Refused for a text that chooses nothing, or what cannot be asked now."""
    try:
        chosen = read_choice(choice)
    except ValueError as error:
        raise Refused(str(error)) from error
    match chosen:
        case AsSet():
            return context.settings.engines[role]
        case Starter():
            return None
        case Registered(id=model_id):
            return Local(usable(context, model_id)[1])
        case Served(port=port):
            return _served(context, port)
        case _:
            assert_never(chosen)


def _served(context: Context, port: int) -> Endpoint:
    running = next((one for one in servers(context) if one.port == port), None)
    if running is None:
        raise Refused(f"There is no server of ours on port {port}. `subtext servers list` lists them.")
    match health(running):
        case Up():
            return Endpoint(running.base_url, running.name, structured=True)
        case Starting(line=said):
            last = f" Its log says: {shorten(said, 200)}" if said else ""
            raise Refused(f"The server {running.name} on port {port} is still starting; wait until it is up.{last}")
        case Exited(cause=cause):
            raise Refused(f"The server {running.name} on port {port} has ended. {shorten(cause, 300)}".strip())


def servers_folder(context: Context) -> Path:
    """Where state files and logs of model servers are."""
    return context.settings.data.resolve() / "servers"


def servers(context: Context) -> list[Running]:
    """The model servers of ours, by port."""
    return managed.known(servers_folder(context))


def serving(context: Context) -> dict[str, list[Running]]:
    """The servers that have not ended, by the folder (or the name on the hub) that they serve."""
    found: dict[str, list[Running]] = {}
    for running in servers(context):
        if not isinstance(health(running), Exited):
            found.setdefault(served_model(running), []).append(running)
    return found


def served_model(running: Running) -> str:
    """The folder, or the name on the hub, that a server was started with."""
    line = running.command
    return line[line.index("--model") + 1] if "--model" in line[:-1] else ""


def one_model(context: Context, model_id: int) -> Model:
    """A registered model, a forgotten one too. Raises Missing."""
    found = models.get(context.database, model_id)
    if found is None:
        raise Missing(f"There is no model {model_id}. `subtext models list` lists them.")
    return found


def place(context: Context, model: Model) -> Path:
    """The folder of a model."""
    return context.settings.data.resolve() / model.path


def standing(context: Context, model: Model) -> str:
    """'' where the folder holds what was registered; otherwise a sentence: it is gone, or its content changed."""
    folder = place(context, model)
    if not (folder / "config.json").is_file():
        return f"The folder {folder} of model {model.id} holds no checkpoint any more; its files were deleted or moved."
    try:
        digest = checkpoint_digest(folder)
    except OSError as error:
        return f"The files of model {model.id} in {folder} cannot be read: {(error.strerror or str(error)).lower()}."
    if digest == model.digest:
        return ""
    return (
        f"The files of model {model.id} in {folder} changed since it was registered; what is known of it is about the old "
        f"ones. `subtext models add {shlex.quote(str(folder))}` registers what lies there now."
    )


def named_folder(context: Context, folder: Path) -> tuple[str, str]:
    """What people call the checkpoint in a folder, and the digest of what lies there now, registered or not."""
    digest = checkpoint_digest(folder)
    for model in models.listing(context.database):
        if place(context, model).resolve() == folder.resolve():
            changed = "" if model.digest == digest else ", changed since it was registered"
            return f"{model.name} (model {model.id}{changed})", digest
    return shorten(folder.name, 120), digest


def usable(context: Context, model_id: int) -> tuple[Model, Path]:
    """A registered model with its folder. Raises Refused where it is not there, forgotten, or not what was registered."""
    model = one_model(context, model_id)
    if model.removed_at is not None:
        raise Refused(f"Model {model_id} ({model.name}) was forgotten. `subtext models add FOLDER` brings it back.")
    if problem := standing(context, model):
        raise Refused(problem)
    return model, place(context, model)
