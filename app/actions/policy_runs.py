"""What every training of a policy does around the training itself: read the set, open the critic, report, register.

Loads no torch: that happens in the functions that train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from app.actions.bases import base_at
from app.actions.evaluate_policy import Exam, evaluate
from app.actions.models import NewModel, data_hash, register
from app.actions.register_critic import told_of
from app.context import Context
from app.engines.choices import engine_of
from app.engines.endpoint import Endpoint, Local
from app.engines.live_critic import LiveCritic
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from core.jobs import Reporter, told_text
from core.policy_data import Asked, Data, Parts, asked, split
from core.policy_specs import PolicyJob, Reward
from core.scoring import Scoring
from db import scenarios, sets

_One = TypeVar("_One")


def data_of(context: Context, spec: PolicyJob, reporter: Reporter) -> Parts:
    """The prompts of the set, split by scenario; its files become inputs of the job. Raises Refused, as `parts_of` does."""
    parts = parts_of(context, spec)
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    return parts


def start_of(context: Context, spec: PolicyJob, reporter: Reporter) -> Path:
    """The folder of the base; its digest becomes an input of the job. Raises Refused."""
    base = base_at(context, spec.base)
    reporter.input("base", checkpoint_digest(base))
    return base


def critic_of(context: Context, spec: PolicyJob, reporter: Reporter, reward: Reward = "steps") -> LiveCritic:
    """The critic that a spec chooses, not yet opened. Raises Refused for one that cannot be asked, or not for this reward."""
    engine = engine_of(context, "critic", spec.critic)
    match engine:
        case None:
            if reward == "rubric":
                raise Refused(
                    "The starter model has not learned to answer the checklist of the reward 'rubric'. Choose a larger critic, "
                    "such as a model server, or another reward."
                )
            reporter.input("critic", checkpoint_digest(STARTER))
        case Local(path=path):
            reporter.input("critic", checkpoint_digest(path))
        case Endpoint():
            pass
    return LiveCritic(context, engine, scoring_of(spec))


def scoring_of(spec: PolicyJob) -> Scoring:
    """How a spec has its critic asked."""
    return Scoring(
        samples=spec.critic_samples, max_tokens=spec.critic_tokens, seed=spec.seed, side_by_side=spec.side_by_side
    )


def parts_of(context: Context, spec: PolicyJob) -> Parts:
    """The prompts of the set, split by scenario. Raises Refused where there is no such set, or nothing to train on."""
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    parts = split(asked(scenarios.of_records(context.database, spec.set)), spec.held_out, spec.seed)
    if not parts.train:
        raise Refused(
            "No scenario of this set is left to train on: it has none, or all are held out by their own split."
        )
    return parts


@dataclass(frozen=True, slots=True)
class Run:
    """A run that came to its end: what it was told, where it started and ended, what it learned from, held-out prompts."""

    spec: PolicyJob
    base: Path
    folder: Path
    learned: Sequence[tuple[object, ...]]
    held_out: Sequence[Asked]
    data: Data = "path"


def report_of(context: Context, run: Run, critic: LiveCritic, reporter: Reporter) -> dict[str, Any]:
    """Base and trained policy on the held-out prompts; empty where none are wanted, none are there, or the job is to stop."""
    spec = run.spec
    prompts = drawn(run.held_out, spec.report_prompts, spec.seed)
    if not prompts:
        return {}
    models = {"base": run.base, "trained": run.folder / "model"}
    return evaluate(context, Exam(prompts, spec.max_new, run.data, critic), models, run.folder, reporter)


def drawn(found: Sequence[_One], most: int, seed: int) -> list[_One]:
    """At most so many, drawn by the seed, in their order."""
    places = sorted(Random(seed).sample(range(len(found)), most)) if len(found) > most else range(len(found))
    return [found[place] for place in places]


def registered(context: Context, run: Run, result: Mapping[str, Any]) -> int:
    """The id of the policy in the run's folder; the same folder again keeps its id. `result` is that of the job so far."""
    sizes = {name: result[name] for name in ("train", "held_out")}
    numbers = {name: result[name] for name in ("evaluation", "signals", "losses") if result.get(name)}
    new = NewModel(
        run.folder / "model",
        " ".join(told_text(run.spec.name).split()) or f"policy {run.folder.name}",
        "policy",
        run.base,
        run.spec.base or "starter",
        data_hash([repr(tuple(one)) for one in run.learned]),
        told_of(context, run.spec.set) | sizes,
        numbers,
        run.folder,
    )
    return register(context, new).id
