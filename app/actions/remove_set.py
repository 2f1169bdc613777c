"""Delete a set: its rows in one transaction, then the originals of its files."""

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
    for digest in sets.delete_set(context.database, set_id):
        context.blobs.delete(digest)
    return f"Deleted {owner.name} v{owner.version} with {owner.records:,} records."
