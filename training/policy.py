"""Train a policy by reinforcement, CDPA or GRPO with the mean step score, on a checkpoint and prompts that are handed in.

Knows TRL's configuration and where a run keeps its files; not where prompts come from or what scores a step.
"""

import gc
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from accelerate import PartialState
from datasets import Dataset
from trl.trainer.grpo_config import GRPOConfig

from core.batching import responses_problem
from core.jobs import Reporter
from core.prompts.policy import policy
from training.cdpa import CDPATrainer, Credit, Score, StepRewards
from training.generate import SMALL
from training.models import Loaded, device_of, load
from training.runs import (
    CHECKPOINTS,
    PLAN,
    PROJECT,
    Outcome,
    Tell,
    decides,
    finished_in,
    go_on,
    keep_plan,
    lora_of,
    written,
)
from training.sharding import settled
from training.turns import NotTrainable


class Prompt(NamedTuple):
    """What a policy is asked: a preference and a query."""

    preference: str
    query: str


@dataclass(frozen=True, slots=True)
class PolicyRecipe:
    """Everything that decides the weights, besides base, prompts and critic.

    Each update sees `prompts` prompts with `group` responses each (G of Eq. 3), in micro-batches of `batch` responses. `beta` > 0
    adds the KL to the base, 0 runs no reference pass. `loss` `dr_grpo` is the paper's sum over tokens, `grpo` the mean of means.
    `iterations` updates are made with the same responses. `rank` 0 trains all weights. `report_to` as in `training.runs.Recipe`.
    """

    credit: Credit = field(default_factory=Credit)
    group: int = 5
    prompts: int = 4
    batch: int = 5
    updates: int = 400
    rate: float = 1e-6
    warmup: float = 0.0
    beta: float = 0.04
    epsilon: float = 0.2
    temperature: float = 1.0
    top_p: float = 1.0
    iterations: int = 1
    loss: Literal["dr_grpo", "grpo"] = "dr_grpo"
    max_new: int = 512
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    seed: int = 1
    save_every: int = 50
    log_every: int = 1
    device: str = "auto"
    vllm: Literal["", "colocate", "server"] = ""
    vllm_url: str = ""
    report_to: tuple[str, ...] = ()


def dataset(prompts: Sequence[Prompt]) -> Dataset:
    """One row for each prompt: the policy's question, with preference and query beside for the critic."""
    return Dataset.from_list(
        [
            {
                "prompt": [message._asdict() for message in policy(one.preference, one.query)],
                "preference": one.preference,
                "query": one.query,
            }
            for one in prompts
        ]
    )


def options(recipe: PolicyRecipe, folder: Path) -> GRPOConfig:
    """TRL's configuration. Raises NotTrainable where the sizes do not fit each other."""
    cpu = device_of(recipe.device).type == "cpu"
    whole, processes = recipe.group * recipe.prompts, PartialState(cpu=cpu).num_processes
    if problem := responses_problem(recipe.group, recipe.prompts, recipe.batch, processes):
        raise NotTrainable(problem)
    return GRPOConfig(
        output_dir=str(folder / CHECKPOINTS),
        use_cpu=cpu,
        bf16=not cpu,
        gradient_checkpointing=not cpu,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=whole // (recipe.batch * processes),
        steps_per_generation=whole // (recipe.batch * processes),
        num_generations=recipe.group,
        num_iterations=recipe.iterations,
        max_steps=recipe.updates,
        learning_rate=recipe.rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=recipe.warmup,
        beta=recipe.beta,
        epsilon=recipe.epsilon,
        temperature=recipe.temperature,
        top_p=recipe.top_p,
        loss_type=recipe.loss,
        max_completion_length=recipe.max_new,
        mask_truncated_completions=True,
        use_bias_correction_kl=False,
        use_vllm=bool(recipe.vllm),
        **({"vllm_mode": recipe.vllm} if recipe.vllm else {}),
        **({"vllm_server_base_url": recipe.vllm_url} if recipe.vllm_url else {}),
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=recipe.log_every,
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=2,
        dataloader_pin_memory=not cpu,
        report_to=list(recipe.report_to) or "none",
        project=PROJECT,
        run_name=f"policy {folder.resolve().name}",
        disable_tqdm=True,
        log_completions=False,
    )


def train_policy(
    base: Path, prompts: Sequence[Prompt], score: Score, folder: Path, recipe: PolicyRecipe, reporter: Reporter
) -> Outcome:
    """Train and write model, tokenizer, metrics.json and rollouts into `folder`; goes on from the newest checkpoint in it.

    In several processes (torchrun, accelerate launch) each one calls this; an update sees the same responses as in one process,
    every process scores its own share of them, and the first one writes.

    Raises NotTrainable for sizes that do not fit, NotLoadable for the base, CriticFailed when too few steps get a score.
    """
    if not prompts:
        raise NotTrainable("There is no prompt to train on.")
    plan = hashlib.sha256(repr([str(base), decides(recipe), list(prompts)]).encode("utf-8", "replace")).hexdigest()
    if (folder / PLAN).is_file() and (folder / PLAN).read_text("utf-8").strip() != plan:
        raise NotTrainable(f"The folder {folder} holds a run with other prompts, another base or other settings.")
    if (finished := finished_in(folder)) is not None:
        return finished
    loaded = load(base, recipe.device, kind=torch.float32 if recipe.rank == 0 else None)
    folder.mkdir(parents=True, exist_ok=True)
    keep_plan(folder, plan)
    if loaded.model.device.type == "cpu" and loaded.model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    trainer = make_trainer(loaded, prompts, score, folder, recipe, reporter)
    go_on(trainer, folder)
    done = trainer.state.global_step
    if done < recipe.updates:
        outcome = Outcome(False, done, recipe.updates, {"log": trainer.state.log_history})
    else:
        told = {"recipe": asdict(recipe), "prompts": len(prompts)}
        outcome = Outcome(True, done, recipe.updates, written(trainer, folder, told))
    del trainer, loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return outcome


def make_trainer(
    loaded: Loaded, prompts: Sequence[Prompt], score: Score, folder: Path, recipe: PolicyRecipe, reporter: Reporter
) -> CDPATrainer:
    """The trainer of a run, not yet started."""
    return CDPATrainer(
        model=loaded.model,
        args=settled(options(recipe, folder)),
        train_dataset=dataset(prompts),
        processing_class=loaded.tokenizer,
        peft_config=lora_of(recipe),
        callbacks=[Tell(reporter)],
        rewards=StepRewards(loaded.tokenizer, score, loaded.ends),
        credit=recipe.credit,
        folder=folder,
    )
