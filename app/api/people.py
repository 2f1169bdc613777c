"""Routes of accounts: who am I, signing in and out, joining by invitation; for admins the list of people."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app import auth
from app.auth import COOKIE, SESSION, Who
from app.context import Context
from app.errors import Refused
from app.guard import is_loopback, session_cookie
from db import people, raters
from db.people import Role

Id = Annotated[int, InPath(ge=1, lt=1 << 62)]
Key = Annotated[str, Header(alias="x-invitation-key", max_length=200)]


class Credentials(BaseModel):
    """A name and a password."""

    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class NewPerson(Credentials):
    """An account that an admin makes."""

    role: Role = "annotator"


class Changes(BaseModel):
    """What an admin changes about an account."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = Field(default=None, max_length=1000)
    unlock: bool = False


class Invited(BaseModel):
    """Whom an invitation is for."""

    role: Role
    name: str = Field(default="", max_length=80)


class NewPassword(BaseModel):
    """A change of one's own password."""

    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")
    _session(routes, context)
    _mine(routes, context)
    _people(routes, context)
    return routes


def _session(routes: APIRouter, context: Context) -> None:
    local = is_loopback(context.settings.host)

    @routes.get("/session")
    def session(request: Request) -> dict[str, Any]:
        who = auth.identify(context, session_cookie(request.headers), local)
        return {"name": who and who.name, "role": who and who.role, "single": who is auth.SINGLE}

    @routes.post("/session")
    def sign_in(body: Credentials, request: Request) -> JSONResponse:
        return _signed_in(auth.sign_in(context, body.name, body.password), request)

    @routes.delete("/session")
    def sign_out(request: Request) -> Response:
        auth.sign_out(context, session_cookie(request.headers))
        answer = JSONResponse({"text": "Signed out."})
        answer.delete_cookie(COOKIE, path="/")
        return answer

    @routes.get("/join")
    def invitation(key: Key) -> dict[str, str]:
        found = auth.invitation(context, key)
        return {"role": found.role, "name": found.name, "invited_by": found.invited_by}

    @routes.post("/join")
    def join(body: Credentials, key: Key, request: Request) -> JSONResponse:
        return _signed_in(auth.join(context, key, body.name, body.password), request)


def _signed_in(cookie: str, request: Request) -> JSONResponse:
    answer = JSONResponse({"text": "Signed in."})
    secure, age = request.url.scheme == "https", int(SESSION.total_seconds())
    answer.set_cookie(COOKIE, cookie, max_age=age, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


def _mine(routes: APIRouter, context: Context) -> None:
    @routes.get("/mine")
    def mine(request: Request) -> dict[str, Any]:
        who: Who = request.state.who
        found = raters.of_person(context.database, who.person.id) if who.person else []
        return {"name": who.name, "role": who.role, "studies": [item._asdict() for item in found]}

    @routes.post("/mine/password")
    def password(body: NewPassword, request: Request) -> JSONResponse:
        who: Who = request.state.who
        if who.person is None:
            raise Refused("A server without accounts has no passwords.")
        auth.sign_out(context, auth.sign_in(context, who.name, body.old))
        auth.change_person(context, who.person.id, password=body.new)
        return _signed_in(auth.sign_in(context, who.name, body.new), request)


def _people(routes: APIRouter, context: Context) -> None:
    @routes.get("/people")
    def everyone() -> dict[str, Any]:
        return {"people": [person._asdict() for person in people.everyone(context.database)], "roles": people.ROLES}

    @routes.post("/people")
    def add(body: NewPerson) -> dict[str, Any]:
        return auth.add_person(context, body.name, body.password, body.role)._asdict()

    @routes.post("/people/invitations")
    def invite(body: Invited, request: Request) -> dict[str, str]:
        if not people.any_person(context.database):
            raise Refused("Make your own admin account first: from then on people sign in, and you can invite them.")
        return {"link": auth.invite(context, body.role, body.name, request.state.who.name)}

    @routes.post("/people/{person_id}")
    def change(person_id: Id, body: Changes) -> dict[str, str]:
        if body.unlock:
            people.unlock(context.database, person_id)
        if (body.role, body.disabled, body.password) != (None, None, None):
            auth.change_person(context, person_id, body.role, body.disabled, body.password)
        return {"text": "Changed."}
