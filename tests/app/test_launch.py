"""`subtext launch`: what is written for every node, every check with its sentence, and the rehearsal with real processes."""

import json
import shlex
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

from app import gpu
from app.actions import launch, preflight_processes
from app.actions.import_data import import_files
from app.actions.rehearse import rows, small
from app.cli import main
from app.context import Context
from app.errors import Refused
from app.order import FOLDER, read_order
from core.launching import CONFIG, Layout, accumulation, size_problem
from core.policy_specs import PolicySpec
from core.specs import CriticSpec, read_spec
from tests.app.test_critic import record

Write = Callable[[str, object], Path]
Say = Callable[..., tuple[int, dict[str, tuple[bool, str]]]]


@pytest.fixture
def say(context: Context, write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run `subtext launch` on a training of a set of three trees; the exit status, and every check that was printed by name."""
    assert import_files(context, [write("trees.json", [record(number) for number in range(3)])]).set_id == 1
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    monkeypatch.setenv("SUBTEXT_DEVICES", "cpu")

    def run(training: dict[str, Any], *arguments: str) -> tuple[int, dict[str, tuple[bool, str]]]:
        file = write("spec.json", {"kind": "policy", "name": "P", "set": 1, "critic": "starter"} | training)
        code = main(["launch", str(file), *arguments])
        told = capsys.readouterr()
        found: dict[str, tuple[bool, str]] = {"": (code == 0, told.out + told.err)}
        for line in told.out.splitlines():
            level, _, rest = line.partition("  ")
            name, colon, text = rest.strip().partition(": ")
            if colon and level.strip() in ("ok", "problem"):
                found.setdefault(name, (level.strip() == "ok", text))
        return code, found

    return run


def test_a_dry_run_that_finds_nothing_wrong_and_a_rehearsal(say: Say) -> None:
    code, found = say({"held_out": 0.34}, "--processes", "2", "--sharding", "fsdp", "--dry-run", "--rehearse")
    assert code == 0, found[""][1]
    expected = {"layout", "sizes", "config", "devices", "port", "packages", "base", "data", "critic", "disk", "memory"}
    assert expected | {"rehearsal"} <= set(found)
    assert "processes: 2, nodes: 1, kind: FSDP2, precision: no, rank: 0" in found["config"][1]
    assert found["rehearsal"][1].startswith(
        "2 processes over gloo made 1 update of the starter model on the CPU, split by"
    )


def test_every_problem_is_a_line_and_the_exit_status_is_1(say: Say) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, found = say(
            {"base": "nowhere", "set": 9, "batch": 10, "critic": "model:7"},
            "--sharding", "deepspeed", "--address", f"127.0.0.1:{port}", "--dry-run",
        )  # fmt: skip
    assert code == 1
    for name, said in (
        ("layout", "on the CPU take fsdp or none"),
        ("port", f"127.0.0.1:{port} cannot be opened here"),
        ("base", "There is no checkpoint in"),
        ("data", "There is no set number 9"),
        ("critic", "There is no model 7"),
    ):
        assert not found[name][0] and said in found[name][1], name
    assert "DeepSpeed ZeRO-3" in found["config"][1] and found["config"][0], (
        "accelerate reads it, also without deepspeed"
    )
    code, found = say({}, "--nodes", "3", "--dry-run")
    assert code == 1 and not found["sizes"][0] and "Take 6 prompts and a batch of 5" in found["sizes"][1]
    assert not found["layout"][0] and "127.0.0.1 is no address at which other nodes" in found["layout"][1]


def test_processes_that_do_not_divide_and_other_kinds_are_refused(say: Say) -> None:
    code, found = say({}, "--processes", "3", "--dry-run")
    assert code == 1 and "on each of 3 processes do not divide" in found[""][1]
    code, found = say({"address": 1}, "--dry-run")
    assert code == 1 and "no field 'address'" in found[""][1]
    code, found = say({}, "--address", "10.0.0.1", "--dry-run")
    assert code == 1 and "An address is HOST:PORT" in found[""][1]


def test_what_is_written_for_every_node(say: Say, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / "stop").touch()
    words = ({"processes": 2}, "--nodes", "2", "--address", "10.0.0.1:29501", "--write", str(folder))
    code, found = say(*words)
    assert code == 1 and "no launch wrote it" in found[""][1] and (folder / FOLDER / "stop").is_file()
    (folder / CONFIG).touch()
    code, found = say(*words)
    assert code == 0, found[""][1]
    assert sorted(file.name for file in folder.iterdir()) == [
        "accelerate.yaml", "node-0.sh", "node-1.sh", "order.json", "spec.json",
    ]  # fmt: skip
    made = json.loads((folder / "accelerate.yaml").read_text())
    assert (made["num_processes"], made["num_machines"], made["main_process_ip"]) == (4, 2, "10.0.0.1")
    for rank in (0, 1):
        line = (folder / f"node-{rank}.sh").read_text()
        words = shlex.split(line)
        assert words[words.index("--machine_rank") + 1] == str(rank) and words[-2:] == ["app.rank", str(folder)]
        assert line.strip() in found[""][1]
    order = read_order(folder)
    assert order.training == read_spec(json.loads((folder / "spec.json").read_text())) and len(order.rows[0]) == 3 - 1
    assert f"subtext models add {folder}/model --name P --kind policy" in found[""][1]
    code, found = say({"processes": 2}, "--nodes", "2", "--write", str(folder))
    assert code == 1 and "no address at which other nodes" in found[""][1]


def test_gpus_are_counted_and_a_configuration_for_them_is_read_by_accelerate(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = read_spec({"kind": "policy", "name": "P", "set": 1, "device": "cuda", "processes": 4})
    assert isinstance(training, PolicySpec)
    monkeypatch.setattr(preflight_processes.gpu, "devices", lambda *_: ("0", "1"))
    layout = launch.layout_for(context, training, 2, "10.0.0.1:29500")
    assert layout == Layout(4, 2, "none", True, "10.0.0.1", 29500)
    line = preflight_processes.devices_line(layout, preflight_processes.gpus(context, training))
    assert (
        line.level == "blocking"
        and line.text == "4 processes need as many GPUs, and this machine gives jobs 2 GPUs: take no more."
    )
    assert next(iter(preflight_processes.lines(context, training))) == line
    found = launch.config_check(training, Layout(4, 2, "deepspeed", True, "10.0.0.1", 29500), 1)
    assert found.ok and "processes: 8, nodes: 2, kind: DeepSpeed ZeRO-3, precision: bf16, rank: 1" in found.text, found
    assert gpu.CPU not in preflight_processes.gpus(context, training)


def test_accelerate_says_what_it_does_not_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from training.launch_check import main as ask

    for told, said in (
        ({"distributed_type": "FSDP", "fsdp_config": {"fsdp_magic": 1}}, "no option fsdp_magic"),
        ({"distributed_type": "MULTI_GPU", "processes": 2}, "unknown keys"),
        ({"distributed_type": "WISHES"}, "not a valid DistributedType"),
        ({"num_processes": 2}, "distributed_type"),
    ):
        (tmp_path / "a.yaml").write_text(json.dumps(told))
        assert ask([str(tmp_path / "a.yaml"), "--config_file", str(tmp_path / "a.yaml"), "x.py"]) == 1
        assert said in capsys.readouterr().out


def test_other_nodes_cannot_reach_a_critic_on_this_one(context: Context) -> None:
    from dataclasses import replace
    from types import MappingProxyType

    from app.engines.endpoint import ROLES, Endpoint

    for address, reached in (("http://127.0.0.1:8000/v1", False), ("http://10.0.0.7:8000/v1", True)):
        engines = MappingProxyType(dict.fromkeys(ROLES, Endpoint(address, "m")))
        own = replace(context, settings=replace(context.settings, engines=engines))
        training = PolicySpec(name="P", set=1)
        found = list(launch.critic_check(own, training, Layout(1, 2, address="10.0.0.1", port=1)))
        assert (found == []) == reached and all(not one.ok for one in found)
    with pytest.raises(Refused, match="drawn inside a job"):
        launch.order_of(context, CriticSpec(name="C", set=1, base="starter-untrained"), Path("/nowhere"))


@pytest.mark.parametrize("kind", ["policy", "sft", "tpo", "critic"])
def test_a_rehearsal_has_a_row_for_every_process(kind: str) -> None:
    training: Any = read_spec({"kind": kind, "name": "n", "set": 1})
    for count in (1, 2, 4):
        tiny = small(training, count)
        assert size_problem(tiny, count) == "" and accumulation(tiny, count) in (1, 2)
        assert len(rows(tiny, count)[0]) == count and tiny.lora_rank == 4 and read_spec(tiny.model_dump()) == tiny
