"""`subtext simulate` and `subtext simulations`: order dialogues, list, read, keep, export, delete them; the page's twin."""

import argparse
from pathlib import Path
from typing import Any, get_args

from app.actions import simulations as actions
from app.actions.preflight_simulation import check
from app.actions.prepare import prepare
from app.actions.simulations import FORMATS
from app.commands import ordering
from app.commands.output import hand_out
from app.commands.policy import number
from app.context import Context
from core.jobs import told_text
from core.prompts.simulation import Manner
from core.simulation.spec import SimulateSpec


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    order = commands.add_parser("simulate", help="let a model play users who talk with models under test, turn by turn")
    order.add_argument(
        "--set", type=number, default=0, help="number of a set of profiles (default: the starter profiles)"
    )
    order.add_argument("--personalities", type=number, default=0, help="number of a set of personalities")
    order.add_argument("--name", default="Dialogues")
    order.add_argument(
        "--model", action="append", default=[], help="starter, model:ID, server:PORT, job:ID, after; repeat it"
    )
    order.add_argument("--manner", action="append", default=[], choices=get_args(Manner), help="repeat it")
    order.add_argument("--user", default="", help="who plays the users, as a model")
    order.add_argument("--judge", action="append", default=[], help="as a model; repeat it; without one people rate")
    order.add_argument("--turns", type=number, default=10, help="1 to 10")
    ordering.add_options(order)
    order.set_defaults(run=_order)
    noun = commands.add_parser("simulations", help="simulated dialogues: list, show, keep, export, remove")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="simulations, newest first").set_defaults(run=_list)
    show = verbs.add_parser("show", help="levels by model and turn with n, and what is missing")
    keep = verbs.add_parser("keep", help="make a set of the dialogues as they are now")
    export = verbs.add_parser("export", help="write dialogues, levels or the table to a file")
    remove = verbs.add_parser("remove", help="delete one; the set of its dialogues stays")
    for verb, run in ((show, _show), (keep, _keep), (export, _export), (remove, _remove)):
        verb.add_argument("simulation", type=number)
        verb.set_defaults(run=run)
    export.add_argument("--format", choices=list(FORMATS), default="dialogues")
    export.add_argument("--output", type=Path)
    remove.add_argument("--confirm", required=True, metavar="NAME", help="its name, exactly")


def _order(context: Context, options: argparse.Namespace) -> int:
    rows = [
        {"model": model, "manner": manner}
        for model in options.model or [""]
        for manner in options.manner or ["zero_shot"]
    ]
    given = {
        "kind": "simulate", "name": options.name, "set": options.set, "personalities": options.personalities, "rows": rows,
        "user": options.user, "judges": options.judge, "turns": options.turns,
    }  # fmt: skip
    return ordering.order(context, options, SimulateSpec, given, check)


def _list(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    print("id\tprofiles\tpeople\tmodels\tturns\tjob\tset\tstate\tcreated\tname")
    for one in actions.listing(context):
        data = one["data"]
        state = "finished" if one["finished_at"] else one["status"] or "not finished"
        told = [one["id"], f"{data['name']} v{data['version']}", data["people"], one["models"], one["turns"]]
        told += [one["job"] or "-", one["set"] or "-", state, one["created_at"], one["name"]]
        print("\t".join(told_text(str(part)) for part in told))
    return 0


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.loaded(context, options.simulation)
    made = actions.report(found)[0]
    data = found.stored.data
    print(told_text(f"{found.stored.name}: {data['people']} people of {data['name']} v{data['version']}"))
    print(told_text(f"played by {found.stored.player['name']}, judged by {', '.join(found.judges) or 'nobody'}"))
    print("model\tturn\tlevel\tn\tplanned\theld\trated\tfailed\tended\topen")
    levels = {one.model: (one.figures.al.tolist(), one.n) for one in made.figures.figures.models}
    for cell in made.coverage:
        curve, counts = levels.get(cell.model, ([], ()))
        known = cell.turn <= len(curve) and curve[cell.turn - 1] == curve[cell.turn - 1]
        level = f"{curve[cell.turn - 1]:.2f}" if known else "-"
        n = counts[cell.turn - 1] if cell.turn <= len(counts) else 0
        counts_of = (cell.planned, cell.held, cell.rated, cell.failed, cell.ended, cell.open)
        print("\t".join(told_text(str(part)) for part in (cell.model, cell.turn, level, n, *counts_of)))
    for one in made.figures.figures.models:
        average = f"AVG {one.figures.avg:.2f} [{one.avg.low:.2f}, {one.avg.high:.2f}]"
        print("\t".join((told_text(one.model), average, f"IR {one.figures.ir:.3f}")))
    for two in made.figures.figures.differences:
        rest = (f"{two.avg:.2f}", f"p (Holm) {two.p_holm:.3f}", f"{two.profiles} profiles")
        print("\t".join((told_text(f"{two.first} - {two.second}"), *rest)))
    for loss in made.losses:
        told = (f"missing {loss.what}", loss.times, f"{loss.model}, turn {loss.turn}", loss.why)
        print("\t".join(told_text(str(part)) for part in told))
    return 0


def _keep(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.keep(context, options.simulation))
    return 0


def _export(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    hand_out(actions.exported(context, options.simulation, options.format), options.output)
    return 0


def _remove(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.remove(context, options.simulation, options.confirm))
    return 0
