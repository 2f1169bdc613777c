"""Model servers of our own as people handle them: list, start, stop, log. State files live in the data folder's `servers`.

A server goes on when the web server ends; whoever looks into the folder finds it again. Writes no setting: it says which ones
to set.
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.artifacts import Piece, open_file, piece
from app.context import Context
from app.engines import managed
from app.engines.choices import servers_folder
from app.engines.endpoint import ROLES, Role
from app.engines.managed import Exited, Running, Starting, Stopped, Up
from app.engines.serverspec import GIB, ServerSpec
from app.errors import Refused
from app.settings import role_variable


def folder(context: Context) -> Path:
    """Where state files and logs of servers are."""
    return servers_folder(context)


def listed(context: Context) -> list[dict[str, Any]]:
    """Every server as JSON, by port; one that ended by itself stays, with the cause, until it is stopped or its port is used."""
    return [view(running) for running in managed.known(folder(context))]


def start(context: Context, spec: ServerSpec) -> Running:
    """Start a server with the Python of the settings. Returns at once. Raises Refused (see `managed.start`)."""
    return managed.start(replace(spec, python=context.settings.vllm_python), folder(context))


def one(context: Context, port: int) -> Running:
    """The server on a port. Raises Refused when there is none."""
    found = next((running for running in managed.known(folder(context)) if running.port == port), None)
    if found is None:
        raise Refused(f"There is no server of ours on port {port}. `subtext servers list` lists them.")
    return found


def stop(context: Context, port: int, pid: int | None = None) -> str:
    """End a server and say what that freed. With `pid`, only if the server on the port is still that one. Raises Refused."""
    running = one(context, port)
    if pid is not None and pid != running.pid:
        raise Refused(f"The server on port {port} is another one by now (process {running.pid}). Look again.")
    return freed(running, managed.stop(running))


def freed(running: Running, stopped: Stopped) -> str:
    """What a stop did, for people."""
    if not stopped.processes:
        return f"The server {running.name} had ended already; it is no longer listed."
    count = f"{stopped.processes} process{'' if stopped.processes == 1 else 'es'}"
    said = [
        f"The server {running.name} ended: {count}, {_gib(stopped.memory_before - stopped.memory_after)} of memory freed."
    ]
    if stopped.killed:
        said.append("It did not end by itself and was killed.")
    if stopped.gpu_before is not None and stopped.gpu_after is not None:
        before, after = _gib(stopped.gpu_before), _gib(stopped.gpu_after)
        said.append(f"GPU {running.device.partition(':')[2]}: {before} in use before, {after} now.")
    return " ".join(said)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def log(context: Context, port: int, offset: int) -> Piece:
    """At most 64 KiB of a server's log from a byte; a negative offset means its end."""
    running = one(context, port)
    try:
        file = open_file(running.folder, running.log.name)
    except Refused:
        return Piece(0, 0, 0, "", "The log is not there; it was deleted.")
    return piece(file, offset)


def view(running: Running) -> dict[str, Any]:
    """A server as JSON: what it is, how it is, its exact command, and the settings that give a role to it."""
    return {
        "port": running.port,
        "pid": running.pid,
        "name": running.name,
        "device": running.device,
        "url": running.base_url,
        "command": line(running),
        "log": str(running.log),
        "roles": {role: role_settings(running, role) for role in ROLES},
        **_state(running),
    }


def _state(running: Running) -> dict[str, Any]:
    match managed.health(running):
        case Up():
            return {"state": "up", "text": "The model can be asked.", "left": 0}
        case Starting(line=said):
            return {"state": "starting", "text": said or "It has not said anything yet.", "left": 0}
        case Exited(code=code, cause=cause, left=left):
            how = "" if code is None else (f" by signal {-code}" if code < 0 else f" with exit status {code}")
            return {"state": "ended", "text": f"It ended{how}. {cause}".strip(), "left": left}


def line(running: Running) -> str:
    """The exact command for a shell, with the variables that were set."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in running.environment.items()]
    return " ".join([*variables, shlex.join(running.command)])


def role_settings(running: Running, role: Role) -> str:
    """The lines that make this server the model of a role, for the environment in which Subtext is started."""
    values = {"base_url": running.base_url, "model": running.name, "structured": "1"}
    return "\n".join(f"export {role_variable(role, name)}={shlex.quote(value)}" for name, value in values.items())
