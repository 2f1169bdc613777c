"""A short simulation by a real vLLM server that serves the starter model in every role: it ends, and what is missing says why."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from app.actions import simulations as actions
from app.actions import studies
from app.actions.import_data import import_files
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import Running
from db import simulations
from tests.app.test_simulate import records, run, spec


@pytest.mark.vllm
def test_a_short_simulation_of_real_profiles_ends(
    vllm_server: Running, context: Context, field: Path, tmp_path: Path
) -> None:
    files = [field / "aloe" / name for name in ("profile_eval.jsonl", "personality_eval.jsonl")]
    order = spec(
        set=import_files(context, files).set_id, limit=3, turns=3, person_tokens=48, max_new=48, judge_tokens=220,
        side_by_side=4,
    )  # fmt: skip
    endpoint = Endpoint(vllm_server.base_url, vllm_server.name, structured=True)
    made = replace(
        context, settings=replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, endpoint)))
    )
    result = run(made, order, tmp_path / "1")
    again = run(made, order, tmp_path / "2")
    assert result["planned"] == again["planned"] == 18 and result["turns"] >= 1
    assert again["calls"] <= sum(result["failures"].values()), "everything that was answered comes from the cache"
    assert records(context, result["set"]) == records(context, again["set"])
    assert result["levels"] == result["turns"], "structured output is read"
    shown = actions.shown(context, result["simulation"])
    assert sum(cell["held"] for cell in shown["coverage"]) == result["turns"]
    assert all(cell["held"] + cell["failed"] + cell["ended"] == cell["planned"] == 3 for cell in shown["coverage"])
    failed = sum(cell["failed"] for cell in shown["coverage"])
    assert failed == sum(result["missing"].values()) and all(why.strip() for why in result["missing"])
    for one in simulations.turns(context.database, result["simulation"]):
        assert one.message.text is None or "*" not in one.message.text or "**" in one.message.text
        assert all(level.level in (1, 2, 3, 4, 5) for level in one.levels.values())
    assert studies.draft(context, studies.Order("Pilot", [result["set"]], ["Ada"], 1)).dialogues
