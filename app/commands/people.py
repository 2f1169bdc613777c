"""`subtext people`: accounts on the command line. For whoever may read the data folder, so nobody is asked to sign in."""

import argparse
import getpass
import sys
from typing import Any

from app import auth
from app.actions.prepare import prepare
from app.context import Context
from app.errors import Refused
from db import people
from db.people import ROLES, Person


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    noun = commands.add_parser("people", help="accounts: list, add, invite, revoke, role, password, unlock, shut out")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="every account").set_defaults(run=_list)
    new = verbs.add_parser("add", help="make an account; the password is asked for, or read from standard input")
    new.add_argument("name")
    new.add_argument("--role", choices=ROLES, default="annotator")
    new.set_defaults(run=_add)
    invite = verbs.add_parser("invite", help="a link that makes one account")
    invite.add_argument("--role", choices=ROLES, default="annotator")
    invite.add_argument("--name", default="")
    invite.set_defaults(run=_invite)
    verbs.add_parser("invitations", help="every invitation that waits").set_defaults(run=_invitations)
    revoke = verbs.add_parser("revoke", help="take an invitation back")
    revoke.add_argument("invitation", help="its id: `subtext people invitations` lists them")
    revoke.set_defaults(run=_revoke)
    role = verbs.add_parser("role", help="give an account another role")
    role.add_argument("name")
    role.add_argument("role", choices=ROLES)
    role.set_defaults(run=_role)
    for name, run, text in (
        ("password", _password, "give an account a new password"),
        ("unlock", _unlock, "forget failed tries"),
        ("shut-out", _shut_out, "an account can no longer sign in"),
        ("let-in", _shut_out, "an account can sign in again"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("name")
        verb.set_defaults(run=run, disabled=name == "shut-out")


def _typed() -> str:
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _find(context: Context, name: str) -> Person:
    prepare(context)
    found = people.login(context.database, name)
    if found is None:
        raise Refused(f"There is no account named {name}. `subtext people list` lists them.")
    return found.person


def _list(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    for one in people.everyone(context.database):
        print(f"{one.name}\t{one.role}\tsince {one.created_at[:10]}{chr(9) + 'cannot sign in' if one.disabled else ''}")
    return 0


def _add(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    made = auth.add_person(context, options.name, _typed(), options.role)
    print(f"{made.name} can sign in as {made.role}.")
    return 0


def _invite(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    link = auth.invite(context, options.role, options.name, "the command line")
    print(context.settings.address(link))
    return 0


def _invitations(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    for one in people.invitations(context.database, context.now()):
        print(f"{one.id}\t{one.role}\t{one.name or '-'}\tby {one.invited_by}\tuntil {one.expires_at[:10]}")
    return 0


def _revoke(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    auth.revoke(context, options.invitation)
    print("The invitation was taken back.")
    return 0


def _role(context: Context, options: argparse.Namespace) -> int:
    auth.change_person(context, _find(context, options.name).id, role=options.role)
    print(f"{options.name} is {options.role} now.")
    return 0


def _password(context: Context, options: argparse.Namespace) -> int:
    auth.change_person(context, _find(context, options.name).id, password=_typed())
    print(f"{options.name} has a new password and has to sign in again.")
    return 0


def _unlock(context: Context, options: argparse.Namespace) -> int:
    people.unlock(context.database, _find(context, options.name).id)
    print(f"{options.name} can try again; a browser that failed five times still waits for up to a quarter of an hour.")
    return 0


def _shut_out(context: Context, options: argparse.Namespace) -> int:
    auth.change_person(context, _find(context, options.name).id, disabled=options.disabled)
    print(f"{options.name} {'can no longer' if options.disabled else 'can'} sign in.")
    return 0
