"""Starting, watching and ending the process of a job: the port, and its form for this machine. Knows no job row.

Another executor (a cluster's) submits the same command and gives its own handles.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from app import gpu
from app.processes import MARK, Process, alive, end, members, named, process, send

LOG = "log.txt"
TOP = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: the command that is shown and the command that is started are this one object.

    `environment` is only what is set beside the worker's own environment; no secret ever stands in it.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path = TOP

    def line(self) -> str:
        """The command for a shell."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return f"cd {shlex.quote(str(self.folder))} && {' '.join([*variables, shlex.join(self.arguments)])}"


class Attempt(NamedTuple):
    """One attempt of a job: the job's folder, where its log is, and which attempt it is."""

    folder: Path
    number: int

    @property
    def mark(self) -> str:
        """What the processes of this attempt carry, and those of another attempt do not."""
        return f"{self.folder}:{self.number}"


class Executor(Protocol):
    """Where processes of jobs run. A handle is a text that names one for ever, also after a restart of whoever started it."""

    def start(self, command: Command, attempt: Attempt) -> str:
        """Start a command whose output goes to the attempt's log; returns its handle. Raises OSError when it cannot."""
        ...

    def alive(self, handle: str) -> bool:
        """True while it runs."""
        ...

    def ask(self, handle: str) -> None:
        """Ask it to end at its next safe point."""
        ...

    def stop(self, handle: str, attempt: Attempt) -> str:
        """End it and everything it started, whether it still lives or not; a sentence about what is left, '' when nothing is."""
        ...

    def ended(self, handle: str) -> str:
        """How it ended in a few words ('signal 9', 'exit status 1'), '' when that is not known. Forgets it."""
        ...

    def log(self, handle: str, attempt: Attempt) -> None:
        """Bring the attempt's log up to date."""
        ...


class LocalExecutor:
    """Processes of this machine, each the leader of its own session, so that nothing that ends here ends them."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: Command, attempt: Attempt) -> str:
        """See the port. The folder is made when it is not there."""
        attempt.folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | dict(command.environment) | {MARK: attempt.mark}
        log = os.open(attempt.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            child = subprocess.Popen(
                command.arguments,
                cwd=command.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        found = process(child.pid)  # not collected before `ended`, so the number is still its own
        handle = str(found or Process(child.pid, 0, "unknown"))
        self._children[handle] = child
        return handle

    def alive(self, handle: str) -> bool:
        """See the port."""
        one = named(handle)
        return one is not None and alive(one)

    def ask(self, handle: str) -> None:
        """See the port: SIGTERM to the leader alone, whose part it is to tell its children."""
        one = named(handle)
        if one is not None:
            send(one, signal.SIGTERM)

    def stop(self, handle: str, attempt: Attempt) -> str:
        """See the port: SIGKILL to all of them, then a look whether one of them is left or holds memory of a GPU."""
        one = named(handle)
        if one is None:
            return ""
        before = {member.pid for member in members(one, attempt.mark)}
        left = end(one, attempt.mark)
        if left:
            return f"Processes that cannot be ended: {', '.join(str(item.pid) for item in left[:10])}."
        holding = gpu.held_after(before) if before else 0
        return f"{holding} MiB of GPU memory are still held by ended processes." if holding else ""

    def ended(self, handle: str) -> str:
        """See the port: known only of processes this executor started."""
        child = self._children.pop(handle, None)
        code = child.wait(5) if child else None
        match code:
            case None | 0:
                return ""
            case _ if code < 0:
                return f"signal {-code}"
            case _:
                return f"exit status {code}"

    def log(self, handle: str, attempt: Attempt) -> None:
        """See the port: the process writes the file itself."""


def job_command(data: Path, job_id: int, attempt: int, device: str, module: str = "app.run") -> Command:
    """The command that runs an attempt of a job on the data folder `data`."""
    arguments = (
        sys.executable,
        "-u",
        "-X",
        "faulthandler",
        "-m",
        module,
        "--job",
        str(job_id),
        "--attempt",
        str(attempt),
    )
    environment = {"SUBTEXT_DATA": str(data.resolve())}
    if device:
        environment["CUDA_VISIBLE_DEVICES"] = "" if device == gpu.CPU else device
    return Command(arguments, environment)
