"""Putting queues and answers of a file into an evaluation. What is there already is told by its id within that evaluation.

Ids are unique in the whole database: one that another evaluation holds is replaced by one that is derived from it. Reads no file.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from db.engine import Database
from db.verdict_checks import Event, New, Pick, keep, lay_out

_QUEUE = "SELECT evaluation_id FROM verdict_queue WHERE uid = :id"
_EVENT = "SELECT evaluation_id FROM verdict_event WHERE client_id = :id"


class Restored(NamedTuple):
    """What came of a file: queues and events that were added, and events that were there already."""

    queues: int
    added: int
    known: int


def restore(
    database: Database,
    evaluation_id: int,
    given: Sequence[tuple[New, Sequence[Pick], str]],
    said: Sequence[Event],
) -> Restored:
    """Add queues (with their verdicts and when they were drawn) and events that are not here yet, in one transaction."""
    added = laid = 0
    with database.write() as connection:
        for new, picks, at in given:
            uid, here = _own(connection, _QUEUE, evaluation_id, new.uid)
            if not here:
                lay_out(connection, evaluation_id, new._replace(uid=uid), picks, at)
                laid += 1
        for event in said:
            client_id, here = _own(connection, _EVENT, evaluation_id, event.client_id)
            if not here:
                keep(connection, evaluation_id, event._replace(client_id=client_id))
                added += 1
    return Restored(laid, added, len(said) - added)


def known(database: Database, evaluation_id: int, queues: Sequence[str], events: Sequence[str]) -> set[str]:
    """Those ids of a file's queues and events that `restore` would find in the evaluation."""
    with database.read() as connection:
        asked = [(_QUEUE, one) for one in queues] + [(_EVENT, one) for one in events]
        return {one for query, one in asked if _own(connection, query, evaluation_id, one)[1]}


def _own(connection: Connection, query: str, evaluation_id: int, given: str) -> tuple[str, bool]:
    """The id that a file's id has in an evaluation, and whether it is there already."""
    while (holder := connection.execute(text(query), {"id": given}).scalar()) not in (None, evaluation_id):
        given = hashlib.sha256(f"{evaluation_id} {given}".encode("ascii")).hexdigest()[:32]
    return given, holder is not None
