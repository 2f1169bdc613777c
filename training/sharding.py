"""Models that are split among processes (FSDP2, ZeRO-3): on the CPU too, and put together again at the end.

Knows accelerate's state and a trainer; not what is trained. Nothing here changes a run whose processes hold the whole model.
"""

import os
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType
from peft import PeftModel, get_peft_model
from transformers.integrations import unset_hf_deepspeed_config

from training.models import load


def wanted() -> bool:
    """True where `accelerate launch` was told to split by FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def settled(arguments: Any) -> Any:
    """The arguments of a trainer, in a state of accelerate from which it will split the model on the CPU where FSDP is wanted.

    accelerate 1.15 looks for FSDP only where the processes have GPUs or the like; torch splits as well over gloo. So they are
    told to be of that kind, once their device, the CPU, is settled.
    """
    state = PartialState(cpu=arguments.use_cpu)
    if arguments.use_cpu and wanted() and state.num_processes > 1:
        assert arguments.device.type == "cpu"
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    return arguments


def split(trainer: Any) -> bool:
    """True where no process holds the whole model."""
    return bool(trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)


def whole(trainer: Any) -> Any:
    """The trained model in one piece, on the CPU, in the first process; None in the others. Every process has to call this.

    Made anew from the base, with the weights that were gathered: a model that is split cannot be merged or written.
    """
    trained = trainer.deepspeed if trainer.is_deepspeed_enabled else trainer.model
    weights = trainer.accelerator.get_state_dict(trained)
    if not trainer.accelerator.is_main_process:
        return None
    own: Any = trainer.accelerator.unwrap_model(trainer.model)
    adapted = isinstance(own, PeftModel)
    base = own.get_base_model() if adapted else own
    unset_hf_deepspeed_config()  # else loading would split the new model again, and wait for processes that do not load
    made: Any = load(Path(base.name_or_path), "cpu", kind=base.dtype).model
    if adapted:
        made = get_peft_model(made, own.peft_config[own.active_adapter])
    made.load_state_dict(weights)
    return made
