"""The starter model: a small Qwen2-architecture network, trained from nothing on our lessons so that every role works offline.

It shows the machinery and the formats, not quality. Knows lessons and torch; is handed its material, writes one folder.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from core.prompts import PROMPTS
from training.echo import echoes, look_back
from training.lessons import Material, examples
from training.rows import Row, batches, tensors
from training.tokens import END, PAD, make_tokenizer, rendered

FOLDER = Path(__file__).parent / "starter_model"
"""Where the shipped starter model lies."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, besides the material.

    `echo` updates that learn to copy, then `steps` updates on lessons, of about `tokens` tokens each.
    """

    vocabulary: int = 3072
    hidden: int = 256
    heads: int = 4
    layers: int = 5
    inner: int = 640
    context: int = 2048
    echo: int = 200
    steps: int = 1700
    tokens: int = 4096
    rate: float = 2.5e-3
    warmup: int = 40
    longest: int = 1024
    seed: int = 20260
    threads: int = 2


Tell = Callable[[int, float], None]
"""Called with (step, loss) now and then."""


def make_starter(material: Material, folder: Path, recipe: Recipe, tell: Tell | None = None) -> str:
    """Train and write the starter model; returns the digest of its weights, the same on the same machine."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    tokenizer = make_tokenizer(_texts(material, recipe), recipe.vocabulary)
    model = _network(recipe, tokenizer)
    look_back(model)
    lessons = examples(recipe.seed, material)
    copying = echoes(recipe.vocabulary, recipe.tokens // 2, recipe.seed + 3)
    teaching = batches(tokenizer, lessons, recipe.tokens, recipe.longest, recipe.seed + 2)
    _train(model, chain(islice(copying, recipe.echo), islice(teaching, recipe.steps)), recipe, tell)
    return _write(model, tokenizer, folder, recipe)


def _texts(material: Material, recipe: Recipe) -> Iterator[str]:
    """What the vocabulary is learned from: the starter set's texts, and lessons."""
    for _ in range(4):
        for tree in material.trees:
            yield f"{tree.scenario.preference}\n{tree.scenario.query}\n{tree.scenario.topic}"
            yield from (f"{node.thought}\n{node.critique}" for node in tree.nodes)
        yield from material.sentences
    for example in islice(examples(recipe.seed + 1, material), 3000):
        yield rendered(example.messages, example.target)


def _network(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Qwen2ForCausalLM:
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (END, PAD)}
    config = Qwen2Config(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads // 2,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=ids[END],
        pad_token_id=ids[PAD],
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=[ids[END], ids[PAD]], pad_token_id=ids[PAD], do_sample=False
    )
    return model


def _loss(model: Qwen2ForCausalLM, ids: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    """Mean of -log p over the learned tokens; padding stands on the right, so a causal mask is enough."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[learned[:, 1:]]).float()
    return cross_entropy(logits, ids[:, 1:][learned[:, 1:]])


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, level while copying is learned, then linear to a twentieth."""
    if step < recipe.echo:
        return min(1.0, (step + 1) / recipe.warmup)
    return 1.0 - 0.95 * (step - recipe.echo) / recipe.steps


def _train(model: Qwen2ForCausalLM, stages: Iterator[list[Row]], recipe: Recipe, tell: Tell | None) -> None:
    model.train()
    flat = [value for value in model.parameters() if value.ndim < 2]
    wide = [value for value in model.parameters() if value.ndim >= 2]
    groups = [{"params": wide, "weight_decay": 0.05}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95), fused=True)
    mean = 0.0
    for step, batch in enumerate(stages):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _rate(step, recipe)
        loss = _loss(model, *tensors(batch, model.config.pad_token_id))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean = loss.item() if not step else 0.95 * mean + 0.05 * loss.item()
        if tell and (step + 1) % 50 == 0:
            tell(step + 1, mean)


def _write(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path, recipe: Recipe) -> str:
    """Weights in bfloat16, tokenizer, and what they were made from."""
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    made = {
        "recipe": asdict(recipe),
        "prompts": {name: template.digest for name, template in PROMPTS.items()},
        "weights": digest,
        "torch": str(torch.__version__),
    }
    (folder / "made.json").write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return digest
