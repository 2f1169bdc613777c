"""One supervised run in a folder: its plan, its checkpoints, how it goes on, what it leaves. Knows no kind of trainer.

A run writes its plan first, checkpoints while it trains, weights and tokenizer at its end, and metrics.json last of all.
"""

import gc
import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core.batching import accumulation_problem
from core.jobs import Reporter
from training.models import Loaded, device_of, load
from training.sharding import split, whole
from training.turns import NotTrainable

WEIGHTS = "model"
"""What was trained, a whole checkpoint: folder below the one that is handed in."""
ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.json"
PLAN = "plan.txt"
PROJECT = "subtext"
"""What trackers file a run under; its name there is what it makes and that of its folder."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, besides the base and the examples.

    `rank` > 0 trains a LoRA of that rank on every linear layer but the head, and 0 all weights. An update sees
    `batch` * `accumulate` examples, whatever the number of processes. `warmup` is a share of the updates; the rate then falls as
    a cosine to 0. `updates` > 0 ends earlier than `epochs` would. A checkpoint is written every `save_every` updates and kept
    until the run is over. `report_to` names trackers of transformers that get the logs too (`trackio`, `tensorboard`, `wandb`);
    their package has to be there.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    rate: float = 2e-5
    epochs: float = 3.0
    updates: int = 0
    batch: int = 1
    accumulate: int = 16
    warmup: float = 0.03
    max_length: int = 4096
    seed: int = 1
    save_every: int = 100
    log_every: int = 5
    device: str = "auto"
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `whole` False: it was told to stop and can go on from its checkpoint. `metrics` is metrics.json or its
    `log` so far."""

    whole: bool
    updates: int
    planned: int
    metrics: dict[str, Any] = field(default_factory=dict)


class Tell(TrainerCallback):
    """Hands what is logged to a reporter, and ends the run at the next update once the job is to stop."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def on_log(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Every finite number of a log as a metric."""
        for name, value in (logs or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                self._reporter.metric(state.global_step, name, float(value))

    def on_step_end(
        self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Progress; a run that is told to stop writes a checkpoint first. The last update is always logged."""
        done, planned = state.global_step, state.max_steps
        control.should_log |= done >= planned
        self._reporter.progress(done, planned, f"Update {done:,} of {planned:,}.")
        if agreed(self._reporter.cancelled()) and done < planned:
            control.should_save = control.should_training_stop = True
        return control


def agreed(wish: bool) -> bool:
    """True on every process alike where one of them wishes it."""
    state = PartialState()
    if state.num_processes == 1:
        return wish
    return bool(reduce(torch.tensor(float(wish), device=state.device)).item())


class Lesson(NamedTuple):
    """What a run learns on two sides, and how: `rows` makes the data of a side (None without any), `trainer` the trainer.

    `told` is what decides the weights besides base, recipe and examples.
    """

    name: str
    train: Sequence[Any]
    held_out: Sequence[Any]
    rows: Callable[[Loaded, Sequence[Any], int], Dataset | None]
    trainer: "Callable[[Setting], Any]"
    told: str = ""


class Setting(NamedTuple):
    """What a trainer is made of: the loaded base, the data of both sides, `arguments` of transformers, LoRA or None."""

    loaded: Loaded
    sides: tuple[Dataset | None, Dataset | None]
    arguments: dict[str, Any]
    lora: LoraConfig | None
    callbacks: list[TrainerCallback]


def run(base: Path, lesson: Lesson, folder: Path, recipe: Recipe, reporter: Reporter) -> Outcome:
    """Train and write model, tokenizer and metrics.json into `folder`; goes on from the newest checkpoint in it.

    float32 on a CPU, bfloat16 arithmetic on a GPU (weights too under a LoRA, else float32 ones). The loss on what is held out is
    logged after every epoch. Raises NotTrainable for examples that do not fit, NotLoadable for the base.
    """
    if not lesson.train:
        raise NotTrainable("There is no example to train on.")
    plan = _plan(folder, base, recipe, lesson)
    finished = finished_in(folder)
    if finished is not None:
        return finished
    loaded = load(base, recipe.device, kind=torch.float32 if recipe.rank == 0 else None)
    limit = min(recipe.max_length, loaded.context)
    sides = lesson.rows(loaded, lesson.train, limit), lesson.rows(loaded, lesson.held_out, limit)
    folder.mkdir(parents=True, exist_ok=True)
    keep_plan(folder, plan)
    loaded.tokenizer.padding_side = "right"
    options = arguments(recipe, folder, lesson.name, evaluated=sides[1] is not None)
    trainer = lesson.trainer(Setting(loaded, sides, options, lora_of(recipe), [Tell(reporter)]))
    go_on(trainer, folder)
    done, planned = trainer.state.global_step, trainer.state.max_steps
    if done < planned:
        outcome = Outcome(False, done, planned, {"log": trainer.state.log_history})
    else:
        sizes = {"train": len(lesson.train), "held_out": len(lesson.held_out)}
        outcome = Outcome(True, done, planned, written(trainer, folder, {"recipe": asdict(recipe), "examples": sizes}))
    del trainer, loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return outcome


def keep_plan(folder: Path, plan: str) -> None:
    """Write the plan whole: the other processes of a run read it at the same time."""
    beside = folder / f"{PLAN}.{os.getpid()}"
    beside.write_text(plan + "\n", "utf-8")
    beside.replace(folder / PLAN)


def go_on(trainer: Any, folder: Path) -> None:
    """Train from the newest checkpoint in the folder, or from the start."""
    found = newest(folder / CHECKPOINTS, trainer.accelerator.num_processes)
    if trainer.args.device.type == "cpu":
        # Under a launcher it is `cpu:0`, on which torch cannot put the optimizer of a checkpoint.
        vars(trainer.args)["_setup_devices"] = torch.device("cpu")
    trainer.train(resume_from_checkpoint=str(found) if found else None)


def lora_of(recipe: Any) -> LoraConfig | None:
    """The LoRA of a recipe with `rank`, `alpha` and `dropout`, on every linear layer but the head; None for rank 0."""
    if not recipe.rank:
        return None
    return LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip


def arguments(recipe: Recipe, folder: Path, name: str, evaluated: bool) -> dict[str, Any]:
    """The arguments of `transformers.TrainingArguments` that a recipe stands for."""
    cpu = device_of(recipe.device).type == "cpu"
    processes = PartialState(cpu=cpu).num_processes
    if problem := accumulation_problem(recipe.accumulate, processes):
        raise NotTrainable(problem)
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "use_cpu": cpu,
        "bf16": not cpu,
        "gradient_checkpointing": not cpu,
        "per_device_train_batch_size": recipe.batch,
        "per_device_eval_batch_size": recipe.batch,
        "gradient_accumulation_steps": recipe.accumulate // processes,
        "learning_rate": recipe.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": recipe.warmup,
        "num_train_epochs": recipe.epochs,
        "max_steps": recipe.updates or -1,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "logging_steps": recipe.log_every,
        "logging_first_step": True,
        "save_strategy": "steps",
        "save_steps": recipe.save_every,
        "save_total_limit": 2,
        "eval_strategy": "epoch" if evaluated else "no",
        "prediction_loss_only": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        "report_to": list(recipe.report_to) or "none",
        "project": PROJECT,
        "run_name": f"{name} {folder.resolve().name}",
        "disable_tqdm": True,
    }


def newest(folder: Path, processes: int = 1) -> Path | None:
    """The newest checkpoint that was written to its end: its state is the last file that the first process writes, and each of
    several `processes` has written where its random numbers stood."""
    found: dict[int, Path] = {}
    for one in folder.glob("checkpoint-*"):
        if processes > 1 and not all((one / f"rng_state_{rank}.pth").is_file() for rank in range(processes)):
            continue
        try:
            found[int(json.loads((one / "trainer_state.json").read_text("utf-8"))["global_step"])] = one
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found[max(found)] if found else None


def decides(recipe: Any) -> dict[str, Any]:
    """The recipe without what changes no weight."""
    return {name: value for name, value in asdict(recipe).items() if name != "report_to"}


def _plan(folder: Path, base: Path, recipe: Recipe, lesson: Lesson) -> str:
    """A checkpoint belongs to one plan: base, recipe, examples. Raises NotTrainable where the folder holds another."""
    parts: list[Any] = [
        str(base),
        decides(recipe),
        [*lesson.train, *lesson.held_out],
        *([lesson.told] if lesson.told else []),
    ]
    told = hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()
    file = folder / PLAN
    if file.is_file() and file.read_text("utf-8").strip() != told:
        raise NotTrainable(
            f"The folder {folder} holds a run with other examples, another base or other settings. Start a new job for this one."
        )
    return told


def written(trainer: Any, folder: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Write the adapter, the merged weights, the tokenizer and metrics.json (`told`, updates, log); returns what that holds.

    After a training on a GPU the weights are written as bfloat16, which is how they are loaded there and what a server takes;
    float32 ones would be served as float16. Of several processes only the first one writes, what all of them hold together.
    """
    metrics = told | {"updates": trainer.state.global_step, "log": trainer.state.log_history}
    model = whole(trainer) if split(trainer) else trainer.accelerator.unwrap_model(trainer.model)
    if trainer.accelerator.is_main_process:
        _write(trainer, model, folder, metrics)
    trainer.accelerator.wait_for_everyone()
    return metrics


def _write(trainer: Any, model: Any, folder: Path, metrics: dict[str, Any]) -> None:
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(folder / ADAPTER)
        model = model.merge_and_unload()
    if trainer.args.device.type != "cpu":
        model = model.to(torch.bfloat16)
    model.save_pretrained(folder / WEIGHTS)
    tokenizer: Any = trainer.processing_class
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder / WEIGHTS)
    beside = folder / f"{METRICS}.part"
    beside.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    beside.replace(folder / METRICS)


def finished_in(folder: Path) -> Outcome | None:
    """The outcome of a run that has ended; its metrics are written last, so with them everything is there."""
    file = folder / METRICS
    if not file.is_file():
        return None
    metrics = json.loads(file.read_text("utf-8"))
    return Outcome(True, metrics["updates"], metrics["updates"], metrics)
