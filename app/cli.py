"""The command line: every page action has its twin here. Parses arguments, calls one action, prints sentences."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from app.actions.export_data import PARQUET, export_set
from app.actions.import_data import SPLITS, Labels, import_files
from app.actions.prepare import clear_left_overs, prepare
from app.actions.remove_set import remove_set
from app.commands import (
    attention,
    build,
    checks,
    critic,
    evaluations,
    launch,
    models,
    people,
    policy,
    rollouts,
    servers,
    simulations,
    studies,
)
from app.commands import jobs as job_commands
from app.commands.output import hand_out
from app.context import Context, open_context
from app.doctor import examine
from app.errors import Refused
from app.settings import read_settings
from core.formats.registry import EXPORTS
from db import sets


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0 done, 1 refused or a check failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        context = open_context(read_settings(os.environ))
        return options.run(context, options)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="subtext", description="A workbench for personalised alignment.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="migrate, load the starter set once, and serve the page")
    serve.set_defaults(run=_serve)
    load = commands.add_parser("import", help="import files as one new version of a set")
    load.add_argument("files", nargs="+", type=Path)
    load.add_argument("--name", default="", help="name of the set (default: from the first file)")
    load.add_argument("--topic", default="", help="topic of scenarios that have none")
    load.add_argument("--split", default="", choices=SPLITS, help="split of scenarios that have none")
    load.set_defaults(run=_import)
    save = commands.add_parser("export", help="export a set")
    save.add_argument("set", help="number of the set, or its name (newest version)")
    save.add_argument("--format", default="subtext", help=f"one of: {', '.join([*EXPORTS, PARQUET, 'original'])}")
    save.add_argument("--output", type=Path, help="file to write (default: standard output)")
    save.set_defaults(run=_export)
    remove = commands.add_parser("delete", help="delete a set")
    remove.add_argument("set", type=_number, help="number of the set")
    remove.add_argument("--confirm", default="", help="the set's name, to confirm")
    remove.set_defaults(run=_delete)
    show = commands.add_parser("sets", help="list the sets")
    show.set_defaults(run=_sets)
    models.add(commands)
    job_commands.add(commands)
    servers.add(commands)
    doctor = commands.add_parser("doctor", help="check database, blobs, disk and versions")
    doctor.set_defaults(run=_doctor)
    build.add(commands)
    critic.add(commands)
    policy.add(commands)
    launch.add(commands)
    checks.add(commands)
    rollouts.add(commands)
    evaluations.add(commands)
    simulations.add(commands)
    attention.add(commands)
    studies.add(commands)
    people.add(commands)
    return parser


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise argparse.ArgumentTypeError(f"a set has a number, not {text!r}; `subtext sets` lists them")
    return int(text)


def _serve(context: Context, _options: argparse.Namespace) -> int:
    from app.main import serve

    for sentence in prepare(context):
        print(sentence)
    clear_left_overs(context)
    serve(context)
    return 0


def _import(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    tell = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if tell:
            print(f"\r{done / max(total, 1):4.0%}", end="", file=sys.stderr)

    outcome = import_files(context, options.files, Labels(options.name, options.topic, options.split), progress)
    print(outcome.sentence())
    if outcome.set_id is not None:
        for name, problem in sets.problems_of(context.database, outcome.set_id, 20):
            print(f"  {name}, {problem.where}: {problem.sentence}")
    return 0


def _export(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    owner = sets.find_set(context.database, options.set)
    if owner is None and not re.fullmatch(r"[0-9]{1,15}", options.set):
        raise Refused(f"There is no set named {options.set!r}. `subtext sets` lists them.")
    download = export_set(context, owner.id if owner else int(options.set), options.format)
    hand_out(download, options.output)
    return 0


def _delete(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(remove_set(context, options.set, options.confirm))
    return 0


def _sets(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    for item in sets.all_sets(context.database):
        print(f"{item.id}\t{item.name} v{item.version}\t{item.form}\t{item.records} records\t{item.nodes} nodes")
    return 0


def _doctor(context: Context, _options: argparse.Namespace) -> int:
    findings = list(examine(context))
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.text}")
    return 0 if all(finding.ok for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
