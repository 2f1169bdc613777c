"""Build jobs: a set grows level by level, from a set or from topics; every fault leaves a reason; killed anywhere it ends the same."""

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions import jobs as actions
from app.actions.build_trees import build_trees, growth_of
from app.actions.estimate_build import audit_set, estimate
from app.actions.import_data import Labels, import_files
from app.actions.models import NewModel, register
from app.cli import main
from app.context import Context
from app.doctor import examine
from app.engines.endpoint import ROLES, Endpoint
from app.engines.roles import STARTER
from app.errors import Refused
from app.worker import Worker
from core.council import most_calls
from core.formats import native
from core.specs import BuildSpec, read_spec
from core.types import Persona, Tree
from db import growing, jobs, scenarios, sets
from tests.answering import answered, kind
from tests.app.odd_bench import Bench
from tests.misbehaving import FAULTS, Misbehaving, mixed


class Told:
    """A reporter that remembers."""

    def __init__(self, stop_after: int = 1 << 30) -> None:
        self.said: list[tuple[float, float, str]] = []
        self.metrics: list[tuple[int, str, float]] = []
        self.inputs: dict[str, str] = {}
        self.stop_after = stop_after

    def progress(self, done: float, total: float, message: str = "") -> None:
        self.said.append((done, total, message))

    def metric(self, step: int, name: str, value: float) -> None:
        self.metrics.append((step, name, value))

    def input(self, name: str, digest: str) -> None:
        self.inputs[name] = digest

    def cancelled(self) -> bool:
        return len(self.said) > self.stop_after


def served(context: Context, server: Misbehaving, attempts: int = 2, timeout_s: float = 3) -> Context:
    """The context with every role filled by the server."""
    endpoint = Endpoint(server.url, server.model, attempts=attempts, timeout_s=timeout_s, max_reply_chars=20_000)
    settings = replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, endpoint)))
    return replace(context, settings=settings)


def stocked(context: Context, write: Any, count: int = 3) -> int:
    """A set of scenarios; its id."""
    rows = [
        {
            "preference": f"I never tell anybody about w{index}.",
            "question": f"How do I hide w{index}?",
            "explanation": "",
        }
        for index in range(count)
    ]
    set_id = import_files(context, [write("scenarios.json", rows)], Labels("Scenarios", topic="privacy")).set_id
    assert set_id
    return set_id


def grown(context: Context, set_id: int) -> list[dict[str, Any]]:
    """Every tree of a set as JSON."""
    return [native.write(record) for record in scenarios.records(context.database, set_id)]


def spec(set_id: int = 0, **changes: Any) -> BuildSpec:
    """A small build."""
    return BuildSpec(**({"name": "Grown", "set": set_id, "depth": 2, "beam": 2, "threshold": 0.4} | changes))


def folder(tmp_path: Path, name: str = "1") -> Path:
    """A job's folder."""
    made = tmp_path / name
    made.mkdir(exist_ok=True)
    return made


def test_a_set_grows_into_trees(context: Context, write: Any, tmp_path: Path) -> None:
    source, told = stocked(context, write), Told()
    with Misbehaving(answer=answered) as server:
        result = build_trees(served(context, server), spec(source), folder(tmp_path), told)
    assert (result["trees"], result["finished"], result["lost"], result["unscored"]) == (3, 3, {}, {})
    trees = [record for record in scenarios.records(context.database, result["set"]) if isinstance(record, Tree)]
    assert [tree.scenario.query for tree in trees] == [f"How do I hide w{index}?" for index in range(3)]
    assert all(len([node for node in tree.nodes if node.depth == 1]) == 5 for tree in trees)
    assert all(node.score is not None for tree in trees for node in tree.nodes[1:])
    owner = sets.one_set(context.database, result["set"])
    assert owner is not None
    assert (owner.trees, owner.nodes) == (3, sum(len(tree.nodes) for tree in trees))
    assert owner.paths == sum(len(tree.paths) for tree in trees) > 0
    assert list(told.inputs) == ["scenarios.json"]
    assert told.said[-1] == (3, 3, "3 of 3 trees are grown.")
    assert result["calls"] <= 3 * most_calls(growth_of(spec()))
    assert {len(seen.body["messages"]) for seen in server.seen} == {2}


def test_the_grown_trees_are_found_and_pass_the_doctor(context: Context, write: Any, tmp_path: Path) -> None:
    with Misbehaving(answer=answered) as server:
        result = build_trees(served(context, server), spec(stocked(context, write)), folder(tmp_path), Told())
    assert [finding for finding in examine(context) if not finding.ok] == []
    assert result["set"]


def test_new_scenarios_on_topics_without_near_duplicates(context: Context, tmp_path: Path) -> None:
    def repeating(body: dict[str, Any]) -> str:
        if kind(body["messages"]) == "scenario" and "travel" in body["messages"][-1]["content"]:
            return "\n\n".join(["Preference: I travel light and alone.\nQuery: Where do I go in May?"] * 3)
        return answered(body)

    wanted = spec(0, topics=["travel", "food"], per_topic=3)
    with Misbehaving(answer=repeating) as server:
        result = build_trees(served(context, server), wanted, folder(tmp_path), Told())
    found = [
        record.scenario for record in scenarios.records(context.database, result["set"]) if isinstance(record, Tree)
    ]
    assert [scenario.topic for scenario in found] == ["travel", "food", "food", "food"]
    assert result["near_duplicates"] > 2


def test_a_seeded_mix_of_all_faults_ends_and_adds_up(context: Context, write: Any, tmp_path: Path) -> None:
    odd = [
        "SCORE: high",
        "Reasoning: x SCORE: 1.7",
        "Reasoning: x SCORE: NaN",
        "",
        "Reasoning: a SCORE: 0.2 SCORE: 0.4 SCORE: 0.6",
        "{" * 3000,
    ]

    def answer(body: dict[str, Any]) -> str:
        draw = random.Random("4" + json.dumps(body["messages"]))  # whatever the order
        return draw.choice(odd) if kind(body["messages"]) == "critic" and draw.random() < 0.3 else answered(body)

    shares = dict.fromkeys([fault for fault in FAULTS if fault not in ("ok", "slow", "hang", "drip", "endless")], 0.02)
    with Misbehaving(mixed(3, {**shares, "hang": 0.005}), answer, retry_after="0", delay_s=0.0) as server:
        made = served(context, server, timeout_s=1)
        result = build_trees(made, spec(stocked(context, write, 4), threshold=-1.0), folder(tmp_path), Told())
    trees = [record for record in scenarios.records(context.database, result["set"]) if isinstance(record, Tree)]
    assert (result["finished"], len(trees)) == (4, 4)
    steps = [node for tree in trees for node in tree.nodes if node.kind != "root"]
    unscored = [node for node in steps if node.score is None]
    assert unscored
    assert all(node.unscored and node.pruned in ("unscored", "") for node in unscored)
    assert sum(result["unscored"].values()) == len(unscored)
    assert all(node.score is None or -1 <= node.score <= 1 for node in steps)
    assert 0.6 in {node.score for node in steps}  # the last of three scores counts
    assert result["failures"]
    first = len([node for node in steps if node.depth == 1])
    lost = sum(count for sentence, count in result["lost"].items() if "after step 0" in sentence)
    assert first + lost == 4 * 5


def test_a_server_that_is_gone_ends_as_sentences(context: Context, write: Any, tmp_path: Path) -> None:
    with Misbehaving() as server:
        made = served(context, server, attempts=1)
    result = build_trees(made, spec(stocked(context, write, 1)), folder(tmp_path), Told())
    assert (result["finished"], sum(result["lost"].values())) == (1, 5)
    assert any("reach" in sentence or "connect" in sentence.lower() for sentence in result["lost"]), result["lost"]
    with pytest.raises(Refused, match="There is no scenario to grow: No scenario on food"):
        build_trees(made, spec(0, topics=["food"], per_topic=1), folder(tmp_path, "2"), Told())


def test_a_build_goes_on_where_it_was_told_to_stop(context: Context, write: Any, tmp_path: Path) -> None:
    source = stocked(context, write, 6)
    with Misbehaving(["slow"] * 10_000, answer=answered, delay_s=0.05) as server:
        made = served(context, server)
        whole = build_trees(made, spec(source), folder(tmp_path, "1"), Told())
        asked = len(server.seen)
        with context.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM model_call")
        slow = spec(source, side_by_side=1)
        first = build_trees(made, slow, folder(tmp_path, "2"), Told(stop_after=3))
        assert 0 < first["finished"] < 6
        assert growing.size(context.database, first["set"]) == (6, first["finished"])
        second = build_trees(made, slow, folder(tmp_path, "2"), Told())
        assert (second["set"], second["finished"]) == (first["set"], 6)
        assert len(server.seen) - asked <= asked + 20  # what was answered before the stop came from the cache
    assert grown(context, second["set"]) == grown(context, whole["set"])


def test_what_cannot_be_built(context: Context, write: Any, tmp_path: Path) -> None:
    with Misbehaving(answer=answered) as server:
        made = served(context, server)
        with pytest.raises(Refused, match="There is no set number 77"):
            build_trees(made, spec(77), folder(tmp_path), Told())
        empty = import_files(context, [write("notes.json", ["A keeper of bees.", "A baker."])], Labels("Notes")).set_id
        with pytest.raises(Refused, match="the set holds no preference with a query"):
            build_trees(made, spec(empty or 0), folder(tmp_path), Told())
    for bad in ({"depth": 0}, {"threshold": 2.0}, {"beam": "3"}, {"surprise": 1}, {"name": ""}):
        with pytest.raises(ValueError, match=r"job of kind build|The field"):
            read_spec({"kind": "build", "name": "x"} | bad)


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_killed_again_and_again_it_ends_the_same(bench: Bench, write: Any, victim: str) -> None:
    """`kill -9` at random moments; after that the set equals the undisturbed one, and nothing is left running."""
    source = stocked(bench.context, write, 5)
    with Misbehaving(["slow"] * 100_000, answer=answered, delay_s=0.12) as server:
        environment = {
            f"SUBTEXT_{role.upper()}_{name}": value
            for role in ROLES
            for name, value in (("URL", server.url), ("MODEL", server.model))
        }
        undisturbed = build_trees(
            served(bench.context, server), spec(source, side_by_side=5), bench.context.settings.data, Told()
        )
        with bench.context.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM model_call")
        job_id = actions.enqueue(bench.context, spec(source, side_by_side=1))
        os.environ.update(environment)
        try:
            kills = _kill_and_go_on(bench, job_id, victim, 3)
        finally:
            for name in environment:
                del os.environ[name]
    job = jobs.get(bench.context.database, job_id)
    assert job is not None
    assert (job.status, kills) == ("done", 3), job
    assert job.result is not None
    assert grown(bench.context, job.result["set"]) == grown(bench.context, undisturbed["set"])
    assert len(sets.all_sets(bench.context.database)) == 3


def _kill_and_go_on(bench: Bench, job_id: int, victim: str, times: int) -> int:
    rng, kills = random.Random(1), 0
    worker = Worker(bench.context)
    until, strike = time.monotonic() + 120, time.monotonic() + 1.2
    while time.monotonic() < until:
        worker.turn()
        job = jobs.get(bench.context.database, job_id)
        assert job is not None
        if job.status in ("done", "failed", "cancelled"):
            break
        if kills < times and job.status == "running" and job.handle and time.monotonic() > strike:
            if victim == "worker":
                worker = Worker(bench.context)  # the old one is simply gone; the new one finds the job by its handle
            else:
                os.kill(int(job.handle.partition(":")[0]), signal.SIGKILL)
            kills += 1
            strike = time.monotonic() + rng.uniform(1.2, 2.5)
        time.sleep(0.05)
    return kills


def test_the_plan_of_a_build_is_kept_as_its_source(context: Context, write: Any, tmp_path: Path) -> None:
    with Misbehaving(answer=answered) as server:
        result = build_trees(served(context, server), spec(stocked(context, write)), folder(tmp_path), Told())
    (file,) = sets.files_of(context.database, result["set"])
    plan = json.loads(context.blobs.path(file.digest).read_text("utf-8"))
    assert plan["spec"]["depth"] == 2
    assert len(plan["scenarios"]) == 3


def test_what_it_would_cost(context: Context, write: Any, tmp_path: Path) -> None:
    source = stocked(context, write)
    with Misbehaving(answer=answered) as server:
        made = served(context, server)
        before = estimate(made, spec(source))
        assert (before.trees, before.calls, before.minutes) == (3, 3 * most_calls(growth_of(spec())), None)
        result = build_trees(made, spec(source), folder(tmp_path), Told())
        after = estimate(made, spec(source, limit=2))
    assert after.trees == 2
    assert after.minutes is not None
    assert after.measured == result["calls"] <= before.calls
    assert estimate(made, spec(0, topics=["a", "b"], per_topic=7)).trees == 14
    with pytest.raises(Refused, match="no set number 88"):
        estimate(made, spec(88))


def test_a_registered_critic_scores_the_steps(context: Context, write: Any, tmp_path: Path) -> None:
    """The settings' server answers everything but the critic's questions; those go to the chosen checkpoint."""
    pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
    source, critic = stocked(context, write, 1), register(context, NewModel(STARTER, "Starter"))
    with Misbehaving(answer=answered) as server:
        wanted = spec(source, depth=1, beam=1, threshold=-1.0, critic=f"model:{critic.id}")
        result = build_trees(served(context, server), wanted, folder(tmp_path), Told())
        asked = {kind(seen.body["messages"]) for seen in server.seen}
        assert asked == {"hypothesis", "answer", "review"}
    (tree,) = scenarios.records(context.database, result["set"])
    assert isinstance(tree, Tree)
    critiques = [node.critique for node in tree.nodes if node.kind == "thought"]
    assert len(critiques) == 5 and all(critiques) and not any("It sees w" in one for one in critiques)
    with pytest.raises(Refused, match="There is no model 9"):
        build_trees(context, spec(source, critic="model:9"), folder(tmp_path, "2"), Told())


def test_the_audit_of_a_set(context: Context, write: Any, tmp_path: Path) -> None:
    with Misbehaving(answer=answered) as server:
        result = build_trees(served(context, server), spec(stocked(context, write)), folder(tmp_path), Told())
    shares = audit_set(context, result["set"])
    assert [one.persona for one in shares] == list(Persona)
    assert sum(one.share for one in shares) == pytest.approx(1)
    with pytest.raises(Refused, match="no reasoning step"):
        audit_set(context, 1)


def test_the_commands(
    context: Context, write: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = stocked(context, write)
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    assert main(["build", "By hand", "--set", str(source), "--depth", "2", "--estimate"]) == 0
    assert "3 trees, at most 93 calls" in capsys.readouterr().out
    assert main(["build", "By hand", "--topic", "food", "--per-topic", "1", "--spec"]) == 0
    assert json.loads(capsys.readouterr().out)["topics"] == ["food"]
    assert main(["build", "", "--topic", "food", "--spec"]) == 1
    assert main(["audit", str(source)]) == 1
    assert "no reasoning step" in capsys.readouterr().err
