"""Answers of people as a file: it comes back here, elsewhere, into a twin, with many queues."""

import json
from pathlib import Path

from sqlalchemy import text
from starlette.testclient import TestClient

from app.actions.prepare import prepare
from app.context import Context, open_context
from app.main import create_app
from app.settings import Settings
from db import verdict_checks
from tests.app import test_verdicts as asked
from tests.app.test_evaluate import Write, run, said, served, spec
from tests.app.test_verdicts import CHECKS, ID, ahead, beside, drawn, judged, reveal, send
from tests.misbehaving import Misbehaving

client = asked.client
evaluated = asked.evaluated


def test_a_file_comes_back_here_and_elsewhere(
    client: TestClient, evaluated: Context, write: Write, tmp_path: Path
) -> None:
    assert client.get(f"{ID}/export").status_code == 400
    drawn(client, size=30)
    items = ahead(client)
    for at, item in enumerate(items[:12]):
        send(client, item, "yes" if at % 2 else "no", f"a{at}")
    send(client, items[0], "", "undo")
    others = beside(client, items[1])
    for at, other in enumerate(others):
        send(client, other, "no", f"o{at}")
    count = 14 + len(others)
    assert reveal(client, items[1], "seen").status_code == 200
    file = client.get(f"{ID}/export").content
    forms = [json.loads(line)["form"] for line in file.splitlines()]
    assert (
        forms.count("subtext.verdict_queue.1"),
        forms.count("subtext.verdict_task.1"),
        forms.count("subtext.verdict_answer.1"),
    ) == (1, 30, count)
    again = client.post(f"{ID}/import", content=file).json()["sentence"]
    assert again == f"0 answers added; {count} were here already."
    elsewhere = open_context(Settings(data=tmp_path / "other", starter_set=False))
    prepare(elsewhere)
    judged(elsewhere, write, tmp_path)
    other = TestClient(create_app(elsewhere), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
    assert other.post(f"{ID}/import", content=file).json()["sentence"] == f"{count} answers added; 1 queue laid out."
    assert other.get(ID).json()["against"] == client.get(ID).json()["against"]
    assert other.get("/api/verdicts/1").json()["queue"]["left"] == client.get("/api/verdicts/1").json()["queue"]["left"]
    assert other.get(f"{ID}/export").content == file
    lines = file.splitlines()
    for line, words in (
        (b"{broken", "none of ours"), (b'{"form": "x"}', "none of ours"), (b"[" * 9000, "none of ours"), (b"\xff", "none of ours"),
        (lines[-1].replace(b'"row": ', b'"row": 99'), "not about evaluation"),
        (lines[1].replace(b'"digest": "', b'"digest": "0').replace(b'", "queue"', b'", "queue"'), "none of ours"),
        (lines[-1].replace(b"T", b"T", 1).replace(b'"at": "20', b'"at": "30'), "from the future"),
    ):  # fmt: skip
        answer = other.post(f"{ID}/import", content=line)
        assert answer.status_code == 400 and words in answer.json()["error"], answer.text
    elsewhere.database.close()


def test_a_file_comes_into_a_twin_in_the_same_database(
    client: TestClient, evaluated: Context, write: Write, tmp_path: Path
) -> None:
    with Misbehaving(answer=said) as server:
        run(served(evaluated, server), spec(1, name="Twin", checks=CHECKS), tmp_path / "8")
    drawn(client, size=30)
    for at, item in enumerate(ahead(client)[:12]):
        send(client, item, "yes" if at % 2 else "no", f"a{at}")
    file, twin = client.get(f"{ID}/export").content, "/api/evaluations/2/people"
    for words in ("12 answers added; 1 queue laid out.", "0 answers added; 12 were here already."):
        assert client.post(f"{twin}/import", content=file).json()["sentence"] == words
    assert client.get(twin).json()["against"] == client.get(ID).json()["against"] != []
    assert [one["left"] for one in client.get("/api/verdicts").json()] == [18, 18]
    again = client.post(f"{ID}/import", content=file).json()["sentence"]
    assert again == "0 answers added; 12 were here already."
    with evaluated.database.write() as connection:
        connection.execute(text("UPDATE evaluation_answer SET judged = judged || ' And more.'"))
    again = client.post(f"{twin}/import", content=file).json()["sentence"]
    assert again == "0 answers added; 12 were here already.", "what is here is known though its response has changed"


def test_a_file_with_many_queues(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=4)
    drawn(client, size=3)
    file = client.get(f"{ID}/export").content
    first = file.splitlines()[0]
    uid = json.loads(first)["uid"].encode()
    many = [first.replace(uid, b"%032x" % at) for at in range(1_001)]
    answer = client.post(f"{ID}/import", content=b"\n".join(many))
    assert answer.status_code == 400 and "more than 1,000 queues" in answer.json()["error"]
    twice = file.replace(uid, b"%032x" % 7).splitlines()
    late = twice[0].replace(b'"who": "', b'"who": "Late ')
    assert (
        client.post(f"{ID}/import", content=b"\n".join([*twice, late])).json()["sentence"].endswith("1 queue laid out.")
    )
    queues = verdict_checks.queues(evaluated.database, 1)
    assert [(one.tasks, one.who) for one in queues] == [(4, "single user"), (3, "single user"), (4, "single user")]
