"""Train a critic: supervised fine-tuning on critique and score, with the loss of both parts told apart.

Knows TRL's SFTTrainer and a checkpoint folder; is handed its examples and writes one folder. Eq. 2 of the CDRA paper: over the N
trained tokens, N L = N_c L_c + N_s L_s, with N_c tokens of critiques and N_s of scores.
"""

import gc
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer
from trl.trainer.utils import pad

from core.critic_data import Example
from core.jobs import Reporter
from training.critic_rows import NotTrainable, check, encode
from training.models import Loaded, device_of, load

WEIGHTS = "model"
"""The trained critic, a whole checkpoint: folder below the one that is handed in."""
ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.json"
PLAN = "plan.txt"
PROJECT = "subtext"
"""What trackers file a run under; its name there is `critic` and that of its folder."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, besides the base and the examples.

    `rank` > 0 trains a LoRA of that rank on every linear layer but the head, and 0 all weights. An update sees
    `batch` * `accumulate` examples. `warmup` is a share of the updates; the rate then falls as a cosine to 0. `updates` > 0 ends
    earlier than `epochs` would. A checkpoint is written every `save_every` updates and kept until the run is over. `report_to`
    names trackers of transformers that get the logs too (`trackio`, `tensorboard`, `wandb`); their package has to be there.
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


@dataclass
class Collator(DataCollatorForLanguageModeling):
    """TRL's collator, with the score mask (B, T) beside: 1 for tokens of the score, 0 for all others and for padding."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of `input_ids`, `labels`, `attention_mask` and `score_mask`, all (B, T)."""
        batch = super().torch_call(examples)
        masks = [torch.tensor(example["score_mask"]) for example in examples]
        return batch | {"score_mask": pad(masks, padding_value=0, padding_side="right")}


class CriticTrainer(SFTTrainer):
    """SFTTrainer that logs `loss_critique`, `loss_score` and `loss_output`, their mean weighted by tokens, from the same forward.

    The log probabilities are read off the outputs by a hook. A logged value covers every token since the last log; `loss` and
    `eval_loss` of the library are means of batches, so they agree with `loss_output` only where a log covers one update.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sums: dict[str, torch.Tensor] = {}
        self._outputs: Any = None
        self.model.register_forward_hook(self._keep)

    def _keep(self, _module: Any, _arguments: Any, outputs: Any) -> None:
        self._outputs = outputs

    def compute_loss(self, model: Any, inputs: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        """The loss of SFTTrainer, untouched; the sums of its two parts are kept for the next log."""
        mask = inputs.pop("score_mask")[:, 1:].bool()
        found = super().compute_loss(model, inputs, *arguments, **options)
        with torch.no_grad():
            outputs, self._outputs = self._outputs, None
            added = parts(outputs.log_probs.detach(), outputs.label_mask, mask)
        mode = "train" if self.model.training else "eval"
        self._sums[mode] = self._sums[mode] + added if mode in self._sums else added
        return found

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the parts of the loss to what is logged."""
        mode = "train" if self.model.training else "eval"
        sums = self._sums.pop(mode, None)
        if sums is not None and ("loss" in logs or "eval_loss" in logs):
            # Every process logs at the same updates, so the sums meet here, once for a log and not once for a batch.
            critique, critiques, score, scores = self.accelerator.gather(sums[None]).sum(0).tolist()
            own = {
                "loss_critique": critique / critiques if critiques else math.nan,
                "loss_score": score / scores if scores else math.nan,
                "loss_output": (critique + score) / max(1.0, critiques + scores),
                "critique_tokens": critiques,
                "score_tokens": scores,
            }
            logs |= own if mode == "train" else {f"eval_{name}": value for name, value in own.items()}
        elif sums is not None:
            self._sums[mode] = sums
        super().log(logs, start_time)


def parts(log_probs: torch.Tensor, trained: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """(N_c L_c, N_c, N_s L_s, N_s) as float64 (4,), from log probabilities, trained and score masks, all (B, T - 1).

    The four add up to the whole: N L = N_c L_c + N_s L_s with N = N_c + N_s (CDRA paper, Eq. 2).
    """
    lost = -log_probs.double()
    sides = (trained & ~score, trained & score)
    return torch.stack([value for side in sides for value in ((lost * side).sum(), side.sum().double())])


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
        if self._reporter.cancelled() and done < planned:
            control.should_save = control.should_training_stop = True
        return control


def train_critic(
    base: Path, train: Sequence[Example], held_out: Sequence[Example], folder: Path, recipe: Recipe, reporter: Reporter
) -> Outcome:
    """Train on `train` and write model, tokenizer and metrics.json into `folder`; goes on from the newest checkpoint in it.

    float32 on a CPU, bfloat16 arithmetic on a GPU (weights too under a LoRA, else float32 ones). The loss on `held_out` is logged
    after every epoch. Raises NotTrainable for examples that lose their score at `max_length`, NotLoadable for the base.
    """
    if not train:
        raise NotTrainable("There is no example to train on.")
    plan = _plan(folder, base, recipe, [*train, *held_out])
    finished = _finished(folder)
    if finished is not None:
        return finished
    whole = recipe.rank == 0
    loaded = load(base, recipe.device, kind=torch.float32 if whole else None)
    limit = min(recipe.max_length, loaded.context)
    sides = [_dataset(loaded, side, limit) for side in (train, held_out)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLAN).write_text(plan + "\n", "utf-8")
    trainer = _trainer(loaded, sides, folder, recipe, reporter)
    found = newest(folder / CHECKPOINTS)
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    done, planned = trainer.state.global_step, trainer.state.max_steps
    if done < planned:
        outcome = Outcome(False, done, planned, {"log": trainer.state.log_history})
    else:
        outcome = Outcome(True, done, planned, _written(trainer, folder, recipe, (len(train), len(held_out))))
    del trainer, loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return outcome


def _dataset(loaded: Loaded, found: Sequence[Example], limit: int) -> Dataset | None:
    """Tokenised examples with labels: -100 outside the reply. None without any."""
    rows = [encode(loaded.tokenizer, example) for example in found]
    check(rows, found, limit)
    if not rows:
        return None
    return Dataset.from_dict(
        {
            "input_ids": [row.ids for row in rows],
            "labels": [[-100] * row.start + row.ids[row.start :] for row in rows],
            "score_mask": [[int(one) for one in row.score] for row in rows],
        }
    )


def _trainer(
    loaded: Loaded, sides: Sequence[Dataset | None], folder: Path, recipe: Recipe, reporter: Reporter
) -> CriticTrainer:
    cpu = device_of(recipe.device).type == "cpu"
    loaded.tokenizer.padding_side = "right"
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules="all-linear",
        task_type="CAUSAL_LM",
    ) if recipe.rank else None  # fmt: skip
    options = SFTConfig(
        output_dir=str(folder / CHECKPOINTS),
        use_cpu=cpu,
        bf16=not cpu,
        gradient_checkpointing=not cpu,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.updates or -1,
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=recipe.log_every,
        logging_first_step=True,
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=2,
        eval_strategy="epoch" if sides[1] is not None else "no",
        prediction_loss_only=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        completion_only_loss=True,
        remove_unused_columns=False,
        dataloader_pin_memory=not cpu,
        report_to=list(recipe.report_to) or "none",
        project=PROJECT,
        run_name=f"critic {folder.resolve().name}",
        disable_tqdm=True,
    )
    return CriticTrainer(
        model=loaded.model,
        args=options,
        data_collator=Collator(pad_token_id=loaded.tokenizer.pad_token_id or 0),
        train_dataset=sides[0],
        eval_dataset=sides[1],
        processing_class=loaded.tokenizer,
        peft_config=lora,
        callbacks=[Tell(reporter)],
    )


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; its state is the last file that is written."""
    found: dict[int, Path] = {}
    for one in folder.glob("checkpoint-*"):
        try:
            found[int(json.loads((one / "trainer_state.json").read_text("utf-8"))["global_step"])] = one
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found[max(found)] if found else None


def _decides(recipe: Recipe) -> dict[str, Any]:
    """The recipe without what changes no weight."""
    return {name: value for name, value in asdict(recipe).items() if name != "report_to"}


def _plan(folder: Path, base: Path, recipe: Recipe, found: Sequence[Example]) -> str:
    """A checkpoint belongs to one plan: base, recipe, examples. Raises NotTrainable where the folder holds another."""
    told = hashlib.sha256(repr([str(base), _decides(recipe), list(found)]).encode("utf-8", "replace")).hexdigest()
    file = folder / PLAN
    if file.is_file() and file.read_text("utf-8").strip() != told:
        raise NotTrainable(
            f"The folder {folder} holds a run with other examples, another base or other settings. Start a new job for this one."
        )
    return told


def _written(trainer: CriticTrainer, folder: Path, recipe: Recipe, sizes: tuple[int, int]) -> dict[str, Any]:
    """Write the adapter, the merged weights, the tokenizer and metrics.json; returns what the last one holds.

    After a training on a GPU the weights are written as bfloat16, which is how they are loaded there and what a server takes;
    float32 ones would be served as float16.
    """
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if recipe.rank:
        model.save_pretrained(folder / ADAPTER)
        model = model.merge_and_unload()
    if model.device.type != "cpu":
        model = model.to(torch.bfloat16)
    model.save_pretrained(folder / WEIGHTS)
    tokenizer: Any = trainer.processing_class
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder / WEIGHTS)
    metrics = {
        "recipe": asdict(recipe),
        "examples": {"train": sizes[0], "held_out": sizes[1]},
        "updates": trainer.state.global_step,
        "log": trainer.state.log_history,
    }
    beside = folder / f"{METRICS}.part"
    beside.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    beside.replace(folder / METRICS)
    return metrics


def _finished(folder: Path) -> Outcome | None:
    """The outcome of a run that has ended; its metrics are written last, so with them everything is there."""
    file = folder / METRICS
    if not file.is_file():
        return None
    metrics = json.loads(file.read_text("utf-8"))
    return Outcome(True, metrics["updates"], metrics["updates"], metrics)
