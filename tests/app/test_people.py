"""Accounts over HTTP: who may ask for what, signing in, lock-out, invitations, and that no secret is kept or told."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import auth
from app.actions.prepare import prepare
from app.auth import needed
from app.context import Context, open_context
from app.door import ADDRESS_TRIES, TRIES, WAITING, WORKERS, Door, neighbourhood
from app.errors import Busy, Refused
from app.main import create_app
from app.settings import Settings, read_settings
from db import people

PASSWORD = "correct horse battery"


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.at = datetime.fromisoformat("2026-01-05T09:00:00+00:00")

    def __call__(self) -> str:
        return self.at.isoformat(timespec="seconds")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stocked(tmp_path: Any, clock: Clock) -> Iterator[Context]:
    opened = open_context(Settings(data=tmp_path / "data"))
    made = Context(opened.settings, opened.database, opened.blobs, clock)
    prepare(made)
    yield made
    made.database.close()


def browser(context: Context) -> TestClient:
    """A browser of its own, with its own cookies."""
    return TestClient(
        create_app(context), base_url="http://127.0.0.1:7860", raise_server_exceptions=False, follow_redirects=False
    )


def entered(context: Context, name: str, password: str = PASSWORD) -> TestClient:
    """A browser in which somebody has signed in."""
    made = browser(context)
    answer = made.post("/api/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def peopled(stocked: Context) -> Context:
    for name, role in (("Alma", "admin"), ("Rosa", "researcher"), ("Anne", "annotator"), ("Vera", "visitor")):
        auth.add_person(stocked, name, PASSWORD, role)  # type: ignore[arg-type]
    return stocked


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
        ("Vera", 1),
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
    stranger, annotator = browser(peopled), entered(peopled, "Anne")
    for path in ours - free - {"/api/mine", "/api/mine/password"}:
        address = path.replace("{", "").replace("}", "")
        for method in ("GET", "POST", "DELETE", "PUT"):
            assert stranger.request(method, address).status_code == 401, path
            assert annotator.request(method, address).status_code == 403, path


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


@pytest.mark.parametrize(
    "header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
)
def test_what_came_through_a_proxy_is_never_the_single_user(stocked: Context, header: str) -> None:
    client = browser(stocked)
    stranger = {header: "203.0.113.9"}
    assert client.get("/api/studies").status_code == 200
    assert client.get("/api/studies", headers=stranger).status_code == 401
    assert client.get("/api/session", headers=stranger).json()["role"] is None
    assert (
        client.post(
            "/api/people", json={"name": "Eve", "password": PASSWORD, "role": "admin"}, headers=stranger
        ).status_code
        == 401
    )


@pytest.mark.parametrize("host", ["subtext.example.org", "127.0.0.1:7860"])
def test_a_public_address_is_ours(tmp_path: Any, host: str) -> None:
    settings = read_settings(
        {"SUBTEXT_DATA": str(tmp_path / "d"), "SUBTEXT_PUBLIC_URL": "https://Subtext.example.org:443/"}
    )
    context = open_context(settings)
    prepare(context)
    sentence = auth.first_admin(context, local=False)
    assert "https://subtext.example.org/join?key=" in sentence
    client = browser(context)
    ours = {"host": host, "origin": "https://subtext.example.org"}
    assert client.get("/api/studies", headers={"host": host}).status_code == 401  # nobody is a single user any more
    auth.add_person(context, "Alma", PASSWORD, "admin")
    body = {"name": "Alma", "password": PASSWORD}
    answer = client.post("/api/session", json=body, headers=ours)
    assert answer.status_code == 200
    assert "secure" in answer.headers["set-cookie"].lower()
    for origin in ("https://evil.example", "http://subtext.example.org", "https://subtext.example.org.evil.example"):
        assert client.post("/api/session", json=body, headers=ours | {"origin": origin}).status_code == 403
    assert client.get("/api/session", headers={"host": "evil.example"}).status_code == 403
    context.database.close()


@pytest.mark.parametrize(
    "url", ["subtext.example.org", "https://x.example/path", "ftp://x.example", "https://u@x.example"]
)
def test_addresses_that_cannot_be_public(url: str) -> None:
    with pytest.raises(Refused, match="address without a path"):
        read_settings({"SUBTEXT_PUBLIC_URL": url})


def test_odd_cookies_do_not_hide_ours(peopled: Context) -> None:
    cookie = entered(peopled, "Rosa").cookies[auth.COOKIE]
    for other in ('a{"b":1}', "x y=1", "=", 'q="unended'):
        headers = {"cookie": f"{other}; {auth.COOKIE}={cookie}"}
        assert browser(peopled).get("/api/sets", headers=headers).status_code == 200, other


def test_strangers_do_not_lock_an_admin_out(peopled: Context) -> None:
    door = Door()

    def knock(address: str, password: str, name: str = "Alma") -> bool:
        try:
            return bool(auth.sign_in(peopled, door, address, name, password))
        except Refused:
            return False

    assert knock("198.51.100.1", PASSWORD)
    for number in range(auth.EVERYWHERE // TRIES):
        for _ in range(TRIES + 2):
            assert not knock(f"203.0.113.{number}", "wrong password")
        assert not knock(f"203.0.113.{number}", PASSWORD)  # this address waits
    assert not knock("203.0.113.200", PASSWORD)  # after fifty, every address that is new to the account
    assert knock("198.51.100.1", PASSWORD)  # but not the one that came in before
    for _ in range(ADDRESS_TRIES):
        knock("192.0.2.1", "wrong password", f"nobody {_}")
    assert not knock("192.0.2.1", PASSWORD, "Rosa")
    assert knock("192.0.2.2", PASSWORD, "Rosa")


def test_a_lock_that_came_while_the_password_was_checked_holds(
    peopled: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_kept: str, _password: str) -> bool:
        people.count_failure(peopled.database, 1, 1, "2026-01-05T09:15:00+00:00")
        return True

    monkeypatch.setattr(auth, "_matches", slow)
    with pytest.raises(Refused):
        auth.sign_in(peopled, Door(), "203.0.113.1", "Alma", PASSWORD)


def test_many_tries_at_once_are_no_more_tries() -> None:
    door = Door()
    assert [door.begin("alma", "a", "1") for _ in range(TRIES + 2)] == [True] * TRIES + [False] * 2
    for _ in range(TRIES):
        door.end("alma", "a", True, "1", "2")
    assert door.begin("alma", "a", "1")
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::2") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("testclient") == "testclient"


def test_a_crowd_at_the_door_is_turned_away_with_a_sentence() -> None:
    async def crowd() -> tuple[int, list[str]]:
        door, go = Door(), threading.Event()
        inside = [asyncio.ensure_future(door.run(go.wait)) for _ in range(WORKERS + WAITING)]
        await asyncio.sleep(0)
        refusals: list[str] = []
        for _ in range(3):
            try:
                await door.run(go.wait)
            except Busy as busy:
                refusals.append(str(busy))
        go.set()
        done = sum(await asyncio.gather(*inside))
        assert await door.run(lambda: 7) == 7
        return done, refusals

    done, refusals = asyncio.run(crowd())
    assert done == WORKERS + WAITING
    assert refusals == ["Many people are signing in just now. Try again in a few seconds."] * 3
    assert Busy.status == 429


def test_invitations_end_with_who_made_them_and_can_be_taken_back(peopled: Context) -> None:
    auth.add_person(peopled, "Zoe", PASSWORD, "admin")
    zoe, alma = entered(peopled, "Zoe"), entered(peopled, "Alma")
    for admin, name in ((zoe, "one"), (alma, "two"), (alma, "three")):
        admin.post("/api/people/invitations", json={"role": "admin", "name": name})
    listed = alma.get("/api/people").json()["invitations"]
    assert {(item["name"], item["invited_by"]) for item in listed} == {
        ("one", "Zoe"),
        ("two", "Alma"),
        ("three", "Alma"),
    }
    (third,) = (item["id"] for item in listed if item["name"] == "three")
    assert alma.post(f"/api/people/invitations/{third}/revoke").status_code == 200
    again = alma.post(f"/api/people/invitations/{third}/revoke")
    assert (again.status_code, "no such invitation" in again.json()["error"]) == (404, True)
    numbers = {one["name"]: one["id"] for one in alma.get("/api/people").json()["people"]}
    alma.post(f"/api/people/{numbers['Zoe']}", json={"disabled": True})
    assert [item["name"] for item in alma.get("/api/people").json()["invitations"]] == ["two"]
    missing = alma.post("/api/people/9999", json={"unlock": True})
    assert (missing.status_code, missing.json()["error"]) == (404, "There is no account number 9999.")


def test_links_of_the_first_start_end_with_the_first_account(tmp_path: Any) -> None:
    context = open_context(Settings(data=tmp_path / "data", host="0.0.0.0", starter_set=False))
    prepare(context)
    keys = [auth.first_admin(context, local=False).split("key=")[1] for _ in range(2)]
    auth.join(context, keys[0], "Alma", PASSWORD)
    with pytest.raises(Refused, match="used or has expired"):
        auth.invitation(context, keys[1])
    context.database.close()


def test_a_later_account_takes_its_own_ratings_over(peopled: Context) -> None:
    rosa = entered(peopled, "Rosa")
    rosa.post("/api/studies", json={"name": "Pilot", "sets": [2], "raters": ["Ben", "Cleo", "Dora"], "overlap": 2})
    auth.add_person(peopled, "ben", PASSWORD, "annotator")
    assert len(entered(peopled, "Ben").get("/api/mine").json()["studies"]) == 1
    for invited, chosen, studies in (("", "Cleo", 0), ("Dora", "dora", 1)):
        link = auth.invite(peopled, "annotator", invited, "Alma")
        auth.join(peopled, link.split("key=")[1], chosen, PASSWORD)
        assert len(entered(peopled, chosen).get("/api/mine").json()["studies"]) == studies
