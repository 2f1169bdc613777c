"""Evaluations as people read them: report, items behind a cell, two rows compared, exports, the commands, who may see them."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.cli import main
from app.context import Context
from app.main import create_app
from core.evaluation.spec import EvaluateSpec
from db import evaluations
from tests.app.peopled import browser, entered
from tests.app.test_evaluate import Write, run, said, served, spec, stocked
from tests.misbehaving import Misbehaving

HOSTILE = "<img src=x onerror=alert(1)> \\input{x} =HYPERLINK(1) & 50 % \x1b[2J"


@pytest.fixture
def evaluated(context: Context, write: Write, tmp_path: Path) -> Context:
    """An evaluation of two rows on six cases."""
    set_id = stocked(context, write)
    checks = [
        "acknowledge",
        "violate",
        "hallucinate",
        "helpful",
        "deep_mining",
        "innovative",
        "thoughtful",
        "misleading",
    ]
    with Misbehaving(answer=said) as server:
        run(served(context, server), spec(set_id, name=HOSTILE, checks=checks), tmp_path / "7")
    return context


@pytest.fixture
def client(evaluated: Context) -> Iterator[TestClient]:
    with TestClient(create_app(evaluated), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def test_the_report_has_every_row_beside_the_papers(client: TestClient) -> None:
    (listed,) = client.get("/api/evaluations").json()
    assert (listed["id"], listed["rows"], listed["data"]["cases"]) == (1, 2, 6) and listed["finished_at"]
    found = client.get("/api/evaluations/1").json()
    assert [row["label"] for row in found["rows"]] == ["test-model · zero-shot", "test-model · step by step"]
    first, *_, errors = found["tables"]
    names = [(line["name"], line["row"]) for line in first["lines"]]
    assert names[:3] == [("Zero-shot", None), ("test-model · zero-shot", 0), ("Few-shot", None)]
    assert names[-1] == ("test-model · step by step", 1)
    assert errors["label"] == "tab:errors" and len(errors["lines"]) == 2
    paper, own = first["lines"][0]["shown"], first["lines"][1]["shown"]
    rules = [head["rule"] for head in first["columns"]]
    assert paper[rules.index("published")]["percent"] == 23.0
    assert own[0]["n"] == found["cells"][0]["acc_pf"]["n"] == 6
    cell = found["cells"][1]["acc_da"]
    assert cell["planned"] == cell["generated"] == cell["judged"] == cell["parsed"] == 6
    assert {one["metric"] for one in found["differences"]} >= {"acc_pf", "acc_da", "acc_mis"}
    assert found["radar"]["axes"] and len(found["radar"]["rows"]) == 2 + 7
    assert "judged every response" in found["methods"] and found["answers"]["verdicts"] == 2 * 6 * 8
    assert client.get("/api/evaluations/2").status_code == 400


def test_a_cell_opens_its_items(client: TestClient) -> None:
    cells = client.get("/api/evaluations/1").json()["cells"]
    path = "/api/evaluations/1/items?row=1&metric=acc_da"
    found = client.get(path).json()
    assert found["total"] == 6 and all(
        set(one["checks"]) == {"deep_mining", "innovative", "thoughtful"} for one in found["items"]
    )
    holds = client.get(f"{path}&state=holds").json()
    assert holds["total"] == cells[1]["acc_da"]["hits"] == found["counts"]["holds"]
    assert sum(found["counts"].values()) == 6 and found["rows"][1]["label"] == "test-model · step by step"
    assert all("yes" in one["checks"].values() for one in holds["items"])
    assert client.get(f"{path}&state=uncounted").json()["total"] == 0
    assert client.get(f"{path}&offset=4").json()["items"] == found["items"][4:]
    one = client.get(f"/api/evaluations/1/items/1/{found['items'][0]['case']}").json()
    assert one["answer"]["reply"].startswith("Step 1:") and one["answer"]["judged"].startswith("Take the path")
    assert len(one["answer"]["verdicts"]) == 8 and one["answer"]["verdicts"][0]["explanation"].startswith(
        "It rests on word"
    )
    assert one["case"]["scenario_id"]
    for bad in ("items?row=5&metric=acc_da", "items/1/999", "items/9/1", "compare?first=0&second=9&metric=acc_da"):
        assert client.get(f"/api/evaluations/1/{bad}").status_code == 400, bad
    assert client.get("/api/evaluations/1/items?row=0&metric=nonsense").status_code == 422


def test_two_rows_side_by_side(client: TestClient) -> None:
    path = "/api/evaluations/1/compare?first=1&second=0&metric=acc_da"
    found = client.get(path).json()
    assert sum(found["counts"].values()) == found["total"] == 6
    for only in ("win", "lose", "tie"):
        own = client.get(f"{path}&only={only}").json()
        assert own["total"] == found["counts"][only] and all(one["against"] == only for one in own["items"])
    item = found["items"][0]
    assert item["sides"][0]["text"].startswith("Take the path") and item["sides"][1]["text"].startswith(
        "Go to the park"
    )
    assert {piece["what"] for piece in item["diff"]} >= {"gone", "new"}
    assert (item["first"] == item["second"]) == (item["against"] == "tie")
    assert found["difference"]["scenarios"] == 6 and found["alone"] == [0, 0] and found["notes"] == []
    assert [side["id"] for side in found["sides"]] == [1, 1]


def test_rows_of_two_evaluations_meet_on_the_same_cases(client: TestClient, evaluated: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        run(served(evaluated, server), spec(1, name="Later", limit=4, seed=3), tmp_path / "8")
    found = client.get("/api/evaluations/1/compare?first=1&other=2&second=0&metric=acc_pf").json()
    assert (found["total"], found["alone"]) == (4, [2, 0]), "four cases are in both"
    assert [side["name"] for side in found["sides"]] == [HOSTILE, "Later"] and found["name"] == HOSTILE
    assert found["notes"] == ["They differ in the seed: 1 and 3."]
    within = client.get("/api/evaluations/1/compare?first=1&second=0&metric=acc_pf").json()
    same = {one["query"]: one["against"] for one in within["items"]}
    assert all(same[one["query"]] == one["against"] for one in found["items"]), "the same answers, the same winners"
    for item in found["items"]:
        case = client.get(f"/api/evaluations/2/items/0/{item['sides'][1]['case']}").json()["case"]
        assert (case["preference"], case["query"]) == (item["preference"], item["query"])
    for bad in ("other=9&second=0", "other=2&second=7"):
        assert client.get(f"/api/evaluations/1/compare?first=1&{bad}&metric=acc_pf").status_code == 400
    assert client.get("/api/evaluations/1/compare?first=1&second=0&metric=acc_mc").status_code == 400


def test_exports_hold_the_same_numbers_and_no_markup(client: TestClient) -> None:
    made = {
        form: client.get(f"/api/evaluations/1/export/{form}") for form in ("csv", "json", "latex", "html", "methods")
    }
    assert all(one.status_code == 200 and "attachment" in one.headers["content-disposition"] for one in made.values())
    rows = list(csv.DictReader(io.StringIO(made["csv"].text)))
    cells = {(one["row"], one["metric"]): one["value"] for one in json.loads(made["json"].text)["cells"]}
    assert len(rows) == len(cells) == 2 * 11
    for row in rows:
        assert (float(row["value"]) if row["value"] else None) == cells[row["row"], row["metric"]]
    assert "<img" not in made["html"].text and "&lt;img" in made["html"].text and "<script" not in made["html"].text
    assert "\\toprule" in made["latex"].text and "\\input{x}" not in made["latex"].text
    assert client.get("/api/evaluations/1/export/exe").status_code == 422


def test_it_is_deleted_by_its_name_only(client: TestClient, evaluated: Context) -> None:
    assert client.post("/api/evaluations/1/remove", json={"name": "other"}).status_code == 400
    assert "is deleted" in client.post("/api/evaluations/1/remove", json={"name": HOSTILE}).json()["said"]
    assert client.get("/api/evaluations").json() == [] == evaluations.listing(evaluated.database)


def test_the_form_its_preflight_and_the_start(context: Context, write: Write) -> None:
    set_id = stocked(context, write)
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        form = made.get("/api/evaluations/form").json()
        named = [field["name"] for field in form["fields"]]
        assert sorted(named) == sorted(set(EvaluateSpec.model_fields) - {"kind"}), "every field is explained once"
        assert all(field["part"] in form["parts"] and field["label"] and field["meaning"] for field in form["fields"])
        assert "step_by_step" in form["methods"] and len(form["checks"]) == 8 and form["models"][0]["value"] == ""

        def look(**own: Any) -> Any:
            order = form["defaults"] | {
                "kind": "evaluate",
                "name": "E",
                "set": set_id,
                "part": "all",
                "rows": [{"model": ""}],
            }
            return made.post("/api/evaluations/preflight", json={"spec": order | own}).json()

        found = look()
        assert not found["blocked"] and {line["name"] for line in found["lines"]} == {"data", "model", "judge", "size"}
        judge, size = (next(line for line in found["lines"] if line["name"] == name) for name in ("judge", "size"))
        assert judge["level"] == "warning" and "has not learned to judge" in judge["text"]
        assert "6 answers and 48 verdicts: 54 calls" in size["text"]
        assert found["command"].endswith(" run -")
        order = form["defaults"] | {"kind": "evaluate", "name": "E", "set": set_id, "rows": [{"model": "after"}]}
        later = made.post("/api/evaluations/preflight", json={"spec": order, "after": 7}).json()
        assert later["command"].endswith(" run - --after 7"), "the command starts the same job"
        assert look(rows=[{"model": "model:9"}])["blocked"] and look(part="held_out")["blocked"]
        assert look(choices=True)["blocked"], "no record has options"
        assert "Two rows are the same" in look(rows=[{}, {}])["refused"]
        order = form["defaults"] | {
            "kind": "evaluate",
            "name": "E",
            "set": set_id,
            "part": "all",
            "rows": [{"model": ""}],
        }
        assert made.post("/api/evaluations", json={"spec": order}).json()["id"] == 1
        assert made.post("/api/evaluations", json={"spec": order | {"set": 99}}).json()["id"] is None


def test_evaluations_are_for_researchers(peopled: Context) -> None:
    stranger, anne, rosa = browser(peopled), entered(peopled, "Anne"), entered(peopled, "Rosa")
    for path in ("", "/form", "/1", "/1/export/csv"):
        assert stranger.get(f"/api/evaluations{path}").status_code == 401
        assert anne.get(f"/api/evaluations{path}").status_code == 403
    assert rosa.get("/api/evaluations").status_code == 200


def test_the_commands(
    evaluated: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(evaluated.settings.data))

    def told(*words: str, status: int = 0) -> str:
        assert main([*words]) == status
        found = capsys.readouterr()
        return found.err if status else found.out

    assert "\tfinished\t" in told("evaluations", "list") and "\x1b" not in told("evaluations", "list")
    shown = told("evaluations", "show", "1")
    assert (
        "Table 1" in shown and "CDRA (paper)\t" in shown and "test-model · step by step\tacc_da\t6\t6\t6\t6\t6" in shown
    )
    assert told("evaluations", "export", "1", "--format", "methods").startswith("We compared models")
    told("evaluations", "export", "1", "--format", "html", "--output", str(tmp_path / "r.html"))
    assert "<table" in (tmp_path / "r.html").read_text("utf-8")
    assert "no evaluation 9" in told("evaluations", "show", "9", status=1)
    order = json.loads(
        told("evaluate", "1", "--model", "starter", "--method", "zero_shot", "--with", "part=all", "--spec")
    )
    assert order["rows"] == [{"model": "starter", "method": "zero_shot", "turns": 0}] and order["part"] == "all"
    assert "Nothing is queued" in told("evaluate", "99", status=1)
    assert "give its name exactly" in told("evaluations", "remove", "1", "--confirm", "x", status=1)
    assert "is deleted" in told("evaluations", "remove", "1", "--confirm", HOSTILE)
