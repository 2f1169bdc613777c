"""`subtext servers`: model servers of our own on the command line; the twin of the Settings page's section."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from app.actions import servers as actions
from app.context import Context
from app.engines.managed import Exited, Running, Starting, Up, health
from app.engines.serverspec import ServerSpec

_LOOK = 0.5


def add(commands: Any) -> None:
    """Put the commands into the parser's list of commands."""
    noun = commands.add_parser("servers", help="model servers (vLLM) on this machine: list, start, stop, log")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="every server with its state").set_defaults(run=_list)
    start = verbs.add_parser("start", help="start a server; it goes on when this command ends")
    start.add_argument("model", help="folder with a checkpoint, or a name on the model hub (owner/model)")
    start.add_argument("--name", default="", help="what clients ask for (default: the last part of the model)")
    start.add_argument("--port", type=int, default=0, help="default: a free one")
    start.add_argument("--device", default="cpu", help="cpu or cuda:N")
    start.add_argument("--max-length", type=int, default=4096, help="tokens of prompt and answer together")
    start.add_argument("--memory-share", type=float, default=0.9, help="share of the GPU's memory")
    start.add_argument("--cache-gib", type=int, default=2, help="cache on the CPU, in GiB")
    start.add_argument("--extra", action="append", default=[], metavar="--NAME=VALUE", help="a further vLLM argument")
    start.add_argument("--wait", action="store_true", help="until the model can be asked; exit status 1 when it cannot")
    start.set_defaults(run=_start)
    for verb, run, about in (("stop", _stop, "end a server; says what was freed"), ("log", _log, "write its log")):
        one = verbs.add_parser(verb, help=about)
        one.add_argument("port", type=int)
        one.set_defaults(run=run)


def _list(context: Context, _options: argparse.Namespace) -> int:
    for item in actions.listed(context):
        print(f"{item['port']}\t{item['name']}\t{item['device']}\t{item['state']}\t{item['url']}\t{item['text']}")
    return 0


def _start(context: Context, options: argparse.Namespace) -> int:
    spec = ServerSpec(
        model=options.model,
        name=options.name or Path(options.model).resolve().name,
        port=options.port,
        device=options.device,
        max_model_len=options.max_length,
        memory_share=options.memory_share,
        kv_cache_gib=options.cache_gib,
        extra=tuple(options.extra),
    )
    running = actions.start(context, spec)
    print(f"{actions.line(running)}\nThe server {running.name} starts on {running.base_url}; log: {running.log}")
    return wait(running) if options.wait else 0


def wait(running: Running) -> int:
    """Until the server can be asked, or has ended: then its cause is told, and the exit status is 1."""
    while isinstance(state := health(running), Starting):
        time.sleep(_LOOK)
    if isinstance(state, Exited):
        print(f"It did not start: {state.cause}", file=sys.stderr)
    return 0 if isinstance(state, Up) else 1


def _stop(context: Context, options: argparse.Namespace) -> int:
    print(actions.stop(context, options.port))
    return 0


def _log(context: Context, options: argparse.Namespace) -> int:
    offset = 0
    while True:
        piece = actions.log(context, options.port, offset)
        if piece.gone:
            print(piece.gone, file=sys.stderr)
            return 1
        if piece.next <= offset:
            return 0
        sys.stdout.write(piece.text)
        offset = piece.next
