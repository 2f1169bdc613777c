"""Holds a reply of a local checkpoint to a pattern: which tokens may come next. Knows tokens and llguidance; runs no model.

Servers with structured output do the same, so a prompt with a pattern means the same wherever it is answered.
"""

from functools import cached_property

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer

from training.models import Loaded

_WORD = 32
"""Tokens in one number of a mask."""


class BadPattern(ValueError):
    """A pattern that cannot be followed; the text is a sentence for people."""


class Guide:
    """How far one reply has come in its pattern."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def hold(self, logits: torch.Tensor) -> None:
        """Set the logits (V,) of all tokens that cannot come next to -inf, in place. Where the pattern is met for good, an end
        of the turn is all that is left."""
        mask = np.zeros(-(-self._vocabulary // _WORD), dtype=np.int32)
        self._matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        # A checkpoint may have more logits than its tokenizer has tokens: none of those comes next.
        bits = np.zeros(logits.shape[0], dtype=np.uint8)
        known = np.unpackbits(mask.view(np.uint8), bitorder="little")[: min(self._vocabulary, bits.size)]
        bits[: known.size] = known
        if bits.any():
            logits[torch.from_numpy(bits == 0).to(logits.device)] = -torch.inf

    def take(self, token: int) -> None:
        """Go on by the token that was chosen."""
        self._matcher.consume_token(token)


class Patterns:
    """Makes guides for a checkpoint's tokens. The vocabulary is read when the first pattern comes."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @cached_property
    def _tokens(self) -> LLTokenizer:
        return from_tokenizer(self._loaded.tokenizer, eos_token=sorted(self._loaded.ends))

    def guide(self, pattern: str) -> Guide:
        """A guide for one reply, which as a whole has to match the regular expression. Raises BadPattern."""
        matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_regex(pattern), log_level=0)
        if matcher.is_error():
            reason = " ".join(matcher.get_error().split())[:200]
            raise BadPattern(f"The pattern {pattern[:80]!r} cannot be followed by {self._loaded.name}: {reason}")
        return Guide(matcher, self._tokens.vocab_size)
