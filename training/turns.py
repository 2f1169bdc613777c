"""One exchange as token ids: what was asked and the reply that is learned. Knows a tokenizer only.

The prompt is rendered as at answering time. Trained on are the tokens of the reply and the one that ends the turn; what a
template writes after that one (ChatML: a line break) belongs to no reply and is dropped.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import TemplateError
from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerBase

from core.ports import Message
from training.models import NotLoadable


class NotTrainable(NotLoadable):
    """Examples or a model that cannot be trained on; the text is a sentence for people."""


class Turn(NamedTuple):
    """Token ids (T,); the first `start` are the prompt. `ends` (T,) is where each token ends in the reply, in characters:
    negative or 0 for the prompt. `reply` is the text that is learned; the last token ends the turn."""

    ids: list[int]
    start: int
    ends: list[int]
    reply: str


class Tokens(NamedTuple):
    """The text that sampled tokens decode to, without special tokens, and how many characters the first t + 1 of them give."""

    text: str
    ends: list[int]


def decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> Tokens:
    """Decode token by token, as the tokens were sampled; they are never tokenised again."""
    stream = DecodeStream(skip_special_tokens=True)
    backend: Any = getattr(tokenizer, "_tokenizer", None) or tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    pieces: list[str] = []
    ends: list[int] = []
    length = 0
    for token in ids:
        piece = stream.step(backend, int(token)) or ""
        pieces.append(piece)
        length += len(piece)
        ends.append(length)
    return Tokens("".join(pieces), ends)


def turn(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], completion: str) -> Turn:
    """Prompt and reply. Raises NotTrainable where the chat template does not put the reply behind the prompt."""
    asked: list[dict[str, Any]] = [message._asdict() for message in prompt]
    answer = {"role": "assistant", "content": completion}
    reply = completion.strip()
    try:
        before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template([*asked, answer], tokenize=False)
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        raise NotTrainable(f"The chat template does not take the question: {str(error)[:200]}") from error
    if not whole.startswith(before + reply):
        raise NotTrainable(
            "The chat template writes a prompt that waits for a reply differently from one that has it, "
            "so the model would not be trained on what it is asked. Use a checkpoint with a plain chat template."
        )
    coded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = list(coded["input_ids"]), list(coded["offset_mapping"])
    alone = tokenizer(before, add_special_tokens=False)["input_ids"]
    if ids[: len(alone)] != list(alone):
        raise NotTrainable("The tokenizer joins the end of the prompt with the reply, so the two cannot be told apart.")
    end = _end(tokenizer, ids, offsets, len(before) + len(reply))
    return Turn(ids[:end], len(alone), [stop - len(before) for _, stop in offsets[:end]], reply)


def _end(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], offsets: Sequence[Any], reply: int) -> int:
    """One past the token that ends the turn: the first special one behind the reply. Raises NotTrainable where there is none."""
    special = set(tokenizer.all_special_ids)
    for place, token in enumerate(ids):
        if offsets[place][0] >= reply and token in special:
            return place + 1
    raise NotTrainable("The chat template does not end a reply with a special token, so the model would never stop.")
