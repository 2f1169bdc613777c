"""`subtext launch`: a training on several processes or nodes: write what each node runs, or look whether it would work."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any, get_args

from app.actions import jobs as actions
from app.actions import launch
from app.actions.prepare import prepare
from app.actions.rehearse import rehearse
from app.commands import jobs as job_commands
from app.context import Context
from app.errors import Refused
from core.job_spec import Sharding
from core.launching import Training
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.specs import CriticSpec


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("launch", help="a training on several GPUs or nodes: its configuration and commands")
    parser.add_argument("spec", help="file with the training as JSON, or - for standard input")
    parser.add_argument("--nodes", type=_number, default=1, help="machines that train together")
    parser.add_argument("--processes", type=_number, help="processes on each of them (default: as the spec says)")
    parser.add_argument(
        "--sharding", choices=get_args(Sharding), help="how they share the model (default: as the spec says)"
    )
    parser.add_argument("--rank", type=_rank, default=0, help="which of the nodes this machine is, from 0")
    parser.add_argument(
        "--address", default="", metavar="HOST:PORT", help="where the node of rank 0 is reached by the others"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FOLDER", help="write it into a folder that every node sees")
    what.add_argument("--dry-run", action="store_true", help="check everything; write and start nothing")
    parser.add_argument(
        "--rehearse", action="store_true", help="also start the processes here, on the CPU, for one tiny update"
    )
    parser.set_defaults(run=_launch)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, not {text!r}")
    return int(text)


def _rank(text: str) -> int:
    return 0 if text == "0" else _number(text)


def _training(options: argparse.Namespace) -> Training:
    """The spec with what the options change. Raises Refused."""
    value = job_commands.read(options.spec)
    if isinstance(value, dict):
        own = {"processes": options.processes, "sharding": options.sharding}
        kept: dict[str, Any] = {**value}
        value = kept | {name: given for name, given in own.items() if given is not None}
    spec = actions.spec_of(value)
    if not isinstance(spec, PolicySpec | SFTSpec | TPOSpec | CriticSpec):
        raise Refused(f"A job of kind {spec.kind} trains nothing; policy, sft, tpo and critic do.")
    return spec


def _launch(context: Context, options: argparse.Namespace) -> int:
    training = _training(options)
    layout = launch.layout_for(context, training, options.nodes, options.address)
    prepare(context)
    if options.write is not None:
        for file in launch.write(context, training, layout, options.write):
            print(file)
        for rank in range(layout.nodes):
            print(f"node {rank}: {launch.script(layout, rank, options.write.resolve())}", end="")
        made, kind = options.write.resolve() / "model", "critic" if isinstance(training, CriticSpec) else "policy"
        print(
            f"Afterwards: {shlex.join(['subtext', 'models', 'add', str(made), '--name', training.name, '--kind', kind])}"
        )
        return 0 if not options.rehearse else _say(rehearse(training, layout))
    worst = 0
    for check in launch.checks(context, training, layout, options.rank):
        worst = max(worst, _say(check))
    if options.rehearse:
        worst = max(worst, _say(rehearse(training, layout)))
    return worst


def _say(check: launch.Check) -> int:
    print(f"{'ok     ' if check.ok else 'problem'}  {check.name}: {check.text}", flush=True)
    return 0 if check.ok else 1
