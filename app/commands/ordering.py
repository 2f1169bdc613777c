"""Commands that order a job over models: the options they share, and the order itself: print it, or check it and queue it."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from app.actions import jobs
from app.actions.prepare import prepare
from app.commands.policy import number, pair
from app.context import Context
from app.errors import Refused
from app.keeper import start_worker
from core.preflight import Line, blocked
from core.specs import Spec

_Kind = TypeVar("_Kind", bound=Spec)
Check = Callable[[Context, _Kind], list[Line]]
"""What is looked at before a job of a kind is queued."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `order` reads: the job before, fields by name, whether the job is only printed."""
    parser.add_argument("--after", type=number, help="when this job is done; its model is called after")
    parser.add_argument("--with", dest="own", action="append", default=[], metavar="FIELD=VALUE", help="repeat it")
    parser.add_argument("--spec", action="store_true", help="only print the job as JSON for `subtext run`")


def order(
    context: Context, options: argparse.Namespace, kind: type[_Kind], given: Mapping[str, Any], check: Check[_Kind]
) -> int:
    """Make a spec of `given` and the options and print it, or print what is checked and queue it. Returns the exit code. Raises
    Refused for a spec that cannot be, and where something blocks it."""
    spec = jobs.spec_of(dict(given) | dict(map(pair, options.own)))
    if not isinstance(spec, kind):
        raise Refused(f"This command orders a job of another kind than {spec.kind}. `subtext run` takes any job.")
    if options.spec:
        print(json.dumps(spec.model_dump(), ensure_ascii=False))
        return 0
    prepare(context)
    lines = check(context, spec)
    for line in lines:
        print(f"{line.level}\t{line.name}\t{line.text}")
    if blocked(lines):
        raise Refused("Nothing is queued: see above what blocks it.")
    print(f"Job {jobs.enqueue(context, spec, options.after)} is queued. `subtext jobs list` shows it.")
    start_worker(context)
    return 0
