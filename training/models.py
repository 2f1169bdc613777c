"""The one place that loads a checkpoint folder: weights, tokenizer, device. Nothing is downloaded and no code of a folder runs.

Knows files of a checkpoint; does not know what a model is used for.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


class NotLoadable(Exception):
    """A checkpoint that cannot be used; the text is a sentence for people."""


class Loaded(NamedTuple):
    """A model in evaluation mode with its tokenizer. `context` is the most tokens that prompt and reply may have together."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    context: int
    ends: frozenset[int]


def device_of(wanted: str = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU. Raises NotLoadable for a device that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise NotLoadable(f"There is no device {wanted!r}; cpu, cuda or auto can be asked for.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NotLoadable("A GPU was asked for, but torch finds none here.")
    return device


def load(folder: Path, device: str = "auto", name: str = "", kind: torch.dtype | None = None) -> Loaded:
    """Load a checkpoint folder: float32 on a CPU, bfloat16 on a GPU, or what `kind` says.

    Only safetensors are read, only from the folder, and code in the folder is never run. Raises NotLoadable.
    """
    _check(folder)
    place = device_of(device)
    kind = kind or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise NotLoadable(f"The checkpoint in {folder} cannot be read: {reason or type(error).__name__}.") from error
    if not tokenizer.chat_template:
        raise NotLoadable(f"The tokenizer in {folder} has no chat template, so it cannot be asked anything.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    model.eval().to(place)
    context = int(getattr(model.config, "max_position_embeddings", 0) or 2048)
    return Loaded(name or folder.name, model, tokenizer, context, _ends(model, tokenizer))


def _check(folder: Path) -> None:
    """Say what is missing before a library does."""
    if not folder.is_dir():
        raise NotLoadable(f"There is no checkpoint folder {folder}.")
    for file in ("config.json", "tokenizer_config.json"):
        if not (folder / file).is_file():
            raise NotLoadable(f"The folder {folder} holds no {file}, so it is no checkpoint that can be loaded.")
    if not any(folder.glob("*.safetensors")):
        raise NotLoadable(f"The folder {folder} holds no safetensors file; other weight formats are not read.")


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    stated = model.generation_config.eos_token_id if model.generation_config else None
    found = [stated] if isinstance(stated, int) else list(stated or ())
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    return frozenset(found)
