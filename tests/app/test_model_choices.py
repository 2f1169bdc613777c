"""Registered models in use: served by a model server of our own, chosen for a role by page and command, and the routes of both."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.actions import models as actions
from app.actions.models import Asked, NewModel, register
from app.context import Context
from app.engines.choices import choices, engine_of, place
from app.engines.endpoint import Endpoint, Local
from app.engines.managed import Exited, Up, known, stop
from app.engines.roles import STARTER
from app.errors import Refused
from app.main import create_app
from tests.app.peopled import browser
from tests.app.reported import checkpoint, trained_critic
from tests.app.test_managed import STAND_IN, until


@pytest.fixture
def served(stocked: Context, tmp_path: Path) -> Iterator[Context]:
    """A context with the starter set whose vLLM is the stand-in; its servers are stopped at the end."""
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    made = replace(stocked, settings=replace(stocked.settings, vllm_python=str(program)))
    yield made
    for running in known(made.settings.data.resolve() / "servers"):
        stop(running, 0.2)


@pytest.fixture
def client(served: Context) -> Iterator[TestClient]:
    with TestClient(create_app(served), base_url="http://127.0.0.1") as made:
        yield made


def test_choices_and_what_they_open(served: Context) -> None:
    model = trained_critic(served)
    policy = register(served, NewModel(checkpoint(served.settings.data / "models" / "p"), kind="policy"))
    assert [(one.value, one.label) for one in choices(served)] == [
        ("", "as the settings say (starter model)"),
        ("starter", "the starter model"),
        ("model:1", "Tone critic (model 1)"),
    ]
    assert [one.value for one in choices(served, "policy")] == ["", "starter", f"model:{policy.id}"]
    with_role = replace(
        served, settings=replace(served.settings, engines={**served.settings.engines, "critic": Local(STARTER)})
    )
    assert engine_of(with_role, "critic", "") == Local(STARTER)
    assert engine_of(with_role, "critic", "starter") is None
    assert engine_of(served, "critic", "model:1") == Local(place(served, model))
    for text, said in (
        ("model:99", "no model 99"),
        ("server:4000", "no server of ours on port 4000"),
        ("gpt-4", "chooses no model"),
    ):
        with pytest.raises(Refused, match=said):
            engine_of(served, "critic", text)


def test_a_model_is_served_found_and_chosen(client: TestClient, served: Context) -> None:
    model = trained_critic(served, "Tone & <b>style</b>")
    answer = client.post(f"/api/models/{model.id}/serve", json={})
    assert answer.status_code == 200, answer.text
    running, name = answer.json(), f"Tone-b-style-b-1-{model.digest[:6]}"
    assert (running["name"], running["device"]) == (name, "cpu")
    assert "--max-model-len 2048" in running["command"], "no longer than its config.json allows"
    until(actions.servers.one(served, running["port"]), Up)
    assert client.post(f"/api/models/{model.id}/serve", json={}).json()["port"] == running["port"], "once is enough"
    (row,) = client.get("/api/models").json()["models"]
    assert row["ports"] == [running["port"]]
    choice = f"server:{running['port']}"
    assert choice in [one["value"] for one in client.get("/api/models/choices").json()]
    assert engine_of(served, "critic", choice) == Endpoint(running["url"], name, structured=True)
    assert choice in [one["value"] for one in client.get("/api/build").json()["critics"]]
    refused = client.post(f"/api/models/{model.id}/forget", json={"delete_files": model.name})
    assert "serves model 1. Stop it first." in refused.json()["error"]
    os.kill(running["pid"], 9)
    until(actions.servers.one(served, running["port"]), Exited)
    assert client.get("/api/models").json()["models"][0]["ports"] == []
    with pytest.raises(Refused, match="has ended"):
        engine_of(served, "critic", choice)


def test_a_server_that_still_starts_is_not_asked(served: Context) -> None:
    slow = register(served, NewModel(checkpoint(served.settings.data / "models" / "slow", mode="slow"), "Slow"))
    running = actions.serve(served, slow.id, Asked(max_model_len=512))
    with pytest.raises(Refused, match="is still starting"):
        engine_of(served, "critic", f"server:{running.port}")
    assert choices(served)[-1].label.endswith("still starting")


def test_without_vllm_the_sentence_says_what_to_do(stocked: Context) -> None:
    model = trained_critic(stocked)
    without = replace(stocked, settings=replace(stocked.settings, vllm_python="/no/python"))
    answer = browser(without).post(f"/api/models/{model.id}/serve", json={})
    assert (answer.status_code, answer.json()["error"]) == (400, "There is no program '/no/python' to run vLLM with.")
    assert actions.servers.listed(without) == []


def test_routes(client: TestClient, served: Context) -> None:
    assert client.get("/api/models").json()["models"] == []
    model = trained_critic(served)
    shown = client.get(f"/api/models/{model.id}").json()
    assert (shown["job"], shown["standing"], shown["data"]["there"], shown["no_report"]) == (1, "", True, "")
    assert shown["report"]["trained"]["points_in_all"] == len(shown["report"]["trained"]["points"]) == 90
    assert shown["report"]["base"]["reasons"] == [["There is no line SCORE: in the reply.", 15]]
    hostile = "<img src=x onerror=alert(1)> ${alert(1)} 🙂"
    answer = client.post(f"/api/models/{model.id}/rename", json={"name": f"  {hostile} ", "note": "a\nb"})
    assert answer.json()["text"] == f"Model 1 is now called {hostile}."
    assert client.get("/api/models").json()["models"][0]["name"] == hostile
    for body, status in (
        ({"name": ""}, 400), ({"name": "x" * 121}, 400), ({"name": "x" * 5000}, 422), ({"name": "a\u0000"}, 400), ({"name": "n", "note": "\u0007"}, 400),
        ({"name": "n", "path": "/"}, 422), ({"name": 7}, 422), ({}, 422),
    ):  # fmt: skip
        assert client.post(f"/api/models/{model.id}/rename", json=body).status_code == status, body
    assert client.post(f"/api/models/{model.id}/serve", json={"device": "tpu"}).status_code == 400
    assert client.post(f"/api/models/{model.id}/serve", json={"python": "/bin/sh"}).status_code == 422
    assert client.post(f"/api/models/{model.id}/forget", json={"delete_files": "wrong"}).status_code == 400
    assert client.get("/api/models/99").status_code == 404
    assert client.get("/api/models/choices", params={"kind": "judge"}).status_code == 422
    assert client.post(f"/api/models/{model.id}/forget", json={}).json()["text"].endswith("Its files stay.")
    assert client.get(f"/api/models/{model.id}").json()["removed_at"]


def test_many_points_are_thinned_and_said(client: TestClient, served: Context) -> None:
    model = trained_critic(served)
    file = served.settings.data / "jobs" / "1" / "report.json"
    told = json.loads(file.read_bytes())
    told["trained"]["points"] *= 40
    told["trained"]["reasons"] = {f"reason {n}": n for n in range(100)}
    file.write_text(json.dumps(told))
    own = client.get(f"/api/models/{model.id}").json()["report"]["trained"]
    assert (own["points_in_all"], len(own["points"])) == (3600, 900)
    assert (own["reasons"][0], len(own["reasons"]), own["reasons_left"]) == (["reason 99", 99], 30, 70)


def test_the_estimate_of_a_build_checks_the_critic(client: TestClient, served: Context) -> None:
    for critic, said in (
        ("model:9", "no model 9"),
        ("elsewhere", "chooses no model"),
        ("server:4000", "no server of ours"),
    ):
        answer = client.post(
            "/api/build/estimate", json={"spec": {"kind": "build", "name": "b", "set": 1, "critic": critic}}
        )
        assert (answer.status_code in (400, 404), said in answer.json()["error"]) == (True, True), critic
    trained_critic(served)
    good = client.post(
        "/api/build/estimate", json={"spec": {"kind": "build", "name": "b", "set": 1, "critic": "model:1"}}
    )
    assert good.status_code == 200
