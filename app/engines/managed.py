"""vLLM servers of our own: start, watch, find again after a restart, and stop so that the memory is free.

A server is a session of processes of its own that lives on when the web server ends; a small file says which it is, so that any
process can watch and stop it. Linux only (`app.engines.machine`). Knows no prompt and no client; it never imports vLLM.
"""

import fcntl
import http.client
import os
import signal
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from app import gpu
from app.engines import machine
from app.engines.serverspec import GIB, ServerSpec, check_length, command, environment, gpu_number, prepared, weights
from app.errors import Refused

BASE_MEMORY = int(1.75 * GIB)
"""What the processes of a CPU server take beside the weights and the cache (measured: 1.6 GiB)."""
PRIVATE = ("_KEY", "_SECRET", "_PASSWORD", "_TOKEN")
PAUSE = 0.1
TAIL = 64 << 10
SHOWN = 4000
ANSWER = 64 << 10


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started; what its file says. `pid` is also the number of its session of processes.

    `started` is the start of process `pid` in clock ticks since the machine started, `boot` names that start of the machine:
    another process that is given the same number is not taken for the server. `code` is the exit code once it is known.
    """

    pid: int
    started: int
    boot: str
    port: int
    name: str
    device: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    code: int | None = None

    @property
    def base_url(self) -> str:
        """Where an OpenAI client finds the server."""
        return f"http://{machine.LOOPBACK}:{self.port}/v1"

    @property
    def log(self) -> Path:
        """Everything that the server printed."""
        return self.folder / f"server-{self.port}.log"

    @property
    def file(self) -> Path:
        """Where this value is kept."""
        return self.folder / f"server-{self.port}.json"


@dataclass(frozen=True, slots=True)
class Starting:
    """The processes run, but the model cannot be asked yet. `line` is the last line of the log."""

    line: str


@dataclass(frozen=True, slots=True)
class Up:
    """The model can be asked under `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The server ended. `code` is None where it cannot be known: another process started it. Below 0 it is a signal.

    `cause` is the error that the first traceback in the end of the log names, or the log's last line; `log` are its last
    4,000 characters. `left` counts processes that the server left behind: `stop` ends them.
    """

    code: int | None
    cause: str
    log: str
    left: int


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


Health = Starting | Up | Exited


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop did. Memory in bytes, of the server's processes; GPU memory in use of the device, where it can be asked.

    `killed` says that the server did not end by itself when it was asked to.
    """

    processes: int
    killed: bool
    memory_before: int
    memory_after: int
    gpu_before: int | None
    gpu_after: int | None


def start(spec: ServerSpec, folder: Path) -> Running:
    """Start a server; log and state file go into `folder`. Returns at once: `health` says when the model can be asked.

    Raises Refused where the port is taken, the memory does not suffice, or vLLM or the model is not there.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        ready = prepared(spec)
        _check_port(ready.port, folder)
        check_length(ready)
        _check_memory(ready)
        running = _spawn(ready, folder)
        _keep(running)
    return running


@contextmanager
def _one_at_a_time(folder: Path) -> Generator[None]:
    with (folder / ".starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_port(port: int, folder: Path) -> None:
    ours = next((one for one in known(folder) if one.port == port), None)
    if ours and (_leader(ours) or _members(ours)):
        raise Refused(f"Port {port} belongs to the server {ours.name!r} (process {ours.pid}). Stop it first.")
    if not machine.port_is_free(port):
        owner = machine.port_owner(port)
        by = f"by process {owner}" if owner else "by a process of another user"
        raise Refused(f"Port {port} is in use {by}. Choose another port, or 0 for a free one.")


def _check_memory(spec: ServerSpec) -> None:
    number = gpu_number(spec)
    if number is None:
        need, free = BASE_MEMORY + spec.kv_cache_gib * GIB + weights(spec), machine.available()
        if need > free:
            raise Refused(
                f"The server would take about {_gib(need)} of memory, but {_gib(free)} are available. "
                "Stop another program, or give the server a smaller cache."
            )
        return
    found = machine.gpus()
    if found is None:
        return
    if number not in found:
        raise Refused(f"There is no GPU {number} on this machine; nvidia-smi lists {sorted(found) or 'none'}.")
    need, free = int(found[number].total * spec.memory_share), found[number].free
    if need > free:
        raise Refused(
            f"The server would take {_gib(need)} of GPU {number}, but {_gib(free)} are free. "
            "Stop what runs there, or give the server a smaller share of the memory."
        )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _spawn(spec: ServerSpec, folder: Path) -> Running:
    line, added = command(spec), environment(spec)
    log = folder / f"server-{spec.port}.log"
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawn(line[0], line, _inherited(spec) | added, file_actions=files, setsid=True)
    except OSError as error:
        raise Refused(f"{line[0]} could not be started: {error.strerror}.") from error
    # Our own child cannot disappear from /proc before it is waited for.
    born = machine.process(pid)
    assert born is not None
    return Running(pid, born.started, machine.boot(), spec.port, spec.name, spec.device, tuple(line), added, folder)


def _inherited(spec: ServerSpec) -> dict[str, str]:
    """This process's environment without what is secret, ours, or about another Python than the server's."""
    wanted = {"PYTHONPATH"} if spec.python == sys.executable else set[str]()
    wanted |= set[str]() if Path(spec.model).is_dir() else {"HF_TOKEN"}
    return {
        name: value
        for name, value in os.environ.items()
        if name in wanted or not (name.endswith(PRIVATE) or name.startswith(("SUBTEXT_", "PYTHON")))
    }


_RUNNING = TypeAdapter(Running)


def _keep(running: Running) -> None:
    beside = running.file.with_suffix(f".{os.getpid()}.new")
    beside.write_bytes(_RUNNING.dump_json(running, indent=1))
    beside.chmod(0o600)
    beside.replace(running.file)


def load(file: Path) -> Running | None:
    """The server that a state file describes, running or not; None where the file is no such file."""
    try:
        return replace(_RUNNING.validate_json(file.read_bytes()), folder=file.resolve().parent)
    except (OSError, ValidationError):
        return None


def _kept(running: Running) -> Running | None:
    """What the state file says now, if it is this server's and not that of a later one on the same port."""
    kept = load(running.file)
    same = kept and (kept.pid, kept.started, kept.boot) == (running.pid, running.started, running.boot)
    return kept if same else None


def known(folder: Path) -> list[Running]:
    """Every server with a state file in a folder, by port; also those that have ended and were not stopped since."""
    found = (load(file) for file in folder.glob("server-*.json"))
    return sorted((one for one in found if one), key=lambda one: one.port)


def adopt(folder: Path) -> list[Running]:
    """The servers in a folder that still have processes, by port. Removes the files of those that have none."""
    found: list[Running] = []
    for running in known(folder):
        if _leader(running) or _members(running):
            found.append(running)
        else:
            running.file.unlink(missing_ok=True)
    return found


def _leader(running: Running) -> machine.Process | None:
    """The server's first process, if it lives and is not another one that was given its number."""
    found = machine.process(running.pid) if machine.boot() == running.boot else None
    return found if found and found.started == running.started and not found.ended else None


def _members(running: Running) -> list[int]:
    """Every living process of the server. The system gives a session's number to nobody while a process of it lives."""
    now = machine.process(running.pid)
    if machine.boot() != running.boot or (now and now.started != running.started):
        return []
    return [one.pid for one in machine.session(running.pid) if one.started >= running.started]


def health(running: Running) -> Health:
    """Whether the model can be asked. Looks at the process, at GET /health and at the list of models; waits at most 4 s."""
    if not _leader(running):
        text = _tail(running.log)
        return Exited(_code(running), _cause(text), text[-SHOWN:], len(_members(running)))
    if _get(running.port, "/health") is not None and running.name in _models(running.port):
        return Up(running.name)
    return Starting(next((line for line in reversed(_tail(running.log).splitlines()) if line.strip()), "")[:SHOWN])


def _get(port: int, path: str) -> bytes | None:
    """The beginning of a good answer."""
    connection = http.client.HTTPConnection(machine.LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read(ANSWER) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _models(port: int) -> set[str]:
    try:
        return {one.id for one in _Models.model_validate_json(_get(port, "/v1/models") or b"{}").data}
    except ValidationError:
        return set()


def _code(running: Running) -> int | None:
    """The exit code. Only the process that started the server can learn it; it is then kept in the state file."""
    kept = _kept(running)
    if kept and kept.code is not None:
        return kept.code
    now = machine.process(running.pid)
    if not (now and now.ended and now.started == running.started):
        return running.code
    try:
        pid, status = os.waitpid(running.pid, os.WNOHANG)
    except ChildProcessError:
        return running.code
    code = os.waitstatus_to_exitcode(status) if pid else running.code
    if code is not None and kept:
        _keep(replace(running, code=code))
    return code


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            return file.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def _cause(text: str) -> str:
    """vLLM prints a traceback for each process that falls over another's end: the first one names the cause."""
    lines = [line for line in text.splitlines() if line.strip()]
    first = next((place for place, line in enumerate(lines) if "Traceback (most recent call last):" in line), None)
    if first is None:
        return lines[-1][:SHOWN] if lines else ""
    lead = lines[first].index("Traceback")
    rest = [line[lead:] for line in lines[first + 1 :]]
    error = next((place for place, line in enumerate(rest) if line and not line[0].isspace()), None)
    if error is None:
        return lines[-1][:SHOWN]
    more = takewhile(lambda line: line[:1].isspace(), rest[error + 1 :])
    return " ".join([rest[error], *(line.strip() for line in more)])[:SHOWN]


def stop(running: Running, grace: float = 15.0) -> Stopped:
    """End every process of a server: ask them, after `grace` seconds kill them, and wait until none is left.

    Works from any process of the same user, also for a server whose first process is already gone. Removes the state file and
    what the processes left in shared memory; the log stays. Raises Refused if a process cannot be ended.
    """
    before = _members(running)
    used, shared = machine.memory(before), machine.shared_files(before)
    gpu_before = _gpu_used(running)
    ended = _signal(running, signal.SIGTERM, grace)
    if not ended and not _signal(running, signal.SIGKILL, 15.0):
        left = ", ".join(map(str, _members(running)))
        raise Refused(f"Process {left} of the server {running.name!r} could not be ended; see {running.log}.")
    _code(running)
    for file in machine.orphaned(shared):
        file.unlink(missing_ok=True)
    if _kept(running):
        running.file.unlink(missing_ok=True)
    after = machine.memory(_members(running))
    return Stopped(len(before), not ended, used, after, gpu_before, _gpu_left(running, before))


def _signal(running: Running, number: signal.Signals, seconds: float) -> bool:
    """Send a signal to the server's processes and wait; whether none is left."""
    end = time.monotonic() + seconds
    asked: set[int] = set()
    while members := _members(running):
        for pid in set(members) - asked:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                raise Refused(f"The server {running.name!r} belongs to another user (process {pid}).") from error
        asked |= set(members)
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True


def _gpu_used(running: Running) -> int | None:
    kind, _, number = running.device.partition(":")
    found = (machine.gpus() or {}).get(int(number)) if kind == "cuda" else None
    return found.used if found else None


def _gpu_left(running: Running, ended: list[int], seconds: float = 15.0) -> int | None:
    """What is in use once the driver has cleared up behind ended processes: nothing held by them, and it does not fall more."""
    used, until = _gpu_used(running), time.monotonic() + seconds
    while ended and used is not None and time.monotonic() < until:
        time.sleep(0.5)
        before, used = used, _gpu_used(running)
        if used is None or (used >= before and not gpu.held(ended)):
            break
    return used
