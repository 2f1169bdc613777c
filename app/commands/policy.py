"""`subtext policy` and `subtext respond`: train a policy from a preset, and let one answer, also as the best of N."""

import argparse
import asyncio
import json
import re
from typing import Any, get_args

from app.actions import jobs as actions
from app.actions.prepare import prepare
from app.actions.respond import Response, Wanted, respond
from app.context import Context
from app.errors import Refused
from app.keeper import start_worker
from core.best_of import By
from core.policy_specs import PRESET_MEANING
from core.specs import POLICY_PRESETS, policy_preset


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    noun = commands.add_parser("policy", help="train a policy: RFT, CDPA and every baseline")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("presets", help="what can be trained")
    listing.set_defaults(run=_presets)
    train = verbs.add_parser("train", help="put a training into the queue")
    train.add_argument("preset", choices=list(POLICY_PRESETS))
    train.add_argument("set", type=number, help="number of the set")
    train.add_argument("--size", choices=list(POLICY_PRESETS["cdpa"]), default="starter")
    train.add_argument("--name", default="", help="what the new policy is called")
    train.add_argument("--after", type=number, help="start from the model of this job, when it is done")
    train.add_argument("--with", dest="own", action="append", default=[], metavar="FIELD=VALUE", help="repeat it")
    train.add_argument("--spec", action="store_true", help="only print the job as JSON for `subtext run`")
    train.set_defaults(run=_train)
    answer = commands.add_parser("respond", help="answer a query under a preference, also as the best of N")
    answer.add_argument("preference")
    answer.add_argument("query")
    answer.add_argument("--policy", default="", help="nothing (as set), starter, model:ID or server:PORT")
    answer.add_argument("--critic", default="", help="what chooses the best one; the same")
    answer.add_argument("--best-of", type=number, default=1, help="sample so many; the critic chooses")
    answer.add_argument("--by", choices=get_args(By), default="mean", help="how a response is valued")
    answer.add_argument("--max-new", type=number, default=512, help="tokens a response may have")
    answer.add_argument("--seed", type=number, default=1)
    answer.add_argument("--json", action="store_true", help="every response with its scores")
    answer.set_defaults(run=_respond)


def number(text: str) -> int:
    """A whole number from 1, for a parser."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, not {text!r}")
    return int(text)


def _presets(context: Context, options: argparse.Namespace) -> int:
    del context, options
    for name, meaning in PRESET_MEANING.items():
        print(f"{name}\t{meaning}")
    return 0


def _train(context: Context, options: argparse.Namespace) -> int:
    own: dict[str, Any] = {"name": options.name or options.preset.upper(), "set": options.set}
    if options.after:
        own["base"] = "after"
    own |= dict(map(pair, options.own))
    try:
        spec = policy_preset(options.preset, options.size, **own)
    except ValueError as error:
        raise Refused(str(error)) from error
    if options.spec:
        print(json.dumps(spec.model_dump(), ensure_ascii=False))
        return 0
    prepare(context)
    print(f"Job {actions.enqueue(context, spec, options.after)} is queued. `subtext jobs list` shows it.")
    start_worker(context)
    return 0


def pair(text: str) -> tuple[str, Any]:
    """FIELD=VALUE as a field of a spec; a value that is no JSON is a text. Raises Refused."""
    name, equals, value = text.partition("=")
    if not equals:
        raise Refused(f"A field is given as FIELD=VALUE, not {text[:60]!r}.")
    try:
        read: Any = json.loads(value)
    except (ValueError, RecursionError):
        read = value
    return name.replace("-", "_"), read


def _respond(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    wanted = Wanted(
        options.preference,
        options.query,
        options.best_of,
        options.by,
        options.policy,
        options.critic,
        options.max_new,
        seed=options.seed,
    )
    found, best = asyncio.run(respond(context, wanted))
    if options.json:
        told = [_told(one) | {"best": bool(best) and best.place == place} for place, one in enumerate(found)]
        print(json.dumps(told, ensure_ascii=False))
        return 0
    if options.best_of > 1 and best is None:
        raise Refused(f"None of {len(found)} responses could be valued. {found[0].why or 'A step has no score.'}")
    chosen = found[best.place if best else 0]
    if not chosen.text:
        raise Refused(chosen.why)
    print(chosen.text)
    if best:
        print(f"(response {best.place + 1} of {len(found)}, {options.by} step score {best.value:.2f})")
    return 0


def _told(one: Response) -> dict[str, Any]:
    return {"text": one.text, "scores": [step.score for step in one.steps], "why": one.why}
