"""The starter model's tokenizer: byte-level BPE learned from our own texts, ChatML turns, prompts' fixed lines as one token each.

Why whole lines: a prompt of ours is mostly fixed text. As one token a line costs a small model next to nothing, in training and
in use, and leaves its few layers to the words of the preference. A changed prompt therefore needs a newly trained starter.
"""

from collections.abc import Iterable, Iterator

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from core.ports import Message
from core.prompts import PROMPTS
from core.prompts.council import VOICES

END = "<|im_end|>"
PAD = "<|endoftext|>"
SPECIAL = (PAD, "<|im_start|>", END)
MULTIPLE = 64

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template, in the form of ChatML."""

_FENCES = (
    "topic",
    "preference",
    "query",
    "judge this",
    "final answer",
    "good answer",
    *(f"step {k}" for k in range(1, 9)),
)


def fixed_lines() -> list[str]:
    """Every line that stands in our prompts whatever is filled in, and the fence marks, in a fixed order."""
    lines = [line for template in PROMPTS.values() for piece in template.fixed() for line in piece.split("\n")]
    marks = [mark for name in _FENCES for mark in (f"[[{name}]]", f"[[/{name}]]")]
    return list(dict.fromkeys(line for line in (*lines, *VOICES.values(), *marks) if len(line) > 7))


def make_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerBase:
    """Learn a vocabulary of `size` tokens in all, a multiple of 64, fixed lines and special tokens included."""
    if size % MULTIPLE:
        raise ValueError(f"a vocabulary of {size} tokens is no multiple of {MULTIPLE}")
    lines = fixed_lines()
    learned = Qwen2Tokenizer(unk_token=None, eos_token=PAD, pad_token=PAD).train_new_from_iterator(
        _without(texts, lines), size - len(lines) - len(SPECIAL), show_progress=False
    )
    learned.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    learned.add_tokens([AddedToken(line, special=False, normalized=False) for line in lines])
    learned.eos_token, learned.pad_token = END, PAD
    learned.padding_side = "left"
    learned.chat_template = CHAT
    if len(learned) > size:
        raise ValueError(f"the vocabulary grew to {len(learned)} tokens, {size} were planned")
    return learned


def _without(texts: Iterable[str], lines: list[str]) -> Iterator[str]:
    for text in texts:
        kept = [line for line in text.split("\n") if line not in lines]
        yield "\n".join(kept)


def rendered(messages: Iterable[Message], reply: str | None = None) -> str:
    """The text that the chat template makes, ready for a reply; with a reply, its text and the end of its turn follow."""
    turns = "".join(f"<|im_start|>{message.role}\n{message.content}{END}\n" for message in messages)
    return f"{turns}<|im_start|>assistant\n" + (f"{reply}{END}" if reply is not None else "")
