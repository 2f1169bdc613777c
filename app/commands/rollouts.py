"""`subtext rollouts`: what runs sampled, as tables with the findings. Text of a model is printed without control characters."""

import argparse
import json
import re
from typing import Any

from app.actions import rollouts as actions
from app.actions.prepare import prepare
from app.actions.rollouts import Group
from app.context import Context
from app.errors import Missing
from core.jobs import told_text
from core.rollout_findings import TITLE, Finding, counted
from core.rollouts import Rollout, figures, group_figures
from core.types import shorten

_HEAD = "prompt\tresponse\tscore\tsteps\ttokens\tin no step\tadvantage\tKL\tentropy\tclipped\ttext"


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    noun = commands.add_parser("rollouts", help="what the training of a policy sampled: list, show")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="runs that kept their responses, newest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)
    show = verbs.add_parser("show", help="the responses of one update, and what is odd about them")
    show.add_argument("job", type=_number)
    show.add_argument("--update", type=_number, help="number of the update (default: the newest)")
    show.add_argument("--prompt", type=_number, help="number of one prompt of the update, from 1")
    show.set_defaults(run=_show)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(
            f"a whole number is needed, not {text!r}; `subtext rollouts list` shows the runs"
        )
    return int(text)


def _list(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.runs(context)
    if options.json:
        for run in found:
            print(json.dumps(run, ensure_ascii=False))
        return 0
    print("job\tkind\tstatus\tupdates\tfrom\tto\tname")
    for run in found:
        shown = [run[name] for name in ("job", "kind", "status", "count", "first", "last")]
        print("\t".join("-" if value is None else str(value) for value in shown), told_text(run["name"]), sep="\t")
    return 0


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.update_of(context, options.job, options.update)
    groups = [group for group in found.groups if options.prompt in (None, group.number + 1)]
    if not groups and options.prompt is not None:
        raise Missing(f"Update {found.number} kept no response to prompt {options.prompt}.")
    print(
        f"Update {found.number} of job {options.job}: {len(found.groups)} prompts{' and more' if found.more else ''}."
    )
    print(_HEAD)
    for group in groups:
        for one in group.rollouts:
            print(_line(one))
        print(_mean(group))
    every = [finding for group in groups for finding in group.findings]
    print(f"Findings: {_counts(every)}")
    for group in groups:
        for finding in group.findings:
            print(f"  {_where(group, finding)}: {TITLE[finding.kind]}. {told_text(finding.sentence)}")
    for problem in found.problems:
        print(f"Could not be read: {told_text(problem)}")
    return 0


def _value(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _line(one: Rollout) -> str:
    own = figures(one)
    flags = "truncated" if one.truncated else "malformed" if one.format == 0 else ""
    shown = [
        one.group + 1, one.response + 1, _value(own.score), own.steps, own.tokens, own.outside, _value(own.advantage),
        _value(own.kl, 4), _value(own.entropy, 3), own.clipped, f"{f'[{flags}] ' if flags else ''}{_text(one.text)}",
    ]  # fmt: skip
    return "\t".join(map(str, shown))


def _mean(group: Group) -> str:
    own = group_figures(group.rollouts)
    query = _text(group.rollouts[0].query)
    shown = [_value(own.score), f"{own.steps:.1f}", f"{own.tokens:.0f}", "", _value(own.advantage)]
    return "\t".join(
        [str(group.number + 1), "mean", *shown, _value(own.kl, 4), _value(own.entropy, 3), "", f"({query})"]
    )


def _text(text: str) -> str:
    return told_text(shorten(text, 80))


def _counts(found: list[Finding]) -> str:
    return ", ".join(f"{TITLE[kind]} {count}" for kind, count in counted(found).items()) or "none"


def _where(group: Group, finding: Finding) -> str:
    response = "" if finding.response is None else f", response {finding.response + 1}"
    return f"prompt {group.number + 1}{response}{'' if finding.step is None else f', step {finding.step + 1}'}"
