"""The one place that loads a checkpoint folder: weights, tokenizer, device. Nothing is downloaded and no code of a folder runs.

Knows files of a checkpoint; does not know what a model is used for.
"""

import os
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

OFFLINE: dict[str, bool] = {"local_files_only": True, "trust_remote_code": False}
"""What keeps a library from downloading anything and from running code of a folder."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, StrictDataclassError)


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
    """`auto` is a GPU where there is one, else the CPU. Raises NotLoadable for a device that is not there.

    It is the first GPU; of several processes that were launched together each gets the one of its own number.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise NotLoadable(f"There is no device {wanted!r}; cpu, cuda or auto can be asked for.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NotLoadable("A GPU was asked for, but torch finds none here.")
    place = os.environ.get("LOCAL_RANK", "")
    if device.type == "cuda" and device.index is None and place.isdigit():
        if int(place) >= torch.cuda.device_count():
            raise NotLoadable(f"Process {place} has no GPU of its own: torch finds {torch.cuda.device_count()}.")
        return torch.device("cuda", int(place))
    return device


def load(folder: Path, device: str = "auto", name: str = "", kind: torch.dtype | None = None) -> Loaded:
    """Load a checkpoint folder: float32 on a CPU, bfloat16 on a GPU, or what `kind` says.

    Only safetensors are read, only from the folder, and code in the folder is never run. Raises NotLoadable.
    """
    place = device_of(device)
    kind = kind or (torch.float32 if place.type == "cpu" else torch.bfloat16)
    tokenizer = load_tokenizer(folder)
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, use_safetensors=True, **OFFLINE)
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    model.eval().to(place)
    return Loaded(name or folder.name, model, tokenizer, _context(model.config), _ends(model, tokenizer))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Only the tokenizer of a checkpoint folder, padding on the left. Raises NotLoadable."""
    _check(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **OFFLINE)
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    if not tokenizer.chat_template:
        raise NotLoadable(f"The tokenizer in {folder} has no chat template, so it cannot be asked anything.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def context_of(folder: Path) -> int:
    """The most tokens that prompt and reply may have together. Raises NotLoadable."""
    _check(folder)
    try:
        return _context(AutoConfig.from_pretrained(folder, **OFFLINE))
    except UNREADABLE as error:
        raise unreadable(folder, error) from error


def _context(config: object) -> int:
    return int(getattr(config, "max_position_embeddings", 0) or 2048)


def unreadable(folder: Path, error: Exception) -> NotLoadable:
    """The sentence for what a library said of a folder."""
    reason = " ".join(str(error).split())[:300]
    return NotLoadable(f"The checkpoint in {folder} cannot be read: {reason or type(error).__name__}.")


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
