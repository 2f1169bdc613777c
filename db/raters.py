"""The raters of a study: who they are, their links, handing unfinished work to somebody else, leaving."""

from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

from core.study import Item, order_of
from db.engine import Database
from db.people import name_key
from db.studies import act, add_rater, assign, digest, new_secret


class Rater(NamedTuple):
    """A rater as researchers see one; `account` is True where it is the person with that account."""

    name: str
    done: int
    dialogues: int
    last_at: str | None
    consented: bool
    account: bool


def raters(database: Database, study_id: int) -> list[Rater]:
    """Every rater with how far the list is done and when the last act came."""
    query = """
    SELECT r.name, count(a.submitted_at), count(a.id),
           (SELECT max(e.at) FROM rating_event e JOIN assignment b ON b.id = e.assignment_id WHERE b.rater_id = r.id),
           r.consented_at IS NOT NULL, r.person_id IS NOT NULL
    FROM rater r LEFT JOIN assignment a ON a.rater_id = r.id AND a.reclaimed_at IS NULL
    WHERE r.study_id = :id GROUP BY r.id ORDER BY r.withdrawn_at IS NOT NULL, r.id
    """
    with database.read() as connection:
        rows = connection.execute(text(query), {"id": study_id})
        return [Rater(row[0], row[1], row[2], row[3], bool(row[4]), bool(row[5])) for row in rows]


class Mine(NamedTuple):
    """A study that a signed-in person rates in; its name may tell too much and is not among this."""

    study_id: int
    status: str
    done: int
    dialogues: int


def of_person(database: Database, person_id: int) -> list[Mine]:
    """The studies of a person, newest first."""
    query = """
    SELECT s.id, s.status, count(a.submitted_at), count(a.id)
    FROM rater r JOIN study s ON s.id = r.study_id LEFT JOIN assignment a ON a.rater_id = r.id AND a.reclaimed_at IS NULL
    WHERE r.person_id = :id AND r.withdrawn_at IS NULL GROUP BY r.id ORDER BY s.id DESC
    """
    with database.read() as connection:
        return [Mine(*row) for row in connection.execute(text(query), {"id": person_id})]


def key_of(database: Database, study_id: int, person_id: int) -> str | None:
    """The digest that names a signed-in person as a rater of a study."""
    query = text(
        "SELECT secret_digest FROM rater WHERE study_id = :study AND person_id = :person AND withdrawn_at IS NULL"
    )
    with database.read() as connection:
        return connection.execute(query, {"study": study_id, "person": person_id}).scalar()


def relink(database: Database, study_id: int, name: str, now: str, who: str = "") -> str | None:
    """A new secret for a rater's link; the old link ends. None for no such rater."""
    with database.write() as connection:
        rater = _find(connection, study_id, name)
        if rater is None:
            return None
        secret = new_secret()
        update = text("UPDATE rater SET secret_digest = :digest WHERE id = :id")
        connection.execute(update, {"digest": digest(secret), "id": rater.id})
        act(connection, study_id, now, f"new link for “{rater.name}”", who)
    return secret


class _Found(NamedTuple):
    """A rater by id, and the name as it is stored: the log must use it, because a withdrawal takes it out of there."""

    id: int
    name: str


def _find(connection: Connection, study_id: int, name: str, left: bool = False) -> _Found | None:
    """The rater of a name, without regard to case and spaces; with `left` also one who left the study."""
    query = "SELECT id, name FROM rater WHERE study_id = :study" + ("" if left else " AND withdrawn_at IS NULL")
    rows = [_Found(*row) for row in connection.execute(text(query), {"study": study_id})]
    same = [row for row in rows if name_key(row.name) == name_key(name)]
    return next((row for row in rows if row.name == name), same[0] if same else None)


class Offer(NamedTuple):
    """What handing over would move, and how many ratings of it would no longer count."""

    profiles: int
    dialogues: int
    ratings: int


class HandedOver(NamedTuple):
    """What was handed over, and the secret of the receiver's link when the receiver is new."""

    moved: Offer
    secret: str | None


Why = Literal["not running", "no such rater", "nothing"]


class _Handing(NamedTuple):
    """A hand-over that can be: from whom, to whom (the id None: somebody new), the dialogues by item id, the study's seed."""

    giver: _Found
    to_id: int | None
    receiver: str
    items: dict[int, Item]
    seed: int


def offer(database: Database, study_id: int, names: tuple[str, str], now: str) -> Offer | Why:
    """What `hand_over` would do now; changes nothing."""
    with database.read() as connection:
        found = _handing(connection, study_id, names, now)
        return _offer(connection, found) if isinstance(found, _Handing) else found


def hand_over(database: Database, study_id: int, names: tuple[str, str], now: str, who: str = "") -> HandedOver | Why:
    """Give a rater's unfinished user profiles to another one, who may be new. `names` = (from, to).

    Whole profiles only, so that the study stays crossed: ratings of a profile's dialogues that were finished before no longer
    count. A profile that the receiver has already is left where it is, and so is a dialogue somebody is at work on; attention
    checks that were finished stay with their rater. Somebody who left may give and not receive.
    """
    with database.write() as connection:
        found = _handing(connection, study_id, names, now)
        if not isinstance(found, _Handing):
            return found
        moved, secret = _offer(connection, found), None
        if found.to_id is None:
            to_id, secret = add_rater(connection, study_id, found.receiver)
            found = found._replace(to_id=to_id)
        _move(connection, found, now)
        what = f"{moved.profiles} user profiles handed from “{found.giver.name}” to “{found.receiver}”"
        act(connection, study_id, now, what, who)
    return HandedOver(moved, secret)


def _handing(connection: Connection, study_id: int, names: tuple[str, str], now: str) -> _Handing | Why:
    study = connection.execute(text("SELECT status, seed FROM study WHERE id = :id"), {"id": study_id}).one()
    if study.status != "running":
        return "not running"
    giver, receiver = _find(connection, study_id, names[0], left=True), _find(connection, study_id, names[1])
    if giver is None or giver == receiver:
        return "no such rater"
    to_id, name = receiver or (None, names[1])
    items = _unfinished(connection, giver.id, to_id or 0, now)
    return _Handing(giver, to_id, name, items, study.seed) if items else "nothing"


_GOES = """
rater_id = :giver AND reclaimed_at IS NULL AND item_id IN (
    SELECT id FROM study_item i WHERE profile_key = :profile AND (check_turn IS NULL OR assignment.submitted_at IS NULL))
"""
"""The assignments of a profile that leave the giver: all but finished checks."""


def _offer(connection: Connection, handing: _Handing) -> Offer:
    profiles = {item.profile for item in handing.items.values()}
    count = f"SELECT count(*) FROM rating WHERE assignment_id IN (SELECT id FROM assignment WHERE {_GOES})"
    lost = (
        connection.execute(text(count), {"giver": handing.giver.id, "profile": one}).scalar_one() for one in profiles
    )
    return Offer(len(profiles), len(handing.items), sum(lost))


def _unfinished(connection: Connection, from_id: int, to_id: int, now: str) -> dict[int, Item]:
    """The dialogues to move, by item id."""
    query = """
    SELECT i.id, i.key, i.model, i.profile_key FROM assignment a JOIN study_item i ON i.id = a.item_id
    WHERE a.rater_id = :giver AND a.reclaimed_at IS NULL AND NOT a.retest AND i.check_turn IS NULL AND i.profile_key IN (
        SELECT j.profile_key FROM assignment b JOIN study_item j ON j.id = b.item_id
        WHERE b.rater_id = :giver AND b.reclaimed_at IS NULL AND b.submitted_at IS NULL AND NOT b.retest AND j.check_turn IS NULL)
    AND i.profile_key NOT IN (
        SELECT j.profile_key FROM assignment b JOIN study_item j ON j.id = b.item_id
        WHERE (b.rater_id = :receiver AND b.reclaimed_at IS NULL AND j.check_turn IS NULL)
           OR (b.rater_id = :giver AND b.reclaimed_at IS NULL AND b.submitted_at IS NULL
               AND b.holder <> '' AND b.held_until > :now))
    """
    rows = connection.execute(text(query), {"giver": from_id, "receiver": to_id, "now": now})
    return {row[0]: Item(row[1], row[2], row[3]) for row in rows}


def _move(connection: Connection, handing: _Handing, now: str) -> None:
    to_id = handing.to_id or 0
    for profile in {item.profile for item in handing.items.values()}:
        reclaim = f"UPDATE assignment SET reclaimed_at = :now, holder = '' WHERE {_GOES}"
        connection.execute(text(reclaim), {"now": now, "giver": handing.giver.id, "profile": profile})
    last = text("SELECT coalesce(max(position), -1) FROM assignment WHERE rater_id = :id")
    position = connection.execute(last, {"id": to_id}).scalar_one()
    ids = {item.key: item_id for item_id, item in handing.items.items()}
    for place, slot in enumerate(order_of(list(handing.items.values()), handing.seed + to_id), position + 1):
        assign(connection, to_id, ids[slot.item], place, False)


def withdraw(database: Database, study_id: int, rater: str, keep: bool, now: str) -> bool:
    """A rater leaves: the ratings are deleted, or kept without a name where the consent said so. False for no such rater.

    The list stays under a made-up name, so that what is unfinished can be handed to somebody else.
    """
    with database.write() as connection:
        found = _find(connection, study_id, rater)
        if found is not None:
            _leave(connection, study_id, found.id, keep, now)
    return found is not None


def withdraw_by_key(database: Database, key: str, now: str) -> Literal["removed", "kept"] | None:
    """The same by the rater's own key, as the study's terms say. None for an unknown key."""
    query = "SELECT r.id, r.study_id, s.withdrawal FROM rater r JOIN study s ON s.id = r.study_id WHERE r.secret_digest = :key"
    with database.write() as connection:
        row = connection.execute(text(query), {"key": key}).first()
        if row is None:
            return None
        _leave(connection, row.study_id, row.id, row.withdrawal == "kept", now)
    return row.withdrawal


def _leave(connection: Connection, study_id: int, rater_id: int, keep: bool, now: str) -> None:
    values = {"id": rater_id, "study": study_id, "now": now}
    status = connection.execute(text("SELECT status FROM study WHERE id = :study"), values).scalar_one()
    mine = "(SELECT id FROM assignment WHERE rater_id = :id)"
    if keep:
        statements = [f"UPDATE rating_event SET note = '' WHERE assignment_id IN {mine}"]
    else:
        statements = [
            f"DELETE FROM rating_event WHERE assignment_id IN {mine}",
            "UPDATE assignment SET submitted_at = NULL WHERE rater_id = :id",
        ]
    statements += [
        """UPDATE study_act SET what = replace(what, (SELECT '“' || name || '”' FROM rater WHERE id = :id), 'a former rater')
        WHERE study_id = :study""",
        "UPDATE assignment SET holder = '', held_until = '' WHERE rater_id = :id",
        """UPDATE rater SET name = 'former rater ' || id, secret_digest = 'withdrawn ' || id, person_id = NULL,
        withdrawn_at = :now WHERE id = :id""",
    ]
    for statement in statements:
        connection.execute(text(statement), values)
    what = "a rater withdrew; ratings " + ("kept without identity" if keep else "deleted")
    changed = "" if keep or status == "running" else f"; the figures of the {status} study changed"
    act(connection, study_id, now, what + changed, "")
