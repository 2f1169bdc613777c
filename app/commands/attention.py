"""`subtext attention`: order attention on preferences over scenarios and models; print the report of such a job."""

import argparse
from typing import Any, get_args

from app.actions.attention_runs import run_report
from app.actions.preflight_attention import check
from app.actions.prepare import prepare
from app.commands import ordering
from app.commands.policy import number
from app.context import Context
from core.attention import NOTICE, SEGMENTS
from core.attention_question import Way
from core.attention_spec import AttentionSpec
from core.jobs import told_text


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    noun = commands.add_parser("attention", help="where models look: attention on preferences over scenarios")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    read = verbs.add_parser("read", help="put the reading into the queue")
    read.add_argument("set", type=number, help="number of the set")
    read.add_argument("--name", default="Attention")
    read.add_argument(
        "--model", action="append", default=[], help="starter, model:ID, server:PORT, job:ID, after; repeat it"
    )
    read.add_argument("--method", default="step_by_step", choices=get_args(Way))
    read.add_argument("--all", action="store_true", help="every scenario, not only those held out")
    read.add_argument(
        "--answers", action="store_true", help="let every model answer, and measure what it owes to the preference"
    )
    ordering.add_options(read)
    read.set_defaults(run=_read)
    show = verbs.add_parser(
        "show", help="means over scenarios by model, and what differs from the first, with intervals"
    )
    show.add_argument("job", type=number)
    show.add_argument("--curve", action="store_true", help="also what differs from the first model along the prompt")
    show.set_defaults(run=_show)


def _read(context: Context, options: argparse.Namespace) -> int:
    given = {
        "kind": "attention", "name": options.name, "set": options.set, "checkpoints": options.model or [""],
        "method": options.method, "part": "all" if options.all else "held_out", "answers": options.answers,
    }  # fmt: skip
    return ordering.order(context, options, AttentionSpec, given, check)


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    report = run_report(context, options.job)
    print("model\tfigure\tmean\tlow\thigh\tscenarios")
    for model in report["models"]:
        for name, mean in model.get("figures", {}).items():
            interval = mean["interval"]
            numbers = (_told(mean["value"]), _told(interval["low"]), _told(interval["high"]), str(mean["scenarios"]))
            print("\t".join((told_text(model["name"]), name, *numbers)))
        if "reason" in model:
            print("\t".join((told_text(model["name"]), told_text(model["reason"]))))
    _differences(report["models"], options.curve)
    print(NOTICE)
    return 0


def _differences(models: list[dict[str, Any]], curve: bool) -> None:
    """What differs from the first model: figures, and the masses along the prompt where they are asked for."""
    if not any("change" in model for model in models):
        return
    print(f"model\tminus {told_text(models[0]['name'])}\tdifference\tlow\thigh\tp\tscenarios")
    places = [f"{part} {at + 1}" for part, count in SEGMENTS for at in range(count)]
    for model in models[1:]:
        own = told_text(model["name"])
        for name, change in model.get("change", {}).items():
            if "reason" in change:
                print("\t".join((own, name, told_text(change["reason"]))))
                continue
            interval = change["interval"]
            numbers = [_told(value) for value in (change["value"], interval["low"], interval["high"], change["p"])]
            print("\t".join((own, name, *numbers, str(change["scenarios"]))))
        found = model.get("curve_change", {})
        if curve and "mass" in found:
            for place, *values in zip(places, found["mass"], found["low"], found["high"], strict=True):
                print("\t".join((own, f"mass at {place}", *map(_told, values))))


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
