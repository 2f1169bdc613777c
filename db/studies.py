"""Rating studies: made with their items, raters and lists in one transaction; frozen and unblinded by logged acts."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, text

from core.dialogues import Dialogue, Turn
from core.study import Plan, Slot, check_text
from db.engine import Database
from db.people import name_key
from db.rows import insert

Status = Literal["running", "frozen", "unblinded"]


class Terms(NamedTuple):
    """What a study was started with. Only the guideline changes afterwards, as a new version; `withdrawal` is what happens
    to the ratings of somebody who leaves."""

    name: str
    guideline: str
    consent: str
    seed: int
    overlap: int
    retest: float = 0.0
    progressive: bool = True
    withdrawal: Literal["removed", "kept"] = "removed"
    checks: int = 0


class Study(NamedTuple):
    """A stored study."""

    id: int
    status: Status
    guideline_version: str
    created_at: str
    terms: Terms


def digest(secret: str) -> str:
    """What is kept of a secret: links are long random texts, so a plain SHA-256 cannot be turned back."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def new_secret() -> str:
    """A secret for a link."""
    return secrets.token_urlsafe(24)


def create(
    database: Database, terms: Terms, dialogues: Mapping[str, Dialogue], plan: Plan, now: str, who: str = ""
) -> tuple[int, dict[str, str]]:
    """Store a study with everything its raters need; returns its id and each rater's secret, which is not kept.

    `dialogues` are by item key, as the raters shall see them; a rater with the name of an account is that person. Raises
    sqlalchemy.exc.IntegrityError when the name is taken.
    """
    version = digest(terms.guideline)[:12]
    handed: dict[str, str] = {}
    with database.write() as connection:
        began = {"status": "running", "guideline_version": version, "created_at": now}
        study_id = insert(connection, "study", terms._asdict() | began)
        insert(connection, "guideline", {"study_id": study_id, "version": version, "text": terms.guideline, "at": now})
        items = {key: insert(connection, "study_item", _item(study_id, key, one)) for key, one in dialogues.items()}
        for name, slots in plan.lists.items():
            rater_id, handed[name] = add_rater(connection, study_id, name)
            for position, slot in enumerate(slots):
                if slot.check is not None and _key(slot) not in items:
                    shown = _item(study_id, _key(slot), dialogues[slot.item], slot)
                    items[_key(slot)] = insert(connection, "study_item", shown)
                assign(connection, rater_id, items[_key(slot)], position, slot.retest)
        act(connection, study_id, now, "started", who)
    return study_id, handed


def add_rater(connection: Connection, study_id: int, name: str) -> tuple[int, str]:
    """A new rater of a study; returns id and secret. The account of that name is the rater, unless it is one already."""
    secret = new_secret()
    account = """
    SELECT id FROM person p WHERE name_key = :key
    AND NOT EXISTS (SELECT 1 FROM rater r WHERE r.study_id = :study AND r.person_id = p.id)
    """
    person_id = connection.execute(text(account), {"key": name_key(name), "study": study_id}).scalar()
    row = {"study_id": study_id, "name": name, "secret_digest": digest(secret), "person_id": person_id}
    return insert(connection, "rater", row | {"blind_id": secrets.token_hex(8)}), secret


def assign(connection: Connection, rater_id: int, item_id: int, position: int, retest: bool) -> None:
    """Put a dialogue on a rater's list under a new opaque token."""
    place = {"rater_id": rater_id, "item_id": item_id, "position": position, "retest": retest}
    insert(connection, "assignment", place | {"token": secrets.token_urlsafe(16), "holder": "", "held_until": ""})


def _key(slot: Slot) -> str:
    return slot.item if slot.check is None else f"{slot.item} check {slot.check.turn} {slot.check.level}"


def _item(study_id: int, key: str, dialogue: Dialogue, slot: Slot | None = None) -> dict[str, Any]:
    turns, check = dialogue.turns, slot.check if slot else None
    if check is not None:
        turns = turns[: check.turn]
        turns = (*turns[:-1], Turn(turns[-1].user, check_text(check.level)))
    who = {"model": dialogue.model, "profile_key": dialogue.profile_key, "profile": dialogue.profile}
    asked = {"check_turn": len(turns), "check_level": check.level} if check else {}
    return {"study_id": study_id, "key": key, "turns": json.dumps(turns, ensure_ascii=False)} | who | asked


def act(connection: Connection, study_id: int, at: str, what: str, who: str) -> None:
    """Log what somebody did to a study."""
    insert(connection, "study_act", {"study_id": study_id, "at": at, "what": what, "who": who})


def get(database: Database, study_id: int) -> Study | None:
    """A study by id, or None."""
    query = f"SELECT id, status, guideline_version, created_at, {', '.join(Terms._fields)} FROM study WHERE id = :id"
    with database.read() as connection:
        row = connection.execute(text(query), {"id": study_id}).first()
    if row is None:
        return None
    terms = Terms._make(row[4:])
    return Study(row[0], row[1], row[2], row[3], terms._replace(progressive=bool(terms.progressive)))


class Overview(NamedTuple):
    """A study in a list: how far it is."""

    id: int
    name: str
    status: str
    created_at: str
    raters: int
    dialogues: int
    submitted: int
    ratings: int


def overview(database: Database) -> list[Overview]:
    """Every study, newest first."""
    query = """
    SELECT s.id, s.name, s.status, s.created_at, (SELECT count(*) FROM rater r WHERE r.study_id = s.id),
           count(a.id), count(a.submitted_at), coalesce(sum((SELECT count(*) FROM rating v WHERE v.assignment_id = a.id)), 0)
    FROM study s LEFT JOIN rater r ON r.study_id = s.id LEFT JOIN assignment a ON a.rater_id = r.id AND a.reclaimed_at IS NULL
    GROUP BY s.id ORDER BY s.id DESC
    """
    with database.read() as connection:
        return [Overview(*row) for row in connection.execute(text(query))]


def advance(database: Database, study_id: int, to: Status, now: str, who: str = "") -> bool:
    """Freeze a running study or unblind a frozen one, as a logged act; False when its status does not allow it."""
    before = get_args(Status)[get_args(Status).index(to) - 1] if to != "running" else ""
    with database.write() as connection:
        update = text("UPDATE study SET status = :to WHERE id = :id AND status = :before")
        done = connection.execute(update, {"to": to, "id": study_id, "before": before}).rowcount == 1
        if done:
            act(connection, study_id, now, to, who)
    return done


def rewrite(database: Database, study_id: int, guideline: str, now: str, who: str = "") -> str | None:
    """Give a running study a new guideline; returns its version, None when the study is not running.

    Ratings given before keep the version they were given under.
    """
    version = digest(guideline)[:12]
    values = {"id": study_id, "text": guideline, "version": version}
    update = "UPDATE study SET guideline = :text, guideline_version = :version WHERE id = :id AND status = 'running'"
    with database.write() as connection:
        if connection.execute(text(update), values).rowcount != 1:
            return None
        insert(connection, "guideline", {"study_id": study_id, "version": version, "text": guideline, "at": now})
        act(connection, study_id, now, f"guideline {version}", who)
    return version


class Guideline(NamedTuple):
    """A version of a guideline, since when it holds, and how many acts were done under it."""

    version: str
    text: str
    at: str
    acts: int


def guidelines(database: Database, study_id: int) -> list[Guideline]:
    """Every version, oldest first. Where a text came back later its acts go by their time."""
    query = """
    SELECT g.version, g.text, g.at, (
        SELECT count(*) FROM rating_event e JOIN assignment a ON a.id = e.assignment_id JOIN rater r ON r.id = a.rater_id
        WHERE r.study_id = g.study_id AND e.guideline_version = g.version
        AND (e.at >= g.at OR NOT EXISTS (
            SELECT 1 FROM guideline o WHERE o.study_id = g.study_id AND o.version = g.version AND o.id < g.id))
        AND NOT EXISTS (SELECT 1 FROM guideline l WHERE l.study_id = g.study_id AND l.version = g.version
            AND l.id > g.id AND l.at <= e.at))
    FROM guideline g WHERE g.study_id = :id ORDER BY g.id
    """
    with database.read() as connection:
        return [Guideline(*row) for row in connection.execute(text(query), {"id": study_id})]


class Done(NamedTuple):
    """A logged act: when, what, and by whom ('' where nobody was signed in)."""

    at: str
    what: str
    who: str


def acts(database: Database, study_id: int) -> list[Done]:
    """What was done to a study, oldest first."""
    query = text("SELECT at, what, who FROM study_act WHERE study_id = :id ORDER BY id")
    with database.read() as connection:
        return [Done(*row) for row in connection.execute(query, {"id": study_id})]


class Rated(NamedTuple):
    """One value that holds, with everything a report needs; for researchers only. `asked` is the rating that an attention
    check asked for on this turn; `check` is True on every turn of a check's dialogue."""

    rater: str
    item: str
    model: str
    profile_key: str
    turn: int
    value: int
    retest: bool
    position: int
    active_ms: int
    at: str
    guideline_version: str
    flagged: bool
    note: str
    check: bool
    asked: int | None


def rated(database: Database, study_id: int) -> Sequence[Rated]:
    """Every value that holds in a study, in the order of raters and of their lists. 0 = could not be rated."""
    query = """
    SELECT r.name, i.key, i.model, i.profile_key, v.turn, v.value, a.retest, a.position, v.active_ms, v.at, v.guideline_version,
           v.flagged, v.note, i.check_turn IS NOT NULL, CASE WHEN i.check_turn = v.turn THEN i.check_level END
    FROM rating v JOIN assignment a ON a.id = v.assignment_id JOIN rater r ON r.id = a.rater_id
    JOIN study_item i ON i.id = a.item_id
    WHERE r.study_id = :id AND a.reclaimed_at IS NULL ORDER BY r.id, a.position, v.turn
    """
    with database.read() as connection:
        return [
            Rated(*row)._replace(retest=bool(row[6]), flagged=bool(row[11]), check=bool(row[13]))
            for row in connection.execute(text(query), {"id": study_id})
        ]


class Shown(NamedTuple):
    """A dialogue of a study as its raters see it, for researchers."""

    key: str
    model: str
    profile_key: str
    profile: str
    turns: list[list[str]]


def dialogues(database: Database, study_id: int) -> list[Shown]:
    """The dialogues of a study, without those that only check attention."""
    query = """
    SELECT key, model, profile_key, profile, turns FROM study_item WHERE study_id = :id AND check_turn IS NULL ORDER BY id
    """
    with database.read() as connection:
        rows = connection.execute(text(query), {"id": study_id})
        return [Shown(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]
