"""Make a data folder ready: the newest schema, the starter set loaded once; for a server, left-over copies removed."""

import time
from pathlib import Path

from app.actions.import_data import Incoming, Labels, import_staged, stage_file
from app.context import Context
from db import sets
from db.migrate import migrate
from db.seeds import STARTERS

_FORGOTTEN = 600
"""Seconds after which a staged copy belongs to no command that is still running."""


def clear_left_overs(context: Context) -> None:
    """Remove copies that a killed import left. For the start of a server only: its own uploads are forgotten by then."""
    context.blobs.clear_incoming(time.time() - _FORGOTTEN)


def prepare(context: Context) -> list[str]:
    """Returns sentences about what was done. A starter set that a person deleted stays deleted."""
    migrate(context.database)
    if not context.settings.starter_set:
        return []
    return [sentence for name, files in STARTERS.items() if (sentence := _load(context, name, files()))]


def _load(context: Context, name: str, files: list[Path]) -> str:
    """Load one sample set, once in the life of a database; returns what was done, or ''."""
    fact = f"loaded {name}"
    if not files or sets.fact(context.database, fact):
        return ""
    incoming = [Incoming(path.name, stage_file(context, path)) for path in files]
    try:
        outcome = import_staged(context, incoming, Labels(name=name, sample=True))
    finally:
        for item in incoming:
            context.blobs.discard(item.staged)
    with context.database.write() as connection:
        sets.set_fact(connection, fact, context.now())
    return outcome.sentence()
