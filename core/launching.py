"""From a training to the configuration of `accelerate launch`, and the command of every node. Values in, values and text out.

Keys and meanings are those of accelerate 1.15 (its `ClusterConfig`, and `accelerate launch --help`).
Knows no machine, no file and no training library; whether the configuration loads is asked of accelerate itself elsewhere.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, assert_never

from core.batching import accumulation_problem, responses_problem
from core.job_spec import MOST_PROCESSES, Sharding
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.specs import CriticSpec

Training = PolicySpec | SFTSpec | TPOSpec | CriticSpec
"""The kinds of jobs that several processes can do together."""

PORT = 29500
"""Where processes of several nodes meet, unless another port is asked for; it is torch's own."""
MOST_NODES = 64
CONFIG, ORDER = "accelerate.yaml", "order.json"
NEEDS: Mapping[Sharding, tuple[str, ...]] = MappingProxyType({"none": (), "fsdp": (), "deepspeed": ("deepspeed",)})
"""Packages beside those of every training that a way of sharding needs."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Who trains: `processes` on each of `nodes`, on GPUs or on the CPU, and how they share the model.

    They meet at `address`:`port`, on the node of rank 0; port 0 is any free one, which only one node can choose.
    """

    processes: int = 1
    nodes: int = 1
    sharding: Sharding = "none"
    gpu: bool = False
    address: str = "127.0.0.1"
    port: int = 0

    @property
    def total(self) -> int:
        """All processes."""
        return self.processes * self.nodes


def config(training: Training, layout: Layout, rank: int = 0) -> dict[str, Any]:
    """The configuration of `accelerate launch` for the node of a rank, as a mapping.

    bfloat16 arithmetic on GPUs, float32 on the CPU. On the CPU the type stays that of several GPUs, with `use_cpu`: for several
    CPU processes accelerate would want MPI, while this starts them by torch, and they meet over gloo.
    """
    made: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "debug": False,
        "distributed_type": "MULTI_GPU" if layout.total > 1 else "NO",
        "enable_cpu_affinity": False,
        "machine_rank": rank,
        "main_process_ip": layout.address if layout.nodes > 1 else None,
        "main_process_port": layout.port,
        "main_training_function": "main",
        "mixed_precision": "bf16" if layout.gpu else "no",
        "num_machines": layout.nodes,
        "num_processes": layout.total,
        "rdzv_backend": "static",
        "same_network": True,
        "use_cpu": not layout.gpu,
    }
    match layout.sharding:
        case "none":
            return made
        case "fsdp":
            return made | {"distributed_type": "FSDP", "fsdp_config": _fsdp()}
        case "deepspeed":
            return made | {"distributed_type": "DEEPSPEED", "deepspeed_config": _deepspeed(training, layout)}
        case _:
            assert_never(layout.sharding)


def _fsdp() -> dict[str, Any]:
    """FSDP2, one unit for each decoder layer (the classes a model of transformers names itself), gathered again for the backward.

    FSDP2 keeps the original parameters, so a LoRA (few trained ones among frozen ones) needs no `use_orig_params` and no other
    policy. Every process loads the whole base: the reference of a preference training is computed before it is split. Layers
    are recomputed by the trainer's own checkpointing, not a second time here. Full state: a run can go on in other numbers.
    """
    return {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_reshard_after_forward": True,
        "fsdp_state_dict_type": "FULL_STATE_DICT",
        "fsdp_cpu_ram_efficient_loading": False,
        "fsdp_offload_params": False,
        "fsdp_activation_checkpointing": False,
    }


def _deepspeed(training: Training, layout: Layout) -> dict[str, Any]:
    """ZeRO-3 without offloading, started by torch on every node; weights are gathered to be saved.

    `zero3_init_flag` is off under a LoRA: its matrices are put beside a base that is whole at that moment.
    """
    return {
        "zero_stage": 3,
        "offload_optimizer_device": "none",
        "offload_param_device": "none",
        "zero3_init_flag": training.lora_rank == 0,
        "zero3_save_16bit_model": True,
        "gradient_accumulation_steps": accumulation(training, layout.total),
        "gradient_clipping": 1.0,
        "deepspeed_multinode_launcher": "standard",
    }


def accumulation(training: Training, processes: int) -> int:
    """Micro-batches that each process adds up for an update. Sizes that do not divide are `size_problem`'s to say."""
    match training:
        case PolicySpec(group=group, prompts=prompts, batch=batch):
            return group * prompts // (batch * processes)
        case SFTSpec(accumulate=count) | TPOSpec(accumulate=count) | CriticSpec(accumulate=count):
            return count // processes
        case _:
            assert_never(training)


def text(made: Mapping[str, Any]) -> str:
    """A configuration as YAML; written as JSON, which is YAML too, so it needs no library and is read by both."""
    return json.dumps({name: value for name, value in made.items() if value is not None}, indent=2) + "\n"


def size_problem(training: Training, processes: int) -> str:
    """Why an update cannot be shared out among all `processes`, with sizes that work; '' when it can."""
    match training:
        case PolicySpec(group=group, prompts=prompts, batch=batch):
            return responses_problem(group, prompts, batch, processes)
        case SFTSpec(accumulate=count) | TPOSpec(accumulate=count) | CriticSpec(accumulate=count):
            return accumulation_problem(count, processes)
        case _:
            assert_never(training)


def layout_problem(layout: Layout, rank: int = 0) -> str:
    """Why a layout cannot be started, as a sentence; '' when it can."""
    if not 1 <= layout.processes <= MOST_PROCESSES or not 1 <= layout.nodes <= MOST_NODES:
        return f"Processes on a node are 1 to {MOST_PROCESSES}, nodes 1 to {MOST_NODES}."
    if not 0 <= rank < layout.nodes:
        return f"Ranks of {layout.nodes} nodes are 0 to {layout.nodes - 1}; {rank} is none of them."
    if not 0 <= layout.port < 1 << 16:
        return f"A port is a number up to 65535, not {layout.port}."
    if layout.nodes > 1 and layout.port == 0:
        return f"Several nodes have to agree on a port: give it with the address of rank 0, as in 10.0.0.1:{PORT}."
    if layout.nodes > 1 and _only_here(layout.address):
        return (
            f"{layout.address or 'Nothing'} is no address at which other nodes reach the one of rank 0. Give its own."
        )
    if layout.sharding == "deepspeed" and not layout.gpu:
        return "DeepSpeed splits a model among GPUs; on the CPU take fsdp or none."
    return ""


def _only_here(address: str) -> bool:
    """Whether other machines reach nothing by it."""
    try:
        number = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return address in ("", "localhost")
    return number.is_loopback or number.is_unspecified


def command(layout: Layout, rank: int, python: str, folder: str, threads: int = 1) -> tuple[str, ...]:
    """What is run on the node of a rank, in the program's own folder: every process of it trains what lies in `folder`.

    `threads` of the CPU for each process.
    """
    return (
        python,
        "-u",
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        f"{folder}/{CONFIG}",
        "--machine_rank",
        str(rank),
        "--num_cpu_threads_per_process",
        str(threads),
        "-m",
        "app.rank",
        folder,
    )
