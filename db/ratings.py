"""A rater at work: the next dialogue, the lease of a tab, saving acts. Blind: nothing here returns a model or a source.

Every call names the rater by the digest of the link's secret (`key`); a token of another rater is as unknown as one that
never was.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, text

from core.study import DIMENSION, Event, current, next_turn
from db.engine import Database

LEASE = timedelta(minutes=2)
"""How long a dialogue stays with the tab that opened it after its last sign of life."""

NOTE_LIMIT = 4000
ACTIVE_LIMIT_MS = 600_000
"""Time on one turn beyond this is not time spent on it."""


class Refusal(NamedTuple):
    """Why nothing was stored, in words for the rater. `code` is for the page: retrying helps only with `held`."""

    code: Literal["unknown", "moved", "closed", "held", "invalid", "consent"]
    text: str


class Act(NamedTuple):
    """What a rater did on one turn. `value` 1-5, 0 = cannot be rated, None = taken back. `client_id` makes a resend harmless.
    `guideline_version` is the one the rater saw; what is no version of the study counts as the one that holds."""

    turn: int
    value: int | None
    client_id: str
    active_ms: int = 0
    flagged: bool = False
    note: str = ""
    guideline_version: str = ""


class Saved(NamedTuple):
    """An act that is stored, under its client id; `sequence` counts the acts on its turn."""

    client_id: str
    turn: int
    sequence: int


class Sheet(NamedTuple):
    """What a rater's page shows: an opaque token, who the user is, turns so far, values, notes and flags of turns, and how far
    the list is done. `rater` is an opaque name of the rater, under which the browser keeps what it has not sent yet."""

    rater: str
    token: str
    profile: str
    turns: list[tuple[str, str]]
    turn_count: int
    values: dict[int, int]
    notes: dict[int, str]
    flags: list[int]
    place: int
    places: int
    done: int
    submitted: bool
    guideline: str
    guideline_version: str
    consent: str
    withdrawal: str
    held_elsewhere: bool


class Welcome(NamedTuple):
    """What a rater reads before the first dialogue: the consent text, what becomes of the ratings of somebody who leaves, the
    guideline, and how much there is to do."""

    rater: str
    consent: str
    withdrawal: str
    guideline: str
    places: int
    turns: int


class Idle(NamedTuple):
    """What a rater gets with whom nothing is left to do: everything was handed to somebody else, or nothing was ever given."""

    rater: str
    withdrawal: str


_MINE = """
SELECT a.id, a.token, a.position, a.holder, a.held_until, a.submitted_at, a.reclaimed_at, i.profile, i.turns, s.status,
       s.guideline, s.consent, s.withdrawal, s.guideline_version, s.progressive, s.id AS study_id, r.id AS rater_id,
       r.blind_id, r.consented_at
FROM rater r JOIN study s ON s.id = r.study_id JOIN assignment a ON a.rater_id = r.id JOIN study_item i ON i.id = a.item_id
WHERE r.secret_digest = :key AND r.withdrawn_at IS NULL
"""
_FIRST = """
SELECT a.token FROM rater r JOIN assignment a ON a.rater_id = r.id
WHERE r.secret_digest = :key AND r.withdrawn_at IS NULL AND a.reclaimed_at IS NULL
ORDER BY a.submitted_at IS NOT NULL, a.position LIMIT 1
"""
_PLACES = """
SELECT count(*), count(submitted_at), coalesce(sum(position <= ?), 0) FROM assignment WHERE rater_id = ? AND reclaimed_at IS NULL
"""
_WELCOME = """
SELECT r.blind_id, s.consent, s.withdrawal, s.guideline, count(a.id), sum(json_array_length(i.turns))
FROM rater r JOIN study s ON s.id = r.study_id JOIN assignment a ON a.rater_id = r.id JOIN study_item i ON i.id = a.item_id
WHERE r.id = ? AND a.reclaimed_at IS NULL
"""
_IDLE = """
SELECT r.blind_id, s.withdrawal FROM rater r JOIN study s ON s.id = r.study_id
WHERE r.secret_digest = :key AND r.withdrawn_at IS NULL
"""
_ADD = """
INSERT INTO rating_event
    (assignment_id, turn, dimension, sequence, value, flagged, note, active_ms, guideline_version, client_id, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
UNKNOWN = Refusal("unknown", "This link or dialogue is not known. Ask whoever invited you for a new link.")
_CLOSED = Refusal("closed", "This study is closed. Thank you; your ratings up to now are kept.")
_MOVED = Refusal("moved", "This dialogue was given to somebody else meanwhile. Reload the page for the next one.")
_CONSENT = Refusal("consent", "Read and accept the consent text before you rate: reload the page.")
_HELD = Refusal("held", "This dialogue is open in another tab or window. Go on there, or take it over here.")


def sheet(
    database: Database, key: str, token: str = "", holder: str = "", now: str = ""
) -> Sheet | Welcome | Idle | Refusal:
    """The dialogue of a token, or without one the first that is not submitted (the first one when all are submitted).

    Before the rater has consented it is the welcome, where the study has a consent text; without any dialogue it says so.
    """
    with database.read() as connection:
        if not token:
            token = connection.execute(text(_FIRST), {"key": key}).scalar() or ""
            idle = None if token else connection.execute(text(_IDLE), {"key": key}).first()
            if idle is not None:
                return Idle(*idle)
        row = _mine(connection, key, token)
        if isinstance(row, Refusal):
            return row
        if row.consent and row.consented_at is None:
            return Welcome(*connection.exec_driver_sql(_WELCOME, (row.rater_id,)).one())
        held = bool(row.holder and row.holder != holder and row.held_until > now)
        return _sheet(connection, row, _events(connection, row.id), row.submitted_at is not None, held)


def _sheet(connection: Connection, row: Row[Any], events: Sequence[Event], submitted: bool, held: bool) -> Sheet:
    places, done, place = connection.exec_driver_sql(_PLACES, (row.position, row.rater_id)).one()
    values, turns = current(events), [(one[0], one[1]) for one in _turns(row)]
    shown = len(turns)
    if row.progressive and row.status == "running":
        shown = next_turn(values, len(turns)) or len(turns)
    notes, flags = _remarks(connection, row.id)
    what = (row.blind_id, row.token, row.profile, turns[:shown], len(turns), values, notes, flags)
    texts = (row.guideline, row.guideline_version, row.consent, row.withdrawal)
    return Sheet(*what, place, places, done, submitted, *texts, held)


def consent(database: Database, key: str, now: str) -> Refusal | None:
    """Record that a rater read and accepted the consent text; once is enough."""
    update = (
        "UPDATE rater SET consented_at = coalesce(consented_at, ?) WHERE secret_digest = ? AND withdrawn_at IS NULL"
    )
    with database.write() as connection:
        return None if connection.exec_driver_sql(update, (now, key)).rowcount == 1 else UNKNOWN


def hold(database: Database, key: str, token: str, holder: str, now: str, take_over: bool = False) -> Refusal | None:
    """Take or renew the lease of a dialogue for a tab. Refused while another tab has it, unless it is taken over."""
    with database.write() as connection:
        row = _mine(connection, key, token)
        if isinstance(row, Refusal):
            return row
        if not take_over and row.holder not in ("", holder) and row.held_until > now:
            return _HELD
        _lease(connection, row.id, holder, now, row.submitted_at)
    return None


class _Refused(Exception):
    """Leaves a transaction without storing anything."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class Answer(NamedTuple):
    """Acknowledged acts, and the dialogue as it is now."""

    saved: list[Saved]
    sheet: Sheet


def save(database: Database, key: str, token: str, holder: str, acts: Sequence[Act], now: str) -> Answer | Refusal:
    """Store acts in their order, all or none. An act that was stored before is acknowledged again and not doubled."""
    try:
        with database.write() as connection:
            return _save(connection, _mine(connection, key, token), holder, acts, now)
    except _Refused as stop:
        return stop.refusal


def _save(connection: Connection, row: Row[Any] | Refusal, holder: str, acts: Sequence[Act], now: str) -> Answer:
    if isinstance(row, Refusal):
        raise _Refused(row)
    if row.status != "running":
        raise _Refused(_CLOSED)
    if row.consent and row.consented_at is None:
        raise _Refused(_CONSENT)
    if row.holder not in ("", holder) and row.held_until > now:
        raise _Refused(_HELD)
    events = _events(connection, row.id)
    saved = [_stored(connection, row.id, act.client_id) or _append(connection, row, act, events, now) for act in acts]
    complete = next_turn(current(events), len(_turns(row))) is None
    _lease(connection, row.id, holder, now, (row.submitted_at or now) if complete else None)
    return Answer(saved, _sheet(connection, row, events, complete, False))


def _mine(connection: Connection, key: str, token: str) -> Row[Any] | Refusal:
    row = connection.execute(text(f"{_MINE} AND a.token = :token"), {"key": key, "token": token}).first()
    if row is None:
        return UNKNOWN
    return row if row.reclaimed_at is None else _MOVED


def _turns(row: Row[Any]) -> list[list[str]]:
    return json.loads(row.turns)


def _events(connection: Connection, assignment_id: int) -> list[Event]:
    query = "SELECT turn, sequence, value FROM rating_event WHERE assignment_id = ? AND dimension = ? ORDER BY id"
    return [Event(*row) for row in connection.exec_driver_sql(query, (assignment_id, DIMENSION))]


def _remarks(connection: Connection, assignment_id: int) -> tuple[dict[int, str], list[int]]:
    """Notes and flags as they stand on each turn, also on a turn whose value was taken back."""
    query = "SELECT turn, note, flagged FROM rating_event WHERE assignment_id = ? AND dimension = ? ORDER BY sequence"
    last = {row[0]: (row[1], row[2]) for row in connection.exec_driver_sql(query, (assignment_id, DIMENSION))}
    notes = {turn: note for turn, (note, _) in sorted(last.items()) if note}
    return notes, sorted(turn for turn, (_, flagged) in last.items() if flagged)


def _stored(connection: Connection, assignment_id: int, client_id: str) -> Saved | None:
    """The act of this client id if it is stored; refused when it belongs to another dialogue."""
    query = "SELECT assignment_id, turn, sequence FROM rating_event WHERE client_id = ?"
    row = connection.exec_driver_sql(query, (client_id,)).first()
    if row is not None and row.assignment_id != assignment_id:
        raise _Refused(UNKNOWN)
    return None if row is None else Saved(client_id, row.turn, row.sequence)


def _wrong(act: Act, events: list[Event], row: Row[Any]) -> Refusal | None:
    """Why an act cannot be stored; None when it can."""
    turns = len(_turns(row))
    if type(act.turn) is not int or not 1 <= act.turn <= turns:
        return Refusal("invalid", f"There is no turn {str(act.turn)[:20]} in this dialogue; it has {turns}.")
    if act.value is not None and (type(act.value) is not int or not 0 <= act.value <= 5):
        return Refusal("invalid", "A rating is 1 to 5, or 0 where a turn cannot be rated.")
    if not 8 <= len(act.client_id) <= 64:
        return Refusal("invalid", "This rating came without a proper id. Reload the page.")
    if len(act.note) > NOTE_LIMIT:
        return Refusal("invalid", f"A note has at most {NOTE_LIMIT:,} characters; this one has {len(act.note):,}.")
    values = current(events)
    if row.progressive and any(turn not in values for turn in range(1, act.turn)):
        return Refusal("invalid", "Turns are rated one after another in this study.")
    return None


def _append(connection: Connection, row: Row[Any], act: Act, events: list[Event], now: str) -> Saved:
    problem = _wrong(act, events, row)
    if problem is not None:
        raise _Refused(problem)
    sequence = 1 + max((event.sequence for event in events if event.turn == act.turn), default=0)
    events.append(Event(act.turn, sequence, act.value))
    active = min(max(0, act.active_ms), ACTIVE_LIMIT_MS)
    what = (row.id, act.turn, DIMENSION, sequence, act.value, act.flagged, act.note, active)
    connection.exec_driver_sql(_ADD, (*what, _version(connection, row, act.guideline_version), act.client_id, now))
    return Saved(act.client_id, act.turn, sequence)


def _version(connection: Connection, row: Row[Any], seen: str) -> str:
    """The version of the guideline that the rater saw, where the study has had it; else the one that holds."""
    if seen in ("", row.guideline_version):
        return row.guideline_version
    query = "SELECT 1 FROM guideline WHERE study_id = ? AND version = ?"
    known = connection.exec_driver_sql(query, (row.study_id, seen)).first()
    return seen if known else row.guideline_version


def _lease(connection: Connection, assignment_id: int, holder: str, now: str, submitted_at: str | None) -> None:
    until = (datetime.fromisoformat(now) + LEASE).isoformat(timespec="seconds")
    update = "UPDATE assignment SET holder = ?, held_until = ?, submitted_at = ? WHERE id = ?"
    connection.exec_driver_sql(update, (holder[:64], until, submitted_at, assignment_id))
