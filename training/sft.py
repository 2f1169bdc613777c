"""Train a policy on given responses: plain supervised fine-tuning, the loss on the reply only. RFT and the baseline SFT (SPEC 4).

Knows TRL's SFTTrainer; `training.runs` knows the folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from core.jobs import Reporter
from core.policy_data import Example
from training.models import Loaded
from training.runs import Lesson, Outcome, Recipe, Setting, run
from training.sharding import settled
from training.turns import NotTrainable, turn

__all__ = ["Recipe", "config", "train_sft"]


def train_sft(
    base: Path, train: Sequence[Example], held_out: Sequence[Example], folder: Path, recipe: Recipe, reporter: Reporter
) -> Outcome:
    """A policy that learned the responses of `train` (see `training.runs.run`).

    Raises NotTrainable for examples longer than `max_length` tokens: a cut response would teach to stop in mid-sentence.
    """
    return run(base, Lesson("sft", train, held_out, _rows, trainer_of), folder, recipe, reporter)


def config(setting: Setting) -> SFTConfig:
    """TRL's configuration for rows that are tokenised already."""
    options: dict[str, Any] = setting.arguments | {
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "completion_only_loss": True,
    }
    return SFTConfig(**options)


def check_lengths(lengths: Sequence[int], scenarios: Sequence[int], limit: int) -> None:
    """Raise NotTrainable unless every example fits; `scenarios` says where each comes from."""
    long = [place for place, length in enumerate(lengths) if length > limit]
    if long:
        raise NotTrainable(
            f"{len(long):,} of {len(lengths):,} examples have more than {limit:,} tokens, the first at scenario "
            f"{scenarios[long[0]]}. The longest has {max(lengths):,}: raise max_length if the model can read that much, or leave "
            "these trees out."
        )


def _rows(loaded: Loaded, found: Sequence[Example], limit: int) -> Dataset | None:
    """Tokenised examples with labels: -100 outside the reply. None without any."""
    turns = [turn(loaded.tokenizer, example.prompt, example.completion) for example in found]
    check_lengths([len(one.ids) for one in turns], [example.scenario for example in found], limit)
    if not turns:
        return None
    return Dataset.from_dict(
        {
            "input_ids": [one.ids for one in turns],
            "labels": [[-100] * one.start + one.ids[one.start :] for one in turns],
        }
    )


def trainer_of(
    setting: Setting,
    kind: type[SFTTrainer] = SFTTrainer,
    collator: type[DataCollatorForLanguageModeling] = DataCollatorForLanguageModeling,
) -> SFTTrainer:
    """A trainer for rows that are tokenised already."""
    return kind(
        model=setting.loaded.model,
        args=settled(config(setting)),
        data_collator=collator(pad_token_id=setting.loaded.tokenizer.pad_token_id or 0),
        train_dataset=setting.sides[0],
        eval_dataset=setting.sides[1],
        processing_class=setting.loaded.tokenizer,
        peft_config=setting.lora,
        callbacks=setting.callbacks,
    )
