"""Checks of critiques over HTTP and on the command line: saving, undo, files out and in, hostile clients and files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions.prepare import prepare
from app.cli import main
from app.context import Context, open_context
from app.main import create_app
from app.settings import Settings

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def served(folder: Path) -> Iterator[TestClient]:
    """A client of a server with the starter set."""
    made: Context = open_context(Settings(data=folder))
    prepare(made)
    with TestClient(create_app(made), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as client:
        yield client
    made.database.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    yield from served(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[TestClient]:
    yield from served(tmp_path / "two")


def items(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    return client.get("/api/checks/queue", params={"limit": 100, **query}).json()["items"]


def send(client: TestClient, item: dict[str, Any], verdict: str, client_id: str, **more: Any) -> Any:
    body = {
        "tree": item["tree"],
        "node": item["key"],
        "digest": item["digest"],
        "verdict": verdict,
        "client_id": client_id,
    }
    return client.post("/api/checks", json=body | more)


def judge_many(client: TestClient, count: int) -> None:
    for at, item in enumerate(items(client)[:count]):
        verdict = ("agree", "partly", "wrong", "agree")[at % 4]
        more: dict[str, Any] = (
            {}
            if verdict == "agree"
            else {"score": round(0.9 - at / 20, 2), "critique": f"Corrected {at}.", "reason": "r"}
        )
        assert send(client, item, verdict, f"c{at}", **more).status_code == 200


def test_a_check_is_saved_shown_and_taken_back(client: TestClient) -> None:
    item = items(client)[0]
    answer = send(client, item, "partly", "c1", score=0.25, critique=SCRIPT, reason=SCRIPT)
    assert (
        answer.status_code == 200
        and answer.json()["critique"] == SCRIPT
        and answer.json()["diff"][-1] == ["new", SCRIPT]
    )
    assert send(client, item, "partly", "c1", score=0.25, critique=SCRIPT, reason=SCRIPT).json() == answer.json()
    step = client.get("/api/checks/step", params={"tree": item["tree"], "node": item["key"]}).json()
    assert step["ai"]["source"] == "model" and step["ai"]["critique"] == item["ai"]["critique"]
    held = step["held"][0]
    assert (
        held["source"] == "person" and held["who"] == "single user" and held["mine"] and held["label"]["score"] == 0.25
    )
    assert item["key"] not in [one["key"] for one in items(client) if one["tree"] == item["tree"]]
    assert client.get("/api/checks").json()["total"] == 1
    assert send(client, item, "", "c2").status_code == 200
    assert client.get("/api/checks").json()["total"] == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verdict": "maybe"}, 422),
        ({"verdict": "x" * 30}, 422),
        ({"score": 1.5}, 422),
        ({"score": "high"}, 422),
        ({"critique": ""}, 422),
        ({"critique": "x" * 9000}, 422),
        ({"critique": "x" * 1_000_000}, 422),
        ({"reason": "x" * 3000}, 422),
        ({"reason": "\ud800"}, 422),
        ({"node": "999"}, 404),
        ({"node": "\ud800"}, 422),
        ({"tree": 10**15}, 404),
        ({"tree": 10**30}, 422),
        ({"digest": "0" * 64}, 409),
        ({"client_id": ""}, 422),
    ],
)
def test_hostile_checks_are_refused_with_a_sentence(client: TestClient, change: dict[str, Any], status: int) -> None:
    item = items(client)[0]
    body = {
        "tree": item["tree"],
        "node": item["key"],
        "digest": item["digest"],
        "verdict": "agree",
        "client_id": "c",
    } | change
    answer = client.post("/api/checks", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == status and answer.json()["error"].endswith(".")
    assert client.get("/api/checks").json()["total"] == 0


def test_numbers_that_are_none_are_refused(client: TestClient) -> None:
    item = items(client)[0]
    body = json.dumps(
        {
            "tree": item["tree"],
            "node": item["key"],
            "digest": item["digest"],
            "verdict": "agree",
            "client_id": "c",
            "score": float("nan"),
        }
    )
    answer = client.post("/api/checks", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_the_queue_learns_after_twenty_checks(client: TestClient) -> None:
    assert "0 of the 20" in client.get("/api/checks/queue").json()["how"]
    judge_many(client, 20)
    found = client.get("/api/checks/queue", params={"seed": 4}).json()
    assert "learned from 20 checks" in found["how"]
    chances = [one["probability"] for one in found["items"]]
    assert chances == sorted(chances, reverse=True) and all(
        0 < chance < 1 and len(one["reasons"]) == 2 for chance, one in zip(chances, found["items"], strict=True)
    )


def test_export_and_import_into_another_database_give_the_same_report(client: TestClient, other: TestClient) -> None:
    judge_many(client, 24)
    assert send(client, items(client)[0], "wrong", "again").status_code == 200
    file = client.get("/api/checks/export").content
    assert len(file.splitlines()) == 25
    assert other.get("/api/checks/report").json()["overall"]["checks"] == 0
    assert other.post("/api/checks/import", content=file).json()["sentence"] == "25 checks added."
    assert other.get("/api/checks/report").json() == client.get("/api/checks/report").json()
    assert {row["standing"] for row in other.get("/api/checks").json()["rows"]} == {"same"}
    assert other.get("/api/checks/export").content == file
    assert "25 were here already" in other.post("/api/checks/import", content=file).json()["sentence"]


@pytest.mark.parametrize("form", ["sft", "stepwise", "stepwise_bool", "prm800k"])
def test_training_files(client: TestClient, form: str) -> None:
    judge_many(client, 12)
    answer = client.get("/api/checks/export", params={"format": form})
    found = [json.loads(line) for line in answer.content.splitlines()]
    assert found and f"checks.{form}.jsonl" in answer.headers["content-disposition"]
    if form == "sft":
        assert {row["verified"] for row in found} == {True} and any(
            "Corrected" in row["completion"][0]["content"] for row in found
        )
    if form.startswith("stepwise"):
        kind = bool if form.endswith("bool") else float
        assert all(
            len(row["completions"]) == len(row["labels"]) and all(type(label) is kind for label in row["labels"])
            for row in found
        )


def test_unknown_format(client: TestClient) -> None:
    assert client.get("/api/checks/export", params={"format": "exe"}).status_code == 400


def forged(line: dict[str, Any], **change: Any) -> bytes:
    return json.dumps(line | change).encode()


def test_hostile_files_are_refused_whole(client: TestClient, other: TestClient) -> None:
    judge_many(client, 2)
    good = client.get("/api/checks/export").content
    line = json.loads(good.splitlines()[0])
    changed = line["judged"] | {"critique": "Something else."}
    bad = [
        forged(line, judged=changed),
        forged(line, verdict="maybe"),
        forged(line, score=7),
        forged(line, critique="x" * 9000),
        forged(line, critique=""),
        forged(line, at="2999-01-01T00:00:00+00:00"),
        forged(line, at="yesterday"),
        forged(line, reason="\ud800"),
        forged(line, tree=-1),
        forged(line, source="god"),
        forged(line, extra=1),
        b"{" + b"x" * 2_000_000,
        b"\x00\xff",
        b"[" * 50_000,
    ]
    for one in bad:
        answer = other.post("/api/checks/import", content=good + one)
        assert answer.status_code == 400 and "Line 3" in answer.json()["error"] and len(answer.json()["error"]) < 500
    assert other.get("/api/checks").json()["total"] == 0
    fake = other.post("/api/checks/import", content=good)
    assert fake.status_code == 200


def test_the_command_line(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge_many(client, 5)
    file = tmp_path / "checks.jsonl"
    monkeypatch.setenv("SUBTEXT_DATA", str(tmp_path / "one"))
    assert main(["checks", "export", "--output", str(file)]) == 0
    assert main(["checks", "list"]) == 0 and main(["checks", "report"]) == 0
    out = capsys.readouterr().out
    assert "5 of 5 checks." in out
    monkeypatch.setenv("SUBTEXT_DATA", str(tmp_path / "three"))
    assert main(["checks", "import", str(file)]) == 0
    assert "5 checks added." in capsys.readouterr().out
    main(["checks", "report"])
    assert capsys.readouterr().out == out[out.index("group\t") :]
    assert (
        main(["checks", "export", "--format", "exe"]) == 1 and main(["checks", "import", str(tmp_path / "none")]) == 1
    )


def test_a_tree_shows_what_people_said_of_its_critiques(client: TestClient) -> None:
    item = items(client)[0]
    query = {"scenario": item["scenario"]}
    assert client.get("/api/checks/tree", params=query).json() == {}
    send(client, item, "partly", "a", score=0.25, critique=f"Better. {SCRIPT}", reason="It was vague.")
    found = client.get("/api/checks/tree", params=query).json()
    (check,) = found[item["key"]]
    assert (check["verdict"], check["score"], check["standing"], check["who"]) == (
        "partly",
        0.25,
        "same",
        "single user",
    )
    assert check["reason"] == "It was vague." and any(what == "ins" or what == "new" for what, _ in check["diff"])
    send(client, item, "", "b")
    assert client.get("/api/checks/tree", params=query).json() == {}, "taken back"
    assert client.get("/api/checks/tree", params={"scenario": 99_999}).json() == {}
