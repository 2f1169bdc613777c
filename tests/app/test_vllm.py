"""A real vLLM on the CPU, started, asked, broken and stopped through `app.engines.managed`."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from app.engines import machine
from app.engines.managed import Exited, Running, Up, adopt, health, start, stop
from app.engines.serverspec import BESIDE, SWITCHES, VALUES
from app.errors import Refused
from benchmarks.serving import load, prompts
from tests.serving import served_spec, wait_until_up

pytestmark = pytest.mark.vllm
TOP = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for servers; whatever still runs there at the end is stopped."""
    yield tmp_path
    for running in adopt(tmp_path):
        stop(running, 1)


def ask(running: Running, talk: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    """Talk to a server with the openai client."""

    async def talked() -> Any:
        async with AsyncOpenAI(base_url=running.base_url, api_key="none", max_retries=0, timeout=300) as client:
            return await talk(client)

    return asyncio.run(talked())


def question(running: Running, text: str = "Where shall we move?", **more: Any) -> dict[str, Any]:
    """The arguments of a chat request."""
    said = [{"role": "user", "content": text}]
    return {"model": running.name, "messages": said, "max_tokens": 24, "temperature": 0.0} | more


def waiting(running: Running) -> float:
    """Requests that the server works on or holds in its queue, as it counts them itself."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{running.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$", text, re.M))


def alive(running: Running) -> list[int]:
    """The living processes of a server, asked without the code under test."""
    listed = subprocess.run(["ps", "-eo", "pid=,sid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, sid, state in rows if int(sid) == running.pid and not state.startswith("Z")]


def test_it_is_up_under_its_name(vllm_server: Running) -> None:
    assert health(vllm_server) == Up("starter")

    async def names(client: AsyncOpenAI) -> list[str]:
        return [model.id async for model in client.models.list()]

    assert ask(vllm_server, names) == ["starter"]


def test_a_chat_completion(vllm_server: Running) -> None:
    body = question(vllm_server, extra_body={"ignore_eos": True})
    first, second = (ask(vllm_server, lambda client: client.chat.completions.create(**body)) for _ in range(2))
    assert first.choices[0].finish_reason == "length"
    assert first.usage.completion_tokens == 24
    assert first.usage.prompt_tokens > 5
    assert first.choices[0].message.content == second.choices[0].message.content


def test_a_pattern_is_kept(vllm_server: Running) -> None:
    pattern = r"Reasoning: [a-z ]{5,30} SCORE: (-1\.0|-?0\.[0-9]|1\.0)"
    body = question(vllm_server, max_tokens=200, temperature=1.0, seed=7)
    free = ask(vllm_server, lambda client: client.chat.completions.create(**body))
    held = ask(
        vllm_server,
        lambda client: client.chat.completions.create(**body, extra_body={"structured_outputs": {"regex": pattern}}),
    )
    assert re.fullmatch(pattern, held.choices[0].message.content)
    assert not re.fullmatch(pattern, free.choices[0].message.content or "")


def test_sixteen_at_once(vllm_server: Running) -> None:
    made = asyncio.run(load(vllm_server.base_url, vllm_server.name, prompts(16, 5), 16, 32))
    assert made.new_tokens == 16 * 32
    assert len(made.latencies) == 16


def test_a_stream_says_what_the_whole_says(vllm_server: Running) -> None:
    body = question(vllm_server, extra_body={"ignore_eos": True})

    async def streamed(client: AsyncOpenAI) -> list[str]:
        stream = await client.chat.completions.create(**body, stream=True)
        return [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    pieces = ask(vllm_server, streamed)
    whole = ask(vllm_server, lambda client: client.chat.completions.create(**body))
    assert len([piece for piece in pieces if piece]) > 1
    assert "".join(pieces) == whole.choices[0].message.content


def test_an_abandoned_stream_frees_its_place(vllm_server: Running) -> None:
    body = question(vllm_server, max_tokens=1800, extra_body={"ignore_eos": True})

    async def abandon(client: AsyncOpenAI) -> float:
        stream = await client.chat.completions.create(**body, stream=True)
        async for _ in stream:
            break
        busy = await asyncio.to_thread(waiting, vllm_server)
        await stream.close()
        return busy

    assert ask(vllm_server, abandon) == 1
    for _ in range(100):
        if waiting(vllm_server) == 0:
            break
        time.sleep(0.02)
    assert waiting(vllm_server) == 0
    assert health(vllm_server) == Up("starter")
    answer = ask(vllm_server, lambda client: client.chat.completions.create(**question(vllm_server)))
    assert answer.usage.completion_tokens >= 1


def test_a_second_server_on_its_port_is_refused(vllm_server: Running, vllm_model: Path, folder: Path) -> None:
    spec = served_spec(vllm_model)
    taken = type(spec)(spec.model, "second", port=vllm_server.port, python=spec.python)
    with pytest.raises(Refused, match=f"Port {vllm_server.port} is in use by process {vllm_server.pid}"):
        start(taken, folder)


def test_every_argument_that_may_be_added_exists(vllm_model: Path) -> None:
    line = [str(BESIDE), "-m", "vllm.entrypoints.openai.api_server", "--help=all"]
    done = subprocess.run(
        line, capture_output=True, text=True, check=True, env=os.environ | {"VLLM_TARGET_DEVICE": "cpu"}
    )
    known = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
    assert known >= SWITCHES | VALUES
    assert "--trust-remote-code" in known


def test_found_again_by_another_process_and_stopped(vllm_model: Path, folder: Path) -> None:
    running = start(served_spec(vllm_model, "again"), folder)
    wait_until_up(running)
    shared = machine.shared_files(alive(running))
    code = f"""
from pathlib import Path
from app.engines.managed import adopt, health, stop
(running,) = adopt(Path({str(folder)!r}))
print(health(running))
made = stop(running)
print(made.processes, made.killed, made.memory_before >> 20, made.memory_after)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    state, figures = done.stdout.splitlines()
    processes, killed, before, after = figures.split()
    assert state == "Up(name='again')"
    assert (int(processes) >= 3, killed, int(before) > 1024, after) == (True, "False", True, "0")
    assert alive(running) == []
    assert shared and not any(file.exists() for file in shared)
    assert adopt(folder) == []
    assert isinstance(health(running), Exited)


def test_without_its_first_process_it_is_still_cleaned_up(vllm_model: Path, folder: Path) -> None:
    running = start(served_spec(vllm_model), folder)
    wait_until_up(running)
    shared = machine.shared_files(alive(running))
    os.kill(running.pid, signal.SIGKILL)
    for _ in range(100):
        if isinstance(exited := health(running), Exited):
            break
        time.sleep(0.05)
    assert isinstance(exited, Exited)
    assert (exited.code, exited.left > 0) == (-signal.SIGKILL, True)
    assert stop(running).memory_after == 0
    assert alive(running) == []
    assert shared and not any(file.exists() for file in shared)
    assert machine.port_is_free(running.port)
