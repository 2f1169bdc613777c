"""Tokens a second and memory of a CDPA update on a GPU, beside plain GRPO. `python -m benchmarks.stepping_gpu [DEVICE]`

A network of the size of Qwen2-0.5B with random weights and the starter model's tokenizer: what it writes means nothing and hardly
ever ends, so every response has the longest length and nothing is learned from it; the sampling, the forward and backward passes
and what ours adds to them cost what they cost. All weights, bfloat16 arithmetic, free scores. Without a GPU nothing is measured.
With a DEVICE such as `cpu` a tiny network of the same kind shows that the benchmark itself works.
"""

import gc
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import disable_progress_bars
from transformers import AutoConfig, AutoModelForCausalLM, PrinterCallback
from transformers.utils.logging import disable_progress_bar

from app.actions.make_starter import starter_trees
from benchmarks.stepping import Watch, ours, plain
from training.models import load_tokenizer
from training.policy import PolicyRecipe, Prompt
from training.starter import FOLDER

BIG = {
    "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "vocab_size": 151_936,
}  # fmt: skip
TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
RECIPE = PolicyRecipe(updates=6, batch=10, rate=0.0, rank=0, max_new=512, save_every=1000)


class Measured(NamedTuple):
    """Tokens sampled a second of an update, and the most memory in GiB (0 without a GPU)."""

    tokens: float
    memory: float


def write_network(folder: Path, sizes: dict[str, int]) -> Path:
    """Write a random network of these sizes with the starter model's tokenizer."""
    config = AutoConfig.from_pretrained(FOLDER, local_files_only=True)
    config.update(sizes | {"layer_types": ["full_attention"] * sizes["num_hidden_layers"]})
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    load_tokenizer(FOLDER).save_pretrained(folder)
    return folder


def measured(run: Callable[[], Watch], gpu: bool) -> Measured:
    """One run, the first update left out."""
    gc.collect()
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    watch = run()
    lengths = [sum(map(len, batch)) for batch in watch.sampled]
    rates = [count / update.clock for count, update in zip(lengths, watch.updates, strict=True)]
    return Measured(statistics.median(rates[1:]), torch.cuda.max_memory_allocated() / 2**30 if gpu else 0.0)


def main() -> None:
    """Print tokens a second, memory and their ratios."""
    if len(sys.argv) < 2 and not torch.cuda.is_available():
        print("CDPA on a GPU: not measured, there is no GPU here")
        return
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda"
    gpu = device.startswith("cuda")
    disable_progress_bars()
    disable_progress_bar()
    PrinterCallback.on_log = lambda *_, **__: None  # type: ignore[method-assign]
    prompts = [Prompt(tree.scenario.preference, tree.scenario.query) for tree in starter_trees(["train"])]
    recipe = replace(RECIPE, device=device) if gpu else replace(RECIPE, device=device, updates=3, max_new=24)
    with tempfile.TemporaryDirectory() as name:
        base = write_network(Path(name) / "base", BIG if gpu else TINY)
        theirs = measured(lambda: plain(prompts, Path(name) / "plain", recipe, base), gpu)
        mine = measured(lambda: ours(prompts, Path(name) / "ours", recipe, base=base), gpu)
    print(f"GRPOTrainer: {theirs.tokens:,.0f} tokens/s, {theirs.memory:.1f} GiB")
    print(f"CDPATrainer: {mine.tokens:,.0f} tokens/s, {mine.memory:.1f} GiB")
    print(f"CDPA over GRPO: {mine.tokens / theirs.tokens:.3f} x the tokens a second", end="")
    print(
        f", {mine.memory / theirs.memory:.3f} x the memory"
        if gpu
        else " (a tiny network on the CPU: no measure of anything)"
    )


if __name__ == "__main__":
    main()
