"""What reinforcement brings where the best answer is known: base, RFT, CDPA, GRPO, and how CDPA collapses.
`python -m benchmarks.rl [SEEDS]`

The critic is a rule, so nothing of the outcome is a critic's taste: a step is the better the more words of the preference it
quotes, and better by half of the scale when it says what the person fears or would dislike; the last step, which is the answer,
when it says what it assumes. The best step scores 1. The policy is the starter model; RFT is the preset's, on the best paths of
the starter set's `train` split. CDPA and GRPO start there with the same prompts, rule, seeds and number of updates; GRPO has the
mean of a response's step scores as its one reward and keeps the format term, so the two differ in where the credit goes and in
nothing else. Rule and rate were chosen with a look at CDPA on seed 1, the rule after a first one had collapsed (it is the
collapse below); GRPO has them too, and seeds 2 and 3 were not looked at before. Held-out prompts are made of the eight
scenarios that the starter model never saw.

The collapse: with the same rule, but the answer judged like any other step, ending a response does not pay. What does not end
has no step and no score, so by Eq. 3 alone the policy learns not to end. The format term counts it as badly formed, which
speaks for ending. Trained with and without that term, with the first seed.

A response that does not end, or has no marker, has no step: its score is not defined and is left out of the mean, so the share of
well-numbered responses and their steps stand beside every score.
"""

import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import disable_progress_bars
from transformers import PrinterCallback, set_seed
from transformers.utils.logging import disable_progress_bar

from app.actions.make_starter import starter_trees
from benchmarks.building import Quiet
from core.alarms import Series, alarms
from core.policy_data import examples
from core.prompts.policy import policy
from core.scoring import Case, Scored
from training.cdpa import Credit, Score, StepRewards
from training.models import load
from training.policy import PolicyRecipe, Prompt, train_policy
from training.runs import Recipe
from training.sft import train_sft
from training.starter import FOLDER

RFT = Recipe(rank=0, rate=3e-4, epochs=2.0, accumulate=8, max_length=2048, device="cpu")
RECIPE = PolicyRecipe(
    group=5, prompts=3, batch=15, updates=18, rate=2e-4, rank=0, max_new=288, save_every=1000, device="cpu"
)
CREDITS: Mapping[str, Credit] = {
    "CDPA": Credit(keep_every=0),
    "GRPO": Credit(keep_every=0, tokens=False),
    "CDPA, no format term": Credit(keep_every=0, format_weight=0.0),
}
COLLAPSING = ("CDPA", "CDPA, no format term")
COLLAPSE = 25
"""Updates in which it can be seen."""
BEST = 1.0
WORDS = 4
"""Words of the preference, one after the other, that make a full quotation."""
FEELINGS = ("fear", "dislike")
"""A step that is not the last has to say one of these."""
ASSUMED = ("assumed", "wrong")
"""The last step, which is the answer, has to say one of these: what was assumed, or what to do if it is wrong."""
_QUOTED = re.compile(r"«([^«»]{1,200})»")
_WORD = re.compile(r"[\w'’-]+")
CURVES = (
    "step_score",
    "rewards/format/mean",
    "steps",
    "entropy",
    "kl",
    "zero_grpo",
    "zero_cdpa",
    "completions/clipped_ratio",
)


def rule(preference: str, step: str, last: bool) -> float:
    """The score of a step in [-1, 1]: -1 without a quotation, plus its part of WORDS, plus 1 for a word that is asked for."""
    source = f" {' '.join(_WORD.findall(preference.casefold()))} "
    found = [_WORD.findall(quoted.casefold()) for quoted in _QUOTED.findall(step)]
    length = max((len(words) for words in found if words and f" {' '.join(words)} " in source), default=0)
    said = any(word in _WORD.findall(step.casefold()) for word in (ASSUMED if last else FEELINGS))
    return -BEST + min(length, WORDS) / WORDS + said


def score(cases: Sequence[Case], answer: bool = True) -> list[list[Scored]]:
    """The rule as a critic; with `answer` the last step of a response is judged as its answer."""
    return [
        [
            Scored(rule(case.preference, step, answer and place == len(case.steps)), "By the rule.", None, ())
            for place, step in enumerate(case.steps, 1)
        ]
        for case in cases
    ]


def prompts(splits: Sequence[str], shifts: int) -> list[Prompt]:
    """Every preference of the splits with its own query and with those of the next scenarios: `shifts` prompts for each."""
    found = [tree.scenario for tree in starter_trees(splits)]
    return [
        Prompt(one.preference, found[(place + shift) % len(found)].query)
        for shift in range(shifts)
        for place, one in enumerate(found)
    ]


class Measured(NamedTuple):
    """Held-out responses of one policy: mean step score (None without any step), share well numbered, steps a response."""

    score: float | None
    form: float
    steps: float


class Row(NamedTuple):
    """One line of the table."""

    seed: int
    policy: str
    greedy: Measured
    sampled: Measured


def measure(checkpoint: Path, asked: Sequence[Prompt], sampled: bool) -> Measured:
    """Answer every prompt once, read as in training."""
    loaded = load(checkpoint, "cpu", kind=torch.float32)
    tokenizer = loaded.tokenizer
    texts = [
        tokenizer.apply_chat_template(
            [message._asdict() for message in policy(*one)], tokenize=False, add_generation_prompt=True
        )
        for one in asked
    ]
    encoded = tokenizer(texts, add_special_tokens=False, return_tensors="pt", padding=True, padding_side="left")
    how: dict[str, Any] = (
        {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} if sampled else {"do_sample": False}
    )
    with torch.no_grad():
        made = loaded.model.generate(**encoded, max_new_tokens=RECIPE.max_new, **how)  # type: ignore[operator]
    ids = [_ended(row, loaded.ends) for row in made[:, encoded["input_ids"].shape[1] :].tolist()]
    rewards = StepRewards(tokenizer, score, loaded.ends)
    means = rewards.steps(list(texts), ids, [one.preference for one in asked], [one.query for one in asked])
    known = [mean for mean in means if mean is not None]
    return Measured(
        statistics.fmean(known) if known else None,
        statistics.fmean(one.format for one in rewards.batch),
        statistics.fmean(len(one.spans) for one in rewards.batch),
    )


def _ended(ids: list[int], ends: frozenset[int]) -> list[int]:
    stop = next((place for place, token in enumerate(ids) if token in ends), len(ids) - 1)
    return ids[: stop + 1]


def row(seed: int, name: str, checkpoint: Path, asked: Sequence[Prompt]) -> Row:
    """A line of the table; the same draws for every policy of a seed."""
    set_seed(seed)
    return Row(seed, name, measure(checkpoint, asked, False), measure(checkpoint, list(asked) * 2, True))


def curves_of(folder: Path) -> dict[str, Series]:
    """What a run logged at every update, by name."""
    log = json.loads((folder / "metrics.json").read_text("utf-8"))["log"]
    return {name: [(entry["step"], entry[name]) for entry in log if name in entry] for name in CURVES}


def train(start: Path, name: str, folder: Path, recipe: PolicyRecipe, critic: Score = score) -> Path:
    """One run from RFT; the folder."""
    own = replace(recipe, credit=CREDITS[name])
    train_policy(start / "model", prompts(["train"], 6), critic, folder, own, Quiet())
    return folder


def rft(seed: int, folder: Path) -> Path:
    """Train on the best paths; the folder."""
    found = [one for one in examples(starter_trees(["train"]), "path") if one.split == "train"]
    train_sft(FOLDER, found, [], folder, replace(RFT, seed=seed), Quiet())
    return folder


def table(rows: Sequence[Row]) -> str:
    """The lines, then means over the seeds where a number is defined for all of them."""
    head = f"{'':28}{'greedy':>8}{'to best':>9}{'form':>6}{'steps':>7}{'':4}{'sampled':>8}{'to best':>9}{'form':>6}{'steps':>7}"
    lines = [head, *(_line(f"{one.seed or 'all'}  {one.policy}", one.greedy, one.sampled) for one in rows)]
    for name in dict.fromkeys(one.policy for one in rows):
        own = [one for one in rows if one.policy == name]
        if len(own) > 1:
            lines.append(
                _line(f"mean  {name}", _mean([one.greedy for one in own]), _mean([one.sampled for one in own]))
            )
    return "\n".join(lines)


def _mean(found: Sequence[Measured]) -> Measured:
    scores = [one.score for one in found if one.score is not None]
    return Measured(
        statistics.fmean(scores) if len(scores) == len(found) else None,
        statistics.fmean(one.form for one in found),
        statistics.fmean(one.steps for one in found),
    )


def _line(name: str, *sides: Measured) -> str:
    told = [
        f"{_shown(one.score):>8}{_shown(None if one.score is None else BEST - one.score):>9}{one.form:6.0%}{one.steps:7.1f}"
        for one in sides
    ]
    return f"{name:28}" + "    ".join(told)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def told(curves: Mapping[str, Series]) -> list[str]:
    """A run in training, in words: signal, form and steps along its way, and the alarms."""
    lines = [
        f"  groups without a gradient, mean of all updates: {_average(curves['zero_grpo']):.1%} by the mean step score (GRPO), "
        f"{_average(curves['zero_cdpa']):.1%} by step scores (CDPA)"
    ]
    for metric in ("step_score", "rewards/format/mean", "steps", "completions/clipped_ratio", "entropy", "kl"):
        values = curves[metric]
        points = [f"{_average(values[at : at + 5]):.2f}" for at in range(0, len(values), 5)]
        lines.append(f"  {metric}, means of five updates: {' '.join(points)}")
    first = first_alarms(curves)
    return lines + ([f"  alarm after update {seen}: {text}" for seen, text in first] or ["  no alarm"])


def first_alarms(curves: Mapping[str, Series]) -> list[tuple[int, str]]:
    """The update after which each alarm is raised for the first time, by somebody who looks after every update, and its words."""
    found: dict[str, tuple[int, str]] = {}
    for seen in range(1, max((values[-1][0] for values in curves.values() if values), default=0) + 1):
        so_far = {name: [point for point in values if point[0] <= seen] for name, values in curves.items()}
        for alarm in alarms(so_far):
            found.setdefault(alarm.name, (seen, alarm.sentence))
    return list(found.values())


def _average(points: Series) -> float:
    known = [value for _, value in points if value is not None and math.isfinite(value)]
    return statistics.fmean(known) if known else math.nan


def main() -> None:
    """Print runs as they end, then the table."""
    disable_progress_bars()
    disable_progress_bar()
    torch.set_num_threads(1)
    PrinterCallback.on_log = lambda *_, **__: None  # type: ignore[method-assign]
    seeds = [int(seed) for seed in sys.argv[1:]] or [1, 2, 3]
    asked = prompts(["validation", "test"], 3)
    rows = [row(0, "base", FOLDER, asked)]
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            folder = Path(name) / str(seed)
            start = rft(seed, folder / "RFT")
            rows.append(row(seed, "RFT", start / "model", asked))
            for way in CREDITS:
                began = time.perf_counter()
                made = train(start, way, folder / way, replace(RECIPE, seed=seed))
                print(
                    f"seed {seed}, {way}: {time.perf_counter() - began:.0f} s",
                    *told(curves_of(made)),
                    sep="\n",
                    flush=True,
                )
                rows.append(row(seed, way, made / "model", asked))
        print(table(rows), flush=True)
        start = Path(name) / str(seeds[0]) / "RFT"
        for way in COLLAPSING:
            recipe = replace(RECIPE, seed=seeds[0], updates=COLLAPSE)
            made = train(start, way, Path(name) / f"collapse-{way}", recipe, partial(score, answer=False))
            print(f"the answer judged like any step, {way}:", *told(curves_of(made)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
