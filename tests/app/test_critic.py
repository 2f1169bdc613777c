"""Critic jobs: refused with a list on bad data; a tiny critic is trained, stopped, goes on, and is reported beside its base."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

from app.actions import jobs as actions
from app.actions.import_data import import_files
from app.actions.models import NewModel, one, register
from app.actions.people_labels import PEOPLE
from app.actions.train_critic import LINT, REPORT, base_of, choose, train_critic
from app.context import Context
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from app.run import act
from app.worker import Worker
from core.checks import Check
from core.critic_data import Example
from core.jobs import plain
from core.report_file import HeldOut
from core.specs import UNTRAINED, CriticSpec
from core.tree import by_key
from db import checks, models, scenarios
from tests.app.odd_bench import Bench
from tests.app.test_build import Told
from tests.samples import deeppref
from tests.training.conftest import tiny_folder  # noqa: F401  (a fixture)
from training.critic import newest

Write = Callable[[str, object], Path]


class Stopping(Told):
    """A reporter whose job is to stop after an update of the training."""

    def cancelled(self) -> bool:
        return any(said.startswith("Update 2 ") for _, _, said in self.said)


def record(number: int) -> dict[str, Any]:
    """A record whose critiques differ from one another."""
    found = deeppref(initial_question=f"How do I plan {number}?")
    for key in ("1", "2", "3", "4"):
        node = found["thought_tree"][key]
        node["reasoning"] = f"Reasoning: judges {number} {key} SCORE: {node['score']}"
    return found


def spec(set_id: int, base: Path, **changes: Any) -> CriticSpec:
    """A training of seconds."""
    small = {
        "name": "C", "set": set_id, "base": str(base), "lora_rank": 0, "learning_rate": 1e-3, "epochs": 1.0, "accumulate": 4,
        "device": "cpu", "held_out": 0.34, "max_tokens": 16, "save_every": 1, "report_steps": 3, "max_length": 2048,
    }  # fmt: skip
    return CriticSpec(**(small | changes))


@pytest.fixture(scope="session")
def base(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The tiny checkpoint with a context that holds a whole question of the critic."""
    made = tmp_path_factory.mktemp("bases") / "wide"
    made.mkdir()
    for file in tiny_folder.iterdir():
        made.joinpath(file.name).write_bytes(file.read_bytes())
    config = json.loads((made / "config.json").read_text("utf-8"))
    (made / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}), "utf-8")
    return made


@pytest.fixture
def stocked(context: Context, write: Write) -> int:
    """A set of three trees of four steps."""
    set_id = import_files(context, [write("trees.json", [record(number) for number in range(3)])]).set_id
    assert set_id
    return set_id


def test_a_critic_is_trained_and_reported(context: Context, stocked: int, base: Path, tmp_path: Path) -> None:
    told = Told()
    result = act(context, spec(stocked, base), tmp_path, told)
    assert result["train"] == {"scenarios": 2, "steps": 8}
    assert result["held_out"] == {"scenarios": 1, "steps": 4}
    assert (result["whole"], result["updates"], result["drawn"]) == (True, 2, 3)
    assert {"loss", "loss_critique", "loss_score", "eval_loss_score"} <= set(result["losses"])
    told_report = json.loads((tmp_path / REPORT).read_text("utf-8"))
    assert set(told_report) == {"base", "trained"}
    assert told_report["base"]["model"] != told_report["trained"]["model"]
    for own in told_report.values():
        assert own["all"]["steps"] == 3
        assert sum(own["reasons"].values()) == round(own["all"]["unscored"] * 3)
        assert len(own["points"]) == 3
        for point in own["points"]:
            assert set(point) == {"scenario", "tree", "node", "step", "persona", "stated", "said", "why"}
            stored = scenarios.get(context.database, point["scenario"])
            assert stored and stored.tree
            node = by_key(stored.tree.nodes)[point["node"]]
            assert (node.score, node.depth) == (point["stated"], point["step"])
            assert (point["said"] is None) == bool(point["why"])
            with context.database.read() as connection:
                target = checks.target(connection, point["tree"], point["node"])
            assert target and target.scenario_id == point["scenario"]
    assert list(told.inputs) == ["trees.json"]
    model = models.get(context.database, result["model"])
    assert model is not None
    assert (model.name, model.kind, model.base, model.parents) == ("C", "critic", str(base), ())
    assert (model.data["set"], model.data["train"]["steps"], len(model.data_hash)) == (stocked, 8, 64)
    assert model.metrics["trained"] == plain(result["report"]["trained"])
    assert (model.digest, model.base_digest) == (checkpoint_digest(tmp_path / "model"), checkpoint_digest(base))
    opened = one(context, model.id)
    assert opened.standing == ""
    assert isinstance(opened.report, HeldOut), "the report is about these weights"
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert json.loads((tmp_path / LINT).read_text("utf-8"))["histogram"]["total"] == 12


def test_a_job_that_was_stopped_goes_on(context: Context, stocked: int, base: Path, tmp_path: Path) -> None:
    first = train_critic(context, spec(stocked, base, epochs=2.0), tmp_path, Stopping())
    assert (first["whole"], first["updates"], first["planned"]) == (False, 2, 4)
    assert "report" not in first
    second = train_critic(context, spec(stocked, base, epochs=2.0), tmp_path, Told())
    assert (second["whole"], second["updates"]) == (True, 4)
    assert second["report"]["trained"]["steps"] == 3
    third = train_critic(context, spec(stocked, base, epochs=2.0), tmp_path, Told())
    assert (third["whole"], third["losses"]) == (True, second["losses"])
    assert "model" not in first and third["model"] == second["model"], (
        "a stopped run makes no model, a whole one makes one"
    )


def test_a_critic_is_trained_from_a_registered_one(context: Context, stocked: int, base: Path, tmp_path: Path) -> None:
    parent = register(context, NewModel(base, "Base"))
    wanted = spec(stocked, Path(f"model:{parent.id}"), report_steps=0, updates=1, name=" \n ")
    result = train_critic(context, wanted, tmp_path, Told())
    model = models.get(context.database, result["model"])
    assert model is not None
    assert (model.parents, model.base, model.name) == ((parent.id,), f"model:{parent.id}", f"critic {tmp_path.name}")
    assert set(model.metrics) == {"losses"}
    with pytest.raises(Refused, match="There is no model 99"):
        base_of(context, spec(stocked, Path("model:99")))


def test_a_killed_process_goes_on_from_its_checkpoint(bench: Bench, write: Write, base: Path) -> None:
    """Through the queue and a worker, in a process of its own that is killed once between two checkpoints."""
    set_id = import_files(bench.context, [write("trees.json", [record(number) for number in range(3)])]).set_id
    assert set_id
    job_id = actions.enqueue(bench.context, spec(set_id, base, epochs=8.0, save_every=4, report_steps=2))
    worker, killed, end = Worker(bench.context), False, time.monotonic() + 300
    while (job := bench.job(job_id)).status not in ("done", "failed", "cancelled") and time.monotonic() < end:
        worker.turn()
        time.sleep(0.05)
        if not killed and newest(bench.folder(job_id) / "checkpoints"):
            os.kill(int(job.handle.partition(":")[0]), signal.SIGKILL)
            killed = True
    assert (job.status, job.attempt, killed) == ("done", 2, True), job
    assert job.result is not None
    assert (job.result["updates"], job.result["report"]["trained"]["steps"]) == (16, 2)
    log = json.loads((bench.folder(job_id) / "metrics.json").read_text("utf-8"))["log"]
    assert log[-1]["step"] == 16


def test_a_critic_is_trained_with_peoples_corrections(
    context: Context, stocked: int, base: Path, tmp_path: Path
) -> None:
    for kept in scenarios.trees(context.database, stocked):
        with context.database.read() as connection:
            wrong, partly = (checks.target(connection, kept.tree_id, key) for key in ("1", "2"))
        assert wrong and partly
        place = (kept.tree_id, "1", wrong.digest)
        checks.save(context.database, place, Check("wrong"), "Ada", f"a{kept.tree_id}", context.now())
        place = (kept.tree_id, "2", partly.digest)
        checks.save(context.database, place, Check("partly", 0.11), "Ada", f"b{kept.tree_id}", context.now())
    told = Told()
    result = act(context, spec(stocked, base, corrections=True), tmp_path, told)
    assert result["people"] == {"labels": 3, "corrected": 3, "left_out": 3, "disputed": 0, "stale": 0}
    assert (result["train"]["steps"], result["held_out"]["steps"], result["lint"]["no_score"]) == (6, 3, 3)
    assert any("3 steps have a label from people" in said for _, _, said in told.said)
    points = json.loads((tmp_path / REPORT).read_text("utf-8"))["trained"]["points"]
    assert {point["node"]: point["stated"] for point in points}["2"] == 0.11
    assert list(told.inputs) == ["trees.json", PEOPLE]
    again = act(context, spec(stocked, base, corrections=True), tmp_path, Told())
    assert (again["whole"], again["people"]) == (True, result["people"])


def test_an_untrained_base_is_written_into_the_folder(context: Context, stocked: int, tmp_path: Path) -> None:
    wanted = spec(stocked, Path(UNTRAINED), updates=1, report_steps=1)
    result = act(context, wanted, tmp_path, Told())
    assert (result["whole"], result["report"]["base"]["steps"]) == (True, 1)
    assert (tmp_path / "untrained" / "model.safetensors").is_file()
    assert (tmp_path / "untrained" / "tokenizer.json").read_bytes() == (STARTER / "tokenizer.json").read_bytes()


def test_bad_data_is_refused_with_the_list(context: Context, write: Write, base: Path, tmp_path: Path) -> None:
    set_id = import_files(context, [write("trees.json", [deeppref()])]).set_id
    assert set_id
    with pytest.raises(Refused, match=r"findings? blocks? the training\. Scenario 1, step .* same critique") as refused:
        train_critic(context, spec(set_id, base), tmp_path, Told())
    assert "lint.json" in str(refused.value)
    assert json.loads((tmp_path / LINT).read_text("utf-8"))["counts"]["same_critique"] == 3
    assert not (tmp_path / "model").exists()


def test_what_cannot_start_says_why(context: Context, stocked: int, base: Path, tmp_path: Path) -> None:
    for changes, said in (
        ({"set": 99}, "no set number 99"),
        ({"base": "nowhere"}, "no checkpoint in .*nowhere.*Nothing is downloaded"),
        ({"base": "../.."}, "leads out"),
        ({"max_length": 64}, "8 of 8 examples have more than 64 tokens"),
    ):
        with pytest.raises(Refused, match=said):
            train_critic(context, spec(stocked, base).model_copy(update=changes), tmp_path, Told())


def test_a_tracker_that_is_missing_is_said_before_anything_else(
    context: Context, stocked: int, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.actions.train_critic.util.find_spec", lambda name: None)
    folder = tmp_path / "job"
    folder.mkdir()
    with pytest.raises(Refused, match="go to wandb, which is not installed: pip install wandb"):
        train_critic(context, spec(stocked, base, report_to=["wandb"]), folder, Told())
    assert list(folder.iterdir()) == []


def test_a_base_is_found_below_the_models_folder(context: Context, base: Path) -> None:
    data = base.parent.parent / "data"
    made = replace(context, settings=replace(context.settings, data=data))
    (data / "models").mkdir(parents=True, exist_ok=True)
    (data / "models" / "own").mkdir(exist_ok=True)
    (data / "models" / "own" / "config.json").write_text("{}", "utf-8")
    assert base_of(made, spec(1, Path("own"))) == (data / "models" / "own").resolve()


def test_steps_to_report_are_drawn_by_the_seed() -> None:
    found = [Example(1, "g", "", str(n), 1, "thought", "", 0.0, (), "") for n in range(50)]
    assert choose(found, 50, 1) == found
    some = choose(found, 10, 1)
    assert some == sorted(some, key=lambda one: int(one.node))
    assert some == choose(found, 10, 1) != choose(found, 10, 2)
