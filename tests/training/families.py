"""Small random networks of the families that the probe has to read, with weights so large that single tokens win the attention."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GptOssConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from training.models import Loaded
from training.tokens import make_tokenizer

WINDOW = 17
SIZES: Mapping[str, Any] = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
FAMILIES: Mapping[str, tuple[Any, float, Mapping[str, Any]]] = {
    "qwen2": (Qwen2Config, 6.0, {}),
    "qwen2_window": (Qwen2Config, 6.0, {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2}),
    "qwen3": (Qwen3Config, 3.0, {"head_dim": 16}),
    "llama": (LlamaConfig, 6.0, {}),
    "llama_one_head": (LlamaConfig, 6.0, {"num_key_value_heads": 1}),
    "llama_no_groups": (LlamaConfig, 6.0, {"num_key_value_heads": 4}),
    "mistral": (MistralConfig, 6.0, {"head_dim": 16, "sliding_window": WINDOW}),
    "gemma2": (
        Gemma2Config, 60.0,
        {"head_dim": 16, "sliding_window": WINDOW, "query_pre_attn_scalar": 30, "attn_logit_softcapping": 5.0},
    ),
    "gemma3": (
        Gemma3TextConfig, 3.0,
        {"head_dim": 16, "sliding_window": WINDOW, "sliding_window_pattern": 2, "query_pre_attn_scalar": 5},
    ),
    "gpt_oss": (
        GptOssConfig, 6.0,
        {"head_dim": 16, "sliding_window": WINDOW, "num_local_experts": 2, "num_experts_per_tok": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    ),
}  # fmt: skip
"""Configuration, factor of the query and key weights, and what differs from SIZES."""


def network(family: str, **options: Any) -> PreTrainedModel:
    """A random network in evaluation mode, float32, with eager attention until somebody says otherwise."""
    config, factor, own = FAMILIES[family]
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(config(**{**SIZES, **own, **options}), attn_implementation="eager").eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "q_norm" in name or "k_norm" in name:
                weights.add_(torch.randn_like(weights) * 0.3).mul_(factor)
            elif "q_proj.weight" in name or "k_proj.weight" in name:
                weights.normal_(0, factor / 16)
            elif weights.ndim > 1:
                weights.mul_(3.0)
            elif name.endswith("sinks"):
                weights.normal_(0, 2.0)
    return model


def loaded(family: str, kind: torch.dtype = torch.float32, device: str = "cpu", **options: Any) -> Loaded:
    """The network as a loaded checkpoint, with a tokenizer that only pads."""
    model: Any = network(family, **options)
    tokenizer = make_tokenizer(["the quick brown fox asks a slow question"], 512)
    return Loaded(family, model.to(device=device, dtype=kind), tokenizer, 4096, frozenset({2}))
