"""From a choice of a model to the checkpoint whose attention can be read. Knows settings, registered models and our servers.

Attention is read from weights: a server gives none, so its checkpoint has to lie here.
"""

from pathlib import Path
from typing import NamedTuple

from app.actions.evaluation_plan import engine_for
from app.context import Context
from app.engines.choices import named_folder, place, served_model, servers, usable
from app.engines.endpoint import Endpoint, Local
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from core.types import shorten
from db import models


class Checkpoint(NamedTuple):
    """A checkpoint that is here: its name for people, its folder, and the digest of its weights."""

    name: str
    folder: Path
    digest: str


def checkpoint_of(context: Context, chosen: str) -> Checkpoint:
    """The checkpoint that a choice stands for; for a server of ours the registered folder that it serves. Raises Refused."""
    match engine_for(context, "policy", chosen):
        case Endpoint(base_url=base_url, model=model):
            return _served(context, base_url, shorten(model, 120))
        case Local(path=path):
            name, digest = named_folder(context, path)
            return Checkpoint(name, path, digest)
        case None:
            return Checkpoint("starter model", STARTER, checkpoint_digest(STARTER))


def _served(context: Context, base_url: str, name: str) -> Checkpoint:
    running = next((one for one in servers(context) if one.base_url == base_url), None)
    folder = Path(served_model(running)) if running is not None else None
    if folder is not None and folder.is_absolute():
        if folder.resolve() == STARTER.resolve():
            return Checkpoint("starter model", STARTER, checkpoint_digest(STARTER))
        for model in models.listing(context.database):
            if place(context, model).resolve() == folder.resolve():
                own, where = usable(context, model.id)
                return Checkpoint(f"{own.name} (model {own.id})", where, own.digest)
    raise Refused(
        f"{name} is asked as a server, which does not show its attention. Register the folder with the same weights "
        "(`subtext models add FOLDER`), and start the server from it or choose the registered model."
    )
