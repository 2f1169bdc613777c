"""Delete a set: its rows in one transaction, then the originals that no set uses any more."""

from collections.abc import Iterable

from sqlalchemy.exc import OperationalError

from app.context import Context
from app.errors import Refused
from db import sets


def remove_set(context: Context, set_id: int, confirm: str) -> str:
    """Delete a set and return a sentence. `confirm` must be the set's name, so that no slip deletes anything."""
    owner = sets.one_set(context.database, set_id)
    if owner is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted already.")
    if confirm.strip() != owner.name:
        raise Refused(f"To delete this set, type its name: {owner.name}.")
    try:
        drop_originals(context, sets.delete_set(context.database, set_id))
    except OperationalError as error:
        raise Refused("An import was writing for too long; nothing was deleted. Try again when it is done.") from error
    return f"Deleted {owner.name} v{owner.version} with {owner.records:,} records."


def drop_originals(context: Context, digests: Iterable[str]) -> int:
    """Remove these originals unless a set uses them; returns how many.

    Looks under the write lock: an import makes its originals and its rows under the same lock, so none is taken from it.
    """
    with context.database.write() as connection:
        spare = [digest for digest in digests if sets.file_by_digest(connection, digest) is None]
        for digest in spare:
            context.blobs.delete(digest)
    return len(spare)
