"""Accounts over HTTP: who may ask for what, signing in, lock-out, invitations, and that no secret is kept or told."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import auth
from app.actions.prepare import prepare
from app.auth import needed
from app.context import Context, open_context
from app.door import TRIES
from app.errors import Refused
from app.main import create_app
from app.settings import Settings, read_settings
from db import people
from tests.app.peopled import PASSWORD, Clock, browser, entered


def test_without_accounts_a_local_server_is_for_one_user(stocked: Context) -> None:
    client = browser(stocked)
    assert client.get("/api/session").json() == {"name": "single user", "role": "admin", "single": True}
    assert client.get("/api/studies").status_code == 200
    assert client.get("/people").status_code == 200
    refused = client.post("/api/people", json={"name": "Rosa", "password": PASSWORD, "role": "researcher"})
    assert (refused.status_code, "first account is an admin" in refused.json()["error"]) == (400, True)
    assert client.post("/api/people/invitations", json={"role": "admin"}).status_code == 400
    assert client.post("/api/people", json={"name": "Alma", "password": PASSWORD, "role": "admin"}).status_code == 200
    assert client.get("/api/studies").status_code == 401  # from now on everybody signs in
    assert client.get("/api/session").json()["role"] is None


def test_a_server_on_the_network_is_open_to_nobody_before_the_first_account(tmp_path: Any) -> None:
    context = open_context(Settings(data=tmp_path / "data", host="0.0.0.0", starter_set=False))
    prepare(context)
    client = browser(context)
    assert client.get("/api/home").status_code == 401
    sentence = auth.first_admin(context, local=False)
    key = sentence.split("key=")[1]
    answer = client.get("/api/join", headers={"x-invitation-key": key})
    assert answer.json()["role"] == "admin"
    headers = {"x-invitation-key": key}
    assert client.post("/api/join", json={"name": "Alma", "password": PASSWORD}, headers=headers).status_code == 200
    assert client.get("/api/people").status_code == 200
    assert (
        browser(context).post("/api/join", json={"name": "Eve", "password": PASSWORD}, headers=headers).status_code
        == 400
    )
    assert auth.first_admin(context, local=False) == ""
    context.database.close()


def test_the_first_admin_can_come_from_the_environment(tmp_path: Any) -> None:
    settings = read_settings(
        {"SUBTEXT_ADMIN": "Alma", "SUBTEXT_ADMIN_PASSWORD": PASSWORD, "SUBTEXT_DATA": str(tmp_path / "d")}
    )
    assert PASSWORD not in repr(settings)
    context = open_context(settings)
    prepare(context)
    assert "Alma" in auth.first_admin(context, local=True)
    assert auth.first_admin(context, local=True) == ""
    assert entered(context, "alma").get("/api/people").status_code == 200
    context.database.close()


PATHS = (
    "/api/mine",
    "/api/home",
    "/api/sets",
    "/api/studies",
    "/api/studies/1/export",
    "/api/sets/1/export",
    "/api/people",
)


@pytest.mark.parametrize(
    ("name", "open_paths"),
    [
        ("", 0),
        ("Vera", 0),
        ("Anne", 1),
        ("Rosa", 6),
        ("Alma", 7),
    ],
)
def test_every_address_asks_for_its_role(peopled: Context, name: str, open_paths: int) -> None:
    client = entered(peopled, name) if name else browser(peopled)
    answers = [client.get(path) for path in PATHS]
    allowed = [answer.status_code not in (401, 403) for answer in answers]
    assert allowed == [True] * open_paths + [False] * (len(PATHS) - open_paths)
    assert all(answer.json()["error"].endswith(".") for answer in answers if answer.status_code in (401, 403))
    posted = client.post("/api/studies", json={"name": "x", "sets": [2], "raters": ["a"], "overlap": 1})
    assert (posted.status_code == 200) == (name in ("Rosa", "Alma"))


def test_no_route_of_ours_is_open_by_accident(peopled: Context) -> None:
    """Every route: open to anybody only where the list says so."""
    ours = {path for path in create_app(peopled).openapi()["paths"] if path.startswith("/api/")}
    assert len(ours) > 30
    free = {path for path in ours if needed(path.replace("{", "").replace("}", "")) is None}
    assert free == {
        "/api/session", "/api/join", "/api/rate/sheet", "/api/rate/hold", "/api/rate/acts", "/api/rate/consent", "/api/rate/withdraw",
    }  # fmt: skip
    stranger, visitor, annotator = browser(peopled), entered(peopled, "Vera"), entered(peopled, "Anne")
    roles = {path: needed(path.replace("{", "").replace("}", "")) for path in ours - free}
    assert {path for path, role in roles.items() if role == "visitor"} == {
        "/api/respond", "/api/respond/example", "/api/respond/rewordings", "/api/respond/change",
    }  # fmt: skip
    assert {path for path, role in roles.items() if role == "annotator"} == {
        "/api/mine", "/api/mine/password", "/api/verdicts", "/api/verdicts/{queue_id}", "/api/verdicts/reveal",
    }  # fmt: skip
    for path, role in roles.items():
        if role == "visitor":
            continue
        address, below = path.replace("{", "").replace("}", ""), visitor if role == "annotator" else annotator
        for method in ("GET", "POST", "DELETE", "PUT"):
            assert stranger.request(method, address).status_code == 401, path
            assert below.request(method, address).status_code == 403, path


def test_pages_lead_to_the_door_or_home(peopled: Context) -> None:
    answer = browser(peopled).get("/trees?scenario=3")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/trees%3Fscenario%3D3")
    assert browser(peopled).get("/sign-in").status_code == 200
    annotator = entered(peopled, "Anne")
    assert annotator.get("/studies").headers["location"] == "/"
    assert annotator.get("/").status_code == 200
    assert annotator.get("/people").status_code == 303
    for path in ("/gradio_api/queue/join", "/config", "/gradio_api/file=/etc/passwd", "/login"):
        assert annotator.get(path).status_code == 404


def test_failures_lock_an_account_for_a_while(peopled: Context, clock: Clock) -> None:
    client = browser(peopled)
    wrong, right = {"name": "Rosa", "password": "wrong password"}, {"name": "Rosa", "password": PASSWORD}
    sentences = {client.post("/api/session", json=wrong).json()["error"] for _ in range(TRIES)}
    sentences |= {client.post("/api/session", json=wrong | {"name": "nobody"}).json()["error"]}
    locked = client.post("/api/session", json=right)
    sentences |= {locked.json()["error"]}
    assert locked.status_code == 400
    assert len(sentences) == 1  # an unknown name, a wrong password and a lock look alike
    clock.at += timedelta(minutes=16)
    assert client.post("/api/session", json=right).status_code == 200
    for _ in range(TRIES):
        client.post("/api/session", json=wrong)
    admin = TestClient(client.app, base_url="http://127.0.0.1:7860")  # another browser at the same server
    assert admin.post("/api/session", json={"name": "Alma", "password": PASSWORD}).status_code == 200
    rosa = next(one for one in admin.get("/api/people").json()["people"] if one["name"] == "Rosa")
    admin.post(f"/api/people/{rosa['id']}", json={"unlock": True})
    assert client.post("/api/session", json=right).status_code == 200


def test_sessions_end(peopled: Context, clock: Clock) -> None:
    client, other = entered(peopled, "Rosa"), entered(peopled, "Rosa")
    assert client.get("/api/sets").status_code == 200
    client.delete("/api/session")
    assert client.get("/api/sets").status_code == 401
    assert other.get("/api/sets").status_code == 200
    changed = other.post("/api/mine/password", json={"old": PASSWORD, "new": "a new long password"})
    assert changed.status_code == 200
    assert other.get("/api/sets").status_code == 200
    assert other.post("/api/mine/password", json={"old": PASSWORD, "new": "another long one"}).status_code == 400
    again = entered(peopled, "Rosa", "a new long password")
    clock.at += auth.SESSION + timedelta(seconds=1)
    assert again.get("/api/sets").status_code == 401
    assert browser(peopled).get("/api/sets", headers={"cookie": f"{auth.COOKIE}=forged"}).status_code == 401


def test_roles_change_at_once_and_an_admin_stays(peopled: Context) -> None:
    admin, rosa = entered(peopled, "Alma"), entered(peopled, "Rosa")
    ids = {one["name"]: one["id"] for one in admin.get("/api/people").json()["people"]}
    admin.post(f"/api/people/{ids['Rosa']}", json={"role": "annotator"})
    assert rosa.get("/api/sets").status_code == 401  # signed out by the change
    assert entered(peopled, "Rosa").get("/api/sets").status_code == 403
    admin.post(f"/api/people/{ids['Rosa']}", json={"disabled": True})
    assert rosa.post("/api/session", json={"name": "Rosa", "password": PASSWORD}).status_code == 400
    for change in ({"role": "visitor"}, {"disabled": True}):
        answer = admin.post(f"/api/people/{ids['Alma']}", json=change)
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "There must be at least one admin who can sign in.",
        )
    assert admin.get("/api/people").status_code == 200


def test_invitations_are_used_once_and_expire(peopled: Context, clock: Clock) -> None:
    admin = entered(peopled, "Alma")
    links = [
        admin.post("/api/people/invitations", json={"role": "annotator", "name": "Ben"}).json()["link"]
        for _ in range(2)
    ]
    first, second = ({"x-invitation-key": link.split("key=")[1]} for link in links)
    ben = browser(peopled)
    assert ben.get("/api/join", headers=first).json() == {"role": "annotator", "name": "Ben", "invited_by": "Alma"}
    short = ben.post("/api/join", json={"name": "Ben", "password": "short"}, headers=first)
    assert "at least 10 characters" in short.json()["error"]
    taken = ben.post("/api/join", json={"name": " ANNE ", "password": PASSWORD}, headers=first)
    assert "already" in taken.json()["error"]
    assert ben.post("/api/join", json={"name": "Ben", "password": PASSWORD}, headers=first).status_code == 200
    assert ben.get("/api/mine").json()["role"] == "annotator"
    assert ben.post("/api/join", json={"name": "Eve", "password": PASSWORD}, headers=first).status_code == 400
    clock.at += auth.INVITATION
    assert "expired" in ben.get("/api/join", headers=second).json()["error"]


def test_a_person_rates_without_a_link(peopled: Context) -> None:
    rosa, anne = entered(peopled, "Rosa"), entered(peopled, "Anne")
    rosa.post(
        "/api/studies", json={"name": "Pilot", "sets": [2], "raters": ["Anne", "Ben"], "overlap": 2, "consent": ""}
    )
    (mine,) = anne.get("/api/mine").json()["studies"]
    assert mine == {"study_id": 1, "status": "running", "done": 0, "dialogues": 18}
    headers = {"x-rater-study": "1"}
    sheet = anne.get("/api/rate/sheet", headers=headers).json()
    act = {"turn": 1, "value": 4, "client_id": "client-0001"}
    body = {"token": sheet["token"], "holder": "tab", "acts": [act]}
    assert anne.post("/api/rate/acts", json=body, headers=headers).status_code == 200
    assert browser(peopled).post("/api/rate/acts", json=body, headers=headers).status_code == 401
    assert entered(peopled, "Vera").post("/api/rate/acts", json=body, headers=headers).status_code == 403
    assert entered(peopled, "Rosa").get("/api/rate/sheet", headers=headers).status_code == 404
    assert rosa.get("/api/studies").json()["studies"][0]["ratings"] == 1
    assert rosa.post("/api/studies/1/freeze").status_code == 200
    assert rosa.get("/api/studies/1/report").json()["acts"][-1]["who"] == "Rosa"


def test_no_secret_is_kept(peopled: Context) -> None:
    client = entered(peopled, "Alma")
    link = client.post("/api/people/invitations", json={"role": "visitor"}).json()["link"]
    cookie = client.cookies[auth.COOKIE]
    peopled.database.close()
    stored = b"".join(file.read_bytes() for file in peopled.settings.data.glob("subtext.db*"))
    for secret in (PASSWORD, cookie, link.split("key=")[1]):
        assert secret.encode() not in stored
    login = people.login(peopled.database, "Alma")
    assert login is not None
    assert login.password.startswith("$argon2id$")


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\u202eb", "line\nbreak\x00"])
def test_names_that_cannot_be(stocked: Context, name: str) -> None:
    with pytest.raises(Refused, match="1 to 80 printable"):
        auth.add_person(stocked, name, PASSWORD, "admin")


def test_a_cookie_from_another_site_is_not_enough(peopled: Context) -> None:
    client = entered(peopled, "Alma")
    guarded = client.post(
        "/api/people",
        json={"name": "Eve", "password": PASSWORD, "role": "admin"},
        headers={"origin": "https://evil.example"},
    )
    assert guarded.status_code == 403
    answer = browser(peopled).post("/api/session", json={"name": "Alma", "password": PASSWORD})
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
