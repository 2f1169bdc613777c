"""A real Ray head of this machine for the tests: few resources, a token of its own, ended by its own mark and nothing else."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

NAMED = "_RAY_HEAD_OF_A_TEST"  # in the environment of the head's processes alone

TOKEN = secrets.token_hex(32)  # one for all heads: a process reads its token once


class Head:
    """`ray start --head` with one CPU and one pretended GPU in a folder of its own. A context manager."""

    def __init__(self) -> None:
        # Ray's sockets have names with at most 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.token = TOKEN
        self.name = secrets.token_hex(8)
        self.port, agent, client = (free_port() for _ in range(3))
        self.address = f"http://127.0.0.1:{self.port}"
        self.secrets = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}
        self.arguments = [
            *("--temp-dir", str(self.folder), "--port", "0", "--num-cpus", "1", "--num-gpus", "1"),
            *("--object-store-memory", "80000000", "--include-log-monitor", "false", "--disable-usage-stats"),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(self.port)),
            *("--dashboard-agent-listen-port", str(agent), "--ray-client-server-port", str(client)),
            *("--min-worker-port", "0", "--max-worker-port", "0"),
        ]

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SUBTEXT_")}
        subprocess.run(
            [str(Path(sys.executable).with_name("ray")), "start", "--head", *self.arguments],
            env=environment | self.secrets | {NAMED: self.name},
            stdout=(self.folder / "start.txt").open("ab"),
            stderr=subprocess.STDOUT,
            check=True,
            timeout=120,
        )
        for _ in range(300):
            asked = urllib.request.Request(
                f"{self.address}/api/version", headers={"authorization": f"Bearer {self.token}"}
            )
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "start.txt").read_text())

    def kill(self) -> None:
        """End every process that carries the head's name, and only those."""
        for _ in range(100):
            left = self.processes()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if not left:
                return
            time.sleep(0.05)
        raise AssertionError(f"processes of Ray are left: {left}")

    def processes(self) -> list[int]:
        """The living processes that inherited the head's name; a dead one has no environment any more."""
        marked, found = f"{NAMED}={self.name}".encode(), list[int]()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and marked in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
