"""An evaluation of real PrefEval records by a real vLLM server that serves the starter model, killed in the middle and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions.evaluate import evaluate
from app.actions.import_data import import_files
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import Running
from core.evaluation.report import report
from core.evaluation.spec import EvaluateSpec
from core.specs import read_spec
from db import evaluations
from tests.app.test_build import Told

JOB = """
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from app.actions.evaluate import evaluate
from app.context import open_context
from app.engines.endpoint import ROLES, Endpoint
from app.settings import Settings
from core.specs import read_spec
from tests.app.test_build import Told
import json
data, url, model, spec, folder = sys.argv[1:]
context = open_context(Settings(data=Path(data), starter_set=False))
engines = MappingProxyType(dict.fromkeys(ROLES, Endpoint(url, model, structured=True, max_concurrency=4)))
context = replace(context, settings=replace(context.settings, engines=engines))
evaluate(context, read_spec(json.loads(spec)), Path(folder), Told())
"""


def some(field: Path, folder: Path) -> Iterator[Path]:
    """The first three records of a topic in each of PrefEval's forms."""
    for form in ("explicit", "choice", "persona"):
        found: list[Any] = json.loads((field / "prefeval" / form / "travel_activities.json").read_text("utf-8"))
        (folder / f"{form}.json").write_text(json.dumps(found[:3]), "utf-8")
        yield folder / f"{form}.json"


@pytest.mark.vllm
def test_real_records_killed_and_resumed_give_the_same_table(
    vllm_server: Running, context: Context, field: Path, tmp_path: Path
) -> None:
    set_id = import_files(context, list(some(field, tmp_path))).set_id
    rows = [{"method": "zero_shot"}, {"method": "zero_shot", "turns": 2}, {"method": "step_by_step"}]
    told = {
        "kind": "evaluate", "name": "PrefEval", "set": set_id, "part": "all", "rows": rows, "choices": True, "max_new": 96,
        "judge_tokens": 220, "side_by_side": 4,
    }  # fmt: skip
    spec = read_spec(told)
    assert isinstance(spec, EvaluateSpec)
    endpoint = Endpoint(vllm_server.base_url, vllm_server.name, structured=True)
    made = replace(
        context, settings=replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, endpoint)))
    )
    words = [str(context.settings.data), vllm_server.base_url, vllm_server.name, json.dumps(told), str(tmp_path / "1")]
    job = subprocess.Popen([sys.executable, "-c", JOB, *words], cwd=Path(__file__).parents[2])
    try:
        end = time.monotonic() + 300
        while job.poll() is None and time.monotonic() < end:
            begun = evaluations.of_folder(context.database, "1")
            if begun and len(evaluations.settled(context.database, begun.id)) >= 4:
                break
            time.sleep(0.05)
        assert job.poll() is None, "it ended before it could be killed"
    finally:
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
    begun = evaluations.of_folder(context.database, "1")
    assert begun is not None and begun.finished_at is None
    resumed = evaluate(made, spec, tmp_path / "1", Told())
    whole = evaluate(made, spec, tmp_path / "2", Told())
    assert (resumed["evaluation"], resumed["answers"]) == (begun.id, resumed["planned"])
    lost = resumed["failures"].get("refused", 0)
    assert set(resumed["failures"]) <= {"refused"}, "only what is longer than the little model can read is refused"
    cases = evaluations.cases(context.database, begun.id)
    chosen = 2 * sum(case.choice is not None for case in cases)
    assert whole["planned"] == resumed["planned"] == 3 * len(cases) + chosen, "multiple choice at zero and at two turns"
    one, two = (evaluations.columns(context.database, found["evaluation"]) for found in (resumed, whole))
    assert (one.outcome == two.outcome).all() and (one.item == two.item).all() and (one.length == two.length).all()
    cells = report(one).cells
    assert report(two).cells[0]["acc_pf"].hits == cells[0]["acc_pf"].hits
    answered = [own["acc_pf"] for own in cells[:3]]
    assert all(cell.parsed == cell.judged == cell.generated > 0 for cell in answered), "structured output is read"
    assert sum(cell.planned - cell.generated for cell in answered) == lost, (
        "and what was refused is planned, not generated"
    )
    assert [(cell["acc_mc"].planned, cell["acc_mc"].generated) for cell in cells[3:]] == [(3, 3), (3, 3)]
