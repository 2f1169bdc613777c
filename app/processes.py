"""Processes of this machine: which one it is, whether it lives, which ones belong to a job. Reads /proc; knows no job row.

A number alone does not name a process: it is used again after the process ended. Boot and start time make it a name.
"""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
MARK = "_SUBTEXT_JOB"
"""Environment variable that every process of a job inherits; its value names the attempt."""

_START, _STATE, _GROUP = 19, 0, 2
"""Places in /proc/PID/stat after the name, which may hold blanks and brackets itself."""


class Process(NamedTuple):
    """A process by its number, the clock tick at which it started, and the boot of the machine. Its text is its name."""

    pid: int
    ticks: int
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}:{self.ticks}:{self.boot}"


def named(text: str) -> Process | None:
    """The process of a name; None for a text that is no name."""
    pid, _, rest = text.partition(":")
    ticks, _, boot = rest.partition(":")
    if not (pid.isascii() and pid.isdigit() and ticks.isascii() and ticks.isdigit() and boot):
        return None
    return Process(int(pid), int(ticks), boot)


def boot() -> str:
    """What this boot of the machine is called."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def process(pid: int) -> Process | None:
    """The process that has this number now, or None."""
    stat = _stat(pid)
    return None if stat is None else Process(pid, int(stat[_START]), boot())


def myself() -> Process:
    """The process that asks."""
    return process(os.getpid()) or Process(os.getpid(), 0, boot())


def alive(one: Process) -> bool:
    """True while exactly this process runs; a dead one not yet collected or a later one of its number does not count."""
    stat = _stat(one.pid)
    return stat is not None and stat[_STATE] not in "ZX" and int(stat[_START]) == one.ticks and boot() == one.boot


def members(leader: Process, mark: str) -> list[Process]:
    """The living processes of an attempt: those with its mark, and the leader's group while the leader's number is its own.

    The mark finds also those that left the group and those whose leader has died.
    """
    stat = _stat(leader.pid)
    own_group = stat is not None and int(stat[_START]) == leader.ticks and boot() == leader.boot
    marked, found = f"{MARK}={mark}".encode(), list[Process]()
    for entry in os.scandir(PROC):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        stat = _stat(pid)
        if stat is None or stat[_STATE] in "ZX":
            continue
        if (own_group and int(stat[_GROUP]) == leader.pid) or marked in _environment(pid):
            found.append(Process(pid, int(stat[_START]), leader.boot))
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def send(one: Process, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; False when it is gone or belongs to somebody else."""
    if not alive(one):
        return False
    try:
        os.kill(one.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(leader: Process, mark: str, seconds: float = 5.0) -> list[Process]:
    """Kill every process of an attempt and wait until they are gone; returns those that are still there after some seconds."""
    until = time.monotonic() + seconds
    while left := members(leader, mark):
        for one in left:
            send(one, signal.SIGKILL)
        if time.monotonic() > until:
            return left
        time.sleep(0.02)
    return []
