"""A build against a real vLLM server that serves the starter model: the same job, one setting changed."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions.build_trees import build_trees
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import Running
from core.types import Tree
from db import scenarios
from tests.app.test_build import Told, folder, spec, stocked
from tests.serving import STARTER


@pytest.mark.vllm
@pytest.mark.parametrize("structured", [False, True])
def test_trees_from_a_real_server(
    vllm_server: Running, context: Context, write: Any, tmp_path: Path, structured: bool
) -> None:
    endpoint = Endpoint(vllm_server.base_url, vllm_server.name, structured=structured)
    settings = replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, endpoint)))
    wanted = spec(stocked(context, write, 2), threshold=-1.0, max_tokens=120)
    result = build_trees(replace(context, settings=settings), wanted, folder(tmp_path), Told())
    assert result["finished"] == 2
    trees = [record for record in scenarios.records(context.database, result["set"]) if isinstance(record, Tree)]
    steps = [node for tree in trees for node in tree.nodes if node.kind != "root"]
    assert all(node.score is not None or node.unscored for node in steps)
    if (STARTER / "config.json").exists():
        assert result["failures"] == {}
        scored = [node for node in steps if node.score is not None]
        assert len(scored) >= 0.9 * len(steps) > 9
