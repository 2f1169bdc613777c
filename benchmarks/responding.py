"""How soon the first step of a response is there on the Respond page. `python -m benchmarks.responding [PAIRS]`

The starter model on a real vLLM server on the CPU, asked for the same responses in two ways, in turns: by our route, which
also has the critic of the same server judge every step, until the line with the first whole step; and straight, by a plain
streaming client, until the marker of the second step is there. Both read one connection in this process.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.engines.endpoint import ROLES
from app.engines.managed import Running, stop
from benchmarks.serving import served
from core.prompts.policy import policy
from core.responding import Growing

TOKENS = 300
LIMIT = 1.2


@contextmanager
def serving(data: Path, model: Running) -> Iterator[str]:
    """The page's server, with the model in every role."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    roles = {f"SUBTEXT_{role.upper()}_URL": model.base_url for role in ROLES}
    own = {
        "SUBTEXT_DATA": str(data),
        "SUBTEXT_PORT": str(port),
        "SUBTEXT_MODEL": model.name,
        "SUBTEXT_STARTER_SET": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"], env=os.environ | own | roles, cwd=Path(__file__).parents[1]
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(base + "/api/session", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(20)


def post(base: str, path: str, body: dict[str, Any]) -> Iterator[bytes]:
    """The lines of an answer as they come."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        while line := answer.readline():
            yield line
    finally:
        connection.close()


def ours(base: str, preference: str, query: str) -> float | None:
    """Seconds until the first whole step stands on a line of our route; None for a response of fewer than two steps."""
    began = time.perf_counter()
    for line in post(base, "/api/respond", {"preference": preference, "query": query, "max_new": TOKENS}):
        told = json.loads(line)
        if "finished" in told:
            return None
        if "whole" in told:
            return time.perf_counter() - began
    return None


def straight(model: Running, preference: str, query: str) -> float | None:
    """Seconds until the model itself has written the first step and the marker of the second; None without."""
    messages = [message._asdict() for message in policy(preference, query)]
    body = {"model": model.name, "messages": messages, "max_tokens": TOKENS, "temperature": 0, "stream": True}
    growing, began = Growing(), time.perf_counter()
    for line in post(model.base_url, urlsplit(model.base_url).path + "/chat/completions", body):
        if not line.startswith(b"data: {"):
            continue
        choices = json.loads(line[6:])["choices"]
        if choices and growing.feed(choices[0]["delta"].get("content") or ""):
            return time.perf_counter() - began
    return None


def main() -> None:
    """Print the ratio, the median of the pairs."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    own, plain = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        running, _ = served(Path(name))
        try:
            with serving(Path(name) / "data", running) as base:
                turn = -3
                while len(own) < pairs:
                    turn += 1
                    asked = (
                        f"I keep to myself where I am, but I like company {turn}.",
                        f"Where do I go on day {turn}?",
                    )
                    both = {"own": partial(ours, base, *asked), "plain": partial(straight, running, *asked)}
                    taken = {which: both[which]() for which in sorted(both, reverse=bool(turn % 2))}
                    if turn >= 0 and taken["own"] and taken["plain"]:  # the first two warm both up
                        own.append(taken["own"])
                        plain.append(taken["plain"])
        finally:
            stop(running)
    ratios = sorted(one / two for one, two in zip(own, plain, strict=True))
    print(
        f"first step: {statistics.median(own):.2f} s by our route with a critic beside, {statistics.median(plain):.2f} s by the "
        f"engine itself; ratio {statistics.median(ratios):.2f} (middle half {ratios[len(ratios) // 4]:.2f} to "
        f"{ratios[3 * len(ratios) // 4]:.2f} of {pairs} pairs; goal at most {LIMIT})"
    )


if __name__ == "__main__":
    main()
