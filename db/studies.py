"""Rating studies: made with their items, raters and lists in one transaction; frozen and unblinded by logged acts."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, text

from core.dialogues import Dialogue
from core.study import Plan
from db.engine import Database

Status = Literal["running", "frozen", "unblinded"]


class Terms(NamedTuple):
    """What a study was started with; never changed afterwards."""

    name: str
    guideline: str
    consent: str
    seed: int
    overlap: int
    retest: float = 0.0
    progressive: bool = True


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


def create(
    database: Database, terms: Terms, dialogues: Mapping[str, Dialogue], plan: Plan, now: str
) -> tuple[int, dict[str, str]]:
    """Store a study with everything its raters need; returns its id and each rater's secret, which is not kept.

    `dialogues` are by item key, as the raters shall see them. Raises sqlalchemy.exc.IntegrityError when the name is taken.
    """
    version = hashlib.sha256(terms.guideline.encode()).hexdigest()[:12]
    handed: dict[str, str] = {}
    with database.write() as connection:
        began = {"status": "running", "guideline_version": version, "created_at": now}
        study_id = _insert(connection, "study", terms._asdict() | began)
        items = {key: _insert(connection, "study_item", _item(study_id, key, one)) for key, one in dialogues.items()}
        for name, slots in plan.lists.items():
            handed[name] = secrets.token_urlsafe(24)
            row = {"study_id": study_id, "name": name, "secret_digest": digest(handed[name])}
            rater_id = _insert(connection, "rater", row)
            for position, slot in enumerate(slots):
                place = {"rater_id": rater_id, "item_id": items[slot.item], "position": position, "retest": slot.retest}
                _insert(
                    connection,
                    "assignment",
                    place | {"token": secrets.token_urlsafe(16), "holder": "", "held_until": ""},
                )
        _act(connection, study_id, now, "started")
    return study_id, handed


def _item(study_id: int, key: str, dialogue: Dialogue) -> dict[str, Any]:
    turns = json.dumps(dialogue.turns, ensure_ascii=False)
    who = {"model": dialogue.model, "profile_key": dialogue.profile_key, "profile": dialogue.profile}
    return {"study_id": study_id, "key": key, "turns": turns} | who


def _insert(connection: Connection, table: str, values: Mapping[str, Any]) -> int:
    columns = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    return connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), dict(values)).lastrowid or 0


def _act(connection: Connection, study_id: int, at: str, what: str) -> None:
    _insert(connection, "study_act", {"study_id": study_id, "at": at, "what": what})


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
    FROM study s LEFT JOIN rater r ON r.study_id = s.id LEFT JOIN assignment a ON a.rater_id = r.id
    GROUP BY s.id ORDER BY s.id DESC
    """
    with database.read() as connection:
        return [Overview(*row) for row in connection.execute(text(query))]


def advance(database: Database, study_id: int, to: Status, now: str) -> bool:
    """Freeze a running study or unblind a frozen one, as a logged act; False when its status does not allow it."""
    before = get_args(Status)[get_args(Status).index(to) - 1] if to != "running" else ""
    with database.write() as connection:
        update = text("UPDATE study SET status = :to WHERE id = :id AND status = :before")
        done = connection.execute(update, {"to": to, "id": study_id, "before": before}).rowcount == 1
        if done:
            _act(connection, study_id, now, to)
    return done


def acts(database: Database, study_id: int) -> list[tuple[str, str]]:
    """What was done to a study: (time, act), oldest first."""
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT at, what FROM study_act WHERE study_id = :id ORDER BY id"), {"id": study_id}
        )
        return [(row[0], row[1]) for row in rows]


class Rated(NamedTuple):
    """One value that holds, with everything a report needs; for researchers only."""

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


def rated(database: Database, study_id: int) -> Sequence[Rated]:
    """Every value that holds in a study, in the order of raters and of their lists. 0 = could not be rated."""
    query = """
    SELECT r.name, i.key, i.model, i.profile_key, v.turn, v.value, a.retest, a.position, v.active_ms, v.at
    FROM rating v JOIN assignment a ON a.id = v.assignment_id JOIN rater r ON r.id = a.rater_id
    JOIN study_item i ON i.id = a.item_id
    WHERE r.study_id = :id AND r.withdrawn_at IS NULL ORDER BY r.id, a.position, v.turn
    """
    with database.read() as connection:
        return [
            Rated(*row)._replace(retest=bool(row.retest)) for row in connection.execute(text(query), {"id": study_id})
        ]


def withdraw(database: Database, study_id: int, rater: str, keep: bool, now: str) -> bool:
    """A rater leaves: the ratings are deleted, or kept without a name where the consent said so. False for no such rater."""
    values = {"study": study_id, "name": rater}
    with database.write() as connection:
        query = text("SELECT id FROM rater WHERE study_id = :study AND name = :name")
        rater_id = connection.execute(query, values).scalar()
        if rater_id is None:
            return False
        if keep:
            rename = "UPDATE rater SET name = 'former rater ' || id, secret_digest = 'withdrawn ' || id WHERE id = :id"
            connection.execute(text(rename), {"id": rater_id})
            connection.execute(
                text(
                    "UPDATE rating_event SET note = '' WHERE assignment_id IN (SELECT id FROM assignment WHERE rater_id = :id)"
                ),
                {"id": rater_id},
            )
        else:
            connection.execute(text("DELETE FROM rater WHERE id = :id"), {"id": rater_id})
        _act(connection, study_id, now, "a rater withdrew; ratings " + ("kept without identity" if keep else "deleted"))
    return True
