"""Rating under load: acknowledgements over real HTTP, the ceiling, and the same with the server killed again and again.

20 raters, one rating a second each for a minute; then as fast as they can; then with `kill -9` of the server ten times, every
unacknowledged act sent again under its id as the browser does. Beside it: the same acts through one bare SQLite transaction
each, which is what no server can beat. `python -m benchmarks.rating [SECONDS]`
"""

import http.client
import json
import random
import socket
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.ui.conftest import Server

RATERS = 20


class Rater:
    """One rater's client: knows the turns of every dialogue on its list and sends acts one after another."""

    def __init__(self, server: Server, name: str, key: str) -> None:
        self.server, self.name, self.key = server, name, key
        self.line: socket.socket | None = None
        self.taken: list[float] = []
        self.acknowledged: set[str] = set()
        self.rng = random.Random(name)
        self.token, self.turn = "", 0

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One request over a kept connection, on a bare socket: a client library costs more than the server's work.

        Raises OSError when the server is away.
        """
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-rater-key: {self.key}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        try:
            if self.line is None:
                self.line = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
                self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.line.sendall(head.encode() + text)
            status, data = self.answer(self.line)
        except (OSError, ValueError) as error:
            if self.line is not None:
                self.line.close()
            self.line = None
            raise ConnectionError from error
        if status != 200:
            raise RuntimeError(f"{status}: {data!r}")
        return json.loads(data)

    def answer(self, line: socket.socket) -> tuple[int, bytes]:
        """Status and body of one answer. Raises ValueError when the connection ends in the middle."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more(line)
        head, _, data = got.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(data) < length:
            data += self.more(line)
        return int(head[9:12]), data

    @staticmethod
    def more(line: socket.socket) -> bytes:
        """The next bytes."""
        found = line.recv(1 << 16)
        if not found:
            raise ValueError("the connection ended")
        return found

    def next_act(self) -> dict[str, Any]:
        """The next act: the next turn, of the next dialogue when one is complete; after the last, the first again."""
        if self.turn in (0, 10):
            found = self.call("GET", "/api/rate/sheet")
            self.token, self.turn = found["token"], 0 if found["submitted"] else len(found["values"])
        self.turn += 1
        return {
            "turn": self.turn,
            "value": self.rng.randint(1, 5),
            "client_id": f"{self.name}-{self.rng.getrandbits(60):015x}",
        }

    def send(self, act: dict[str, Any]) -> None:
        """Send an act until it is acknowledged; remembers how long the last try took."""
        while True:
            start = time.perf_counter()
            try:
                self.call("POST", "/api/rate/acts", {"token": self.token, "holder": "h", "acts": [act]})
            except OSError:
                time.sleep(0.05)
                continue
            self.taken.append((time.perf_counter() - start) * 1000)
            self.acknowledged.add(act["client_id"])
            return

    def work(self, seconds: float, gap: float) -> None:
        """Rate for a while, one act every `gap` seconds (0: as fast as it goes)."""
        until = time.monotonic() + seconds
        time.sleep(self.rng.random() * gap)
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                act = self.next_act()
            except OSError:
                time.sleep(0.05)
                continue
            self.send(act)
            time.sleep(max(0.0, gap - (time.monotonic() - began)))


def start_study(server: Server, name: str) -> list[Rater]:
    """A study of 120 dialogues for every rater."""
    lines = [
        json.dumps(
            {
                "messages": [
                    {"role": role, "content": f"{role} {p} {m} {k}"}
                    for k in range(10)
                    for role in ("user", "assistant")
                ],
                "model": f"model {m}",
                "profile": f"{name} profile {p}",
            }
        )
        for p in range(40)
        for m in range(3)
    ]
    setup = Rater(server, "setup", "")
    line = http.client.HTTPConnection("127.0.0.1", server.port)
    line.request("POST", "/api/uploads", "\n".join(lines), {"x-file-name": f"{name}.jsonl"})
    token = json.loads(line.getresponse().read())["token"]
    started = setup.call("POST", "/api/imports", {"uploads": [token], "name": name})["id"]
    while not (state := setup.call("GET", f"/api/imports/{started}"))["done"]:
        time.sleep(0.05)
    raters = [f"{name}-{index}" for index in range(RATERS)]
    order = {"name": name, "sets": [state["set"]], "raters": raters, "overlap": RATERS, "consent": ""}
    links = setup.call("POST", "/api/studies", order)["links"]
    return [Rater(server, who, link.split("=")[1]) for who, link in links.items()]


def together(raters: list[Rater], seconds: float, gap: float) -> float:
    """Let all work at once; returns acknowledged ratings a second."""
    for rater in raters:
        rater.taken.clear()
    threads = [threading.Thread(target=rater.work, args=(seconds, gap)) for rater in raters]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(len(rater.taken) for rater in raters) / (time.monotonic() - began)


def stored(server: Server) -> list[str]:
    """The ids of all acts in the database."""
    connection = sqlite3.connect(server.data / "subtext.db")
    found = [row[0] for row in connection.execute("SELECT client_id FROM rating_event")]
    connection.close()
    return found


def check(server: Server, raters: list[Rater]) -> tuple[int, int]:
    """(lost, double) of everything that was acknowledged."""
    found = stored(server)
    acknowledged = {one for rater in raters for one in rater.acknowledged}
    return len(acknowledged - set(found)), len(found) - len(set(found))


def bare(folder: Path) -> float:
    """Ratings a second of one bare SQLite transaction each."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, turn, value, client_id UNIQUE)")
    began, count = time.perf_counter(), 3000
    for index in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO event (turn, value, client_id) VALUES (?, ?, ?)", (1, 3, f"id-{index}"))
        connection.execute("COMMIT")
    connection.close()
    return count / (time.perf_counter() - began)


def killed(server: Server, raters: list[Rater], times: int) -> None:
    """Kill the server this many times while everybody rates."""
    rng = random.Random(4)
    threads = [threading.Thread(target=rater.work, args=(times * 4.0, 0.05)) for rater in raters]
    for thread in threads:
        thread.start()
    for _ in range(times):
        time.sleep(rng.uniform(0.3, 1.5))
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        server.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Print the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        server.start()
        raters = start_study(server, "load")
        rate = together(raters, seconds, 1.0)
        p95 = statistics.quantiles([one for rater in raters for one in rater.taken], n=20)[-1]
        lost, double = check(server, raters)
        print(f"{RATERS} raters, one rating a second each: {rate:.0f}/s, acknowledged in p95 {p95:.1f} ms,", end=" ")
        print(f"lost {lost}, double {double}")
        ceiling = together(raters, min(seconds, 10.0), 0.0)
        lost, double = check(server, raters)
        plain = bare(Path(folder))
        print(
            f"as fast as they can: {ceiling:.0f}/s, lost {lost}, double {double}; bare SQLite transactions {plain:.0f}/s, ",
            end="",
        )
        print(f"{plain / ceiling:.1f} x")
        fresh = start_study(server, "killed")
        killed(server, fresh, 10 if seconds >= 60 else 2)
        lost, double = check(server, fresh)
        total = sum(len(rater.acknowledged) for rater in fresh)
        print(f"server killed: {total} acknowledged, lost {lost}, double {double}")
        server.stop()


if __name__ == "__main__":
    main()
