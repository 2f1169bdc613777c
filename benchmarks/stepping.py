"""Seconds of an update of CDPATrainer beside TRL's GRPOTrainer on the same generations. `python -m benchmarks.stepping [ROUNDS]`

Both train all weights of the starter model with the sizes of the `starter` preset, the same prompts and the same seed, and with a
rate of 0: the weights stay, so both sample the same tokens at every update, which is checked. What scores costs nothing on either
side; ours still reads the steps, spreads their scores over the tokens and writes every update's rollouts down. An update is
counted from its beginning to the step of the optimizer, by the clock and by the processor; once whole and once without the
sampling, which is the same work in both. The two take turns, each first every other round; the first update of each is left out.

Then the share of the critic: the same updates with the starter model as critic in this process, every step of an update asked at
once. One thread of torch.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import disable_progress_bars
from transformers import PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl.trainer.grpo_trainer import GRPOTrainer

from app.actions.make_starter import starter_trees
from benchmarks.building import Quiet
from core.scoring import Case, Scored, Scoring, score_all
from training.cdpa import Credit, Score
from training.generate import LocalModel
from training.models import load
from training.policy import PolicyRecipe, Prompt, dataset, make_trainer, options
from training.runs import Tell
from training.starter import FOLDER

RECIPE = PolicyRecipe(updates=5, batch=10, rate=0.0, rank=0, max_new=320, save_every=1000, device="cpu")
CRITIC = Scoring(max_tokens=256)


class Update(NamedTuple):
    """Seconds of one update: by the clock, by the processor, and the part of each that went into sampling."""

    clock: float
    processor: float
    sampling: float
    sampling_processor: float

    def rest(self, by_clock: bool) -> float:
        """Seconds without the sampling."""
        return self.clock - self.sampling if by_clock else self.processor - self.sampling_processor


class Watch(TrainerCallback):
    """Takes the time of every update of a trainer, and keeps what was sampled."""

    def __init__(self, trainer: Any) -> None:
        self.updates: list[Update] = []
        self.sampled: list[list[list[int]]] = []
        self._began = self._sampling = (0.0, 0.0)
        plain = trainer._generate_single_turn

        def sampling(*arguments: Any, **given: Any) -> Any:
            began = _now()
            found = plain(*arguments, **given)
            self._sampling = _since(began)
            self.sampled.append(found[0])
            return found

        trainer._generate_single_turn = sampling
        trainer.add_callback(self)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """An update begins."""
        self._began = _now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """The optimizer has made its step."""
        self.updates.append(Update(*_since(self._began), *self._sampling))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    clock, processor = _now()
    return clock - began[0], processor - began[1]


def free(cases: Sequence[Case]) -> list[list[Scored]]:
    """Scores that cost nothing and differ from step to step."""
    return [[Scored((len(step) % 21) / 10 - 1, "A critique.", None, ()) for step in case.steps] for case in cases]


def ours(
    prompts: Sequence[Prompt], folder: Path, recipe: PolicyRecipe, score: Score = free, base: Path = FOLDER
) -> Watch:
    """CDPA with a score for every step."""
    trainer = make_trainer(load(base, recipe.device, kind=torch.float32), prompts, score, folder, recipe, Quiet())
    watch = Watch(trainer)
    trainer.train()
    return watch


def plain(prompts: Sequence[Prompt], folder: Path, recipe: PolicyRecipe, base: Path = FOLDER) -> Watch:
    """TRL by itself: two rewards of each response, as many as ours has."""
    loaded = load(base, recipe.device, kind=torch.float32)
    trainer = GRPOTrainer(
        model=loaded.model,
        reward_funcs=[
            lambda completion_ids, **_: [(len(ids) % 21) / 10 - 1 for ids in completion_ids],
            lambda completion_ids, **_: [float(len(ids) % 2) for ids in completion_ids],
        ],
        args=options(recipe, folder),
        train_dataset=dataset(prompts),
        processing_class=loaded.tokenizer,
        callbacks=[Tell(Quiet())],
    )
    watch = Watch(trainer)
    trainer.train()
    return watch


def compared(pairs: Sequence[tuple[Update, Update]], of: Callable[[Update], float]) -> str:
    """Ours over plain, update by update: median, middle half, and the number of pairs."""
    found = sorted(of(mine) / of(theirs) for mine, theirs in pairs)
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:.3f} (middle half {low:.3f} to {high:.3f}, {len(found)} pairs)"


def critic_share(prompts: Sequence[Prompt], folder: Path, recipe: PolicyRecipe) -> str:
    """What of an update goes into the critic, with the starter model as critic in this process."""
    waited: list[tuple[float, int]] = []
    with LocalModel(load(FOLDER, "cpu")) as model:

        def score(cases: Sequence[Case]) -> list[list[Scored]]:
            began = time.perf_counter()
            found = asyncio.run(score_all(model, cases, CRITIC))
            waited.append((time.perf_counter() - began, sum(len(case.steps) for case in cases)))
            return found

        updates = ours(prompts, folder, replace(recipe, credit=Credit(max_unscored=1.0)), score).updates
    whole = sum(update.clock for update in updates[1:])
    critic, steps = (sum(column) for column in zip(*waited[1:], strict=True))
    sampling = sum(update.sampling for update in updates[1:])
    return (
        f"with the starter critic in this process: {whole / len(updates[1:]):.1f} s an update, of which critic "
        f"{critic / whole:.0%} ({steps / len(updates[1:]):.0f} steps asked side by side), sampling {sampling / whole:.0%}, "
        f"the rest {1 - (critic + sampling) / whole:.0%}"
    )


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    disable_progress_bars()
    disable_progress_bar()
    torch.set_num_threads(1)
    PrinterCallback.on_log = lambda *_, **__: None  # type: ignore[method-assign]
    prompts = [Prompt(tree.scenario.preference, tree.scenario.query) for tree in starter_trees(["train"])]
    pairs: list[tuple[Update, Update]] = []
    with tempfile.TemporaryDirectory() as name:
        for turn in range(rounds):
            recipe = replace(RECIPE, seed=turn + 1)
            made: dict[str, Watch] = {}
            for way in ("plain", "ours") if turn % 2 else ("ours", "plain"):
                run = {"ours": ours, "plain": plain}[way]
                made[way] = run(prompts, Path(name) / f"{way}-{turn}", recipe)
            if made["ours"].sampled != made["plain"].sampled:
                raise SystemExit("The two did not sample the same tokens: the figures would compare different work.")
            pairs += list(zip(made["ours"].updates, made["plain"].updates, strict=True))[1:]
        share = critic_share(prompts, Path(name) / "critic", RECIPE)
    for place, way in enumerate(("CDPATrainer", "GRPOTrainer")):
        clocks = [pair[place].clock for pair in pairs]
        rest = statistics.median(pair[place].rest(True) for pair in pairs)
        print(f"{way}: median {statistics.median(clocks):.2f} s an update, {rest:.2f} s of it without the sampling")
    print(f"update, CDPA over GRPO, clock: {compared(pairs, lambda one: one.clock)}")
    print(f"update, processor: {compared(pairs, lambda one: one.processor)}")
    print(f"without the sampling, clock: {compared(pairs, lambda one: one.rest(True))}")
    print(f"without the sampling, processor: {compared(pairs, lambda one: one.rest(False))}")
    print(share)


if __name__ == "__main__":
    main()
