"""`subtext checks`: the Checks page on the command line, without the checking itself, which is done on the page."""

import argparse
from pathlib import Path
from typing import Any

from app.actions import checks as actions
from app.actions.prepare import prepare
from app.commands.output import hand_out
from app.context import Context
from app.errors import Refused
from core.check_report import Figures
from core.types import shorten


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    noun = commands.add_parser("checks", help="people's checks of critiques: list, export, import, report")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    show = verbs.add_parser("list", help="the checks that hold, newest first")
    show.add_argument("--limit", type=int, default=50)
    show.set_defaults(run=_list)
    save = verbs.add_parser("export", help="the checked steps as a file")
    save.add_argument("--format", default="jsonl", help=f"one of: {', '.join(actions.FORMATS)}")
    save.add_argument("--output", type=Path, help="file to write (default: standard output)")
    save.set_defaults(run=_export)
    load = verbs.add_parser("import", help="restore checks from a file of the format jsonl")
    load.add_argument("file", type=Path)
    load.set_defaults(run=_import)
    verbs.add_parser("report", help="agreement of the critic with people").set_defaults(run=_report)


def _list(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    rows, total = actions.listing(context, 0, max(1, min(options.limit, 10_000)))
    print("at\twho\tverdict\tcritic\tcorrected\tstep as judged\tstep")
    for row in rows:
        event = row.event
        scores = "\t".join("-" if s is None else f"{s:.2f}" for s in (event.seen.judged.score, event.check.score))
        print(
            f"{event.at}\t{event.who}\t{event.check.verdict}\t{scores}\t{row.standing}\t{shorten(event.seen.judged.step, 80)}"
        )
    print(f"{len(rows)} of {total} checks.")
    return 0


def _export(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    hand_out(actions.export(context, options.format), options.output)
    return 0


def _import(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    try:
        with options.file.open("rb") as source:
            print(actions.restore(context, iter(lambda: source.readline(2 << 20), b"")))
    except OSError as error:
        raise Refused(f"{options.file} could not be read: {(error.strerror or str(error)).lower()}.") from error
    return 0


def _report(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.report(context)
    print("group\tchecks\tscenarios\tagree\t95 % (Wilson)\t95 % (scenarios)\tscored\tmean error\tbias\tband agreement")
    print(_line("all", found.overall))
    for rows in (found.bands, found.depths, found.personas):
        for label, figures in rows:
            print(_line(label, figures))
    return 0


def _line(label: str, one: Figures) -> str:
    def number(value: float) -> str:
        return "-" if value != value else f"{value:.2f}"

    spans = [f"{number(span.low)} to {number(span.high)}" for span in (one.wilson, one.agree_drawn)]
    numbers = [one.mae, one.bias, one.kappa]
    shown = [label, one.checks, one.scenarios, number(one.agree), *spans, one.scored, *map(number, numbers)]
    return "\t".join(map(str, shown))
