"""Who is calling and what they may do: passwords (Argon2), sessions, lock-out, and the one table of roles by address.

Without any account a server on a loopback address is for a single user, who may do everything; the pages say so. A request that
came through a proxy is never that user's, and a server with a public address has none.
"""

import re
import secrets
import threading
from datetime import datetime, timedelta
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.context import Context
from app.door import Door
from app.errors import Missing, Refused
from db import people
from db.people import ROLES, Invitation, Person, Role
from db.studies import digest

SESSION = timedelta(days=14)
INVITATION = timedelta(days=7)
LOCK = timedelta(minutes=15)
"""How long an address, or in the end an account, waits after too many failed tries."""
EVERYWHERE = 50
"""Failed tries in a row, from whatever addresses, before an account waits everywhere but where it came in before."""
SHORTEST_PASSWORD = 10
COOKIE = "subtext_session"

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_HASHING = threading.BoundedSemaphore(2)
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))
"""A hash that nothing matches: an unknown name takes as long to refuse as a wrong password."""


class Who(NamedTuple):
    """Who is calling. `person` is None for the single user of a server without accounts."""

    name: str
    role: Role
    person: Person | None


SINGLE = Who("single user", "admin", None)

_PUBLIC = re.compile(
    r"/sign-in|/join|/rate|/api/rate/[\w./-]*|/api/session|/api/join|/ui/[\w./-]*|/(assets|static|svelte|cdn)/[\w./+@-]*"
    r"|/theme\.css|/favicon\.ico|/gradio_api/(startup-events|app_id|heartbeat/[\w-]+)/?"
)
"""What anybody may ask for: signing in, the rating page (which asks for a link's key or a session itself), and static files."""
_NEEDED: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"/api/respond/keep"), "researcher"),
    (re.compile(r"/respond|/api/respond[\w./-]*"), "visitor"),
    (re.compile(r"/|/api/mine[\w./-]*"), "annotator"),
    (re.compile(r"/verdicts|/api/verdicts(/[\w./-]*)?"), "annotator"),
    (re.compile(r"/people|/api/people[\w./-]*"), "admin"),
)


def needed(path: str) -> Role | None:
    """The least role an address asks for; None when it is open to anybody. What is not listed is for researchers."""
    if _PUBLIC.fullmatch(path):
        return None
    found: list[Role] = [role for pattern, role in _NEEDED if pattern.fullmatch(path)]
    return found[0] if found else "researcher"


def may(who: Who, role: Role) -> bool:
    """True when somebody has at least this role."""
    return ROLES.index(who.role) >= ROLES.index(role)


def identify(context: Context, cookie: str, local: bool) -> Who | None:
    """Who holds this session cookie; the single user where there are no accounts yet and the request is `local`."""
    if cookie:
        person = people.by_session(context.database, digest(cookie), context.now())
        if person is not None:
            return Who(person.name, person.role, person)
    return SINGLE if local and not people.any_person(context.database) else None


_NO_ENTRY = (
    "Name and password do not match, or there were too many failed tries: "
    "after five of them you have to wait for a quarter of an hour."
)


def sign_in(context: Context, door: Door, address: str, name: str, password: str) -> str:
    """A new session's cookie. Raises Refused with the same words for an unknown name, a wrong password and a lock."""
    key, now = people.name_key(name), context.now()
    if not door.begin(key, address, now):
        raise Refused(_NO_ENTRY)
    person = None
    try:
        person = _proved(context, name, password, door.knows(key, address))
    finally:
        door.end(key, address, person is not None, now, _later(now, LOCK))
    if person is None:
        raise Refused(_NO_ENTRY)
    return open_session(context, person)


def _proved(context: Context, name: str, password: str, known: bool) -> Person | None:
    """Whose name and password these are. The account is read again after the slow part: it may have been locked meanwhile."""
    before, now = people.login(context.database, name), context.now()
    right = _matches(_NOBODY if before is None else before.password, password)
    found = people.login(context.database, name)
    if before is None or found is None:
        return None
    locked = found.locked_until > now and not known
    if not right and not locked:
        people.count_failure(context.database, found.person.id, EVERYWHERE, _later(now, LOCK))
    changed = found.password != before.password
    return None if locked or changed or not right or found.person.disabled else found.person


def open_session(context: Context, person: Person) -> str:
    """A new session's cookie for somebody who has shown who it is."""
    cookie, now = secrets.token_urlsafe(32), context.now()
    people.open_session(context.database, person.id, digest(cookie), now, _later(now, SESSION))
    return cookie


def sign_out(context: Context, cookie: str) -> None:
    """End a session; an unknown one is already ended."""
    people.end_session(context.database, digest(cookie))


def add_person(context: Context, name: str, password: str, role: Role) -> Person:
    """Make an account. The first one must be an admin: from then on everybody has to sign in. Raises Refused."""
    if role != "admin" and not people.any_person(context.database):
        raise Refused("The first account is an admin's: somebody must be able to let the others in.")
    made = people.add(context.database, _name(name), hashed(password), role, context.now())
    if made is None:
        raise Refused(f"There is an account named {name.strip()} already.")
    return made


def change_person(
    context: Context,
    person_id: int,
    role: Role | None = None,
    disabled: bool | None = None,
    password: str | None = None,
) -> None:
    """Change an account; it has to sign in again, and invitations it made end. Raises Refused when no admin would be left."""
    somebody(context, person_id)
    kept = None if password is None else hashed(password)
    if not people.change(context.database, person_id, role, disabled, kept):
        raise Refused("There must be at least one admin who can sign in.")


def somebody(context: Context, person_id: int) -> Person:
    """An account. Raises Missing when it is not there."""
    found = people.by_id(context.database, person_id)
    if found is None:
        raise Missing(f"There is no account number {person_id}.")
    return found


def revoke(context: Context, invitation_id: str) -> None:
    """End an invitation. Raises Missing when it is not there (any more)."""
    if not people.revoke(context.database, invitation_id):
        raise Missing("There is no such invitation: it was used, has expired or was taken back.")


def invite(context: Context, role: Role, name: str, by: str) -> str:
    """The path of a link that makes one account, good for seven days."""
    secret, now = secrets.token_urlsafe(24), context.now()
    people.invite(
        context.database, digest(secret), Invitation(role, name.strip()[:80], by, _later(now, INVITATION)), now
    )
    return f"/join?key={secret}"


def invitation(context: Context, secret: str) -> Invitation:
    """What an invitation offers. Raises Refused when it was used or has expired."""
    found = people.invitation(context.database, digest(secret), context.now())
    if found is None:
        raise Refused("This invitation was used or has expired. Ask for a new one.")
    return found


def join(context: Context, secret: str, name: str, password: str) -> str:
    """Make the account of an invitation and sign it in; returns the session's cookie. Raises Refused."""
    invitation(context, secret)
    made = people.accept(context.database, digest(secret), _name(name), hashed(password), context.now())
    match made:
        case "gone":
            raise Refused("This invitation was used or has expired. Ask for a new one.")
        case "taken":
            raise Refused(f"There is an account named {name.strip()} already. Choose another name.")
        case Person():
            return open_session(context, made)


def first_admin(context: Context, local: bool) -> str:
    """At the start of a server: make the admin named in the settings, or ask for one; returns a sentence or ''."""
    settings = context.settings
    if people.any_person(context.database):
        return ""
    if settings.admin:
        add_person(context, settings.admin, settings.admin_password, "admin")
        return f"The admin account {settings.admin} was made from the settings."
    if local:
        return "Single user: there are no accounts, and whoever uses this machine may do everything (page People adds one)."
    link = invite(context, "admin", "", people.FIRST_START)
    return f"Nobody can sign in yet. Make the admin account at {settings.address(link)}"


def hashed(password: str) -> str:
    """The Argon2id hash of a password. Raises Refused for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= 200:
        raise Refused(f"A password has at least {SHORTEST_PASSWORD} characters and at most 200.")
    with _HASHING:
        return _HASHER.hash(password.encode("utf-8", "replace"))


def _matches(kept: str, password: str) -> bool:
    try:
        with _HASHING:
            return _HASHER.verify(kept, password[:200].encode("utf-8", "replace"))
    except (VerificationError, InvalidHashError):
        return False


def _name(name: str) -> str:
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= 80 or not shown.isprintable():
        raise Refused("A name has 1 to 80 printable characters.")
    return shown


def _later(now: str, by: timedelta) -> str:
    return (datetime.fromisoformat(now) + by).isoformat(timespec="seconds")
