"""The door: proxies and public addresses, floods of failed sign-ins, invitations that end, accounts that come later."""

import asyncio
import threading
from typing import Any

import pytest

from app import auth
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.door import ADDRESS_TRIES, TRIES, WAITING, WORKERS, Door, neighbourhood
from app.errors import Busy, Refused
from app.settings import Settings, read_settings
from db import people
from tests.app.peopled import PASSWORD, Clock, browser, entered


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
