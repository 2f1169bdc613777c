"""People: accounts, signed-in browsers, invitations. Stores hashes and digests that it is given; knows no password."""

from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection, text

from db.engine import Database

Role = Literal["visitor", "annotator", "researcher", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most that a person may do; each may do what those before it may."""


class Person(NamedTuple):
    """An account as others may know it."""

    id: int
    name: str
    role: Role
    created_at: str
    disabled: bool


class Login(NamedTuple):
    """An account as signing in needs it. `password` is a hash, `failures` counts since the last success."""

    person: Person
    password: str
    failures: int
    locked_until: str


class Invitation(NamedTuple):
    """What an invitation link makes; `name` is a suggestion."""

    role: Role
    name: str
    invited_by: str
    expires_at: str


FIRST_START = "the first start"
"""Who invites the first admin of a server that is not local."""

_PERSON = "p.id, p.name, p.role, p.created_at, p.disabled"


def _person(row: tuple[object, ...]) -> Person:
    found = Person._make(row)
    return found._replace(disabled=bool(found.disabled))


def name_key(name: str) -> str:
    """Names that differ only in case or spaces are one name."""
    return " ".join(name.split()).casefold()


def any_person(database: Database) -> bool:
    """True when there is an account; without one the server is for a single user."""
    with database.read() as connection:
        return bool(connection.exec_driver_sql("SELECT EXISTS (SELECT 1 FROM person)").scalar())


def everyone(database: Database) -> list[Person]:
    """Every account, oldest first."""
    with database.read() as connection:
        return [
            _person(tuple(row)) for row in connection.execute(text(f"SELECT {_PERSON} FROM person p ORDER BY p.id"))
        ]


def by_id(database: Database, person_id: int) -> Person | None:
    """An account, or None."""
    with database.read() as connection:
        row = connection.execute(text(f"SELECT {_PERSON} FROM person p WHERE p.id = :id"), {"id": person_id}).first()
    return None if row is None else _person(tuple(row))


def add(database: Database, name: str, password: str, role: Role, now: str) -> Person | None:
    """Make an account; None when the name is taken. Raters of that name in running studies are from now on this person."""
    with database.write() as connection:
        made = _add(connection, name, password, role, now)
        if made is not None:
            _become_raters(connection, made)
    return made


def _become_raters(connection: Connection, person: Person) -> None:
    query = """
    SELECT r.id, r.study_id, r.name FROM rater r JOIN study s ON s.id = r.study_id
    WHERE s.status = 'running' AND r.person_id IS NULL AND r.withdrawn_at IS NULL ORDER BY r.id DESC
    """
    rows = connection.exec_driver_sql(query).all()
    mine = {row.study_id: row.id for row in rows if name_key(row.name) == name_key(person.name)}
    for rater_id in mine.values():
        connection.execute(
            text("UPDATE rater SET person_id = :person WHERE id = :id"), {"person": person.id, "id": rater_id}
        )


def _add(connection: Connection, name: str, password: str, role: Role, now: str) -> Person | None:
    values = {"name": name, "key": name_key(name), "password": password, "role": role, "now": now}
    if connection.execute(text("SELECT 1 FROM person WHERE name_key = :key"), values).first():
        return None
    insert = """
    INSERT INTO person (name, name_key, password, role, created_at, disabled, failures, locked_until)
    VALUES (:name, :key, :password, :role, :now, 0, 0, '')
    """
    made = Person(connection.execute(text(insert), values).lastrowid or 0, name, role, now, False)
    # Whoever made the first account lets the others in: links that a start of the server printed end.
    connection.execute(text("DELETE FROM invitation WHERE invited_by = :first"), {"first": FIRST_START})
    return made


def login(database: Database, name: str) -> Login | None:
    """The account of a name with what signing in needs."""
    query = f"SELECT {_PERSON}, p.password, p.failures, p.locked_until FROM person p WHERE p.name_key = :key"
    with database.read() as connection:
        row = connection.execute(text(query), {"key": name_key(name)}).first()
    return None if row is None else Login(_person(tuple(row[:5])), row[5], row[6], row[7])


def count_failure(database: Database, person_id: int, limit: int, locked_until: str) -> bool:
    """Note a failed try; at `limit` failures in a row the account is locked until the given time. True when it is now locked."""
    with database.write() as connection:
        update = "UPDATE person SET failures = failures + 1 WHERE id = :id RETURNING failures"
        failures = connection.execute(text(update), {"id": person_id}).scalar_one()
        if failures < limit:
            return False
        lock = "UPDATE person SET failures = 0, locked_until = :until WHERE id = :id"
        connection.execute(text(lock), {"id": person_id, "until": locked_until})
    return True


def unlock(database: Database, person_id: int) -> None:
    """Forget failed tries."""
    with database.write() as connection:
        connection.execute(text("UPDATE person SET failures = 0, locked_until = '' WHERE id = :id"), {"id": person_id})


def open_session(database: Database, person_id: int, digest: str, now: str, expires_at: str) -> None:
    """Remember a signed-in browser; sessions that have expired are forgotten."""
    values = {"digest": digest, "id": person_id, "now": now, "until": expires_at}
    with database.write() as connection:
        connection.execute(text("DELETE FROM session WHERE expires_at <= :now"), values)
        connection.execute(text("INSERT INTO session VALUES (:digest, :id, :now, :until)"), values)
        connection.execute(text("UPDATE person SET failures = 0, locked_until = '' WHERE id = :id"), values)


def by_session(database: Database, digest: str, now: str) -> Person | None:
    """Whose browser this is; None for an unknown or expired session or a disabled account."""
    query = f"""
    SELECT {_PERSON} FROM session s JOIN person p ON p.id = s.person_id
    WHERE s.digest = ? AND s.expires_at > ? AND p.disabled = 0
    """
    with database.read() as connection:
        row = connection.exec_driver_sql(query, (digest, now)).first()
    return None if row is None else _person(tuple(row))


def end_session(database: Database, digest: str) -> None:
    """Sign a browser out."""
    with database.write() as connection:
        connection.execute(text("DELETE FROM session WHERE digest = :digest"), {"digest": digest})


class _NoAdmin(Exception):
    """Leaves a transaction that would take the last admin away."""


def change(
    database: Database,
    person_id: int,
    role: Role | None = None,
    disabled: bool | None = None,
    password: str | None = None,
) -> bool:
    """Change an account, sign it out everywhere and end the invitations it made. False, and nothing changed, when no admin
    would be left."""
    try:
        with database.write() as connection:
            for column, value in (("role", role), ("disabled", disabled), ("password", password)):
                if value is not None:
                    update = f"UPDATE person SET {column} = :value WHERE id = :id"
                    connection.execute(text(update), {"value": value, "id": person_id})
            admins = "SELECT count(*) FROM person WHERE role = 'admin' AND disabled = 0"
            if not connection.exec_driver_sql(admins).scalar_one():
                raise _NoAdmin
            connection.execute(text("DELETE FROM session WHERE person_id = :id"), {"id": person_id})
            invited = "DELETE FROM invitation WHERE invited_by = (SELECT name FROM person WHERE id = :id)"
            connection.execute(text(invited), {"id": person_id})
    except _NoAdmin:
        return False
    return True


def invite(database: Database, digest: str, invitation: Invitation, now: str) -> None:
    """Keep an invitation; those that have expired are forgotten."""
    values = invitation._asdict() | {"digest": digest, "now": now}
    insert = "INSERT INTO invitation VALUES (:digest, :role, :name, :invited_by, :now, :expires_at)"
    with database.write() as connection:
        connection.execute(text("DELETE FROM invitation WHERE expires_at <= :now"), values)
        connection.execute(text(insert), values)


def invitation(database: Database, digest: str, now: str) -> Invitation | None:
    """An invitation that still holds."""
    with database.read() as connection:
        return _invitation(connection, digest, now)


class Open(NamedTuple):
    """An invitation that waits, as admins see it; `id` is the start of its digest and opens nothing."""

    id: str
    role: Role
    name: str
    invited_by: str
    created_at: str
    expires_at: str


def invitations(database: Database, now: str) -> list[Open]:
    """Every invitation that still holds, oldest first."""
    query = """
    SELECT substr(digest, 1, 16), role, name, invited_by, created_at, expires_at FROM invitation
    WHERE expires_at > :now ORDER BY created_at, digest
    """
    with database.read() as connection:
        return [Open(*row) for row in connection.execute(text(query), {"now": now})]


def revoke(database: Database, invitation_id: str) -> bool:
    """End an invitation by its id; False when there is none."""
    with database.write() as connection:
        delete = text("DELETE FROM invitation WHERE substr(digest, 1, 16) = :id")
        return connection.execute(delete, {"id": invitation_id}).rowcount > 0


def _invitation(connection: Connection, digest: str, now: str) -> Invitation | None:
    query = "SELECT role, name, invited_by, expires_at FROM invitation WHERE digest = :digest AND expires_at > :now"
    row = connection.execute(text(query), {"digest": digest, "now": now}).first()
    return None if row is None else Invitation(*row)


def accept(database: Database, digest: str, name: str, password: str, now: str) -> Person | Literal["gone", "taken"]:
    """Make the account of an invitation and use the invitation up, both or neither.

    Under the name that the invitation was made for it takes over what a rater of that name has to do; somebody who chose a name
    freely could otherwise take over anybody's.
    """
    with database.write() as connection:
        found = _invitation(connection, digest, now)
        if found is None:
            return "gone"
        person = _add(connection, name, password, found.role, now)
        if person is None:
            return "taken"
        if name_key(found.name) == name_key(name):
            _become_raters(connection, person)
        connection.execute(text("DELETE FROM invitation WHERE digest = :digest"), {"digest": digest})
    return person
