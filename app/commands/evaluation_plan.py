"""`subtext evaluations plan`: how many scenarios the next comparison needs; the twin of the planner on the page."""

import argparse
from typing import Any, get_args

from app.actions import plan_study
from app.actions.plan_study import EFFECT, Pilot, Shares
from app.actions.prepare import prepare
from app.commands.policy import number
from app.context import Context
from app.errors import Refused
from core.evaluation.metrics import Metric
from core.evaluation.outlook import Wanted
from core.evaluation.planner import Plan
from core.jobs import told_text


def add(verbs: Any) -> None:
    """Put the command beside the others of `subtext evaluations`."""
    plan = verbs.add_parser("plan", help="power of a next comparison, from two rows of an evaluation or from shares")
    plan.add_argument("evaluation", type=number, nargs="?", help="the pilot")
    plan.add_argument("--first", type=number, default=2, help="number of a row of the pilot, from 1")
    plan.add_argument("--second", type=number, default=1, help="the row that it is compared with")
    plan.add_argument("--metric", choices=get_args(Metric), default="acc_pf")
    shares = "without a pilot: shares of scenarios on which only one row holds"
    plan.add_argument("--disagree", type=float, nargs=2, metavar=("FIRST", "SECOND"), help=shares)
    plan.add_argument(
        "--effect", type=float, help="true difference to find, 0 to 1 (default: 0.1, or that of the shares)"
    )
    plan.add_argument("--power", type=float, default=0.8)
    plan.add_argument("--scenarios", type=number, default=100, help="a size to look at")
    plan.add_argument("--each", type=number, default=1, help="answers of each row to a scenario")
    plan.add_argument("--comparisons", type=number, default=1, help="corrected together")
    plan.set_defaults(run=_plan)


def _plan(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    if (options.evaluation is None) == (options.disagree is None):
        raise Refused("Give the number of an evaluation as the pilot, or --disagree with two shares.")
    source, effect = _source(options)
    wanted = Wanted(options.effect or effect, options.power, options.scenarios, options.each, options.comparisons)
    found = plan_study.planned(context, source, wanted)
    if found.difference is not None:
        print(told_text(f"{found.labels[0]} less {found.labels[1]}: {100 * found.difference:+.1f} points in the pilot"))
    for sentence in found.outlook.assumed:
        print(sentence)
    least, chosen, seen = found.outlook.needed, found.outlook.chosen, found.outlook.detectable
    aim = f"{100 * wanted.effect:.1f} points with power {wanted.power:g}"
    print(f"needed for {aim}: {f'{least.scenarios:,} scenarios' if least else 'more than a million scenarios'}")
    found_with = f"{100 * seen:.1f} points can be found with power {wanted.power:g}"
    print(f"{chosen.scenarios:,} scenarios: power {chosen.power:.3f}, and {found_with}")
    print("scenarios\tpower\thalf of the interval, points")
    for one in found.outlook.curve:
        print(_line(one))
    return 0


def _source(options: argparse.Namespace) -> tuple[Pilot | Shares, float]:
    if options.evaluation is not None:
        return Pilot(options.evaluation, options.first - 1, options.second - 1, options.metric), EFFECT
    first, second = options.disagree
    return Shares(first, second), round(abs(first - second), 6) or EFFECT


def _line(one: Plan) -> str:
    return f"{one.scenarios}\t{one.power:.3f}\t{100 * one.half:.1f}"
