"""The Train a policy page: its form fits the specs, the preflight says what blocks, a blocked training is not started."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions.import_data import import_files
from app.context import Context
from app.main import create_app
from core.policy_form import FIELDS, PARTS, SPECS, described, preset_values, presets
from core.policy_specs import POLICY_PRESETS
from core.specs import read_spec
from db import jobs
from db.jobs import Metric, Place
from tests.samples import deeppref

Write = Callable[[str, object], Path]


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        yield made


@pytest.fixture
def stocked(context: Context, write: Write) -> int:
    found = import_files(
        context, [write("t.json", [deeppref(initial_question=f"How {at}?") for at in range(6)])]
    ).set_id
    assert found
    return found


def draft(set_id: int, preset: str = "cdpa", **changes: Any) -> dict[str, Any]:
    return {"spec": preset_values(preset, "starter") | {"name": "P", "set": set_id} | changes}


def levels(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {line["name"]: line["level"] for line in answer.json()["lines"]}


def test_every_field_of_every_kind_is_explained_once() -> None:
    for kind, spec in SPECS.items():
        told = described(kind)
        assert {field["name"] for field in told} == set(spec.model_fields) - {"kind"}, kind
        assert all(field["meaning"].endswith(".") and field["part"] in PARTS for field in told)
    assert len({field.name for field in FIELDS}) == len(FIELDS)


def test_every_preset_of_every_size_is_a_job() -> None:
    assert [one["name"] for one in presets()] == list(POLICY_PRESETS)
    for one in presets():
        for values in one["sizes"].values():
            assert read_spec(json.loads(json.dumps(values)) | {"name": "P", "set": 1}).kind == one["kind"]


@pytest.mark.parametrize("preset", ["cdpa", "rft", "tpo", "grpo_grm"])
def test_a_preflight_that_is_ready(client: TestClient, stocked: int, preset: str) -> None:
    answer = client.post("/api/train/preflight", json=draft(stocked, preset))
    found = levels(answer)
    assert not answer.json()["blocked"] and {"base", "data", "critic", "versions", "memory", "disk"} <= set(found)
    command = answer.json()["command"]
    spec = json.loads(shlex.split(command)[shlex.split(command).index("echo") + 1])
    assert read_spec(spec) == read_spec(draft(stocked, preset)["spec"])


@pytest.mark.parametrize(
    ("changes", "line", "sentence"),
    [
        ({"base": "nowhere"}, "base", "There is no checkpoint in"),
        ({"base": "job:99"}, "base", "There is no job 99"),
        ({"set": 99}, "data", "There is no set number 99"),
        ({"critic": "model:99"}, "critic", "There is no model 99"),
        ({"critic": "server:8001"}, "critic", "There is no server of ours on port 8001"),
        ({"device": "cuda"}, "device", "A GPU is asked for, but none is found here"),
    ],
)
def test_what_blocks_is_said_and_starts_nothing(
    client: TestClient, context: Context, stocked: int, changes: dict[str, Any], line: str, sentence: str
) -> None:
    answer = client.post("/api/train", json=draft(stocked, **changes))
    if line == "device" and levels(answer).get("device") is None:
        pytest.skip("this machine has a GPU")
    assert levels(answer)[line] == "blocking" and answer.json()["id"] is None
    told = next(one["text"] for one in answer.json()["lines"] if one["name"] == line)
    assert sentence in told
    assert jobs.page(context.database) == []


@pytest.mark.parametrize(
    ("preset", "changes", "said"),
    [
        ("rft", {"processes": 8}, ("processes", "", "8 processes")),
        ("cdpa", {"batch": 5, "processes": 2}, ("processes", "", "2 processes")),
        ("rft", {"processes": 2, "sharding": "deepspeed"}, ("sharding", "blocking", "on the CPU take fsdp or none")),
        ("tpo", {"sharding": "fsdp"}, ("processes", "warning", "nothing to split a model among")),
    ],
)
def test_processes_are_looked_at_and_in_the_command(
    client: TestClient, stocked: int, preset: str, changes: dict[str, Any], said: tuple[str, str, str]
) -> None:
    answer = client.post("/api/train/preflight", json=draft(stocked, preset, device="cpu", **changes)).json()
    found = next(one for one in answer["lines"] if one["name"] == said[0])
    assert said[2] in found["text"] and found["level"] == (said[1] or found["level"])
    assert all(f'"{name}":{json.dumps(value)}' in answer["command"] for name, value in changes.items())
    one = client.post("/api/train/preflight", json=draft(stocked, preset, device="cpu")).json()
    memory = [next(one["text"] for one in told["lines"] if one["name"] == "memory") for told in (one, answer)]
    assert (memory[0].split(";")[0] == memory[1].split(";")[0]) == (changes.get("processes", 1) == 1)


def test_sizes_that_do_not_fit_are_said_before_anything_is_looked_at(client: TestClient, stocked: int) -> None:
    answer = client.post("/api/train/preflight", json=draft(stocked, batch=7))
    assert answer.status_code == 200 and "do not divide" in answer.json()["refused"]
    answer = client.post("/api/train", json=draft(stocked, batch=7))
    assert answer.status_code == 400 and "do not divide" in answer.json()["error"]


def test_a_set_without_paths_teaches_no_rft(client: TestClient, context: Context, write: Write) -> None:
    rows = [{"preference": "I like quiet.", "question": f"Where {at}?", "explanation": ""} for at in range(3)]
    bare = import_files(context, [write("s.json", rows)]).set_id
    assert bare
    assert levels(client.post("/api/train/preflight", json=draft(bare, "rft")))["examples"] == "blocking"
    assert levels(client.post("/api/train/preflight", json=draft(bare, "tpo")))["examples"] == "blocking"
    assert not client.post("/api/train/preflight", json=draft(bare, "cdpa")).json()["blocked"], "prompts are enough"


def test_a_training_starts_and_its_alarms_are_told(client: TestClient, context: Context, stocked: int) -> None:
    started = client.post("/api/train", json=draft(stocked)).json()["id"]
    job = jobs.get(context.database, started)
    assert job is not None and job.kind == "policy" and job.spec["name"] == "P"
    assert client.get(f"/api/train/{started}/alarms").json() == []
    assert jobs.claim(context.database, "w", Place("gpu", "cpu", 1), context.now())
    numbers = [Metric(at, "kl", 3.0) for at in range(1, 9)]
    jobs.report(context.database, started, 1, None, numbers, context.now())
    (alarm,) = client.get(f"/api/train/{started}/alarms").json()
    assert alarm["name"] == "kl" and alarm["update"] == 5
