"""Train a critic as a background job: lint, split, train, then score the held-out steps with the base and with what was trained.

Goes on where it was: training from its newest checkpoint, scoring from the cache of replies. torch is imported late, in the
function that trains.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from random import Random
from typing import Any

from app.actions.bases import base_at
from app.actions.models import named_in_report
from app.actions.people_labels import labelled, sentence
from app.actions.register_critic import registered
from app.actions.together import train_together
from app.context import Context
from app.engines.accounting import Tally
from app.engines.cache import CachedModel
from app.engines.endpoint import Local
from app.engines.roles import checkpoint_digest, open_engine, source
from app.errors import Refused
from app.order import Order
from core.critic_data import Example, Lint, Parts, counts, examples, lint, refusal, split
from core.critic_report import Judged, as_json, points, report
from core.critic_scoring import score_steps
from core.jobs import Reporter, plain
from core.specs import UNTRAINED, CriticSpec
from db import scenarios, sets
from db.scenarios import Kept

LINT, REPORT = "lint.json", "report.json"
_KEPT = 1000
"""Findings that lint.json spells out."""


def train_critic(context: Context, spec: CriticSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run a training to its end, or until it is told to stop. Returns counts, the last losses and the report. Raises Refused."""
    base = base_of(context, spec)
    check_trackers(spec.report_to, folder)
    parts, result = parts_of(context, spec, folder, reporter)
    if spec.base == UNTRAINED:
        base = _untrained(base, folder, spec.seed)
    if spec.processes > 1:
        order = Order(spec, base, (list(parts.train), list(parts.held_out)))
        trained = train_together(context, order, folder, reporter)
    else:
        trained = learn(spec, base, parts, folder, reporter)
    result |= trained
    if trained["whole"] and spec.report_steps and parts.held_out:
        chosen = choose(parts.held_out, spec.report_steps, spec.seed)
        models = {"base": base, "trained": folder / "model"}
        result["report"] = asyncio.run(_reports(context, spec, models, chosen, reporter))
        if not reporter.cancelled():
            (folder / REPORT).write_text(json.dumps(plain(result["report"]), indent=1) + "\n", "utf-8")
        result["report"] = {name: own["all"] for name, own in result["report"].items()}
    if trained["whole"]:
        result["model"] = registered(context, spec, base, parts.train, folder, result)
    return result


def parts_of(context: Context, spec: CriticSpec, folder: Path, reporter: Reporter) -> tuple[Parts, dict[str, Any]]:
    """The examples of the set on their sides, and what is told of them; lint.json is written into the folder. Raises Refused."""
    result: dict[str, Any] = {}
    kept = _trees(context, spec, reporter)
    if spec.corrections:
        kept, result["people"] = labelled(context, kept, folder, reporter)
        reporter.progress(0, 0, sentence(result["people"]))
    trees = [one.tree for one in kept]
    found = lint(trees)
    write_lint(folder, found)
    blocked = refusal(found)
    if blocked:
        raise Refused(f"{blocked} {LINT} in the job's folder has the whole list.")
    ids = [(one.scenario_id, one.tree_id) for one in kept]
    parts = split(list(examples(trees, ids)), spec.held_out, spec.seed)
    if not parts.train:
        raise Refused("Every scenario of this set is held out by its own split, so there is nothing to train on.")
    result |= {
        "lint": dict(counts(found)),
        "train": _size(parts.train),
        "held_out": _size(parts.held_out),
        "drawn": parts.drawn,
    }
    return parts, result


def base_of(context: Context, spec: CriticSpec) -> Path:
    """The folder of the base. Raises Refused, saying where it was looked for, where there is none.

    For `UNTRAINED` it is the starter model: tokenizer and size are its own, the weights are drawn in the job.
    """
    return base_at(context, "" if spec.base == UNTRAINED else spec.base)


def check_trackers(trackers: Sequence[str], folder: Path) -> None:
    """Trackers write into the job's folder where the environment says nothing else. Raises Refused for one that is missing."""
    for name in trackers:
        if util.find_spec(name) is None:
            raise Refused(f"The curves are to go to {name}, which is not installed: pip install {name}.")
    places = {"TENSORBOARD_LOGGING_DIR": str(folder / "runs"), "WANDB_DIR": str(folder), "WANDB_PROJECT": "subtext"}
    for name, value in places.items() if trackers else ():
        os.environ.setdefault(name, value)


def _trees(context: Context, spec: CriticSpec, reporter: Reporter) -> list[Kept]:
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    return list(scenarios.trees(context.database, spec.set))


def write_lint(folder: Path, found: Lint) -> None:
    """The findings, their numbers and the histogram as lint.json."""
    told = {
        "counts": dict(counts(found)),
        "findings": [one._asdict() for one in found.findings[:_KEPT]],
        "left_off": max(0, len(found.findings) - _KEPT),
        "histogram": found.histogram._asdict(),
    }
    (folder / LINT).write_text(json.dumps(plain(told), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _size(found: Sequence[Example]) -> dict[str, int]:
    return {"scenarios": len({one.group for one in found}), "steps": len(found)}


def choose(found: Sequence[Example], most: int, seed: int) -> list[Example]:
    """At most so many of the examples, drawn by the seed, in their order."""
    places = sorted(Random(seed).sample(range(len(found)), most)) if len(found) > most else range(len(found))
    return [found[place] for place in places]


def _untrained(starter: Path, folder: Path, seed: int) -> Path:
    """The starter's network with weights drawn by the seed, in the job's folder."""
    # Late: torch belongs to the processes that run a model, never to the page or the worker.
    try:
        from training.untrained import write_untrained
    except ImportError as error:
        raise Refused("Training needs torch and trl: pip install 'subtext[train]'.") from error
    return write_untrained(starter, folder / "untrained", seed)


def learn(spec: CriticSpec, base: Path, parts: Parts, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """The training itself, in this process or this process's part of it: counts and last losses. Raises Refused."""
    # Late: torch belongs to the processes that run a model, never to the page or the worker.
    try:
        from training.critic import Recipe, train_critic
        from training.models import NotLoadable
    except ImportError as error:
        raise Refused("Training needs torch and trl: pip install 'subtext[train]'.") from error
    recipe = Recipe(
        rank=spec.lora_rank,
        alpha=spec.lora_alpha,
        dropout=spec.lora_dropout,
        rate=spec.learning_rate,
        epochs=spec.epochs,
        updates=spec.updates,
        batch=spec.batch,
        accumulate=spec.accumulate,
        warmup=spec.warmup,
        max_length=spec.max_length,
        seed=spec.seed,
        save_every=spec.save_every,
        device=spec.device,
        report_to=tuple(spec.report_to),
    )
    reporter.progress(0, 0, f"Loading {base.name}.")
    try:
        outcome = train_critic(base, parts.train, parts.held_out, folder, recipe, reporter)
    except NotLoadable as error:
        raise Refused(str(error)) from error
    log: list[dict[str, Any]] = outcome.metrics.get("log", [])
    last = {name: value for row in log for name, value in row.items() if "loss" in name and name != "train_loss"}
    return {"whole": outcome.whole, "updates": outcome.updates, "planned": outcome.planned, "losses": last}


async def _reports(
    context: Context, spec: CriticSpec, models: dict[str, Path], chosen: Sequence[Example], reporter: Reporter
) -> dict[str, Any]:
    """The same steps scored by base and trained critic, one after the other; a run told to stop leaves the rest out."""
    found: dict[str, Any] = {}
    for place, (name, path) in enumerate(models.items()):

        def tell(done: int, before: int = place * len(chosen), who: str = name) -> bool:
            total = len(models) * len(chosen)
            said = f"Held-out steps scored by the {who} critic: {done:,} of {len(chosen):,}."
            reporter.progress(before + done, total, said)
            return reporter.cancelled()

        if not reporter.cancelled():
            judged = await _scored(context, path, chosen, spec.max_tokens, tell)
            found[name] = as_json(report(judged)) | {
                "model": named_in_report(checkpoint_digest(path)),
                "points": points(judged),
            }
    return found


async def _scored(context: Context, path: Path, chosen: Sequence[Example], max_tokens: int, tell: Any) -> list[Judged]:
    tally, engine = Tally(), Local(path)
    async with open_engine(context, "critic", engine, tally) as model:
        kept = CachedModel(model, source(engine), context.database, context.now, tally)
        return await score_steps(kept, chosen, max_tokens, tell=tell)
