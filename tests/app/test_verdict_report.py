"""The report on a judge and people: the formulas, nothing false without answers, texts that changed."""

from sqlalchemy import text
from starlette.testclient import TestClient

from app.context import Context
from core.evaluation.metrics import METRICS
from core.evaluation.people import against_people
from core.evaluation.ppi import estimates, labels_of
from core.evaluation.table import Said, with_judges
from db import evaluations, verdict_checks
from tests.app import test_verdicts as asked
from tests.app.test_verdicts import ID, ahead, answer_all, drawn, send

client = asked.client
evaluated = asked.evaluated


def test_the_report_is_the_one_of_the_formulas(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=96)
    assert answer_all(client, 1) == 96
    found = client.get(ID).json()
    events = verdict_checks.held(evaluated.database, 1)
    lines, cases = evaluations.lines(evaluated.database, 1), evaluations.cases(evaluated.database, 1)
    at = evaluations.places(lines, cases)
    told = [Said(at[one.pick.row_id, one.pick.case_id], one.pick.check, one.answer, "P") for one in events]  # type: ignore[arg-type]
    table, people = with_judges(evaluations.columns(evaluated.database, 1), told)
    expected = against_people(table, [0], people)
    (by,) = found["against"]
    assert by["name"] == "test-model" and len(by["checks"]) == 9
    for one in by["checks"]:
        own = expected[one["check"]]
        assert (one["both"], one["yes_no"], one["agree"]) == (own.both, own.yes_no, own.agree)
        assert one["bias"] == own.bias and one["kappa_drawn"]["low"] == own.kappa_drawn.low
    assert by["checks"][1]["caution"].startswith("Only"), "too few are said"
    labelled = {
        (row, metric) for row in (0, 1) for metric in METRICS if labels_of(table, [0], people, row, metric).people.size
    }
    assert {(one["row"], one["metric"]) for one in found["estimates"]} == labelled >= {(0, "acc_mis"), (1, "acc_mis")}
    for one in found["estimates"]:
        own = estimates(labels_of(table, [0], people, one["row"], one["metric"]))
        assert one["found"]["tuned"]["value"] == own.tuned.value and one["found"]["people"]["n"] == own.people.n
    total = by["checks"][0]
    for kind in ("yes_yes", "yes_no", "no_yes", "no_no", "judge_cannot", "people_cannot", "neither"):
        behind = client.get(f"{ID}/items?judge=0&became={kind}").json()
        assert behind["total"] == total[kind], kind
        assert all(item["kind"] == kind for item in behind["items"])
    one = client.get(f"{ID}/items?check=violate").json()["items"][0]
    assert one["people"][0]["who"] == "single user" and one["judges"][0]["explanation"].startswith("It rests on word")
    behind = client.get(f"{ID}/labels?row=0&metric=acc_pf").json()
    assert behind["total"] == 2 * labels_of(table, [0], people, 0, "acc_pf").people.size
    assert (
        client.get(f"{ID}/items?judge=3").status_code == 400 and client.get(f"{ID}/items?became=x").status_code == 422
    )


def test_without_answers_the_report_says_nothing_false(client: TestClient) -> None:
    assert client.get(ID).json()["against"] == [] == client.get(ID).json()["estimates"]
    assert client.get("/api/evaluations/9/people").status_code == 400
    drawn(client, size=5)
    send(client, ahead(client)[0], "yes", "a")
    found = client.get(ID).json()
    assert found["against"][0]["checks"][0]["agree_drawn"]["low"] is None
    assert "one scenario" in found["against"][0]["checks"][0]["caution"]


def test_responses_of_one_number_are_asked_in_full(client: TestClient, evaluated: Context) -> None:
    drawn(client, kind="responses", metric="acc_da", size=3, rows=[1])
    picks = verdict_checks.tasks(evaluated.database, 1)
    lines = evaluations.lines(evaluated.database, 1)
    assert len(picks) == 9 and {one.row_id for one in picks} == {lines[1].id}
    assert [one.check for one in picks[:3]] == ["deep_mining", "innovative", "thoughtful"]
    answer_all(client, 1, seed=9)
    for body in ({"kind": "responses", "metric": "acc_mc"}, {"kind": "responses", "rows": [5]}):
        assert client.post(ID, json=body).status_code == 400
    for body in ({"size": 0}, {"size": 10**9}, {"seed": -1}, {"kind": "x"}, {"metric": "x"}, {"each": 0}):
        assert client.post(ID, json=body).status_code == 422, body


def test_answers_about_other_texts_are_left_out(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=96)
    item = ahead(client)[0]
    send(client, item, "yes", "a")
    with evaluated.database.write() as connection:
        connection.execute(text("UPDATE evaluation_answer SET judged = judged || ' And more.'"))
    found = client.get(ID).json()
    assert found["changed"] == 1 and found["against"] == []
    assert ahead(client) == [] and send(client, item, "no", "b").json()["code"] == "changed"


def test_changed_responses_end_no_queue(client: TestClient, evaluated: Context) -> None:
    drawn(client, size=96)
    known = {one["task"] for one in ahead(client)}
    with evaluated.database.write() as connection:
        changed = (
            f"SELECT row_id, case_id FROM verdict_task WHERE id IN ({', '.join(map(str, known))}) ORDER BY id LIMIT 20"
        )
        connection.execute(
            text(
                f"UPDATE evaluation_answer SET judged = judged || '!' WHERE (row_id, case_id) IN ({changed}) AND row_id = 1"
            )
        )
        query = (
            "SELECT t.id FROM verdict_task t JOIN evaluation_answer a USING (row_id, case_id) WHERE judged LIKE '%!'"
        )
        gone = set(connection.execute(text(query)).scalars())
    left = 96 - len(gone)
    assert gone & known and left > 20
    found = client.get("/api/verdicts/1").json()
    assert found["queue"]["left"] == left and len(found["items"]) == 20
    assert not {one["task"] for one in found["items"]} & gone
    assert answer_all(client, 1) == left and client.get("/api/verdicts/1").json()["queue"]["left"] == 0
