"""`subtext evaluations people`: the judges of an evaluation against people; the answering itself is done on the page."""

import argparse
from pathlib import Path
from typing import Any, get_args

from app.actions import verdict_checks, verdict_files, verdict_report
from app.actions.prepare import prepare
from app.actions.verdict_checks import Order
from app.commands.output import hand_out
from app.commands.policy import number
from app.context import Context
from app.errors import Refused
from core.bootstrap import Interval
from core.evaluation.metrics import Metric
from core.evaluation.people import Against, too_few
from core.jobs import told_text
from db import evaluations


def add(verbs: Any) -> None:
    """Put the command beside the others of `subtext evaluations`."""
    people = verbs.add_parser(
        "people", help="judges against people: agreement by check, and the people's mean of every number"
    )
    people.add_argument("evaluation", type=number)
    what = people.add_mutually_exclusive_group()
    what.add_argument(
        "--draw", type=number, metavar="N", help="draw a queue of N verdicts (of each row, with --metric)"
    )
    what.add_argument("--export", action="store_true", help="write every answer as JSON lines")
    what.add_argument("--restore", type=Path, metavar="FILE", help="read such a file back")
    people.add_argument("--metric", choices=get_args(Metric), help="draw responses with every check of this number")
    people.add_argument("--seed", type=number, default=1, help="of the draw")
    people.add_argument("--each", type=number, default=1, help="so many people answer each")
    people.add_argument("--output", type=Path, help="file to write (default: standard output)")
    people.set_defaults(run=_people)


def _people(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    if options.draw is not None:
        return _draw(context, options)
    if options.export:
        hand_out(verdict_files.export(context, options.evaluation), options.output)
        return 0
    if options.restore:
        return _restore(context, options.evaluation, options.restore)
    return _report(context, options.evaluation)


def _draw(context: Context, options: argparse.Namespace) -> int:
    if options.each > 20:
        raise Refused("Each verdict is asked of 1 to 20 people.")
    order = Order("verdicts", options.draw, options.seed, options.each)
    if options.metric:
        order = order._replace(kind="responses", metric=options.metric)
    made = verdict_checks.draw(context, options.evaluation, order, "command line")
    print(f"{verdict_checks.title(made)}. People answer at /verdicts?queue={made.id}.")
    return 0


def _restore(context: Context, evaluation_id: int, file: Path) -> int:
    try:
        with file.open("rb") as source:
            lines = iter(lambda: source.readline(2 << 20), b"")
            print(verdict_files.restore(context, evaluation_id, lines))
    except OSError as error:
        raise Refused(f"{file} could not be read: {(error.strerror or str(error)).lower()}.") from error
    return 0


def _report(context: Context, evaluation_id: int) -> int:
    found = verdict_report.people(context, evaluation_id)
    own = found.answered
    print(
        f"{len(own.events)} answers of {len(own.people)} people hold; {own.changed} others are about texts that changed."
    )
    if not own.events:
        print("Draw a queue with --draw 300 and let people answer it on the page.")
        return 0
    print("judge\tcheck\tboth\tagree\t95 %\tkappa\t95 %\tbias\t95 %\tp, Holm\tyes/yes\tyes/no\tno/yes\tno/no\tnote")
    for judge, figures in found.against:
        for check, one in figures.items():
            print("\t".join([told_text(verdict_report.judge_name(own, judge)), check or "all", *_line(one)]))
    print("\nrow\tnumber\tjudge\tpeople\t95 %\tboth\t95 %\tn\tworth\tnote")
    for one in found.estimates:
        people, tuned = one.found.people, one.found.tuned
        told = [_share(one.found.judge), _share(people.value), _span(people.interval), _share(tuned.value)]
        told += [
            _span(tuned.interval),
            str(tuned.n),
            f"{tuned.effective:.1f}" if tuned.effective == tuned.effective else "-",
        ]
        row = told_text(evaluations.label(own.loaded.lines[one.row]))
        print("\t".join([row, one.metric, *told, one.caution]))
    return 0


def _line(one: Against) -> list[str]:
    counts = [str(count) for count in (one.yes_yes, one.yes_no, one.no_yes, one.no_no)]
    p = "-" if one.p_holm != one.p_holm else f"{one.p_holm:.3f}"
    spans = [_share(one.agree), _span(one.agree_drawn), _share(one.kappa, 1), _span(one.kappa_drawn, 1)]
    return [str(one.both), *spans, _share(one.bias), _span(one.bias_drawn), p, *counts, too_few(one)]


def _share(value: float, times: int = 100) -> str:
    return "-" if value != value else f"{times * value:.{1 if times > 1 else 2}f}"


def _span(interval: Interval, times: int = 100) -> str:
    return "-" if interval.low != interval.low else f"{_share(interval.low, times)} to {_share(interval.high, times)}"
