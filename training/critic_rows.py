"""Critic examples as token ids: which are trained on, which hold the score, and what would not fit. Knows a tokenizer only.

The prompt is rendered as at scoring time. Trained on are the tokens of the reply and the one that ends the turn; what a template
writes after that one (ChatML: a line break) belongs to no reply and is dropped.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from core.critic_data import Example
from training.models import NotLoadable

SCORE = "SCORE:"


class NotTrainable(NotLoadable):
    """Examples or a model that cannot be trained on; the text is a sentence for people."""


class Row(NamedTuple):
    """Token ids (T,); the first `start` are the prompt. `score` (T,) is True for tokens from `SCORE:` to the end of the turn.

    Every trained token is either of the critique or of the score, so the two parts of the loss add up (CDRA paper, Eq. 2).
    """

    ids: list[int]
    start: int
    score: list[bool]


class Token(NamedTuple):
    """One token of a preview. `cut`: it would not fit into `max_length`."""

    text: str
    trained: bool
    score: bool
    cut: bool


def encode(tokenizer: PreTrainedTokenizerBase, example: Example) -> Row:
    """Token ids of prompt and reply. Raises NotTrainable where the chat template does not put the reply behind the prompt."""
    asked: list[dict[str, Any]] = [message._asdict() for message in example.prompt]
    answer = {"role": "assistant", "content": example.completion}
    reply = example.completion.strip()
    try:
        prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template([*asked, answer], tokenize=False)
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        raise NotTrainable(f"The chat template does not take the critic's question: {str(error)[:200]}") from error
    if not whole.startswith(prompt + reply):
        raise NotTrainable(
            "The chat template writes a prompt that waits for a reply differently from one that has it, "
            "so the critic would not be trained on what it is asked. Use a checkpoint with a plain chat template."
        )
    coded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = list(coded["input_ids"]), list(coded["offset_mapping"])
    alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if ids[: len(alone)] != list(alone):
        raise NotTrainable("The tokenizer joins the end of the prompt with the reply, so the two cannot be told apart.")
    end = _end(tokenizer, ids, offsets, len(prompt) + len(reply))
    mark = len(prompt) + reply.rfind(SCORE)
    return Row(ids[:end], len(alone), [place >= len(alone) and offsets[place][1] > mark for place in range(end)])


def _end(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], offsets: Sequence[Any], reply: int) -> int:
    """One past the token that ends the turn: the first special one behind the reply. Raises NotTrainable where there is none."""
    special = set(tokenizer.all_special_ids)
    for place, token in enumerate(ids):
        if offsets[place][0] >= reply and token in special:
            return place + 1
    raise NotTrainable("The chat template does not end a reply with a special token, so the critic would never stop.")


def check(rows: Sequence[Row], found: Sequence[Example], max_length: int) -> None:
    """Raise NotTrainable unless the score of every row lies within `max_length` tokens: a cut takes the score first."""
    long = [place for place, row in enumerate(rows) if len(row.ids) > max_length]
    bare = [place for place, row in enumerate(rows) if not any(row.score)]
    if long:
        first, most = found[long[0]], max(len(rows[place].ids) for place in long)
        raise NotTrainable(
            f"{len(long):,} of {len(rows):,} examples have more than {max_length:,} tokens and would lose their score, "
            f"the first at scenario {first.scenario}, step {first.node}. The longest has {most:,}: "
            "raise max_length if the model can read that much, or leave these trees out."
        )
    if bare:
        first = found[bare[0]]
        raise NotTrainable(f"The example at scenario {first.scenario}, step {first.node} holds no score.")


def preview(tokenizer: PreTrainedTokenizerBase, example: Example, max_length: int) -> list[Token]:
    """Every token of one example as text, in order, and what the training would do with it."""
    row = encode(tokenizer, example)
    return [
        Token(tokenizer.decode([token]), place >= row.start, row.score[place], place >= max_length)
        for place, token in enumerate(row.ids)
    ]
