"""Really start a training's processes on the CPU of this machine: the starter model, tiny rows, one update, a temporary folder.

What it shows: that the launcher starts them, that they meet, that the model is split and put together again. It says nothing
about GPUs or speed.
"""

import tempfile
from pathlib import Path
from typing import Any, assert_never

from app.actions.launch import Check, Silent
from app.actions.together import run_layout
from app.engines.roles import STARTER
from app.errors import Killed, Refused
from app.order import Order, Rows
from core import critic_data, policy_data
from core.launching import Layout, Training
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.prompts.judging import critic
from core.prompts.policy import policy
from core.specs import CriticSpec

MOST = 4
"""Processes that a rehearsal starts at most."""
_LIKE, _QUERY = "I like quiet places.", "Where do I go on Sunday?"
_PATHS = (("They like calm.", "Walk by the river early."), ("They like crowds.", "Go to the fair."))
_TINY: dict[str, Any] = {"base": "", "device": "cpu", "save_every": 1, "seed": 1, "report_to": []}


def small(training: Training, processes: int) -> Training:
    """The same kind of training, LoRA or not, with sizes that take seconds; `processes` share an update."""
    own = _TINY | {"lora_rank": min(training.lora_rank, 4), "processes": processes}
    match training:
        case PolicySpec(reward=reward):
            sizes: dict[str, Any] = {
                "group": 2,
                "prompts": processes,
                "batch": 1,
                "updates": 1,
                "max_new": 24,
                "keep_every": 0,
            }
            asked = {
                "reward": "steps" if reward == "rubric" else reward,
                "reward_model": "",
                "critic_tokens": 16,
                "critic_samples": 1,
            }
            return training.model_copy(update=own | sizes | asked | {"iterations": 1, "vllm": "", "vllm_url": ""})
        case SFTSpec() | TPOSpec() | CriticSpec():
            sizes = {"batch": 1, "accumulate": processes, "updates": 1, "max_length": 2048}
            return training.model_copy(update=own | sizes)
        case _:
            assert_never(training)


def rows(training: Training, count: int) -> Rows:
    """So many rows of the kind that a training takes; nothing is held out."""
    one = ("g", "train")
    asked, reply = policy(_LIKE, _QUERY), policy_data.response(_PATHS[0])
    match training:
        case PolicySpec():
            return [policy_data.Asked(at, *one, _LIKE, f"{_QUERY} ({at})") for at in range(1, count + 1)], []
        case SFTSpec():
            return [policy_data.Example(at, *one, asked, reply) for at in range(1, count + 1)], []
        case TPOSpec():
            return [policy_data.Ranked(at, *one, asked, _PATHS, (1.0, 0.2)) for at in range(1, count + 1)], []
        case CriticSpec():
            judged, said = critic(_LIKE, _QUERY, (), _PATHS[0][0]), "Reasoning: It fits what they said. SCORE: 0.5"
            step = ("1", 1, "thought", "", 0.5)
            return [critic_data.Example(at, *one, *step, judged, said) for at in range(1, count + 1)], []
        case _:
            assert_never(training)


def rehearse(training: Training, layout: Layout) -> Check:
    """One update by as many processes as the layout has, four at most; DeepSpeed, which needs GPUs, is rehearsed as DDP."""
    count = min(layout.total, MOST)
    sharding = "fsdp" if layout.sharding == "fsdp" and count > 1 else "none"
    tiny = small(training, count).model_copy(update={"sharding": sharding})
    how = "split by FSDP" if sharding == "fsdp" else "each with the whole model (DDP)"
    if layout.sharding == "deepspeed":
        how += ", because DeepSpeed needs GPUs"
    with tempfile.TemporaryDirectory(prefix="subtext-rehearsal-") as name:
        folder, log = Path(name) / "run", Path(name) / "log.txt"
        folder.mkdir()
        try:
            with log.open("wb") as output:
                order = Order(tiny, STARTER, rows(tiny, count))
                told = run_layout(order, Layout(count, 1, sharding), folder, Silent(), output)
        except (Refused, Killed, RuntimeError) as error:
            last = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            return Check("rehearsal", False, f"{error} The last lines said: {' | '.join(line[:200] for line in last)}")
        written = (folder / "model" / "model.safetensors").is_file()
    done = f"{count} processes over gloo made {told['updates']} update of the starter model on the CPU, {how}"
    return Check("rehearsal", written, f"{done}; the weights were {'' if written else 'not '}written whole.")
