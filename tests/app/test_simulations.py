"""Simulated dialogues as people read them: report, dialogues behind a cell, files, form, commands, who may see them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions import results
from app.actions.import_data import import_files
from app.cli import main
from app.context import Context
from app.main import create_app
from core.dialogues import dialogue_of
from core.simulation.spec import SimulateSpec
from core.types import Foreign
from db import scenarios
from tests.app.peopled import browser, entered
from tests.app.test_simulate import kind, run, said, served, spec
from tests.misbehaving import Misbehaving

HOSTILE = "<img src=x onerror=alert(1)> \\input{x} =HYPERLINK(1) & 50 % \x1b[2J"


def hostile(body: dict[str, Any]) -> str:
    """Everybody's words are markup."""
    return f"Explanation: {HOSTILE} SCORE: 4" if kind(body) == "judge" else f"{HOSTILE} {said(body)}"


@pytest.fixture
def simulated(context: Context, tmp_path: Path) -> Context:
    """Two models with six people over three turns, one judge; all texts are markup."""
    with Misbehaving(answer=hostile) as server:
        run(served(context, server), spec(name=HOSTILE, limit=0), tmp_path / "7")
    return context


@pytest.fixture
def client(simulated: Context) -> Iterator[TestClient]:
    with TestClient(create_app(simulated), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def test_the_report_is_that_of_a_study_with_n_of_every_turn(client: TestClient) -> None:
    (listed,) = client.get("/api/simulations").json()
    assert (listed["id"], listed["models"], listed["turns"], listed["data"]["people"]) == (1, 2, 3, 6)
    assert listed["finished_at"] and listed["set"] == 1
    found = client.get("/api/simulations/1").json()
    assert [row["model"] for row in found["figures"]] == ["test-model", "test-model · step by step"]
    assert all(row["n"] == [6, 6, 6] and row["al"] == [4.0, 4.0, 4.0] and row["ir"][0] == 0 for row in found["figures"])
    (difference,) = found["differences"]
    assert difference["profiles"] == 6 and difference["p_holm"] == 1.0 and found["crossed"]
    assert len(found["coverage"]) == 6 and all(cell["held"] == cell["planned"] == 6 for cell in found["coverage"])
    assert found["set"]["records"] == 12 and found["paper"]["CDRA"][1] == 3.92 and len(found["profiles"]) == 6
    profile = next(iter(found["profiles"]))
    less = client.get(f"/api/simulations/1?profile={profile}").json()
    assert less["figures"][0]["n"] == [5, 5, 5] and less["coverage"][0]["planned"] == 5
    alone = client.get("/api/simulations/1?model=test-model").json()
    assert [row["model"] for row in alone["figures"]] == ["test-model · step by step"]


def test_every_cell_opens_its_dialogues(client: TestClient) -> None:
    found = client.get("/api/simulations/1/dialogues?line=1&turn=2").json()
    assert found["total"] == 6 and len(found["dialogues"]) == 6 and found["model"] == "test-model · step by step"
    turn = found["dialogues"][0]["turns"][1]
    assert turn["user"].startswith("<img") and turn["levels"][0]["level"] == 4 and turn["state"] == "held"
    assert turn["levels"][0]["explanation"] == HOSTILE.replace("\x1b", "\x1b")
    assert client.get("/api/simulations/1/dialogues?line=0&turn=2&state=failed").json()["total"] == 0
    assert client.get("/api/simulations/1/dialogues?line=0&offset=4").json()["dialogues"].__len__() == 2
    for bad, status in (
        ("line=7", 400),
        ("line=0&turn=4", 400),
        ("line=0&turn=11", 422),
        ("line=0&state=x", 422),
        ("turn=1", 422),
    ):
        answer = client.get(f"/api/simulations/1/dialogues?{bad}")
        assert answer.status_code == status and answer.json()["error"], bad
    assert client.get("/api/simulations/9").json()["error"].startswith("There is no simulation 9.")


def test_levels_leave_as_ratings_and_come_back_with_the_same_figures(
    client: TestClient, simulated: Context, tmp_path: Path
) -> None:
    """The long format of people's ratings, with the ids that the dialogues have in a rating study."""
    expected = client.get("/api/simulations/1").json()["figures"]
    for form in ("csv", "jsonl"):
        answer = client.get(f"/api/simulations/1/export/{form}")
        assert answer.status_code == 200 and f"simulation-1.{form}" in answer.headers["content-disposition"]
        (tmp_path / f"levels.{form}").write_bytes(answer.content)
        made = import_files(simulated, [tmp_path / f"levels.{form}"])
        assert made.set_id and made.counts.records == 36 and made.counts.problems == 0
        _, result = results.report_of_set(simulated, made.set_id)
        again = results.report_view(result)["figures"]
        assert [(one["model"], one["al"], list(one["n"]), one["avg"][0]) for one in again] == [
            (one["model"], one["al"], one["n"], one["avg"][0]) for one in expected
        ]
    rows = [json.loads(line) for line in client.get("/api/simulations/1/export/jsonl").text.splitlines()]
    records = [record for record in scenarios.records(simulated.database, 1) if isinstance(record, Foreign)]
    keys = {made.key for record in records if (made := dialogue_of(record))}
    assert {row["dialogue_id"] for row in rows} == keys and len(keys) == 12, "judge and people meet on one dialogue"


def test_exports_hold_everything_and_no_markup_where_it_would_run(client: TestClient) -> None:
    lines = [json.loads(line) for line in client.get("/api/simulations/1/export/dialogues").text.splitlines()]
    assert len(lines) == 12 and all(len(one["turns"]) == 3 for one in lines)
    assert all(turn["levels"][0]["level"] == 4 and turn["told"] is not None for one in lines for turn in one["turns"])
    latex = client.get("/api/simulations/1/export/latex").text
    assert "4.00" in latex and "\\input{x}" not in latex
    assert "'=" not in latex and client.get("/api/simulations/1/export/exe").status_code == 400


def test_it_is_deleted_by_its_name_only(client: TestClient) -> None:
    assert client.post("/api/simulations/1/remove", json={"name": "other"}).status_code == 400
    assert (
        "Set 1 with its dialogues stays"
        in client.post("/api/simulations/1/remove", json={"name": HOSTILE}).json()["said"]
    )
    assert client.get("/api/simulations").json() == []
    assert "records" in client.get("/api/sets").json()[0]


def test_the_form_its_preflight_and_the_start(context: Context, write: Callable[[str, object], Path]) -> None:
    profiles = import_files(context, [write("profile_a.jsonl", '"She bakes bread."\n"He sings loudly."\n')]).set_id
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        form = made.get("/api/simulations/form").json()
        named = [field["name"] for field in form["fields"]]
        assert sorted(named) == sorted(set(SimulateSpec.model_fields) - {"kind"}), "every field is explained once"
        assert all(field["part"] in form["parts"] and field["label"] and field["meaning"] for field in form["fields"])
        assert [one["id"] for one in form["profiles"]] == [one["id"] for one in form["personalities"]] == [profiles]
        order = form["defaults"] | {
            "kind": "simulate",
            "name": "S",
            "rows": [{"model": ""}, {"model": "starter"}],
            "judges": [""],
        }

        def look(**own: Any) -> Any:
            return made.post("/api/simulations/preflight", json={"spec": order | own}).json()

        found = look(set=profiles)
        lines = {line["name"]: line for line in found["lines"]}
        assert not found["blocked"] and set(lines) == {"people", "profiles", "model", "user", "judge", "size"}
        assert lines["people"]["text"].startswith("2 people of 2 profiles") and lines["profiles"]["level"] == "warning"
        assert "4 dialogues, 40 turns, 40 levels: at most 118 calls" in lines["size"]["text"]
        assert "tokens read" in lines["size"]["text"] and lines["judge"]["level"] == lines["user"]["level"] == "warning"
        assert found["command"].endswith(" run -") and '"kind":"simulate"' in found["command"].replace(" ", "")
        assert look()["lines"][0]["text"].startswith("6 people of 6 profiles, from starter profiles")
        assert look(rows=[{"model": "model:9"}])["blocked"] and look(set=99)["blocked"]
        assert "Two models are the same" in look(rows=[{}, {}])["refused"]
        assert "'turns'" in look(turns=11)["refused"] and "no field 'x'" in look(x=1)["refused"]
        later = made.post(
            "/api/simulations/preflight", json={"spec": order | {"rows": [{"model": "after"}]}, "after": 7}
        ).json()
        assert later["command"].endswith(" run - --after 7")
        assert made.post("/api/simulations", json={"spec": order}).json()["id"] == 1
        assert made.post("/api/simulations", json={"spec": order | {"set": 99}}).json()["id"] is None
        assert made.post("/api/simulations", json={"spec": {"kind": "doctor"}}).status_code == 400


def test_simulations_are_for_researchers(peopled: Context) -> None:
    stranger, anne, rosa = browser(peopled), entered(peopled, "Anne"), entered(peopled, "Rosa")
    for path in ("/api/simulations", "/api/simulations/form", "/api/simulations/1", "/api/simulations/1/export/csv"):
        assert stranger.get(path).status_code == 401
        assert anne.get(path).status_code == 403
    assert stranger.post("/api/simulations/1/keep").status_code == 401
    assert stranger.get("/simulate").status_code == anne.get("/simulate").status_code == 303
    assert rosa.get("/api/simulations").status_code == 200 and rosa.get("/simulate").status_code == 200


def test_the_commands(
    simulated: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(simulated.settings.data))

    def told(*words: str, status: int = 0) -> str:
        assert main([*words]) == status
        found = capsys.readouterr()
        return found.err if status else found.out

    assert "\tfinished\t" in told("simulations", "list") and "\x1b" not in told("simulations", "list")
    shown = told("simulations", "show", "1")
    assert "test-model · step by step\t3\t4.00\t6\t6\t6\t6\t0\t0\t0" in shown and "p (Holm) 1.000\t6 profiles" in shown
    told("simulations", "export", "1", "--format", "csv", "--output", str(tmp_path / "levels.csv"))
    assert (tmp_path / "levels.csv").read_text("utf-8").count("\n") == 37
    assert told("simulations", "keep", "1").startswith("The dialogues are set 1,"), "the same dialogues are one set"
    assert "no simulation 9" in told("simulations", "show", "9", status=1)
    order = json.loads(
        told(
            "simulate",
            "--model",
            "starter",
            "--manner",
            "step_by_step",
            "--judge",
            "starter",
            "--turns",
            "4",
            "--with",
            "each=5",
            "--spec",
        )
    )
    assert order["rows"] == [{"model": "starter", "manner": "step_by_step"}] and (order["turns"], order["each"]) == (
        4,
        5,
    )
    assert "Nothing is queued" in told("simulate", "--set", "99", status=1)
    assert "'turns'" in told("simulate", "--turns", "11", status=1)
    assert "give its name exactly" in told("simulations", "remove", "1", "--confirm", "x", status=1)
    assert "is deleted" in told("simulations", "remove", "1", "--confirm", HOSTILE)
