"""`subtext models`: what fills each role, and registered models; the twin of the Models page and of the roles on Settings."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from app.actions import models as actions
from app.actions import servers as running_servers
from app.actions.prepare import prepare
from app.actions.try_role import forget_replies, role_states, try_role
from app.commands import servers
from app.context import Context
from app.engines.choices import place
from app.engines.endpoint import ROLES
from core.critic_change import changes
from core.registered import KINDS
from core.report_file import Own, Quality


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    noun = commands.add_parser(
        "models", help="what fills each role; registered models: list, show, add, serve, rename, remove"
    )
    noun.set_defaults(run=_roles)
    verbs = noun.add_subparsers(metavar="VERB")
    attempt = verbs.add_parser("try", help="ask a role's model one short question")
    attempt.add_argument("role", choices=ROLES)
    attempt.set_defaults(run=_try)
    verbs.add_parser("forget-replies", help="empty the cache of replies").set_defaults(run=_forget_replies)
    show = verbs.add_parser("list", help="the registered models, newest first")
    show.add_argument("--kind", choices=KINDS)
    show.set_defaults(run=_list)
    new = verbs.add_parser("add", help="register a folder with a checkpoint; the same folder again is the same model")
    new.add_argument("folder", type=Path)
    new.add_argument("--name", default="", help="default: the folder's name")
    new.add_argument("--kind", choices=KINDS, default="critic")
    new.add_argument("--note", default="")
    new.set_defaults(run=_add)
    for verb, run, about in _ON_ONE:
        one = verbs.add_parser(verb, help=about)
        one.add_argument("model", type=int, help="number of the model")
        one.set_defaults(run=run)
        if verb == "serve":
            one.add_argument(
                "--device", default="", help="cpu or cuda:N (default: the GPU with most free memory, else cpu)"
            )
            one.add_argument("--port", type=int, default=0, help="default: a free one")
            one.add_argument("--max-length", type=int, default=0, help="tokens of prompt and answer together")
            one.add_argument("--wait", action="store_true", help="until it can be asked; exit status 1 when it cannot")
        elif verb == "rename":
            one.add_argument("name")
            one.add_argument("--note", help="another note beside the name")
        elif verb == "remove":
            one.add_argument("--delete-files", default="", metavar="NAME", help="its name, to delete its files too")


def _roles(context: Context, _options: argparse.Namespace) -> int:
    for state in role_states(context):
        key = (
            f"key in {state.key_variable} ({'set' if state.key_set else 'NOT SET'})" if state.key_variable else "no key"
        )
        print(f"{state.role}\t{state.model or 'starter model'}\t{state.url or state.kind}\t{key}")
    return 0


def _try(context: Context, options: argparse.Namespace) -> int:
    tried = asyncio.run(try_role(context, options.role))
    print(tried.text)
    return 0 if tried.ok else 1


def _forget_replies(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    print(forget_replies(context))
    return 0


def _list(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    problems = actions.states(context)
    print(
        "id\tname\tkind\tbase\tdata\theld-out Spearman\tunscored\tmean error\tmean error of the base\tserved on\tpath"
    )
    for shown in actions.listing(context, options.kind):
        model = shown.model
        told = [("trained", "spearman"), ("trained", "unscored"), ("trained", "mae"), ("base", "mae")]
        numbers: list[Any] = [(model.metrics.get(who) or {}).get(what) for who, what in told]
        data = f"{model.data['name']} v{model.data['version']}" if model.data else "-"
        ports = ", ".join(map(str, shown.ports)) or "-"
        row: list[Any] = [
            model.id,
            model.name,
            model.kind,
            model.base or "-",
            data,
            *map(_number, numbers),
            ports,
            model.path,
        ]
        print("\t".join(map(str, row)))
        if model.id in problems:
            print(f"! {problems[model.id]}")
    return 0


def _number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "-"


def _show(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    found = actions.one(context, options.model)
    model = found.shown.model
    if found.standing:
        print(f"! {found.standing}")
    if model.removed_at:
        print(f"! It was forgotten at {model.removed_at}.")
    ports = ", ".join(map(str, found.shown.ports)) or "nowhere"
    print(f"Model {model.id}: {model.name} ({model.kind}), registered {model.created_at}, served on {ports}")
    print(f"folder\t{place(context, model)}\ndigest\t{model.digest}")
    print(f"base\t{model.base or 'not known'}\t{model.base_digest}")
    data = f"set {model.data['set']}, {model.data['name']} v{model.data['version']}" if model.data else "not known"
    print(f"data\t{data}\t{model.data_hash}")
    print(f"parents\t{', '.join(f'{one.id} {one.name}' for one in found.parents) or 'none'}")
    print(f"models made of it\t{', '.join(f'{one.id} {one.name}' for one in found.children) or 'none'}")
    print(f"job\t{found.job or 'none'}" + (f"\t{json.dumps(found.spec, ensure_ascii=False)}" if found.spec else ""))
    if model.note:
        print(f"note\t{model.note}")
    if isinstance(found.report, str):
        print(found.report)
        return 0
    print("held-out steps\twho\tsteps\tunscored\tmean error\tSpearman\tband agreement")
    for place_, part in (("all", None), *((f"step {step}", step) for step in found.report.trained.by_step)):
        for who, own in (("base", found.report.base), ("trained", found.report.trained)):
            print(_quality(place_, who, _part(own, part)))
    for measure, change in changes(found.report).items():
        if change.difference is not None:
            word = {"chance": "within chance", "": "too little to tell"}.get(change.verdict, change.verdict)
            print(f"{measure}\t{change.difference:+.2f}\t{word}")
    return 0


def _part(own: Own, step: str | None) -> Quality | None:
    return own.all if step is None else own.by_step.get(step)


def _quality(place_: str, who: str, one: Quality | None) -> str:
    numbers = [] if one is None else [one.unscored, one.mae, one.spearman, one.band]
    return "\t".join([place_, who, "-" if one is None else str(one.steps), *map(_number, numbers)])


def _add(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    new = actions.NewModel(options.folder, options.name, options.kind, note=options.note)
    model = actions.register(context, new)
    if options.name and model.name != " ".join(options.name.split()):
        print(actions.rename(context, model.id, options.name, options.note or None))
    print(f"Model {model.id} is registered: {model.path}. Use it as model:{model.id}.")
    return 0


def _serve(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    running = actions.serve(context, options.model, actions.Asked(options.device, options.port, options.max_length))
    print(
        f"{running_servers.line(running)}\n"
        f"Model {options.model} is served as {running.name} on {running.base_url}; log: {running.log}"
    )
    return servers.wait(running) if options.wait else 0


def _rename(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.rename(context, options.model, options.name, options.note))
    return 0


def _remove(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.forget(context, options.model, options.delete_files))
    return 0


_ON_ONE = (
    ("show", _show, "one model: what it was made of, and its held-out report"),
    ("serve", _serve, "start a model server (vLLM) for it; it goes on when this command ends"),
    ("rename", _rename, "give it another name"),
    ("remove", _remove, "forget it; its files stay unless --delete-files names it"),
)
