"""Train a critic: supervised fine-tuning on critique and score, with the loss of both parts told apart.

Knows TRL's SFTTrainer; `training.runs` knows the folder. Eq. 2 of the CDRA paper: over the N trained tokens,
N L = N_c L_c + N_s L_s, with N_c tokens of critiques and N_s of scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer
from trl.trainer.utils import pad

from core.critic_data import Example
from core.jobs import Reporter
from training.critic_rows import check, encode
from training.models import Loaded
from training.runs import ADAPTER, CHECKPOINTS, METRICS, WEIGHTS, Lesson, Outcome, Recipe, Setting, newest, run
from training.sft import config
from training.sharding import settled

__all__ = [
    "ADAPTER", "CHECKPOINTS", "METRICS", "WEIGHTS", "Collator", "CriticTrainer", "Outcome", "Recipe", "newest", "parts",
    "train_critic",
]  # fmt: skip


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


def train_critic(
    base: Path, train: Sequence[Example], held_out: Sequence[Example], folder: Path, recipe: Recipe, reporter: Reporter
) -> Outcome:
    """A critic trained on `train` (see `training.runs.run`); its loss on `held_out` is logged after every epoch.

    Raises NotTrainable for examples that lose their score at `max_length`, NotLoadable for the base.
    """
    return run(base, Lesson("critic", train, held_out, _rows, _trainer), folder, recipe, reporter)


def _rows(loaded: Loaded, found: Sequence[Example], limit: int) -> Dataset | None:
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


def _trainer(setting: Setting) -> CriticTrainer:
    return CriticTrainer(
        model=setting.loaded.model,
        args=settled(config(setting)),
        data_collator=Collator(pad_token_id=setting.loaded.tokenizer.pad_token_id or 0),
        train_dataset=setting.sides[0],
        eval_dataset=setting.sides[1],
        processing_class=setting.loaded.tokenizer,
        peft_config=setting.lora,
        callbacks=setting.callbacks,
    )
