"""Respond and its attention with a real vLLM server: the server writes and judges, the checkpoint it serves shows where it looks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions.models import NewModel, register
from app.context import Context
from app.engines.choices import servers_folder
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import Running
from app.main import create_app

pytestmark = pytest.mark.vllm
ASKED = {"preference": "I don't share my live location.", "query": "I'm hiking alone this weekend. What should I plan?"}


def told(client: TestClient, **changed: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/respond", json=ASKED | changed)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_server_writes_and_its_checkpoint_is_looked_into(
    vllm_server: Running, vllm_model: Path, context: Context
) -> None:
    register(context, NewModel(vllm_model, "As served", "policy"))
    folder = servers_folder(context)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(vllm_server.file, folder)
    served = Endpoint(vllm_server.base_url, vllm_server.name, structured=True)
    engines = MappingProxyType(dict.fromkeys(ROLES, served))
    made = replace(context, settings=replace(context.settings, engines=engines))
    with TestClient(create_app(made), base_url="http://127.0.0.1:7860") as client:
        lines = told(client)
        assert lines[0]["names"]["policy"] == "starter" and lines[-1] == {"end": True}
        text = "".join(line.get("text", "") for line in lines)
        steps = [line["whole"]["text"] for line in lines if "whole" in line]
        assert len(steps) >= 2 and all(step in text for step in steps)
        scores = {line["step"]: line["done"]["score"] for line in lines if "done" in line}
        assert set(scores) == set(range(len(steps)))
        assert any(isinstance(score, float) and -1 <= score <= 1 for score in scores.values())
        for model in ("", f"server:{vllm_server.port}"):
            seen = client.post("/api/attention", json=ASKED | {"model": model, "answer": text})
            assert seen.status_code == 200, seen.text
            told_here = seen.json()
            assert told_here["model"] in ("starter model", "As served (model 1)") and told_here["said"] == text
            assert len(told_here["use"]["sentences"]) >= len(steps)
            one = client.get(f"/api/attention/slices/{told_here['of']}").json()
            assert 0 < one["figures"]["mass"] < 1 and ASKED["preference"] in one["text"]
