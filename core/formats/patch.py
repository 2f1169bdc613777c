"""How a file's spelling of an object differs from ours, so that what was read can be written again as it was.

A patch is `{"set": {...}, "drop": [...]}`: keys to write over our canonical object, and keys to leave out.
"""

from core.types import Json


def diff(ours: Json, theirs: Json) -> Json | None:
    """The patch that turns `ours` into `theirs`, or None when they are equal."""
    if ours == theirs and not any(type(value) is bool for value in theirs.values()):
        return None
    patch: Json = {}
    changed = {key: value for key, value in theirs.items() if key not in ours or not _same(ours[key], value)}
    missing = [key for key in ours if key not in theirs]
    if changed:
        patch["set"] = changed
    if missing:
        patch["drop"] = missing
    return patch or None


def _same(ours: object, theirs: object) -> bool:
    """Equal as JSON: true is not 1."""
    return ours == theirs and (type(ours) is bool) == (type(theirs) is bool)


def apply(ours: Json, patch: Json | None) -> Json:
    """`ours` with the patch applied; inverse of `diff`."""
    if not patch:
        return ours
    drop = set(patch.get("drop", ()))
    return {key: value for key, value in ours.items() if key not in drop} | patch.get("set", {})
