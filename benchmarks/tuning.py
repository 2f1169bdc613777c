"""Tokens a second of a critic's training beside a bare TRL SFTTrainer on the same rows and model. `python -m benchmarks.tuning`

The bare script is what one would write first: TRL tokenises prompt and completion, nothing else is asked for. Both train all
weights of the starter model on the `train` split of the starter set with the same batches, rate and logging, in turn, each first
every other round. Counted is the time of `train()`; the whole call, with loading and writing, stands beside. A number after the
name is the number of rounds.
"""

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from app.actions.make_starter import starter_trees
from benchmarks.building import Quiet
from core.critic_data import Example, examples
from training.critic import Recipe, train_critic
from training.starter import FOLDER

RECIPE = Recipe(rank=0, rate=1e-4, epochs=1, batch=1, accumulate=8, max_length=2048, device="cpu", log_every=5)
WAYS = ("bare", "ours")


class Speed(NamedTuple):
    """One run: tokens read by the model, seconds of `train()`, seconds of the whole call."""

    tokens: float
    training: float
    whole: float


def speed(log: list[dict[str, float]], began: float) -> Speed:
    """What a trainer's log says of a run that has just ended."""
    tokens = max(row["num_tokens"] for row in log if "num_tokens" in row)
    return Speed(
        tokens, next(row["train_runtime"] for row in log if "train_runtime" in row), time.perf_counter() - began
    )


def bare(found: list[Example], folder: Path, recipe: Recipe) -> Speed:
    """TRL by itself."""
    began = time.perf_counter()
    rows = [
        {
            "prompt": [message._asdict() for message in one.prompt],
            "completion": [{"role": "assistant", "content": one.completion}],
        }
        for one in found
    ]
    options = SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.rate,
        lr_scheduler_type="cosine",
        num_train_epochs=recipe.epochs,
        max_steps=recipe.updates or -1,
        logging_steps=recipe.log_every,
        max_length=recipe.max_length,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32),
        args=options,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(FOLDER),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return speed(trainer.state.log_history, began)


def ours(found: list[Example], folder: Path, recipe: Recipe) -> Speed:
    """A critic's training."""
    began = time.perf_counter()
    outcome = train_critic(FOLDER, found, [], folder, recipe, Quiet())
    return speed(outcome.metrics["log"], began)


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = list(examples(starter_trees(["train"])))
    runs: dict[str, list[Speed]] = {way: [] for way in WAYS}
    makers: dict[str, Callable[[list[Example], Path, Recipe], Speed]] = {"bare": bare, "ours": ours}
    with tempfile.TemporaryDirectory() as name:
        for way in WAYS:
            makers[way](found, Path(name) / f"warm-{way}", replace(RECIPE, updates=2))
        for turn in range(rounds):
            for way in WAYS if turn % 2 == 0 else WAYS[::-1]:
                gc.collect()
                runs[way].append(makers[way](found, Path(name) / f"{way}-{turn}", RECIPE))
    for way, made in runs.items():
        rates = sorted(one.tokens / one.training for one in made)
        whole = statistics.median(one.whole for one in made)
        print(
            f"{way}: {statistics.median(rates):.0f} tokens/s (from {rates[0]:.0f} to {rates[-1]:.0f} in {rounds} rounds, "
            f"{made[0].tokens:.0f} tokens each), {whole:.1f} s with loading and writing"
        )
    pairs = [
        mine.tokens / mine.training / (plain.tokens / plain.training)
        for plain, mine in zip(*runs.values(), strict=True)
    ]
    print(
        f"ours has {statistics.median(pairs):.3f} of the bare script's tokens/s (median of pairs; "
        f"from {min(pairs):.3f} to {max(pairs):.3f})"
    )


if __name__ == "__main__":
    main()
