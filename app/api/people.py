"""Routes of accounts: who am I, signing in and out, joining by invitation; for admins the list of people."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app import auth
from app.auth import COOKIE, SESSION, Who
from app.context import Context
from app.door import Door, neighbourhood
from app.errors import Refused
from app.guard import forwarded, may_be_single, session_cookie
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
    routes, door = APIRouter(prefix="/api"), Door()
    _session(routes, context, door)
    _mine(routes, context, door)
    _people(routes, context, door)
    return routes


def _address(request: Request) -> str:
    """Whose failed tries count together. Behind a proxy of this machine it is the client that the proxy names."""
    return neighbourhood(request.client.host if request.client else "")


def _session(routes: APIRouter, context: Context, door: Door) -> None:
    single = may_be_single(context)

    @routes.get("/session")
    def session(request: Request) -> dict[str, Any]:
        who = auth.identify(context, session_cookie(request.headers), single and not forwarded(request.headers))
        return {"name": who and who.name, "role": who and who.role, "single": who is auth.SINGLE}

    @routes.post("/session")
    async def sign_in(body: Credentials, request: Request) -> JSONResponse:
        address = _address(request)
        cookie = await door.run(lambda: auth.sign_in(context, door, address, body.name, body.password))
        return _signed_in(context, cookie, request)

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
    async def join(body: Credentials, key: Key, request: Request) -> JSONResponse:
        cookie = await door.run(lambda: auth.join(context, key, body.name, body.password))
        return _signed_in(context, cookie, request)


def _signed_in(context: Context, cookie: str, request: Request) -> JSONResponse:
    answer = JSONResponse({"text": "Signed in."})
    secure = request.url.scheme == "https" or context.settings.public_url.startswith("https://")
    age = int(SESSION.total_seconds())
    answer.set_cookie(COOKIE, cookie, max_age=age, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


def _mine(routes: APIRouter, context: Context, door: Door) -> None:
    @routes.get("/mine")
    def mine(request: Request) -> dict[str, Any]:
        who: Who = request.state.who
        found = raters.of_person(context.database, who.person.id) if who.person else []
        return {"name": who.name, "role": who.role, "studies": [item._asdict() for item in found]}

    @routes.post("/mine/password")
    async def password(body: NewPassword, request: Request) -> JSONResponse:
        who: Who = request.state.who
        person, address = who.person, _address(request)
        if person is None:
            raise Refused("A server without accounts has no passwords.")

        def change() -> str:
            auth.sign_out(context, auth.sign_in(context, door, address, who.name, body.old))
            auth.change_person(context, person.id, password=body.new)
            return auth.open_session(context, person)

        return _signed_in(context, await door.run(change), request)


def _people(routes: APIRouter, context: Context, door: Door) -> None:
    @routes.get("/people")
    def everyone() -> dict[str, Any]:
        found = [person._asdict() for person in people.everyone(context.database)]
        waiting = [item._asdict() for item in people.invitations(context.database, context.now())]
        return {"people": found, "roles": people.ROLES, "invitations": waiting}

    @routes.post("/people")
    async def add(body: NewPerson) -> dict[str, Any]:
        made = await door.run(lambda: auth.add_person(context, body.name, body.password, body.role))
        return made._asdict()

    @routes.post("/people/invitations")
    def invite(body: Invited, request: Request) -> dict[str, str]:
        if not people.any_person(context.database):
            raise Refused("Make your own admin account first: from then on people sign in, and you can invite them.")
        return {"link": auth.invite(context, body.role, body.name, request.state.who.name)}

    @routes.post("/people/invitations/{invitation_id}/revoke")
    def revoke(invitation_id: Annotated[str, InPath(max_length=64)]) -> dict[str, str]:
        auth.revoke(context, invitation_id)
        return {"text": "The invitation was taken back."}

    @routes.post("/people/{person_id}")
    async def change(person_id: Id, body: Changes) -> dict[str, str]:
        def done() -> dict[str, str]:
            person = auth.somebody(context, person_id)
            if body.unlock:
                people.unlock(context.database, person_id)
                door.forget(people.name_key(person.name))
            if (body.role, body.disabled, body.password) != (None, None, None):
                auth.change_person(context, person_id, body.role, body.disabled, body.password)
            return {"text": "Changed."}

        return await (door.run(done) if body.password is not None else run_in_threadpool(done))
