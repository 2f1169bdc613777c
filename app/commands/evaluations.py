"""`subtext evaluate` and `subtext evaluations`: order an evaluation, list, read, export and delete them; the twin of the page.

Judges against people are in `evaluation_people`, the next study in `evaluation_plan`.
"""

import argparse
from pathlib import Path
from typing import Any, get_args

from app.actions import evaluations as actions
from app.actions.evaluations import FORMATS
from app.actions.export_data import Download
from app.actions.preflight_evaluation import check
from app.actions.prepare import prepare
from app.commands import evaluation_people, evaluation_plan, ordering
from app.commands.output import hand_out
from app.commands.policy import number
from app.context import Context
from core.evaluation.export import number as figure
from core.evaluation.layout import Layout
from core.evaluation.methods import MethodName
from core.evaluation.spec import EvaluateSpec
from core.jobs import told_text


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    order = commands.add_parser(
        "evaluate", help="let models answer a set in several ways, and judges say what they think"
    )
    order.add_argument("set", type=number, help="number of the set")
    order.add_argument("--name", default="Evaluation")
    order.add_argument(
        "--model", action="append", default=[], help="starter, model:ID, server:PORT, job:ID, after; repeat it"
    )
    order.add_argument("--method", action="append", default=[], choices=get_args(MethodName), help="repeat it")
    order.add_argument("--judge", action="append", default=[], help="as a model; repeat it for a vote")
    ordering.add_options(order)
    order.set_defaults(run=_order)
    noun = commands.add_parser("evaluations", help="reports of evaluations: list, show, export, remove")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="evaluations, newest first").set_defaults(run=_list)
    show = verbs.add_parser("show", help="the tables of one, with how far each row came")
    export = verbs.add_parser("export", help="write one as CSV, JSON, LaTeX, HTML or a methods paragraph")
    remove = verbs.add_parser("remove", help="delete one with its answers and verdicts")
    for verb, run in ((show, _show), (export, _export), (remove, _remove)):
        verb.add_argument("evaluation", type=number)
        verb.set_defaults(run=run)
    evaluation_people.add(verbs)
    evaluation_plan.add(verbs)
    export.add_argument("--format", choices=list(FORMATS), default="csv")
    export.add_argument("--output", type=Path)
    remove.add_argument("--confirm", required=True, metavar="NAME", help="its name, exactly")


def _order(context: Context, options: argparse.Namespace) -> int:
    rows = [
        {"model": model, "method": method}
        for model in options.model or [""]
        for method in options.method or ["zero_shot", "step_by_step"]
    ]
    given = {"kind": "evaluate", "name": options.name, "set": options.set, "rows": rows}
    given |= {"judges": options.judge} if options.judge else {}
    return ordering.order(context, options, EvaluateSpec, given, check)


def _list(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    print("id\tset\tcases\trows\tjob\tstate\tcreated\tname")
    for one in actions.listing(context):
        data = one["data"]
        told = [one["id"], f"{data['name']} v{data['version']}", data["cases"], one["rows"], one["job"] or "-"]
        state = "finished" if one["finished_at"] else one["status"] or "not finished"
        print("\t".join(told_text(str(part)) for part in (*told, state, one["created_at"], one["name"])))
    return 0


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.whole(context, options.evaluation)
    data = found.stored.data
    print(told_text(f"{found.stored.name}: {data['name']} v{data['version']}, {data['cases']} cases"))
    print(f"judges\t{told_text(', '.join(judge['name'] for judge in found.stored.judges) or 'none')}")
    for made in actions.layouts(found):
        _table(made)
    print("row\tfigure\tplanned\tgenerated\tjudged\tparsed\tcounted")
    for line, cells in zip(found.report.rows, found.report.cells, strict=True):
        for name, cell in cells.items():
            if cell.judged or (cell.why.startswith("No result: no call") and name in ("acc_pf", "acc_da", "acc_mis")):
                told = (line.name, name, cell.planned, cell.generated, cell.judged, cell.parsed, cell.n)
                print("\t".join(told_text(str(part)) for part in told))
    return 0


def _table(made: Layout) -> None:
    print(f"\n{made.title} (percent, 95 % intervals over scenarios)")
    print("\t".join(["", *(f"{head.text}{' (lower is better)' if head.lower else ''}" for head in made.columns)]))
    for line in made.lines:
        cells = [
            figure(one.percent) + (f" [{figure(one.low)}, {figure(one.high)}]" if one.low == one.low else "")
            for one in line.shown
        ]
        print("\t".join([told_text(line.name) + (" (paper)" if line.row is None else ""), *cells]))


def _export(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    text = actions.exported(context, options.evaluation, options.format)
    media, ending = FORMATS[options.format]
    hand_out(Download(f"evaluation-{options.evaluation}.{ending}", media, iter([text.encode()])), options.output)
    return 0


def _remove(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.remove(context, options.evaluation, options.confirm))
    return 0
