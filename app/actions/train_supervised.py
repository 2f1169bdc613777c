"""Train a policy on fixed responses as a background job: RFT and SFT (learn them), TPO (rank them). A report at the end.

Goes on from its newest checkpoint. torch is imported late, in the functions that train.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

from app.actions.policy_runs import Run, critic_of, data_of, registered, report_of, start_of
from app.actions.together import train_together
from app.actions.train_critic import check_trackers
from app.context import Context
from app.errors import Refused
from app.order import Order, Rows
from core.jobs import Reporter
from core.policy_data import Example, Parts, Ranked, examples, ranked
from core.policy_specs import SFTSpec, TPOSpec
from core.types import Record
from db import scenarios


def train_supervised(context: Context, spec: SFTSpec | TPOSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run a training to its end, or until it is told to stop. Returns counts, the last losses and the report. Raises Refused."""
    base = start_of(context, spec, reporter)
    check_trackers(spec.report_to, folder)
    parts = data_of(context, spec, reporter)
    sides = sides_of(spec, list(scenarios.records(context.database, spec.set)), parts)
    result: dict[str, Any] = {
        "train": {"scenarios": len({one.group for one in sides[0]}), "examples": len(sides[0])},
        "held_out": {"scenarios": len(parts.held_out), "examples": len(sides[1])},
        "drawn": parts.drawn,
    }
    if spec.processes > 1:
        result |= train_together(context, Order(spec, base, sides), folder, reporter)
    else:
        result |= learn(spec, base, sides, folder, reporter)
    if not result["whole"]:
        return result
    data = spec.data if isinstance(spec, SFTSpec) else "path"
    run = Run(spec, base, folder, sides[0], parts.held_out, data)
    if spec.report_prompts and run.held_out and not reporter.cancelled():
        with critic_of(context, spec, reporter) as critic:
            result["evaluation"] = report_of(context, run, critic, reporter)
    result["model"] = registered(context, run, result)
    reporter.progress(1, 1, f"The policy is registered as model {result['model']}.")
    return result


def sides_of(spec: SFTSpec | TPOSpec, records: list[Record], parts: Parts) -> Rows:
    """What is learned and what is only looked at. Raises Refused where there is nothing to learn."""
    found: Sequence[Example | Ranked]
    match spec:
        case SFTSpec(data=data):
            found = examples(records, data)
            what = "a finished, scored path" + (" that ends in an answer" if data == "answer" else "")
        case TPOSpec():
            found = ranked(records, spec.paths)
            what = "two finished paths of different value, all of whose steps are scored"
        case _:
            assert_never(spec)
    held = {one.group for one in parts.held_out}
    train = [one for one in found if one.group not in held]
    if not train:
        raise Refused(f"No tree of this set that is not held out has {what}.")
    return train, [one for one in found if one.group in held]


def learn(spec: SFTSpec | TPOSpec, base: Path, sides: Rows, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """The training itself, in this process or this process's part of it: counts and last losses. Raises Refused."""
    # Late: torch belongs to the processes that run a model, never to the page or the worker.
    try:
        from training.models import NotLoadable
        from training.sft import Recipe, train_sft
        from training.tpo import Preference, train_tpo
    except ImportError as error:
        raise Refused("Training needs torch and trl: pip install 'subtext[train]'.") from error
    same = (
        "epochs",
        "updates",
        "batch",
        "accumulate",
        "warmup",
        "max_length",
        "seed",
        "save_every",
        "log_every",
        "device",
    )
    recipe = Recipe(
        rank=spec.lora_rank,
        alpha=spec.lora_alpha,
        dropout=spec.lora_dropout,
        rate=spec.learning_rate,
        report_to=tuple(spec.report_to),
        **{name: getattr(spec, name) for name in same},
    )
    reporter.progress(0, 0, f"Loading {base.name}.")
    try:
        if isinstance(spec, SFTSpec):
            outcome = train_sft(base, *sides, folder, recipe, reporter)
        else:
            preference = Preference(recipe, spec.beta, spec.weigh)
            outcome = train_tpo(base, *sides, folder, preference, reporter)
    except NotLoadable as error:
        raise Refused(str(error)) from error
    log: list[dict[str, Any]] = outcome.metrics.get("log", [])
    names = ("loss", "eval_loss", "right", "margin", "eval_right", "eval_margin", "mean_token_accuracy", "entropy")
    losses = {name: value for row in log for name, value in row.items() if name in names}
    return {"whole": outcome.whole, "updates": outcome.updates, "planned": outcome.planned, "losses": losses}
