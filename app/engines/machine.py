"""Facts about this machine: processes and their memory, ports, free memory, GPUs. Changes nothing.

Linux only: it reads /proc and asks `nvidia-smi` where that is installed. Knows nothing about models or servers.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
SHARED = "/dev/shm/"
LISTENING = "0A"
LOOPBACK = "127.0.0.1"


class Process(NamedTuple):
    """One process. `started` is in clock ticks since the machine started; with `pid` it names a process for good.

    `ended`: only its exit code is left. A killed process whose first thread is gone before its others has not ended: it still
    holds its memory.
    """

    pid: int
    started: int
    session: int
    ended: bool


class Gpu(NamedTuple):
    """Memory of one GPU, in bytes."""

    total: int
    used: int
    free: int


def process(pid: int) -> Process | None:
    """The process with this number, or None."""
    try:
        line = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold any character, so the fields are counted from the last one.
    fields = line.rpartition(")")[2].split()
    ended, threads = fields[0] in ("Z", "X"), int(fields[17])
    return Process(pid, int(fields[19]), int(fields[3]), ended and threads <= 1)


def session(leader: int) -> list[Process]:
    """Every living process of a session; a session's number is that of the process that opened it."""
    found = (process(pid) for pid in _pids())
    return [one for one in found if one and one.session == leader and not one.ended]


def _pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            yield int(entry.name)


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes hold; a page shared by several of them is counted once."""
    return sum(_memory(pid) for pid in pids)


def _memory(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def shared_files(pids: Iterable[int]) -> set[Path]:
    """Files of shared memory that these processes have open; they outlive a process that is killed."""
    found: set[Path] = set()
    for pid in pids:
        try:
            lines = (PROC / str(pid) / "maps").read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        named = (line[line.index(SHARED) :] for line in lines if SHARED in line)
        found |= {Path(name) for name in named if not name.endswith(" (deleted)")}
    return found


def orphaned(files: Iterable[Path]) -> list[Path]:
    """Those of these files of shared memory that no process has open any more."""
    wanted = set(files)
    return sorted(wanted - shared_files(_pids())) if wanted else []


def available() -> int:
    """Bytes of memory that can be taken without swapping."""
    lines = (PROC / "meminfo").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def boot() -> str:
    """Names this start of the machine; process numbers and times of another one mean nothing here."""
    return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_owner(port: int) -> int | None:
    """The process that listens on a port; None where it cannot be told, as for a process of another user."""
    inodes = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _listeners(PROC / "net" / name, port)}
    for pid in _pids() if inodes else ():
        try:
            if any(_link(one) in inodes for one in (PROC / str(pid) / "fd").iterdir()):
                return pid
        except OSError:
            continue
    return None


def _listeners(table: Path, port: int) -> Iterator[str]:
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for fields in map(str.split, lines):
        if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


def gpus() -> dict[int, Gpu] | None:
    """The GPUs by number in bus order; None where `nvidia-smi` is missing or does not answer."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    query = [command, "--query-gpu=index,memory.total,memory.used,memory.free", "--format=csv,noheader,nounits"]
    environment = os.environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True, env=environment)
        rows = [[int(field) for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return {index: Gpu(total << 20, used << 20, free << 20) for index, total, used, free in rows}
