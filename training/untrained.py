"""A network that knows nothing: configuration and tokenizer of a checkpoint, weights drawn anew. Knows checkpoint folders."""

import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)


def write_untrained(source: Path, folder: Path, seed: int) -> Path:
    """Write the network of `source` with weights drawn by `seed` into `folder`, and return it. The same seed, the same weights.

    A folder that is there stays as it is: it is written beside and then moved, so it is whole.
    """
    if (folder / "model.safetensors").is_file():
        return folder
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, beside / name)
    config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    return folder
