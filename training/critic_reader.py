"""Critic examples as a base's tokenizer reads them, for people to look at. Loads no weights; knows a checkpoint folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.critic_data import Example
from training.critic_rows import encode, preview
from training.models import context_of, load_tokenizer

HEAD, TAIL = 2500, 1500
"""Tokens of an example that are shown: its beginning and its end; what lies between is counted."""


class Shown(NamedTuple):
    """An example as tokens: (text, 0 prompt, 1 critique, 2 score). `length` counts all of them, `left_out` those not shown,
    which stand behind the first `HEAD`."""

    tokens: list[tuple[str, int]]
    length: int
    left_out: int


class Reader:
    """The tokenizer of a base. `context` is the most tokens the model can read. Raises NotLoadable for a folder that is none."""

    def __init__(self, base: Path) -> None:
        self._tokenizer = load_tokenizer(base)
        self.context = context_of(base)

    def lengths(self, found: Sequence[Example]) -> list[int]:
        """Tokens of each example, prompt and reply. Raises NotTrainable where the chat template does not fit."""
        return [len(encode(self._tokenizer, example).ids) for example in found]

    def show(self, example: Example) -> Shown:
        """One example as it is trained on. Raises NotTrainable."""
        tokens = [
            (token.text, 2 if token.score else 1 if token.trained else 0)
            for token in preview(self._tokenizer, example, self.context)
        ]
        left_out = max(0, len(tokens) - HEAD - TAIL)
        kept = tokens if not left_out else tokens[:HEAD] + tokens[-TAIL:]
        return Shown(kept, len(tokens), left_out)
