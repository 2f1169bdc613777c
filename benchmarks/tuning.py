"""Tokens a second of a critic's training beside a bare TRL SFTTrainer on the same rows and model. `python -m benchmarks.tuning`

The bare script is what one would write first: TRL tokenises prompt and completion, nothing else is asked for. Both train all
weights of the starter model on the `train` split of the starter set with the same batches, rate and logging, in turn, each first
every other round. Counted is `train()`, by the clock and by the processor; the whole call, with loading and writing, stands
beside. One thread: then the processor's seconds hold also beside other work, which the clock's do not. A number after the name is
the number of rounds.
"""

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, Trainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from app.actions.make_starter import starter_trees
from benchmarks.building import Quiet
from core.critic_data import Example, examples
from training.critic import Recipe, train_critic
from training.starter import FOLDER

EXAMPLES = 80
"""Few, so that the two of a pair meet the same machine."""
RECIPE = Recipe(rank=0, rate=1e-4, epochs=1, batch=1, accumulate=8, max_length=2048, device="cpu", log_every=5)


class Speed(NamedTuple):
    """One run: tokens read by the model, seconds of `train()`, seconds of the processor in it, seconds of the whole call."""

    tokens: float
    training: float
    processor: float
    whole: float


@contextmanager
def watched(taken: list[tuple[float, float]]) -> Iterator[None]:
    """Within the block every `train()` of a trainer leaves its seconds, of the clock and of the processor."""
    plain = Trainer.train

    def train(self: Trainer, *arguments: Any, **options: Any) -> Any:
        clock, processor = time.perf_counter(), time.process_time()
        found = plain(self, *arguments, **options)
        taken.append((time.perf_counter() - clock, time.process_time() - processor))
        return found

    Trainer.train = train  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer.train = plain  # type: ignore[method-assign]


def measure(make: Callable[[], list[dict[str, float]]]) -> Speed:
    """Run one way, which returns its trainer's log."""
    gc.collect()
    taken: list[tuple[float, float]] = []
    began = time.perf_counter()
    with watched(taken):
        log = make()
    tokens = max(row["num_tokens"] for row in log if "num_tokens" in row)
    return Speed(tokens, *taken[0], time.perf_counter() - began)


def bare(found: list[Example], folder: Path, recipe: Recipe) -> list[dict[str, float]]:
    """TRL by itself."""
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
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return trainer.state.log_history


def ours(found: list[Example], folder: Path, recipe: Recipe) -> list[dict[str, float]]:
    """A critic's training."""
    return train_critic(FOLDER, found, [], folder, recipe, Quiet()).metrics["log"]


def ratios(runs: dict[str, list[Speed]], rate: Callable[[Speed], float]) -> str:
    """Ours over the bare script's by pairs of neighbours: median and range."""
    found = [rate(mine) / rate(plain) for plain, mine in zip(runs["bare"], runs["ours"], strict=True)]
    return f"{statistics.median(found):.3f} (from {min(found):.3f} to {max(found):.3f})"


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    disable_progress_bars()
    torch.set_num_threads(1)
    PrinterCallback.on_log = lambda *_, **__: None  # type: ignore[method-assign]
    found = list(examples(starter_trees(["train"])))[:EXAMPLES]
    ways = {"bare": bare, "ours": ours}
    runs: dict[str, list[Speed]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        for way, make in ways.items():
            make(found, Path(name) / f"warm-{way}", replace(RECIPE, updates=2))
        for turn in range(rounds):
            for way in list(ways)[:: 1 if turn % 2 == 0 else -1]:
                runs[way].append(measure(partial(ways[way], found, Path(name) / f"{way}-{turn}", RECIPE)))
    for way, made in runs.items():
        rates = sorted(one.tokens / one.training for one in made)
        whole = statistics.median(one.whole for one in made)
        print(
            f"{way}: {statistics.median(rates):.0f} tokens/s (from {rates[0]:.0f} to {rates[-1]:.0f} in {rounds} rounds, "
            f"{made[0].tokens:.0f} tokens each), {whole:.1f} s with loading and writing"
        )
    print(f"tokens/s, ours over bare, median of pairs: {ratios(runs, lambda one: one.tokens / one.training)}")
    best = {way: max(one.tokens / one.training for one in made) for way, made in runs.items()}
    print(f"best round against best round: {best['ours'] / best['bare']:.3f}")
    print(f"tokens a second of processor time: {ratios(runs, lambda one: one.tokens / one.processor)}")


if __name__ == "__main__":
    main()
