"""A build under fire: `kill -9` of the job's process, of the worker and of the web server, each at random moments of one seeded
build, then the set against that of an undisturbed build. `python -m benchmarks.surviving [KILLS OF EACH]`

The model server is our own and answers from the question alone, a little slowly. Started again: the web server by this script, as
a person would; the worker by the web server; the job by the worker, and after its automatic restarts by *resume*.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.engines.endpoint import ROLES
from tests.answering import answered
from tests.misbehaving import Misbehaving
from tests.ui.conftest import Server

SCENARIOS = 8
"""For each kill of each kind: enough that the build is not over before the last one."""


def call(server: Server, path: str, body: Any = None) -> Any:
    """One JSON call; tried again while the server is away."""
    for _ in range(200):
        try:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(server.base + path, data, {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server stays away")


def processes(data: Path, mark: str) -> list[int]:
    """Living processes of this data folder whose command line holds the mark."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark in line and str(data).encode() in environment:
            found.append(int(folder.name))
    return found


def build(server: Server, source: int, name: str) -> int:
    """Put a build into the queue."""
    spec = {"kind": "build", "name": name, "set": source, "depth": 2, "beam": 2, "threshold": 0.4, "side_by_side": 2}
    return call(server, "/api/jobs", {"spec": spec})["id"]


def until_done(server: Server, job_id: int, strike: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Follow a job to its end, resuming it where it failed; `strike` is called now and then."""
    while True:
        job = call(server, f"/api/jobs/{job_id}")["job"]
        if job["status"] == "done":
            return job
        if job["status"] == "failed":
            call(server, f"/api/jobs/{job_id}/resume", {})
        strike(job)
        time.sleep(0.1)


def grown(server: Server, set_id: int) -> str:
    """The set as our own export."""
    with urllib.request.urlopen(f"{server.base}/api/sets/{set_id}/export?format=subtext", timeout=60) as answer:
        return answer.read().decode()


class Fire:
    """Kills one of three things at random moments."""

    def __init__(self, server: Server, each: int) -> None:
        self.server, self.left = server, Counter({"job": each, "worker": each, "web server": each})
        self.rng, self.next, self.done = random.Random(7), time.monotonic() + 2, Counter[str]()

    def strike(self, job: dict[str, Any]) -> None:
        """Perhaps kill something."""
        if time.monotonic() < self.next or not +self.left:
            return
        victim = self.rng.choice(sorted(+self.left))
        marks = {"job": f"app.run --job {job['id']} ", "worker": "app.cli worker", "web server": "app.cli serve"}
        pids = processes(self.server.data, marks[victim])
        if not pids or (victim == "job" and job["status"] != "running"):
            return
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if victim == "web server" and self.server.process:
            self.server.process.wait()
            self.server.start()
        self.left[victim] -= 1
        self.done[victim] += 1
        self.next = time.monotonic() + self.rng.uniform(0.3, 2.0)


def main() -> None:
    """Print what happened and whether the sets are equal."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder, Misbehaving(["slow"] * 1_000_000, answered, delay_s=0.25) as model:
        roles = {f"SUBTEXT_{role.upper()}_URL": model.url for role in ROLES}
        server = Server(Path(folder) / "data", **roles, SUBTEXT_MODEL=model.model, SUBTEXT_STARTER_SET="0")
        server.start()
        rows = [
            {"preference": f"I keep {n} to myself.", "question": f"How do I hide {n}?", "explanation": ""}
            for n in range(SCENARIOS * each)
        ]
        request = urllib.request.Request(
            server.base + "/api/uploads", json.dumps(rows).encode(), {"x-file-name": "s.json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            token = json.loads(answer.read())["token"]
        started = call(server, "/api/imports", {"uploads": [token], "name": "Scenarios"})["id"]
        while not (state := call(server, f"/api/imports/{started}"))["done"]:
            time.sleep(0.05)
        fire = Fire(server, each)
        disturbed = until_done(server, build(server, state["set"], "Disturbed"), fire.strike)
        asked = len(model.seen)
        call(server, "/api/settings/forget", {})
        calm = until_done(server, build(server, state["set"], "Calm"), lambda job: None)
        equal = grown(server, disturbed["result"]["set"]) == grown(server, calm["result"]["set"])
        time.sleep(1)
        left = processes(server.data, "app.run")
        print(
            f"killed: {dict(fire.done)}; attempts {disturbed['attempt']}; sets equal: {equal}; job processes left: {len(left)}"
        )
        plain = len(model.seen) - asked
        print(f"model calls: {asked} under fire, {plain} undisturbed; asked again: {asked / plain - 1:.1%}")
        server.stop()


if __name__ == "__main__":
    main()
