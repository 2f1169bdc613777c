"""A tiny random checkpoint, made once: its weights are large, so that its choices are not ties."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a random network of 2 layers with a vocabulary of its own."""
    import torch

    from training.starter import Recipe, _network
    from training.tokens import make_tokenizer

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    torch.manual_seed(3)
    tokenizer = make_tokenizer(["the quick brown fox asks a slow question about seven lazy dogs", "éà 漢字 🙂"], 512)
    recipe = Recipe(vocabulary=512, hidden=64, heads=2, layers=2, inner=96, context=256)
    model = _network(recipe, tokenizer)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(12.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tiny_folder: Path) -> Iterator[object]:
    """The tiny checkpoint as a ChatModel on the CPU."""
    from training.generate import LocalModel
    from training.models import load

    with LocalModel(load(tiny_folder, "cpu"), batch=8, wait=0.05) as model:
        yield model
