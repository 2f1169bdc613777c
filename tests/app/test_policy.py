"""Policy jobs on the starter model: every preset runs, stops, goes on, reports; RFT then CDPA through the queue; what is refused."""

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

from app.actions import jobs as actions
from app.actions.bases import base_at
from app.actions.evaluate_policy import EVALUATION
from app.actions.import_data import import_files
from app.actions.models import forget
from app.actions.preflight_policy import check
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint, Local
from app.engines.live_critic import LiveCritic
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from app.run import act
from app.worker import Worker
from core.jobs import plain
from core.scoring import Case, Scoring
from core.specs import POLICY_PRESETS, CriticSpec, policy_preset, read_spec
from db import models
from tests.answering import answered
from tests.app.odd_bench import Bench
from tests.app.test_build import Told
from tests.app.test_critic import record
from tests.misbehaving import Misbehaving
from tests.training.classifier import classifier
from training.runs import newest

Write = Callable[[str, object], Path]
TINY: dict[str, dict[str, Any]] = {
    "policy": {"updates": 2, "group": 2, "prompts": 1, "batch": 2, "max_new": 120, "log_every": 1},
    "sft": {"updates": 2, "accumulate": 1, "max_new": 60},
    "tpo": {"updates": 2, "accumulate": 1, "max_new": 60},
}


def spec(preset: str, set_id: int, **own: Any) -> Any:
    """A preset of the starter size, cut to seconds."""
    tiny = TINY[str(POLICY_PRESETS[preset]["starter"]["kind"])]
    fixed = {"name": preset, "set": set_id, "device": "cpu", "held_out": 0.34, "report_prompts": 1, "save_every": 1}
    return policy_preset(preset, **(fixed | tiny | {"critic_tokens": 100} | own))


class Stopping(Told):
    """A reporter whose job is to stop after the first update."""

    def cancelled(self) -> bool:
        return any(said.startswith("Update 1 ") for _, _, said in self.said)


@pytest.fixture
def stocked(context: Context, write: Write) -> int:
    """A set of three trees of two paths."""
    set_id = import_files(context, [write("trees.json", [record(number) for number in range(3)])]).set_id
    assert set_id
    return set_id


def with_critic(context: Context, server: Misbehaving) -> Context:
    """The context with every role filled by a server."""
    made = Endpoint(server.url, server.model, timeout_s=5, attempts=1)
    settings = replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, made)))
    return replace(context, settings=settings)


def test_cdpa_trains_the_starter_model_with_the_starter_critic(context: Context, stocked: int, tmp_path: Path) -> None:
    told = Told()
    result = act(context, spec("cdpa", stocked), tmp_path, told)
    assert (result["whole"], result["updates"], result["planned"]) == (True, 2, 2)
    assert (result["train"], result["held_out"]) == ({"scenarios": 2}, {"scenarios": 1})
    assert {"loss", "step_score", "entropy", "kl"} <= set(result["metrics"])
    assert {"zero_grpo", "zero_cdpa", "unscored"} <= set(result["signals"])
    assert all(0 <= share <= 1 for share in result["signals"].values())
    assert result["critic"]["calls"] > 0 and result["critic"]["tokens"] > 0
    assert set(result["evaluation"]) == {"base", "trained"}
    for own in result["evaluation"].values():
        assert own["prompts"] == 1
    kept = json.loads((tmp_path / EVALUATION).read_text("utf-8"))
    assert kept["trained"]["answers"][0]["query"].startswith("How do I plan")
    assert len(list((tmp_path / "rollouts").glob("*.parquet"))) == 2
    assert told.said[-1][2] == f"The policy is registered as model {result['model']}."
    assert told.inputs["base"] == told.inputs["critic"] == checkpoint_digest(STARTER)
    assert "trees.json" in told.inputs
    model = models.get(context.database, result["model"])
    assert model is not None
    assert (model.kind, model.name, model.base, model.digest) == (
        "policy", "cdpa", "starter", checkpoint_digest(tmp_path / "model")
    )  # fmt: skip
    assert model.metrics["evaluation"] == plain(result["evaluation"])
    assert model.data["train"] == {"scenarios": 2} and len(model.data_hash) == 64


def test_a_job_that_was_stopped_goes_on(context: Context, stocked: int, tmp_path: Path) -> None:
    first = act(context, spec("cdpa", stocked, report_prompts=0), tmp_path, Stopping())
    assert (first["whole"], first["updates"], first["planned"]) == (False, 1, 2)
    assert "model" not in first and "evaluation" not in first
    second = act(context, spec("cdpa", stocked, report_prompts=0), tmp_path, Told())
    assert (second["whole"], second["updates"], second["evaluation"]) == (True, 2, {})
    third = act(context, spec("cdpa", stocked, report_prompts=0), tmp_path, Told())
    assert (third["whole"], third["model"]) == (True, second["model"])


def ticking(body: dict[str, Any]) -> str:
    """What a larger critic says, to the checklist too."""
    if "list of questions" in body["messages"][0]["content"]:
        return "\n".join(f"{number}: {'yes' if number % 2 else 'no'}" for number in range(1, 9))
    return answered(body)


@pytest.mark.parametrize("preset", ["grpo_prm", "grpo_grm", "grpo_rm", "grpo_rubric"])
def test_every_grpo_preset_runs(context: Context, stocked: int, tmp_path: Path, preset: str) -> None:
    with Misbehaving(answer=ticking) as server:
        own = spec(preset, stocked, critic="", max_new=160, updates=1, report_prompts=0)
        result = act(with_critic(context, server), own, tmp_path, Told())
    assert result["whole"] and result["model"]
    assert result["critic"]["calls"] > 0


def test_the_answer_by_its_own_rubric_and_a_reward_model_of_its_own(
    context: Context, stocked: int, tmp_path: Path
) -> None:
    own = {"updates": 1, "max_new": 160, "report_prompts": 0}
    told = act(context, spec("cdpa", stocked, reward="steps+review", **own), tmp_path / "1", Told())
    assert told["whole"] and told["critic"]["calls"] > 0
    with pytest.raises(ValueError, match="set the reward to response"):
        spec("cdpa", stocked, reward_model="x")
    reward_model = classifier(tmp_path / "rm")
    heard = Told()
    told = act(
        context,
        spec("grpo_rm", stocked, reward_model=str(reward_model), **own | {"report_prompts": 1}),
        tmp_path / "2",
        heard,
    )
    assert heard.inputs["reward_model"] == checkpoint_digest(reward_model)
    rows = pq.read_table(next((tmp_path / "2" / "rollouts").glob("*.parquet"))).to_pylist()
    assert all(len(set(row["scores"])) <= 1 and not any(row["critiques"]) for row in rows)
    assert told["evaluation"]["trained"]["prompts"] == 1 and told["critic"]["calls"] > 0, "the report is the critic's"
    with pytest.raises(Refused, match="is no reward model: it needs a trained head"):
        act(context, spec("grpo_rm", stocked, reward_model=str(STARTER), **own), tmp_path / "3", Told())
    said = {line.name: line for line in check(context, spec("grpo_rm", stocked, reward_model=str(STARTER)))}
    assert said["reward model"].level == "blocking" and "gives no number" in said["reward model"].text
    said = {line.name: line for line in check(context, spec("grpo_rm", stocked, reward_model=str(reward_model)))}
    assert said["reward model"].level == "ok"
    assert {line.name: line for line in check(context, spec("grpo_rm", stocked))}["reward model"].level == "warning"


@pytest.mark.parametrize("preset", ["rft", "sft", "tpo"])
def test_every_supervised_preset_runs(context: Context, stocked: int, tmp_path: Path, preset: str) -> None:
    told = Told()
    result = act(context, spec(preset, stocked), tmp_path, told)
    assert (result["whole"], result["updates"]) == (True, 2)
    assert result["train"] == {"scenarios": 2, "examples": 2} and result["held_out"] == {"scenarios": 1, "examples": 1}
    assert {"loss", "eval_loss"} <= set(result["losses"])
    assert set(result["evaluation"]) == {"base", "trained"}
    assert set(told.inputs) == {"trees.json", "base", "critic"}
    model = models.get(context.database, result["model"])
    assert model and model.kind == "policy" and model.metrics["losses"]


def run_to_the_end(bench: Bench, job_id: int, kill: bool = False) -> Any:
    """Let a worker take its turns; with `kill` the job's process is killed once it has a checkpoint."""
    worker, killed, end = Worker(bench.context), not kill, time.monotonic() + 300
    while (job := bench.job(job_id)).status not in ("done", "failed", "cancelled") and time.monotonic() < end:
        worker.turn()
        time.sleep(0.05)
        if not killed and newest(bench.folder(job_id) / "checkpoints"):
            os.kill(int(job.handle.partition(":")[0]), signal.SIGKILL)
            killed = True
    return job


def weights(folder: Path) -> str:
    """The digest of the weights that a job made."""
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_rft_then_cdpa_through_the_queue_and_a_kill(bench: Bench, write: Write) -> None:
    set_id = import_files(bench.context, [write("trees.json", [record(number) for number in range(3)])]).set_id
    assert set_id
    first = actions.enqueue(bench.context, spec("rft", set_id, report_prompts=0))
    second = actions.enqueue(
        bench.context, spec("cdpa", set_id, base="after", report_prompts=0, updates=4), after=first
    )
    assert bench.job(second).spec["base"] == f"job:{first}"
    job = run_to_the_end(bench, second, kill=True)
    assert (job.status, job.attempt) == ("done", 2), job
    made = models.get(bench.context.database, job.result["model"])
    parent = models.get(bench.context.database, bench.job(first).result["model"])
    assert made and parent and made.parents == (parent.id,)
    assert made.base == f"job:{first}" and made.base_digest == parent.digest
    inputs = json.loads((bench.folder(second) / "job.json").read_text("utf-8"))["inputs"]
    assert inputs["base"] == parent.digest
    unbroken = actions.enqueue(bench.context, spec("cdpa", set_id, base=f"job:{first}", report_prompts=0, updates=4))
    whole = run_to_the_end(bench, unbroken)
    assert (whole.status, whole.attempt) == ("done", 1)
    assert weights(bench.folder(second)) == weights(bench.folder(unbroken)), (
        "killed and resumed, it ends at the same place"
    )
    waiting = actions.enqueue(bench.context, spec("cdpa", set_id, base=f"job:{first}"))
    with pytest.raises(Refused, match=rf"Job {waiting} \(queued\) uses model {parent.id}"):
        forget(bench.context, parent.id, parent.name)


def test_a_base_that_a_job_makes(context: Context, stocked: int) -> None:
    with pytest.raises(Refused, match="say after which job"):
        actions.enqueue(context, spec("cdpa", stocked, base="after"))
    with pytest.raises(Refused, match="say after which job"):
        base_at(context, "after")
    first = actions.enqueue(context, spec("rft", stocked))
    second = actions.enqueue(context, CriticSpec(name="C", set=stocked, base="after"), after=first)
    assert actions.one(context, second).spec["base"] == f"job:{first}", "critics chain too"
    with pytest.raises(Refused, match=rf"Job {first} \(sft, queued\) has made no model"):
        base_at(context, f"job:{first}")
    with pytest.raises(Refused, match="no job 99"):
        base_at(context, "job:99")


def test_a_critic_that_fails_stops_the_run_with_a_sentence(context: Context, stocked: int, tmp_path: Path) -> None:
    with Misbehaving(lambda number, body: "error") as server:
        own = spec("cdpa", stocked, critic="", updates=30, group=4, batch=4, max_new=200, report_prompts=0)
        with pytest.raises(Refused, match=r"of the newest \d+ steps have no score; 20% are allowed\. The critic says:"):
            act(with_critic(context, server), own, tmp_path, Told())


def test_what_cannot_start_says_why(context: Context, stocked: int, tmp_path: Path) -> None:
    for preset, changes, said in (
        ("cdpa", {"set": 99}, "no set number 99"),
        ("cdpa", {"base": "nowhere"}, "no checkpoint in .*nowhere"),
        ("cdpa", {"critic": "model:7"}, "There is no model 7"),
        ("cdpa", {"critic": "what"}, "chooses no model"),
        ("grpo_rubric", {}, "starter model has not learned to answer the checklist"),
        ("rft", {"max_length": 64}, "2 of 2 examples have more than 64 tokens"),
        ("tpo", {"max_length": 64}, "2 of 2 examples have more than 64 tokens"),
    ):
        with pytest.raises(Refused, match=said):
            act(context, spec(preset, stocked).model_copy(update=changes), tmp_path / preset, Told())


def test_a_set_that_teaches_nothing_is_refused(context: Context, write: Write, tmp_path: Path) -> None:
    bare = [{"preference": f"I avoid crowds {n}.", "question": "Where?", "explanation": "x"} for n in range(3)]
    set_id = import_files(context, [write("bare.json", bare)]).set_id
    assert set_id
    for preset, said in (
        ("rft", "a finished, scored path"),
        ("sft", "ends in an answer"),
        ("tpo", "two finished paths"),
    ):
        with pytest.raises(Refused, match=f"No tree of this set that is not held out has .*{said}"):
            act(context, spec(preset, set_id), tmp_path, Told())


def test_specs_and_presets_say_what_is_wrong() -> None:
    for value, said in (
        ({"reward": "review"}, "one number for a whole response"),
        ({"batch": 7}, "20 responses an update, which micro-batches of 7 do not divide"),
        ({"vllm": "server"}, "vllm_url and vllm=server belong together"),
        ({"vllm_url": "ftp://x"}, "field 'vllm_url' .* cannot be used"),
    ):
        with pytest.raises(ValueError, match=said):
            read_spec({"kind": "policy", "name": "p", "set": 1} | value)
    with pytest.raises(ValueError, match="no preset 'x'"):
        policy_preset("x", name="p", set=1)
    with pytest.raises(ValueError, match="no size 'x'"):
        policy_preset("cdpa", "x", name="p", set=1)
    for preset in POLICY_PRESETS:
        made = policy_preset(preset, "paper", name="p", set=1)
        assert made.base == "Qwen2.5-7B-Instruct"
        if made.kind == "policy":
            assert (made.group, made.temperature, made.updates) == (5, 1.0, 400)


def test_a_live_critic_is_asked_from_any_thread_and_closes(context: Context) -> None:
    cases = [Case("P", "q", ("one", "two")), Case("P", "q", ())]
    with Misbehaving(answer=answered) as server:
        made = with_critic(context, server)
        with LiveCritic(made, made.settings.engines["critic"], Scoring()) as critic:
            found: list[Any] = []
            threads = [threading.Thread(target=lambda: found.append(critic(cases))) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(found) == 3 and found[0] == found[1] == found[2]
            assert [len(own) for own in found[0]] == [2, 0] and all(step.score for step in found[0][0])
            assert critic.tally.read().calls == 6 and critic.seconds > 0
    assert not any(thread.name == "critic" for thread in threading.enumerate())
    with pytest.raises(Refused, match="no checkpoint folder"):
        LiveCritic(context, Local(Path("/nowhere")), Scoring()).__enter__()
