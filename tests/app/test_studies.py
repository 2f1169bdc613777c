"""Studies and ratings over HTTP: a whole study, hostile clients, and what a rater's client may see."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from app.actions.prepare import prepare
from app.context import Context, open_context
from app.main import create_app
from app.settings import Settings


@pytest.fixture
def stocked(tmp_path: Any) -> Iterator[Context]:
    made = open_context(Settings(data=tmp_path / "data"))
    prepare(made)
    yield made
    made.database.close()


@pytest.fixture
def client(stocked: Context) -> Iterator[TestClient]:
    with TestClient(create_app(stocked), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def order(**changes: Any) -> dict[str, Any]:
    """An order over the starter dialogues."""
    return {"name": "Pilot", "sets": [2], "raters": ["Ada", "Ben"], "overlap": 2} | changes


def keys(client: TestClient, **changes: Any) -> dict[str, str]:
    """Start a study; each rater's key."""
    answer = client.post("/api/studies", json=order(**changes))
    assert answer.status_code == 200, answer.text
    found = {name: link.split("=")[1] for name, link in answer.json()["links"].items()}
    for key in found.values():
        assert (
            client.post("/api/rate/consent", json={"confirm": "yes"}, headers={"x-rater-key": key}).status_code == 200
        )
    return found


def sheet(client: TestClient, key: str) -> dict[str, Any]:
    """The dialogue a rater sees."""
    return client.get("/api/rate/sheet", headers={"x-rater-key": key}).json()


def send(client: TestClient, key: str, token: str, *acts: dict[str, Any], holder: str = "tab") -> Any:
    """Send acts; the answer."""
    body = {"token": token, "holder": holder, "acts": list(acts)}
    return client.post("/api/rate/acts", json=body, headers={"x-rater-key": key})


def act(turn: int, value: Any, **more: Any) -> dict[str, Any]:
    """An act as the page sends it."""
    return {"turn": turn, "value": value, "client_id": f"client-{turn}-{value}"} | more


def test_a_study_from_plan_to_export(client: TestClient) -> None:
    draft = client.post("/api/studies/draft", json=order()).json()
    assert (draft["profiles"], draft["cost"]["dialogues"], draft["lists"]) == (6, 36, {"Ada": 18, "Ben": 18})
    handed = keys(client)
    for name, key in handed.items():
        for _ in range(18):
            now = sheet(client, key)
            acts = [
                act(turn, 1 + (turn + len(name)) % 5, client_id=f"{now['token']}{turn:02d}", active_ms=9000)
                for turn in range(1, 11)
            ]
            assert send(client, key, now["token"], *acts).status_code == 200
        assert sheet(client, key)["submitted"]
    (listed,) = client.get("/api/studies").json()["studies"]
    assert (listed["submitted"], listed["ratings"]) == (36, 360)
    report = client.get("/api/studies/1/report").json()
    assert [row["model"] for row in report["figures"]] == ["Model A", "Model B", "Model C"]
    assert report["crossed"]
    assert len(report["differences"]) == 3
    assert [card["rater"] for card in report["cards"]] == ["Ada", "Ben"]
    without = client.get("/api/studies/1/report?rater=Ben&model=Model%20A").json()
    assert ([card["rater"] for card in without["cards"]], len(without["figures"])) == (["Ada"], 2)
    blind = [json.loads(line) for line in client.get("/api/studies/1/export?format=jsonl").text.splitlines()]
    assert len(blind) == 360
    assert {row["model"] for row in blind} == {"Model A", "Model B", "Model C"}
    assert client.post("/api/studies/1/unblind").status_code == 400
    for path in ("freeze", "unblind"):
        assert client.post(f"/api/studies/1/{path}").status_code == 200
    named = client.get("/api/studies/1/report").json()
    assert [row["model"] for row in named["figures"]] == ["System A", "System B", "System C"]
    assert json.loads(client.get("/api/studies/1/export?format=jsonl").text.splitlines()[0])["model"].startswith(
        "System"
    )


def test_hostile_raters(client: TestClient) -> None:
    handed = keys(client)
    ada, ben = handed["Ada"], handed["Ben"]
    mine, theirs = sheet(client, ada)["token"], sheet(client, ben)["token"]
    for answer, status in [
        (send(client, ada, theirs, act(1, 3)), 404),
        (send(client, "forged", mine, act(1, 3)), 404),
        (send(client, ada, mine, act(1, 6)), 422),
        (send(client, ada, mine, act(11, 3)), 422),
        (send(client, ada, mine, act(2, 3)), 422),
        (send(client, ada, mine, act(1, 3, note="n" * 50_000)), 422),
        (send(client, ada, mine, act(1, 3, note="n" * 1_000_000)), 422),
        (send(client, ada, mine, act(1, "3 or 4")), 422),
        (client.post("/api/rate/acts", json={}, headers={"x-rater-key": ada}), 422),
        (client.post("/api/rate/acts", content=b"{", headers={"x-rater-key": ada}), 422),
        (client.get("/api/rate/sheet"), 404),
    ]:
        assert answer.status_code == status, answer.text
        assert answer.json()["error"].rstrip().endswith(".")
    assert client.get("/api/studies").json()["studies"][0]["ratings"] == 0
    assert send(client, ada, mine, act(1, 3)).status_code == 200
    assert send(client, ada, mine, act(2, 3), holder="another").status_code == 423
    client.post("/api/studies/1/freeze")
    assert send(client, ada, mine, act(2, 3)).status_code == 409
    assert client.get("/api/studies").json()["studies"][0]["ratings"] == 1


def test_a_script_in_a_note_is_kept_as_the_text_it_is(client: TestClient, stocked: Context) -> None:
    key = keys(client)["Ada"]
    note = "<script>alert(1)</script>"
    assert send(client, key, sheet(client, key)["token"], act(1, 3, note=note)).status_code == 200
    with stocked.database.read() as connection:
        assert connection.execute(text("SELECT note FROM rating_event")).scalars().all() == [note]


def test_nothing_is_shown_or_taken_before_the_consent(client: TestClient) -> None:
    links = client.post("/api/studies", json=order(consent="Kept for a year.", withdrawal="kept")).json()["links"]
    key = links["Ada"].split("=")[1]
    welcome = sheet(client, key)["welcome"]
    assert (welcome["consent"], welcome["withdrawal"], welcome["places"], welcome["turns"]) == (
        "Kept for a year.",
        "kept",
        18,
        180,
    )
    headers = {"x-rater-key": key}
    assert client.post("/api/rate/consent", json={"confirm": "no"}, headers=headers).status_code == 422
    assert (
        client.post("/api/rate/consent", json={"confirm": "yes"}, headers={"x-rater-key": "forged"}).status_code == 404
    )
    token = "a token guessed before the consent"
    assert send(client, key, token, act(1, 3)).status_code == 404
    assert (
        client.post("/api/rate/consent", json={"confirm": "yes"}, headers=headers).json()["consent"]
        == "Kept for a year."
    )
    assert sheet(client, key)["place"] == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"raters": []}, "Name at least one rater"),
        ({"sets": [1]}, "There is no multi-turn dialogue"),
        ({"overlap": 5}, "5 raters for each profile were asked for, but there are 2"),
        ({"name": " "}, "Give the study a name"),
    ],
)
def test_orders_that_cannot_be(client: TestClient, changes: dict[str, Any], sentence: str) -> None:
    answer = client.post("/api/studies", json=order(**changes))
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert client.get("/api/studies").json()["studies"] == []


def test_a_name_is_given_once(client: TestClient) -> None:
    keys(client)
    answer = client.post("/api/studies", json=order())
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "There is a study named Pilot already. Choose another name.",
    )


def test_names_of_models_in_the_texts_are_masked(client: TestClient) -> None:
    messages = [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": "I am ChatGPT, not Zebra-9."},
    ]
    line = json.dumps({"messages": messages, "model": "Zebra-9", "profile": "A beekeeper who used Zebra-9."}).encode()
    token = client.post("/api/uploads", content=line, headers={"x-file-name": "z.jsonl"}).json()["token"]
    started = client.post("/api/imports", json={"uploads": [token]}).json()["id"]
    while not (state := client.get(f"/api/imports/{started}").json())["done"]:
        pass
    asked = order(sets=[state["set"]], raters=["Ada"], overlap=1)
    found = client.post("/api/studies/draft", json=asked).json()
    assert [leak["words"] for leak in found["leaks"]] == ["Zebra-9", "ChatGPT", "Zebra-9"]
    assert any("only one model" in warning for warning in found["warnings"])
    key = keys(client, **asked)["Ada"]
    assert sheet(client, key)["profile"] == "A beekeeper who used [name]."
    assert sheet(client, key)["turns"] == [["Who are you?", "I am [name], not [name]."]]


def test_handing_over_is_shown_before_it_is_done(client: TestClient) -> None:
    key = keys(client, raters=["Ada"], overlap=1)["Ada"]
    send(client, key, sheet(client, key)["token"], act(1, 3), holder="")
    asked = {"rater": "Ada", "to": " ben   Bee "}
    shown = client.post("/api/studies/1/hand-over", json=asked).json()
    assert shown == {
        "text": "6 user profiles (18 dialogues) go from Ada to ben Bee. 1 ratings of them will no longer count.",
        "link": None,
        "done": False,
    }
    assert [one["name"] for one in client.get("/api/studies/1/report").json()["raters"]] == ["Ada"]
    done = client.post("/api/studies/1/hand-over", json=asked | {"confirm": True}).json()
    assert done["done"]
    assert done["link"].startswith("/rate?key=")
    again = client.post("/api/studies/1/hand-over", json={"rater": "Ben Bee", "to": "BEN BEE", "confirm": True})
    assert again.status_code == 400  # the same person
    idle = sheet(client, key)["idle"]
    assert idle["withdrawal"] == "removed"
    moved = send(client, key, "x", act(1, 3))
    assert moved.status_code == 404
    headers = {"x-rater-key": key}
    assert client.post("/api/rate/withdraw", json={"confirm": "yes"}, headers=headers).status_code == 200
    assert sheet(client, key)["code"] == "unknown"


def test_what_was_handed_over_is_gone_for_the_giver(client: TestClient) -> None:
    key = keys(client, raters=["Ada"], overlap=1)["Ada"]
    token = sheet(client, key)["token"]
    client.post("/api/studies/1/hand-over", json={"rater": "Ada", "to": "Ben", "confirm": True})
    gone = send(client, key, token, act(1, 3))
    assert (gone.status_code, gone.json()["code"]) == (410, "moved")


def test_names_of_raters_are_taken_once(client: TestClient) -> None:
    assert set(keys(client, raters=["Ada  Bee", "ada bee", " Ben "])) == {"Ada Bee", "Ben"}
    for name, sentence in (("Former  Rater 7", "Choose another name"), ("x" * 81, "1 to 80"), ("a\u202eb", "1 to 80")):
        for path, body in (
            ("/api/studies/draft", order(raters=["Ada", name])),
            ("/api/studies/1/hand-over", {"rater": "Ben", "to": name}),
        ):
            answer = client.post(path, json=body)
            assert (answer.status_code, sentence in answer.json()["error"]) == (400, True), answer.text


def test_a_withdrawal_after_the_freeze_is_told(client: TestClient) -> None:
    keys(client)
    client.post("/api/studies/1/freeze")
    text = client.post("/api/studies/1/withdraw", json={"rater": "ada"}).json()["text"]
    assert text.endswith("The figures of the report change; it is logged.")
