"""Checkpoints for a server that must not load torch: each in a process of its own, started at its first question, kept warm.

A process ends when nobody has asked it for a while, when others need its place, or with the server. Knows lines and processes;
what runs in them is `app.engines.resident`.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.engines.resident import LINE, ask_to_json
from app.engines.roles import STARTER, open_engine
from app.errors import Busy, Refused
from core.ports import Ask, ChatModel, Cut, Failure, Reply, Streamed

TOP = Path(__file__).parents[2]
START_S = 300
"""Seconds that a checkpoint may take to be loaded."""
LOOK_S = 600
"""Seconds that reading a prompt may take."""
IDLE_S = 600
"""Seconds after its last question that a process is kept."""
MOST = 3
"""Checkpoints that are held at once: two policies side by side and a critic."""
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
}


class Apart:
    """A ChatModel whose checkpoint lives in another process. Made by `Residents`; used on one event loop."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        self._next = 0
        self._waiting: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self._name

    @property
    def alive(self) -> bool:
        """False once its process has ended."""
        return not self._reading.done()

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The whole reply; a cancelled ask is taken back."""
        async with aclosing(self._told(_asking(ask, streamed=False))) as lines:
            told = await anext(lines)
            return Reply(*told["reply"]) if "reply" in told else Failure(*told["failure"])

    async def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        """The reply in pieces; a failure is the last item. Closing the iterator takes the question back."""
        async with aclosing(self._told(_asking(ask, streamed=True))) as lines:
            async for told in lines:
                if "piece" in told:
                    yield told["piece"]
                elif "failure" in told:
                    yield Failure(*told["failure"])
                elif told.get("cut"):
                    yield Cut()

    async def look(self, order: Mapping[str, Any]) -> Mapping[str, Any] | Failure:
        """What is seen of a prompt (`app.engines.looking.order`); its slice is then in the file that the order names."""
        async with aclosing(self._told({"look": order})) as lines:
            try:
                told = await asyncio.wait_for(anext(lines), LOOK_S)
            except TimeoutError:
                return Failure("timeout", f"{self._name} did not read this prompt within {LOOK_S} seconds.", 1)
            return told["looked"] if "looked" in told else Failure(*told["failure"])

    async def close(self) -> None:
        """End the process; whoever still waits gets a failure."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _told(self, question: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        self._next += 1
        number, told = self._next, asyncio.Queue[dict[str, Any]]()
        self._waiting[number] = told
        over = False
        try:
            if not self.alive:
                raise ConnectionError
            await self._send({"id": number, **question})
            while not over:
                line = await told.get()
                over = "piece" not in line
                yield line
        except (ConnectionError, RuntimeError):
            over = True
            yield {"failure": self._lost()}
        finally:
            self._waiting.pop(number, None)
            if not over and self.alive:
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await self._send({"id": number, "cancel": True})

    async def _send(self, told: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                told = json.loads(line)
                waiting = self._waiting.get(told["id"])
                if waiting is not None:
                    waiting.put_nowait(told)
        except ValueError:  # a line that is too long or no JSON: the process cannot be trusted any more
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        for waiting in self._waiting.values():
            waiting.put_nowait({"failure": self._lost()})

    def _lost(self) -> Failure:
        return Failure(
            "server", f"The process of {self._name} ended before it answered. Ask again to start it anew.", 1
        )


def _asking(ask: Ask, streamed: bool) -> dict[str, Any]:
    return {"ask": ask_to_json(ask), "stream": streamed}


class _Place:
    """A checkpoint that is held: its model once it is up, who uses it, and when it was used last."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.model: Apart | None = None
        self.users = 0
        self.used = 0.0
        self.timer: asyncio.TimerHandle | None = None


class Residents:
    """The checkpoints that one server holds. Use it on one event loop."""

    def __init__(self, most: int = MOST, idle_s: float = IDLE_S) -> None:
        self._most, self._idle = most, idle_s
        self._places: dict[Path, _Place] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[Apart]:
        """The model of a checkpoint folder. Raises Refused where it cannot be loaded, or every place is in use by others."""
        folder = folder.resolve()
        async with self._door:
            place = self._places.get(folder)
            if place is None:
                await self._make_room()
                place = self._places[folder] = _Place()
            place.users += 1
        try:
            async with place.lock:
                if place.model is None or not place.model.alive:
                    place.model = await _start(folder)
            yield place.model
        finally:
            place.users -= 1
            self._rest(folder, place)

    async def close(self) -> None:
        """End every process."""
        for folder in list(self._places):
            await self._end(folder)

    def held(self) -> list[Path]:
        """The folders whose processes run."""
        return [folder for folder, place in self._places.items() if place.model is not None and place.model.alive]

    async def _make_room(self) -> None:
        if len(self._places) < self._most:
            return
        free = [(place.used, folder) for folder, place in self._places.items() if not place.users]
        if not free:
            raise Busy(f"{self._most} local models are being asked already. Try again when one of them is done.")
        await self._end(min(free)[1])

    def _rest(self, folder: Path, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        place.used = loop.time()
        if place.timer is not None:
            place.timer.cancel()
        if place.users:
            return
        if place.model is None:
            self._places.pop(folder, None)
        else:
            place.timer = loop.call_later(self._idle, self._tire, folder, place)

    def _tire(self, folder: Path, place: _Place) -> None:
        if not place.users and self._places.get(folder) is place:
            task = asyncio.ensure_future(self._end(folder))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _end(self, folder: Path) -> None:
        place = self._places.pop(folder, None)
        if place is not None and place.timer is not None:
            place.timer.cancel()
        if place is not None and place.model is not None:
            await place.model.close()


async def _start(folder: Path) -> Apart:
    """Start the process of a checkpoint and wait until it is loaded. Raises Refused with the reason it gives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.engines.resident", str(folder),
        cwd=TOP, env=dict(os.environ) | _QUIET, limit=LINE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        told: dict[str, Any] = json.loads(line) if line else {"refused": _died(folder)}
    except (TimeoutError, ValueError):
        told = {"refused": f"The checkpoint in {folder} was not loaded within {START_S} seconds."}
    except asyncio.CancelledError:
        process.kill()
        raise
    if "ready" in told:
        return Apart(process, told["ready"])
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    raise Refused(told["refused"])


def _died(folder: Path) -> str:
    return f"The process that loads the checkpoint in {folder} ended without a word; there may be too little memory for it."


@asynccontextmanager
async def open_live(context: Context, residents: Residents, role: Role, engine: Engine) -> AsyncGenerator[ChatModel]:
    """What fills a role, for a page: servers are asked from here, checkpoints in processes of their own. Raises Refused."""
    if isinstance(engine, Endpoint):
        async with open_engine(context, role, engine, Tally()) as model:
            yield model
    else:
        async with residents.open(engine.path if isinstance(engine, Local) else STARTER) as model:
            yield model
