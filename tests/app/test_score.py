"""A response scored live over HTTP: with the starter model in a process of its own, with a server, and when things go wrong."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions.import_data import Labels, import_files
from app.actions.models import NewModel, register
from app.context import Context
from app.engines.endpoint import Endpoint
from app.engines.roles import STARTER
from app.main import create_app
from tests.misbehaving import Misbehaving
from tests.samples import deeppref

PASTED = {
    "preference": "I keep my location to myself.",
    "query": "How do friends find me?",
    "response": "Step 1: They fear control.\nStep 2: Meet at a café.",
}


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        yield made


def score(client: TestClient, **changed: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/score", json=PASTED | changed)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_starter_model_scores_a_pasted_response(client: TestClient) -> None:
    told = score(client)
    assert [step["text"] for step in told[0]["steps"]] == ["They fear control.", "Meet at a café."]
    assert told[1] == {"critic": "starter_model"} and told[-1] == {"end": True}
    for step in (0, 1):
        own = [line for line in told if line.get("step") == step]
        done = own[-1]["done"]
        written = "".join(line["piece"] for line in own[:-1])
        assert -1 <= done["score"] <= 1 and done["critique"] in written and len(own) > 5
        assert done["band"] and done["samples"] == [{"score": done["score"], "critique": done["critique"], "why": ""}]
    again = [line for line in score(client) if "done" in line]
    assert sorted(again, key=lambda line: line["step"]) == sorted(
        (line for line in told if "done" in line), key=lambda line: line["step"]
    )


def test_the_model_ends_with_the_server(context: Context) -> None:
    def residents() -> set[str]:
        """Processes of this test run's own, whatever else runs on this machine."""
        own = f"PPid:\t{os.getpid()}\n".encode()
        folders = [file.parent for file in Path("/proc").glob("[0-9]*/cmdline") if own in _read(file.parent / "status")]
        return {folder.name for folder in folders if b"app.engines.resident" in _read(folder / "cmdline")}

    before = residents()
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as client:
        score(client)
        assert len(residents() - before) == 1
    assert residents() <= before


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_several_samples_are_averaged(client: TestClient) -> None:
    done = next(line["done"] for line in score(client, samples=3, response="They fear control.") if "done" in line)
    values = [sample["score"] for sample in done["samples"] if sample["score"] is not None]
    assert len(done["samples"]) == 3 and done["score"] == pytest.approx(sum(values) / len(values))


def test_a_server_that_fails_leaves_steps_unscored_with_the_reason(context: Context) -> None:
    with Misbehaving(["error"] * 50) as server:
        endpoint = Endpoint(server.url, server.model, attempts=1)
        engines = MappingProxyType({**context.settings.engines, "critic": endpoint})
        own = replace(context, settings=replace(context.settings, engines=engines))
        with TestClient(create_app(own), base_url="http://127.0.0.1:7860") as client:
            done = [line["done"] for line in score(client) if "done" in line]
    assert [one["score"] for one in done] == [None, None]
    assert all("500" in one["why"] for one in done)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"preference": " "}, "The preference is empty"),
        ({"query": ""}, "The query is empty"),
        ({"response": "\n"}, "The response is empty"),
        ({"response": "x" * 60_001}, "The response has 60,001 characters; 60,000 are allowed."),
        ({"samples": 10}, "A step is scored 1 to 9 times, not 10."),
    ],
)
def test_what_cannot_be_scored_is_said(client: TestClient, changed: dict[str, Any], sentence: str) -> None:
    answer = client.post("/api/score", json=PASTED | changed)
    assert answer.status_code == 400 and sentence in answer.json()["error"]


def test_a_critic_that_cannot_be_opened_is_said_in_the_stream(context: Context, tmp_path: Path) -> None:
    from app.engines.endpoint import Local

    engines = MappingProxyType({**context.settings.engines, "critic": Local(tmp_path)})
    own = replace(context, settings=replace(context.settings, engines=engines))
    with TestClient(create_app(own), base_url="http://127.0.0.1:7860") as client:
        told = score(client)
    assert "holds no config.json" in told[-1]["error"]


def test_a_registered_critic_can_be_chosen(client: TestClient, context: Context, tmp_path: Path) -> None:
    folder = tmp_path / "critic"
    folder.mkdir()
    for file in STARTER.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    model = register(context, NewModel(folder, "Mine"))
    values = {choice["value"]: choice["label"] for choice in client.get("/api/score").json()["critics"]}
    assert "Mine" in values[f"model:{model.id}"] and "starter model" in values[""]
    told = score(client, critic=f"model:{model.id}")
    assert told[1] == {"critic": "critic"}
    assert len([line for line in told if "done" in line]) == 2
    answer = client.post("/api/score", json=PASTED | {"critic": "model:99"})
    assert answer.status_code == 404 and "There is no model 99" in answer.json()["error"]


def test_an_example_is_a_stored_path(client: TestClient, context: Context, tmp_path: Path) -> None:
    answer = client.get("/api/score/example")
    assert answer.status_code == 404 and "There is no tree with a finished path yet" in answer.json()["error"]
    file = tmp_path / "trees.json"
    file.write_text(json.dumps([deeppref()]), "utf-8")
    import_files(context, [file], Labels("Trees"))
    found = client.get("/api/score/example?seed=2").json()
    assert found["preference"] and found["query"] and found["response"].startswith("Step 1: ")
    assert len([line for line in score(client, **{k: found[k] for k in PASTED}) if "done" in line]) >= 2
