"""A checkpoint in a process of its own: the same replies as in this one, streams, questions taken back, deaths, and room."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.engines import apart
from app.engines.accounting import Tally
from app.engines.apart import Apart, Residents
from app.engines.resident import answer, ask_from_json, ask_to_json
from app.engines.roles import STARTER, checkpoint
from app.errors import Busy, Refused
from core.ports import Ask, Failure, Message, Reply
from core.prompts.judging import critic

T = TypeVar("T")
ASK = Ask(critic("I like quiet places.", "Where do I go?", [], "They may tire of crowds."), 80)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 120))


def pid_of(model: Any) -> int:
    assert isinstance(model, Apart)
    return model._process.pid  # pyright: ignore[reportPrivateUsage]


async def gone(pid: int) -> None:
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")


def test_whatever_breaks_in_the_process_is_answered() -> None:
    class Broken:
        name = "broken"

        async def ask(self, ask: Ask) -> Reply:
            raise IndexError("out of range")

        async def stream(self, ask: Ask) -> AsyncIterator[str]:
            yield "Tea"
            raise KeyError("gone")

    async def look(told: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ValueError("a token beyond the table")

    async def story() -> dict[int, Any]:
        said: dict[int, Any] = {}
        reader = asyncio.StreamReader()
        for number, own in enumerate(
            ({"look": {}}, *({"ask": ask_to_json(ASK), "stream": one} for one in (False, True)))
        ):
            reader.feed_data(json.dumps({"id": number, **own}).encode() + b"\n")
        working = asyncio.create_task(answer(Broken(), look, reader, lambda told: said.update({told["id"]: told})))
        while sum("failure" in one for one in said.values()) < 3:
            await asyncio.sleep(0.01)
        reader.feed_eof()
        await working
        return said

    told = run(story())
    assert [told[number]["failure"].reason.split(": ")[1] for number in range(3)] == [
        "ValueError",
        "IndexError",
        "KeyError",
    ]


def test_no_more_are_held_however_many_come_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = most = 0

    class Fake:
        alive, name = True, "fake"

        async def close(self) -> None:
            nonlocal held
            await asyncio.sleep(0.01)
            held -= 1

    async def start(folder: Path) -> Any:
        nonlocal held, most
        held += 1
        most = max(most, held)
        return Fake()

    monkeypatch.setattr(apart, "_start", start)

    async def story() -> int:
        residents = Residents(3)
        for name in "abc":
            async with residents.open(tmp_path / name):
                pass
        refused = await asyncio.gather(
            *(_opened(residents, tmp_path / name) for name in "defg"), return_exceptions=True
        )
        await residents.close()
        return sum(isinstance(one, Busy) for one in refused)

    assert run(story()) == 1 and most == 3


def test_who_waits_keeps_the_place_of_a_loader_that_gave_up() -> None:
    async def story() -> None:
        residents = Residents()
        try:
            first = asyncio.create_task(_opened(residents))
            await asyncio.sleep(0.2)
            second = asyncio.create_task(_opened(residents))
            await asyncio.sleep(0.1)
            first.cancel()
            await second
            assert residents.held() == [STARTER.resolve()], "the process that runs is the one that is known"
        finally:
            await residents.close()
        assert residents.held() == []

    run(story())


async def _opened(residents: Residents, folder: Path = STARTER) -> str:
    async with residents.open(folder) as model:
        await asyncio.sleep(0.05)
        return model.name


def test_a_question_survives_the_way_there() -> None:
    ask = Ask((Message("system", "ä\u2028"), Message("user", "?")), 5, 0.5, 0.9, 7, ("stop",), r"\d+", 2)
    assert ask_from_json(json.loads(json.dumps(ask_to_json(ask)))) == ask


def test_the_replies_are_those_of_the_same_process() -> None:
    async def apart() -> tuple[Reply | Failure, str, list[Reply | Failure]]:
        residents = Residents()
        try:
            async with residents.open(STARTER) as model:
                first = await model.ask(ASK)
                pieces = [piece async for piece in model.stream(ASK)]
                many = await asyncio.gather(*(model.ask(ASK) for _ in range(3)))
                assert len(pieces) > 3
                return first, "".join(map(str, pieces)), list(many)
        finally:
            await residents.close()

    async def here() -> Reply | Failure:
        with checkpoint(STARTER, "the model", Tally()) as model:
            return await model.ask(ASK)

    reply, streamed, many = run(apart())
    own = run(here())
    assert isinstance(own, Reply) and isinstance(reply, Reply)
    assert reply.text == own.text == streamed and "SCORE:" in own.text
    assert [one.text for one in many if isinstance(one, Reply)] == [own.text] * 3
    assert (reply.prompt_tokens, reply.completion_tokens) == (own.prompt_tokens, own.completion_tokens)


def test_a_stream_that_is_left_takes_its_question_back() -> None:
    async def left() -> None:
        residents = Residents()
        try:
            async with residents.open(STARTER) as model:
                stream = model.stream(Ask(ASK.messages, 2000))
                assert isinstance(await anext(stream), str)  # type: ignore[call-overload]
                await stream.aclose()  # type: ignore[attr-defined]
                assert isinstance(await model.ask(ASK), Reply)
                assert not model._waiting  # type: ignore[attr-defined]
        finally:
            await residents.close()

    run(left())


def test_a_killed_process_is_a_failure_and_then_started_anew() -> None:
    async def killed() -> None:
        residents = Residents()
        try:
            async with residents.open(STARTER) as model:
                os.kill(pid_of(model), signal.SIGSTOP)
                waiting = asyncio.ensure_future(model.ask(ASK))
                await asyncio.sleep(0.05)
                os.kill(pid_of(model), signal.SIGKILL)
                lost = await waiting
                assert isinstance(lost, Failure) and "ended before it answered" in lost.reason
                assert isinstance(await model.ask(ASK), Failure), "the old one stays dead"
            async with residents.open(STARTER) as model:
                assert isinstance(await model.ask(ASK), Reply)
                last = pid_of(model)
        finally:
            await residents.close()
        await gone(last)

    run(killed())


def test_the_process_ends_with_the_server_that_started_it(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, signal
from pathlib import Path
from app.engines.apart import Residents
from tests.app.test_apart import pid_of
async def main():
    async with Residents().open(Path({str(STARTER)!r})) as model:
        Path({str(tmp_path / "pid")!r}).write_text(str(pid_of(model)))
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""

    async def orphan() -> None:
        started = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        assert await started.wait() == -signal.SIGKILL
        await gone(int((tmp_path / "pid").read_text()))

    run(orphan())


def test_room_is_made_by_ending_who_rested_longest_and_refused_when_all_are_asked(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(tmp_path / "copy")
    (tmp_path / "copy").mkdir()
    for file in STARTER.iterdir():
        if file.is_file():
            (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())

    async def room() -> None:
        residents = Residents(most=1)
        try:
            async with residents.open(STARTER) as model:
                first = pid_of(model)
                with pytest.raises(Busy, match="1 local models are being asked"):
                    async with residents.open(other):
                        pass
            async with residents.open(other):
                await gone(first)
                assert residents.held() == [(tmp_path / "copy").resolve()]
        finally:
            await residents.close()

    run(room())


def test_nobody_asks_so_the_process_ends() -> None:
    async def idle() -> None:
        residents = Residents(idle_s=0.05)
        async with residents.open(STARTER) as model:
            pid = pid_of(model)
        await gone(pid)
        assert residents.held() == []

    run(idle())


def test_a_folder_that_is_no_checkpoint_is_refused_with_its_sentence(tmp_path: Path) -> None:
    async def refused() -> None:
        residents = Residents()
        with pytest.raises(Refused, match=r"holds no config\.json"):
            async with residents.open(tmp_path):
                pass
        assert residents.held() == []

    run(refused())
