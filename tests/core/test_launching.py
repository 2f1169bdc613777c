"""The configuration of `accelerate launch`: every way of sharding, one node and two, every problem with what would work."""

import json
from typing import Any

import pytest

from core.batching import accumulation_problem, responses_problem
from core.job_spec import Sharding
from core.launching import Layout, accumulation, command, config, layout_problem, size_problem, text
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.preflight import Need, each
from core.specs import CriticSpec, policy_preset, read_spec

POLICY = PolicySpec(name="P", set=1, group=5, prompts=4, batch=5)
GPUS = Layout(4, 2, "none", True, "10.0.0.1", 29500)


@pytest.mark.parametrize(
    ("layout", "kind", "precision"),
    [
        (Layout(), "NO", "no"),
        (Layout(2), "MULTI_GPU", "no"),
        (Layout(4, gpu=True), "MULTI_GPU", "bf16"),
        (Layout(2, sharding="fsdp"), "FSDP", "no"),
        (Layout(4, sharding="fsdp", gpu=True), "FSDP", "bf16"),
        (Layout(4, sharding="deepspeed", gpu=True), "DEEPSPEED", "bf16"),
    ],
)
def test_one_node(layout: Layout, kind: str, precision: str) -> None:
    made = config(POLICY, layout)
    assert (made["distributed_type"], made["mixed_precision"], made["use_cpu"]) == (kind, precision, not layout.gpu)
    assert (made["num_processes"], made["num_machines"], made["machine_rank"]) == (layout.processes, 1, 0)
    assert made["main_process_ip"] is None and made["main_process_port"] == 0
    assert ("fsdp_config" in made, "deepspeed_config" in made) == (kind == "FSDP", kind == "DEEPSPEED")
    told = text(made)
    assert json.loads(told) == {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize("sharding", ["none", "fsdp", "deepspeed"])
def test_two_nodes_differ_in_their_rank_only(sharding: Sharding) -> None:
    layout = Layout(4, 2, sharding, True, "10.0.0.1", 29500)
    first, second = (config(POLICY, layout, rank) for rank in (0, 1))
    assert second == first | {"machine_rank": 1}
    assert (first["num_processes"], first["num_machines"]) == (8, 2), "accelerate counts the processes of all nodes"
    assert (first["main_process_ip"], first["main_process_port"]) == ("10.0.0.1", 29500)
    lines = [command(layout, rank, "python", "/shared/run", 6) for rank in (0, 1)]
    assert lines[0][4:] == (
        "--config_file", "/shared/run/accelerate.yaml", "--machine_rank", "0", "--num_cpu_threads_per_process", "6",
        "-m", "app.rank", "/shared/run",
    )  # fmt: skip
    assert [place for place, (one, two) in enumerate(zip(*lines, strict=True)) if one != two] == [7]


def test_fsdp_splits_every_decoder_layer_and_keeps_weights_whole_in_checkpoints() -> None:
    for rank in (0, 16):
        made = config(POLICY.model_copy(update={"lora_rank": rank}), Layout(4, sharding="fsdp", gpu=True))[
            "fsdp_config"
        ]
        assert made["fsdp_version"] == 2 and made["fsdp_auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
        assert made["fsdp_state_dict_type"] == "FULL_STATE_DICT"
        assert "fsdp_use_orig_params" not in made, "FSDP2 always keeps them: a LoRA needs nothing else"
        assert not made["fsdp_cpu_ram_efficient_loading"] and not made["fsdp_activation_checkpointing"]


def test_deepspeed_counts_the_micro_batches_and_knows_a_lora() -> None:
    layout = Layout(2, 2, "deepspeed", True, "10.0.0.1", 29500)
    whole = config(POLICY.model_copy(update={"lora_rank": 0}), layout)["deepspeed_config"]
    assert (whole["zero_stage"], whole["zero3_save_16bit_model"], whole["zero3_init_flag"]) == (3, True, True)
    assert whole["gradient_accumulation_steps"] == 1
    assert not config(POLICY, layout)["deepspeed_config"]["zero3_init_flag"]
    for kind in (SFTSpec, TPOSpec, CriticSpec):
        training = kind(name="S", set=1, accumulate=16)
        assert config(training, layout)["deepspeed_config"]["gradient_accumulation_steps"] == 4
        assert accumulation(training, 2) == 8


@pytest.mark.parametrize(
    ("layout", "rank", "said"),
    [
        (Layout(0), 0, "Processes on a node are 1 to 64"),
        (Layout(65), 0, "Processes on a node are 1 to 64"),
        (Layout(2, 65), 0, "nodes 1 to 64"),
        (GPUS, 2, "Ranks of 2 nodes are 0 to 1; 2 is none of them"),
        (Layout(2, 2, address="10.0.0.1"), 0, "agree on a port"),
        (Layout(2, port=70_000), 0, "A port is a number up to 65535"),
        (Layout(2, 2, port=29500), 0, "127.0.0.1 is no address at which other nodes reach"),
        (Layout(2, 2, port=29500, address="localhost"), 0, "localhost is no address"),
        (Layout(2, sharding="deepspeed"), 0, "on the CPU take fsdp or none"),
    ],
)
def test_a_layout_that_cannot_start_says_why(layout: Layout, rank: int, said: str) -> None:
    assert said in layout_problem(layout, rank)


def test_layouts_that_can_start() -> None:
    for layout, rank in ((Layout(), 0), (Layout(64), 0), (GPUS, 1), (Layout(4, sharding="deepspeed", gpu=True), 0)):
        assert layout_problem(layout, rank) == ""


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 8, 64])
@pytest.mark.parametrize(("group", "prompts", "batch"), [(5, 4, 5), (5, 4, 10), (4, 8, 3), (2, 1, 2), (6, 5, 4)])
def test_a_sentence_about_sizes_names_a_batch_that_works(group: int, prompts: int, batch: int, processes: int) -> None:
    said = responses_problem(group, prompts, batch, processes)
    assert bool(said) == (group * prompts % (batch * processes) != 0)
    if not said:
        return
    if "Take " in said:
        words = said.split("Take ")[1].split()
        prompts, batch = int(words[0]), int(words[6].rstrip(","))
    else:
        batch = int(said.rsplit(" ", 1)[1].rstrip("."))
    assert responses_problem(group, prompts, batch, processes) == "", said


def test_batches_an_update_are_shared_out() -> None:
    assert accumulation_problem(16, 4) == ""
    for count, processes in ((1, 2), (10, 4), (16, 3), (16, 64)):
        said = accumulation_problem(count, processes)
        works = int(said.split("Take ")[1].split()[0])
        assert accumulation_problem(works, processes) == "", said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "policy", "processes": 3}, "on each of 3 processes do not divide"),
        ({"kind": "policy", "processes": 65}, "'processes' of a job of kind policy cannot be used"),
        ({"kind": "sft", "processes": 3}, "cannot be shared out among 3 processes. Take 15 batches"),
        ({"kind": "tpo", "processes": 5}, "cannot be shared out among 5 processes"),
        ({"kind": "critic", "processes": 32}, "Take 32 batches"),
        ({"kind": "critic", "sharding": "magic"}, "'sharding' of a job of kind critic cannot be used"),
    ],
)
def test_specs_refuse_processes_that_cannot_share(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_spec({"name": "n", "set": 1} | values)


def test_the_papers_setting_has_four_processes_and_divides_over_nodes() -> None:
    paper = policy_preset("cdpa", "paper", name="p", set=1)
    assert isinstance(paper, PolicySpec) and paper.processes == 4
    assert size_problem(paper, 4) == "" and "batch, such as 2" in size_problem(paper, 10)
    assert read_spec({"kind": "policy", "name": "p", "set": 1}).model_dump()["processes"] == 1


def test_memory_of_each_process() -> None:
    one = Need(100, 300, 50, 10)
    assert each(one, 4, False, gpu=True) == one
    assert each(one, 4, True, gpu=True) == Need(25, 75, 50, 10)
    assert each(one, 4, False, gpu=False).total == 4 * one.total
    assert each(Need(100, 0, 0, 10), 4, True, gpu=True).total == 110, "each loads the whole base before it is split"


def test_addresses_that_other_machines_cannot_reach_are_refused() -> None:
    for address in ("", "localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"):
        assert "no address at which other nodes" in layout_problem(Layout(1, 2, "none", True, address, 29500)), address
    for address in ("10.0.0.1", "node-1", "fd00::7"):
        assert layout_problem(Layout(1, 2, "none", True, address, 29500)) == "", address
