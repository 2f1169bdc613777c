"""Lessons as rows of token ids, and rows as batches of similar length. Knows a tokenizer and tensors; no network."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from training.lessons import Example
from training.tokens import END, rendered

_POOL = 512
_WORTH = ("[[step 1]]", "[[judge this]]", "[[good answer]]")
"""Fences in a prompt behind which the model learns to predict too: thoughts, which repeat words of the preference."""


class Row(NamedTuple):
    """Token ids of one example and the place from which they are learned."""

    ids: list[int]
    start: int


def encode(tokenizer: PreTrainedTokenizerBase, example: Example) -> Row:
    """Token ids of prompt and reply; encoded apart, because that is how a prompt arrives."""
    prompt = tokenizer(rendered(example.messages), add_special_tokens=False)["input_ids"]
    reply = tokenizer(example.target + END, add_special_tokens=False)["input_ids"]
    marks = set(tokenizer.convert_tokens_to_ids(list(_WORTH)))
    start = next((place + 1 for place, token in enumerate(prompt) if token in marks), len(prompt))
    return Row([*prompt, *reply], start)


def batches(
    tokenizer: PreTrainedTokenizerBase, lessons: Iterable[Example], tokens: int, longest: int, seed: int
) -> Iterator[list[Row]]:
    """Batches of rows of similar length, about `tokens` tokens each, without end; rows above `longest` are left out."""
    rng = Random(seed)
    rows = (encode(tokenizer, example) for example in lessons)
    while True:
        pool = sorted(islice((row for row in rows if len(row.ids) <= longest), _POOL), key=lambda row: len(row.ids))
        found: list[list[Row]] = [[]]
        for row in pool:
            if (len(found[-1]) + 1) * len(row.ids) > tokens:
                found.append([])
            found[-1].append(row)
        found = [batch for batch in found[:-1] if batch]
        rng.shuffle(found)
        yield from found


def tensors(batch: Sequence[Row], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """ids (B, T), padded on the right, and which of them (B, T) are learned."""
    width = max(len(row.ids) for row in batch)
    ids = torch.full((len(batch), width), pad)
    learned = torch.zeros(len(batch), width, dtype=torch.bool)
    for place, row in enumerate(batch):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        learned[place, row.start : len(row.ids)] = True
    return ids, learned
