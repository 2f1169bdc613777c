"""`subtext build` and `subtext audit`: the Build page on the command line."""

import argparse
import json
from typing import Any

from app.actions import jobs as actions
from app.actions.estimate_build import audit_set, estimate
from app.actions.prepare import prepare
from app.context import Context
from app.errors import Refused
from app.keeper import start_worker
from core.specs import BuildSpec

_OWN = ("name", "set", "topics", "kind", "critic")


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    build = commands.add_parser("build", help="grow trees as a background job; --estimate only says what it would cost")
    build.add_argument("name", help="name of the new set")
    build.add_argument("--set", type=int, default=0, help="take the scenarios of this set")
    build.add_argument(
        "--topic", dest="topics", action="append", default=[], help="write new scenarios on it; repeat it"
    )
    build.add_argument("--critic", default="", help="what scores the steps: starter, model:ID or server:PORT")
    for name, field in BuildSpec.model_fields.items():
        if name not in _OWN:
            default = field.get_default()
            build.add_argument(
                f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"default {default}"
            )
    build.add_argument("--estimate", action="store_true", help="start nothing")
    build.add_argument("--spec", action="store_true", help="print the job as JSON for `subtext run`")
    build.set_defaults(run=_build)
    audit = commands.add_parser("audit", help="what each persona gave to the trees of a set")
    audit.add_argument("set", type=int)
    audit.set_defaults(run=_audit)


def _build(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    values = {name: getattr(options, name) for name in BuildSpec.model_fields if name != "kind"}
    spec = actions.spec_of({"kind": "build"} | values)
    if not isinstance(spec, BuildSpec):
        raise Refused("This is no build.")
    if options.spec:
        print(json.dumps(spec.model_dump(), ensure_ascii=False))
        return 0
    cost = estimate(context, spec)
    time = "unknown until calls are measured" if cost.minutes is None else f"about {cost.minutes:.0f} minutes"
    print(f"{cost.trees} trees, at most {cost.calls} calls and about {cost.tokens:,} tokens; time {time}.")
    if not options.estimate:
        print(f"Job {actions.enqueue(context, spec)} is queued. `subtext jobs list` shows it.")
        start_worker(context)
    return 0


def _audit(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print("persona\tsteps\tshare\tmean score\tshare of best paths\toverlap\tloss without it\ttrees left without a path")
    for one in audit_set(context, options.set):
        numbers = [one.scored, one.best_share, one.redundancy, one.loss]
        shown = "\t".join("-" if number is None else f"{number:.2f}" for number in numbers)
        print(f"{one.persona}\t{one.proposals}\t{one.share:.0%}\t{shown}\t{one.blocked}")
    return 0
