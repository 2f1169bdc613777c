"""Model servers as people handle them: actions, routes and commands, with the small stand-in for vLLM, and once the real one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions import servers as actions
from app.context import Context
from app.engines.managed import Exited, Stopped, Up, health, known, stop
from app.engines.serverspec import BESIDE, GIB, ServerSpec, longest
from app.errors import Refused
from app.main import create_app
from tests.app.test_managed import STAND_IN, alive, until
from tests.serving import wait_until_up

TOP = Path(__file__).parents[2]
Model = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A folder that makes the stand-in behave as its mode says."""

    def make(mode: str = "good", **config: Any) -> Path:
        folder = tmp_path / mode
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"mode": mode} | config))
        return folder

    return make


@pytest.fixture
def served(context: Context, tmp_path: Path) -> Iterator[Context]:
    """A context whose vLLM is the stand-in; its servers are stopped at the end."""
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    made = replace(context, settings=replace(context.settings, vllm_python=str(program)))
    yield made
    for running in known(actions.folder(made)):
        stop(running, 0.2)


@pytest.fixture
def client(served: Context) -> Iterator[TestClient]:
    with TestClient(create_app(served), base_url="http://127.0.0.1") as made:
        yield made


def spec(folder: Path, **more: Any) -> dict[str, Any]:
    return {"model": str(folder), "name": "tiny", "kv_cache_gib": 1} | more


def test_from_the_page_start_to_stop(client: TestClient, served: Context, model: Model) -> None:
    answer = client.post("/api/servers", json=spec(model()))
    assert answer.status_code == 200, answer.text
    port, pid = answer.json()["port"], answer.json()["pid"]
    running = actions.one(served, port)
    until(running, Up)
    (shown,) = client.get("/api/servers").json()["servers"]
    assert (shown["state"], shown["name"], shown["url"]) == ("up", "tiny", f"http://127.0.0.1:{port}/v1")
    cmdline = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().split("\0")[1:-1]
    assert shown["command"].endswith(" ".join(cmdline[1:])) and "VLLM_TARGET_DEVICE=cpu" in shown["command"]
    assert shown["roles"]["judge"].splitlines() == [
        f"export SUBTEXT_JUDGE_URL=http://127.0.0.1:{port}/v1",
        "export SUBTEXT_JUDGE_MODEL=tiny",
        "export SUBTEXT_JUDGE_STRUCTURED=1",
    ]
    log = client.get(f"/api/servers/{port}/log", params={"offset": 0}).json()
    assert log["text"].startswith("variables: ") and "loading weights\n" in log["text"]
    rest = client.get(f"/api/servers/{port}/log", params={"offset": log["next"]}).json()
    assert (rest["text"], rest["offset"]) == ("", log["next"])
    with (actions.folder(served) / f"server-{port}.log").open("a") as file:
        file.write("x" * 200_000)
    assert len(client.get(f"/api/servers/{port}/log").json()["text"]) == 65536
    wrong = client.post(f"/api/servers/{port}/stop", json={"pid": pid + 1})
    assert (wrong.status_code, "is another one by now" in wrong.json()["error"]) == (400, True)
    assert alive(running)
    text = client.post(f"/api/servers/{port}/stop", json={"pid": pid}).json()["text"]
    assert text.startswith("The server tiny ended: 2 processes, 0.1 GiB of memory freed.")
    assert alive(running) == [] and client.get("/api/servers").json()["servers"] == []


def test_a_start_that_fails_stays_with_its_cause(client: TestClient, served: Context, model: Model) -> None:
    port = client.post("/api/servers", json=spec(model("crash"))).json()["port"]
    until(actions.one(served, port), Exited)
    for _ in range(2):
        (shown,) = client.get("/api/servers").json()["servers"]
        assert shown["state"] == "ended"
        assert shown["text"] == "It ended with exit status 1. ValueError: the weights do not fit expected 4, found 8"
    client.post("/api/servers", json=spec(model()))
    assert {item["state"] for item in client.get("/api/servers").json()["servers"]} >= {"ended"}
    text = client.post(f"/api/servers/{port}/stop", json={"pid": shown["pid"]}).json()["text"]
    assert text == "The server tiny had ended already; it is no longer listed."
    assert [item["port"] for item in client.get("/api/servers").json()["servers"]] != [port]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"model": "/no/such/folder"}, 400, "is neither a folder on this machine nor a name as on the model hub"),
        ({"device": "tpu"}, 400, "A device is cpu or cuda:N"),
        ({"port": 80}, 400, "A port lies between 1024 and 65535"),
        ({"python": "/bin/sh"}, 422, "python"),
        ({"extra": ["--dtype=half"]}, 422, "extra"),
        (
            {"max_model_len": 4097},
            400,
            "reads at most 4096 tokens (its config.json), not 4097. Give the server a smaller",
        ),
    ],
)
def test_what_is_refused(
    client: TestClient, served: Context, model: Model, body: dict[str, Any], status: int, sentence: str
) -> None:
    answer = client.post("/api/servers", json=spec(model(max_position_embeddings=4096)) | body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert actions.listed(served) == []


def test_a_port_without_a_server(client: TestClient) -> None:
    for answer in (client.get("/api/servers/4000/log"), client.post("/api/servers/4000/stop", json={"pid": 1})):
        assert answer.json()["error"].startswith("There is no server of ours on port 4000.")


def test_the_length_a_model_was_made_for(tmp_path: Path) -> None:
    cases: list[tuple[Any, int | None]] = [
        ({"max_position_embeddings": 2048, "n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 512}}, 512),
        ({"max_position_embeddings": 2048, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, None),
        ({"max_position_embeddings": 2048, "rope_scaling": None, "rope_parameters": {"rope_type": "default"}}, 2048),
        ({"max_position_embeddings": "many", "n_positions": True, "seq_length": -1}, None),
        (["no object"], None),
        ({"text_config": 7}, None),
    ]
    for config, limit in cases:
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert longest(tmp_path) == limit, config
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert longest(tmp_path) is None
    assert longest(tmp_path / "none") is None


def test_what_was_freed_is_a_sentence(served: Context, model: Model) -> None:
    running = actions.start(served, ServerSpec(**spec(model())))
    gpu = Stopped(2, True, 3 * GIB, 0, 70 * GIB, GIB // 2)
    assert actions.freed(replace(running, device="cuda:1"), gpu) == (
        "The server tiny ended: 2 processes, 3.0 GiB of memory freed. It did not end by itself and was killed. "
        "GPU 1: 70.0 GiB in use before, 0.5 GiB now."
    )


def test_a_stop_waits_until_the_driver_shows_the_memory_free(
    served: Context, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for nvidia-smi frees 1000 MiB with every look once the server's leader is gone, and holds on for two looks."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text(f"""#!{sys.executable}
import pathlib, sys
here = pathlib.Path({str(tmp_path)!r})
pid, looks = (here / "pid.txt"), (here / "looks.txt")
number = pid.read_text() if pid.exists() else ""
state = pathlib.Path("/proc", number, "stat")
gone = number and (not state.exists() or state.read_text().split(") ")[1][0] == "Z")
if "--query-compute-apps=pid,used_memory" in sys.argv:
    print(f"{{number}}, 1000" if number and len(looks.read_text()) < 4 else "")
else:
    if gone:
        with looks.open("a") as file:
            file.write("x")
    used = max(600, 4600 - 1000 * (len(looks.read_text()) if looks.exists() else 0)) if number else 600
    print(f"0, 81920, {{used}}, {{81920 - used}}")
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    running = actions.start(served, ServerSpec(**spec(model(), device="cuda:0")))
    until(running, Up)
    (tmp_path / "pid.txt").write_text(str(running.pid))
    assert "GPU 0: 4.5 GiB in use before, 0.6 GiB now." in actions.stop(served, running.port)


def test_the_command_line(served: Context, model: Model) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUBTEXT_")}
    environment |= {"SUBTEXT_DATA": str(served.settings.data), "SUBTEXT_VLLM_PYTHON": served.settings.vllm_python}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", "servers", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=TOP)

    started = run("start", str(model()), "--cache-gib", "1", "--wait")
    assert started.returncode == 0, started.stderr
    (running,) = known(actions.folder(served))
    assert (running.name, health(running)) == ("good", Up("good")), "it outlives the command"
    assert f"{running.port}\tgood\tcpu\tup\t" in run("list").stdout
    assert "loading weights" in run("log", str(running.port)).stdout
    assert run("stop", str(running.port)).stdout.startswith("The server good ended: 2 processes")
    failed = run("start", str(model("crash")), "--cache-gib", "1", "--wait")
    assert (failed.returncode, "It did not start: ValueError: the weights do not fit" in failed.stderr) == (1, True)
    refused = run("start", "/no/such/folder")
    assert (refused.returncode, "is neither a folder" in refused.stderr) == (1, True)
    assert run("stop", "4000").stderr.startswith("There is no server of ours on port 4000.")


def test_a_program_that_is_not_there(served: Context, model: Model) -> None:
    without = replace(served, settings=replace(served.settings, vllm_python="/no/python"))
    with pytest.raises(Refused, match="There is no program '/no/python' to run vLLM with"):
        actions.start(without, ServerSpec(**spec(model())))


@pytest.mark.vllm
def test_the_real_vllm(context: Context, vllm_model: Path) -> None:
    real = replace(context, settings=replace(context.settings, vllm_python=str(BESIDE)))
    limit = longest(vllm_model)
    assert limit is not None
    with pytest.raises(Refused, match=f"reads at most {limit} tokens"):
        actions.start(real, ServerSpec(str(vllm_model), "starter", max_model_len=limit + 1, kv_cache_gib=1))
    running = actions.start(real, ServerSpec(str(vllm_model), "starter", max_model_len=limit, kv_cache_gib=1))
    try:
        wait_until_up(running)
        (shown,) = actions.listed(real)
        assert shown["state"] == "up"
        assert actions.log(real, running.port, -1).size > 0
    finally:
        text = actions.stop(real, running.port)
    assert "of memory freed." in text and alive(running) == []
