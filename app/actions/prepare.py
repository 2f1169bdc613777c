"""Make a data folder ready to serve: the newest schema, left-over copies removed, the starter set loaded once."""

from app.actions.import_data import Incoming, Labels, import_staged, stage_file
from app.context import Context
from db import sets
from db.migrate import migrate
from db.seeds import SET_NAME, seed_files

_LOADED = "starter_set"


def prepare(context: Context) -> list[str]:
    """Returns sentences about what was done. A starter set that a person deleted stays deleted."""
    migrate(context.database)
    context.blobs.clear_incoming()
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
