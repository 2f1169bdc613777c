"""`subtext critic`: the Train a critic page on the command line: preview of the training data, preflight, start."""

import argparse
import json
import re
from typing import Any

from app.actions import jobs as actions
from app.actions import preview_critic
from app.actions.preflight import check, without_base
from app.actions.prepare import prepare
from app.context import Context
from app.errors import Refused
from app.keeper import start_worker
from core.critic_form import FIELDS
from core.preflight import Line, blocked
from core.specs import CRITIC_PRESETS, CriticSpec, critic_preset

_MARKS = {"ok": "ok      ", "warning": "warning ", "blocking": "BLOCKING"}


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    noun = commands.add_parser("critic", help="train a critic: preview its data, check, start")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    look = verbs.add_parser("preview", help="what a critic would be trained on: examples, lengths, split, findings")
    _fields(look)
    look.add_argument("--example", type=_number, default=1, help="which example to show, from 1")
    look.add_argument("--json", action="store_true", help="as one JSON object")
    look.set_defaults(run=_preview)
    train = verbs.add_parser("train", help="check everything, then put the training into the queue")
    _fields(train)
    train.add_argument("--check", action="store_true", help="only check; start nothing")
    train.add_argument("--spec", action="store_true", help="only print the job as JSON for `subtext run`")
    train.set_defaults(run=_train)


def _fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("set", type=_number, help="number of the set")
    parser.add_argument(
        "--preset", choices=list(CRITIC_PRESETS), default="starter", help="where all other fields start"
    )
    for field in FIELDS:
        if field.name == "set":
            continue
        flag, default = f"--{field.name.replace('_', '-')}", CriticSpec.model_fields[field.name].get_default()
        told = field.meaning.replace("%", "%%")
        match default:
            case bool():
                parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=told)
            case list():
                parser.add_argument(flag, action="append", default=None, help=f"{told} Repeat it.")
            case int() | float():
                parser.add_argument(flag, type=type(default), default=None, help=told)
            case _:
                parser.add_argument(flag, default=None, help=told)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"a whole number from 1 is needed, not {text!r}; `subtext sets` lists the sets"
        )
    return int(text)


def spec_of(options: argparse.Namespace) -> CriticSpec:
    """The spec that the options ask for. Raises Refused."""
    own = {field.name: value for field in FIELDS if (value := getattr(options, field.name)) is not None}
    try:
        return critic_preset(options.preset, **({"name": "Critic"} | own))
    except ValueError as error:
        raise Refused(str(error)) from error


def _preview(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    spec = spec_of(options)
    found = preview_critic.overview(context, spec)
    seen = preview_critic.view(context, spec, found)
    at = options.example - 1
    shown = None if found.problem or not found.entries else preview_critic.example(context, spec, at)
    if options.json:
        print(json.dumps(seen | {"example": None if shown is None else shown.model_dump()}, ensure_ascii=False))
        return 0
    _print_overview(seen)
    if shown is not None:
        prompt, critique, score = ("".join(text for text, part in shown.tokens if part == side) for side in (0, 1, 2))
        counts = [sum(part == side for _, part in shown.tokens) for side in (0, 1, 2)]
        print(
            f"\nExample {at + 1} of {len(found.entries)}: scenario {shown.place}, step {shown.node}, {shown.length} tokens"
        )
        print(f"prompt ({counts[0]} tokens, not trained on): …{prompt[-200:]}")
        print(f"critique ({counts[1]} tokens): {critique}")
        print(f"score ({counts[2]} tokens): {score}")
    return 0


def _print_overview(seen: dict[str, Any]) -> None:
    train, held, long = seen["train"], seen["held_out"], seen["lengths"]
    print(
        f"{seen['examples']} examples from {seen['set']['name']} v{seen['set']['version']} as {seen['base']} reads them"
    )
    print(f"train\t{train['steps']} steps of {train['scenarios']} scenarios")
    print(f"held out\t{held['steps']} steps of {held['scenarios']} scenarios")
    print(f"drawn\t{seen['drawn']} scenarios; the others state their split")
    if seen["problem"]:
        print(seen["problem"])
    else:
        measured = "" if long["measured"] == long["total"] else f" ({long['measured']} of {long['total']} measured)"
        print(
            f"tokens\tmedian {long['median']}, longest {long['longest']}, {long['cut']} above {long['limit']}{measured}"
        )
    for group in seen["groups"]:
        print(f"{group['kind']}\t{group['total']} findings, {group['blocking']} block: {group['meaning']}")
        for one in group["findings"][:5]:
            place = f"Scenario {one['scenario']}, step {one['node']}: " if one["scenario"] else ""
            print(f"  {place}{one['sentence']}")


def _train(context: Context, options: argparse.Namespace) -> int:
    spec = spec_of(options)
    if options.spec:
        print(json.dumps(spec.model_dump(), ensure_ascii=False))
        return 0
    prepare(context)
    lines = without_base(context, spec) or check(context, spec, preview_critic.overview(context, spec))
    _print_lines(lines)
    if blocked(lines):
        raise Refused("The training is not started: mend what blocks first.")
    if not options.check:
        print(f"Job {actions.enqueue(context, spec)} is queued. `subtext jobs list` shows it.")
        start_worker(context)
    return 0


def _print_lines(lines: list[Line]) -> None:
    for line in lines:
        print(f"{_MARKS[line.level]}  {line.name}: {line.text}")
