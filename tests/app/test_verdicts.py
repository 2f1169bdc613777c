"""People check a judge's verdicts: queues, blind answers, undo, resends, what is shown afterwards, the report, files, roles."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from app.actions import evaluations as evaluation_actions
from app.actions import jobs as job_actions
from app.actions import verdict_checks as actions
from app.actions.verdict_checks import Order
from app.cli import main
from app.context import Context
from app.errors import Refused
from app.main import create_app
from db import verdict_checks
from db.verdict_checks import Given, Refusal
from tests.app.peopled import browser, entered
from tests.app.test_evaluate import Write, run, said, served, spec
from tests.app.test_evaluate import stocked as filled
from tests.misbehaving import Misbehaving

ID = "/api/evaluations/1/people"
CHECKS = ["acknowledge", "violate", "hallucinate", "helpful", "deep_mining", "innovative", "thoughtful", "misleading"]
TELLING = (
    "test-model",
    "zero-shot",
    "zero_shot",
    "step by step",
    "step_by_step",
    "It rests on word",
    "Secret study",
    "verdict:",
)


def judged(context: Context, write: Write, folder: Path, **own: Any) -> Context:
    """An evaluation of two rows on six cases, judged by eight checks."""
    with Misbehaving(answer=said) as server:
        order = spec(filled(context, write), name="Secret study", checks=CHECKS, **own)
        run(served(context, server), order, folder / "7")
    return context


@pytest.fixture
def evaluated(context: Context, write: Write, tmp_path: Path) -> Context:
    return judged(context, write, tmp_path)


@pytest.fixture
def client(evaluated: Context) -> Iterator[TestClient]:
    with TestClient(create_app(evaluated), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def drawn(client: TestClient, **own: Any) -> int:
    answer = client.post(ID, json=own)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def ahead(client: TestClient, queue: int = 1) -> list[dict[str, Any]]:
    return client.get(f"/api/verdicts/{queue}").json()["items"]


def send(client: TestClient, item: dict[str, Any], answer: str, client_id: str) -> Any:
    body = {"task": item["task"], "digest": item["digest"], "answer": answer, "client_id": client_id}
    return client.post("/api/verdicts", json=body)


def answer_all(client: TestClient, queue: int, seed: int = 3) -> int:
    """Answer everything; what is said of a verdict does not depend on when it is asked."""
    count = 0
    while items := ahead(client, queue):
        for item in items:
            said_here = random.Random(f"{seed} {item['task']}").choice(["yes", "no", "no", "cannot"])
            assert send(client, item, said_here, f"q{queue}-{seed}-{count}").status_code == 200
            count += 1
    return count


def beside(client: TestClient, item: dict[str, Any], queue: int = 1) -> list[dict[str, Any]]:
    """The other questions that are ahead on the same response."""
    own = [one for one in ahead(client, queue) if (one["query"], one["response"]) == (item["query"], item["response"])]
    return [one for one in own if one["task"] != item["task"]]


def reveal(client: TestClient, item: dict[str, Any], client_id: str) -> Any:
    return client.post("/api/verdicts/reveal", json={"task": item["task"], "client_id": client_id})


def test_a_queue_is_seeded_balanced_and_resumed(client: TestClient, evaluated: Context) -> None:
    assert (
        drawn(client, size=40, seed=5) == 1
        and drawn(client, size=40, seed=5) == 2
        and drawn(client, size=40, seed=6) == 3
    )
    picks = [verdict_checks.tasks(evaluated.database, queue) for queue in (1, 2, 3)]
    assert picks[0] == picks[1] != picks[2]
    checks = [one.check for one in picks[0]]
    assert len(set(picks[0])) == 40 and {checks.count(check) for check in set(checks)} == {5}
    first = ahead(client)
    assert len(first) == 20
    for at, item in enumerate(first[:7]):
        assert send(client, item, "yes", f"a{at}").status_code == 200
    found = client.get("/api/verdicts/1").json()
    assert (found["queue"]["done"], found["queue"]["left"]) == (7, 33)
    assert [one["task"] for one in found["before"]] == [one["task"] for one in first[:7]]
    assert all(one["answer"] == "yes" for one in found["before"])
    assert not {one["task"] for one in found["items"]} & {one["task"] for one in first[:7]}
    assert client.get("/api/verdicts/2").json()["queue"]["done"] == 7, "an answer is not asked for twice"
    assert answer_all(client, 1) == 33 and ahead(client) == []


def test_nothing_tells_who_wrote_or_judged_before_the_answer(client: TestClient) -> None:
    drawn(client, size=96)
    texts = [client.get("/api/verdicts").text, client.get("/api/verdicts/1").text]
    item = ahead(client)[0]
    texts += [
        send(client, item, "yes", "a1").text,
        reveal(client, ahead(client)[0], "r").text,
        reveal(client, item, "s").text,
    ]
    assert "asked more about this response" in texts[-1]
    for told in texts:
        assert not [word for word in TELLING if word.lower() in told.lower()], told
    fields = {"task", "digest", "answer", "seen", "check", "question", "rules", "preference", "query", "response"}
    assert all(set(one) == fields for one in ahead(client))
    helpful = [one for one in ahead(client) if one["check"] == "helpful"]
    assert helpful and all(one["preference"] == "" for one in helpful), "a judge does not see it either"


def test_the_judge_is_shown_afterwards_and_the_answer_stands(client: TestClient) -> None:
    drawn(client, kind="responses", metric="acc_mis", size=6, rows=[0])
    item, other = ahead(client)[:2]
    wish = {"task": item["task"], "client_id": "seen-1"}
    early = client.post("/api/verdicts/reveal", json=wish)
    assert (early.status_code, early.json()["code"]) == (409, "unanswered") and "It rests on" not in early.text
    assert send(client, item, "no", "a1").status_code == 200
    told = client.post("/api/verdicts/reveal", json=wish).json()["judges"]
    assert told[0]["explanation"].startswith("It rests on word") and told[0]["outcome"] in ("yes", "no")
    assert client.post("/api/verdicts/reveal", json=wish).json()["judges"] == told
    for change in ("yes", ""):
        late = send(client, item, change, f"late-{change}")
        assert (late.status_code, late.json()["code"]) == (409, "seen")
    assert send(client, item, "no", "a1").status_code == 200, "a resend of the first answer is not another one"
    crossed = client.post("/api/verdicts/reveal", json={"task": other["task"], "client_id": "seen-1"})
    assert crossed.status_code == 422
    assert send(client, other, "yes", "b1").status_code == 200
    crossed = client.post("/api/verdicts/reveal", json={"task": other["task"], "client_id": "b1"})
    assert crossed.status_code == 422 and "It rests" not in crossed.text, "an answer's id shows nothing"


def test_what_the_judge_said_waits_for_every_question_on_the_response(client: TestClient, evaluated: Context) -> None:
    drawn(client, kind="responses", metric="acc_da", size=1, rows=[0])
    drawn(client, kind="responses", metric="acc_da", size=1, rows=[0])
    item, *others = ahead(client)
    with evaluated.database.write() as connection:
        quoting = "UPDATE evaluation_verdict SET explanation = 'The answer of Test-Model names it.', why = 'test-model'"
        connection.execute(text(quoting))
    assert len(others) == 2 and send(client, item, "yes", "a").status_code == 200
    for at, other in enumerate(others):
        early = reveal(client, item, "seen")
        assert (early.status_code, early.json()["code"]) == (409, "unanswered") and "names it" not in early.text
        assert "asked more about this response" in early.json()["error"]
        assert send(client, other, "no", f"b{at}").status_code == 200
    told = reveal(client, item, "seen").json()["judges"]
    assert [(one["explanation"], one["why"]) for one in told] == [("The answer of [name] names it.", "[name]")]
    assert send(client, others[0], "yes", "c").json()["code"] == "seen", "the others were answered without it"
    drawn(client, kind="responses", metric="acc_pf", size=6, rows=[0])
    assert beside(client, item, 3), "further questions on this response"
    assert reveal(client, item, "seen").json()["code"] == reveal(client, item, "again").json()["code"] == "unanswered"
    assert client.post(f"{ID}/queues/3", json={"closed": True}).status_code == 200
    assert reveal(client, item, "seen").json()["judges"] == told, "a closed queue asks nothing"


def test_resends_undo_and_hostile_answers(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=20)
    item, other = ahead(client)[:2]
    assert send(client, item, "yes", "a1").json() == send(client, item, "yes", "a1").json()
    assert len(verdict_checks.events(evaluated.database, 1)) == 1
    assert send(client, item, "no", "a1").status_code == 422 and send(client, other, "yes", "a1").status_code == 422
    assert send(client, item, "cannot", "a2").status_code == 200
    assert [one.answer for one in verdict_checks.held(evaluated.database, 1)] == ["cannot"]
    assert send(client, item, "", "a3").status_code == 200 and verdict_checks.held(evaluated.database, 1) == []
    assert item["task"] in [one["task"] for one in ahead(client)]
    for change, status in (
        ({"answer": "maybe"}, 422), ({"answer": "seen"}, 422), ({"digest": "0" * 64}, 409), ({"task": 10**9}, 404), ({"task": 0}, 422),
        ({"task": 10**30}, 422), ({"client_id": ""}, 422), ({"client_id": "x" * 101}, 422), ({"client_id": "ü"}, 422), ({"task": "1"}, 200),
    ):  # fmt: skip
        body = {"task": other["task"], "digest": other["digest"], "answer": "yes", "client_id": "h"} | change
        if change == {"task": "1"}:
            body["task"] = str(other["task"])
        answer = client.post("/api/verdicts", json=body)
        assert answer.status_code == status and (status == 200 or answer.json()["error"].endswith(".")), change
    with pytest.raises(DBAPIError, match="only ever added"), evaluated.database.write() as connection:
        connection.execute(text("UPDATE verdict_event SET answer = 'no'"))
    with pytest.raises(DBAPIError, match="go with their evaluation"), evaluated.database.write() as connection:
        connection.execute(text("DELETE FROM verdict_event"))


def test_several_people_share_a_queue(evaluated: Context) -> None:
    made = actions.draw(evaluated, 1, Order(size=30, each=2), "R")
    first, second = (actions.upcoming(evaluated, made.id, who)["items"] for who in ("Anne", "Ben"))
    for at, item in enumerate(first):
        assert not isinstance(
            actions.save(evaluated, item["task"], Given(item["digest"], "yes", f"A{at}"), "Anne"), Refusal
        )
    later = [one["task"] for one in actions.upcoming(evaluated, made.id, "Ben")["items"]]
    fresh = {one.id for one in verdict_checks.upcoming(evaluated.database, made, "Cleo", 0, 99)} - {
        one["task"] for one in first
    }
    assert set(later[:10]) == fresh and len(second) == 20, "what nobody answered comes first"
    for at, item in enumerate(first):
        assert not isinstance(
            actions.save(evaluated, item["task"], Given(item["digest"], "no", f"B{at}"), "Ben"), Refusal
        )
    assert len(verdict_checks.upcoming(evaluated.database, made, "Cleo", 0, 99)) == 10, (
        "what two people answered is done"
    )
    stolen = actions.save(evaluated, first[0]["task"], Given(first[0]["digest"], "yes", "A0"), "Ben")
    assert isinstance(stolen, Refusal) and stolen.code == "invalid", "another person's id"


def test_a_closed_queue_takes_nothing_and_opens_again(client: TestClient) -> None:
    drawn(client, size=10)
    item = ahead(client)[0]
    assert send(client, item, "yes", "a1").status_code == 200
    assert client.post(f"{ID}/queues/1", json={"closed": True}).json() == {"closed": True}
    assert ahead(client) == [] and client.get("/api/verdicts").json() == []
    assert send(client, item, "no", "a2").json()["code"] == "closed"
    assert send(client, item, "yes", "a1").status_code == 200, "what was taken before is acknowledged again"
    assert client.post(f"{ID}/queues/1", json={"closed": False}).status_code == 200 and len(ahead(client)) == 9
    assert client.post("/api/evaluations/2/people/queues/1", json={"closed": True}).status_code == 404


def test_deleting_the_evaluation_takes_its_answers(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=10)
    send(client, ahead(client)[0], "yes", "a")
    evaluation_actions.remove(evaluated, 1, "Secret study")
    with evaluated.database.read() as connection:
        for table in ("verdict_queue", "verdict_task", "verdict_event"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    assert client.get("/api/verdicts/1").status_code == 404 and client.get("/api/verdicts").json() == []


def test_there_must_be_verdicts_to_draw_from(context: Context, write: Write, tmp_path: Path) -> None:
    def mute(body: dict[str, Any]) -> str:
        return "no idea" if "VERDICT" in body["messages"][0]["content"] else said(body)

    set_id = filled(context, write)
    with Misbehaving(answer=mute) as server:
        run(served(context, server), spec(set_id, retries=0), tmp_path / "71")
    with pytest.raises(Refused, match="No response has an answer of the judges"):
        actions.draw(context, 1, Order(), "R")
    with pytest.raises(Refused, match="no evaluation 2"):
        actions.draw(context, 2, Order(), "R")


def test_a_sample_waits_for_the_job(evaluated: Context, write: Write) -> None:
    job = job_actions.enqueue(evaluated, spec(1), None)
    with evaluated.database.write() as connection:
        connection.execute(text("UPDATE evaluation SET job_folder = :job"), {"job": str(job)})
    with pytest.raises(Refused, match="still works on evaluation 1"):
        actions.draw(evaluated, 1, Order(), "R")


def test_the_command(
    evaluated: Context,
    client: TestClient,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(evaluated.settings.data))

    def told(*words: str, status: int = 0) -> str:
        assert main(["evaluations", "people", "1", *words]) == status
        found = capsys.readouterr()
        return found.err if status else found.out

    assert "Draw a queue" in told()
    assert "/verdicts?queue=1" in told("--draw", "40", "--seed", "2")
    assert "every check of Deep alignment" in told("--draw", "2", "--metric", "acc_da")
    answer_all(client, 1)
    shown = told()
    assert "40 answers of 1 people hold" in shown and "test-model\tall\t" in shown and "Only" in shown
    assert "test-model · step by step\tacc_mis\t" in shown
    file = tmp_path / "people.jsonl"
    told("--export", "--output", str(file))
    assert "0 answers added; 40 were here already" in told("--restore", str(file))
    assert "could not be read" in told("--restore", str(tmp_path / "none"), status=1)
    assert "1 to 20 people" in told("--draw", "5", "--each", "21", status=1)


def test_who_may_do_what(peopled: Context, write: Write, tmp_path: Path) -> None:
    judged(peopled, write, tmp_path)
    stranger, vera, anne, rosa = (
        browser(peopled),
        entered(peopled, "Vera"),
        entered(peopled, "Anne"),
        entered(peopled, "Rosa"),
    )
    assert rosa.post(ID, json={"size": 12}).status_code == 200
    for path in ("/api/verdicts", "/api/verdicts/1", "/verdicts"):
        assert stranger.get(path).status_code in (401, 303) and vera.get(path).status_code in (403, 303)
        assert anne.get(path).status_code == rosa.get(path).status_code == 200
    for path in (ID, f"{ID}/export", f"{ID}/items"):
        assert stranger.get(path).status_code == 401 and anne.get(path).status_code == 403
    assert anne.post(ID, json={}).status_code == anne.post(f"{ID}/import", content=b"").status_code == 403
    item = ahead(anne)[0]
    for somebody in (stranger, vera):
        assert send(somebody, item, "yes", "x").status_code in (401, 403)
        assert somebody.post("/api/verdicts/reveal", json={"task": item["task"], "client_id": "x"}).status_code in (
            401,
            403,
        )
    assert send(anne, item, "yes", "x").status_code == 200
    assert rosa.get(ID).json()["people"] == [{"name": "Anne", "answers": 1}]
    assert next(one for one in ahead(rosa) if one["task"] != item["task"])["answer"] == ""
    for told in (anne.get("/api/verdicts").text, anne.get("/api/verdicts/1").text):
        assert not [word for word in TELLING if word.lower() in told.lower()]
