"""Ask accelerate whether it takes a configuration and a command line: `python -m training.launch_check CONFIG ARGUMENTS...`.

Prints one sentence; the exit status is 0 where both are taken. Starts no process and looks at no model. DeepSpeed itself is not
needed: its part of a configuration is read by accelerate.
"""

import os
import sys
from typing import Any

from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env


def check(config: str, arguments: list[str]) -> str:
    """What the configuration stands for, as accelerate reads it. Raises ValueError, TypeError or KeyError where it refuses."""
    loaded: Any = load_config_from_file(config)
    given = launch_command_parser().parse_args(arguments)
    for part in (loaded.fsdp_config, loaded.deepspeed_config):
        unknown = [name for name in part if not hasattr(given, name)]
        if unknown:
            raise ValueError(f"accelerate launch has no option {unknown[0]}")
    given, _, _ = _validate_launch_command(given)
    kind = loaded.distributed_type.value
    if given.use_fsdp:
        given.main_process_port = 0
        os.environ.update(prepare_multi_gpu_env(given))
        kind = f"FSDP{FullyShardedDataParallelPlugin().fsdp_version}"
    if given.use_deepspeed:
        own = loaded.deepspeed_config
        made = DeepSpeedPlugin(
            zero_stage=own["zero_stage"],
            gradient_accumulation_steps=own["gradient_accumulation_steps"],
            gradient_clipping=own["gradient_clipping"],
            zero3_init_flag=own["zero3_init_flag"],
            zero3_save_16bit_model=own["zero3_save_16bit_model"],
        )
        kind = f"DeepSpeed ZeRO-{made.zero_stage}"
    return (
        f"accelerate reads processes: {given.num_processes}, nodes: {given.num_machines}, kind: {kind}, "
        f"precision: {given.mixed_precision}, rank: {given.machine_rank}."
    )


def main(arguments: list[str]) -> int:
    """See the file."""
    try:
        sys.stdout.write(check(arguments[0], arguments[1:]) + "\n")
    except (ValueError, TypeError, KeyError, OSError) as error:
        sys.stdout.write(f"accelerate does not take it: {' '.join(str(error).split())[:300]}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
