"""Make a data folder ready: the newest schema, the starter set loaded once; for a server, left-over copies removed."""

import time

from app.actions.import_data import Incoming, Labels, import_staged, stage_file
from app.context import Context
from db import sets
from db.migrate import migrate
from db.seeds import SET_NAME, seed_files

_LOADED = "starter_set"


_FORGOTTEN = 600
"""Seconds after which a staged copy belongs to no command that is still running."""


def clear_left_overs(context: Context) -> None:
    """Remove copies that a killed import left. For the start of a server only: its own uploads are forgotten by then."""
    context.blobs.clear_incoming(time.time() - _FORGOTTEN)


def prepare(context: Context) -> list[str]:
    """Returns sentences about what was done. A starter set that a person deleted stays deleted."""
    migrate(context.database)
    if not context.settings.starter_set or sets.fact(context.database, _LOADED):
        return []
    incoming = [Incoming(path.name, stage_file(context, path)) for path in seed_files()]
    try:
        outcome = import_staged(context, incoming, Labels(name=SET_NAME, sample=True))
    finally:
        for item in incoming:
            context.blobs.discard(item.staged)
    with context.database.write() as connection:
        sets.set_fact(connection, _LOADED, context.now())
    return [outcome.sentence()]
