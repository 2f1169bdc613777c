"""Critic examples as token ids: which are trained on, which hold the score, and what would not fit. Knows a tokenizer only."""

from collections.abc import Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from core.critic_data import Example
from training.turns import NotTrainable, turn

SCORE = "SCORE:"


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
    made = turn(tokenizer, example.prompt, example.completion)
    mark = made.reply.rfind(SCORE)
    return Row(made.ids, made.start, [at >= made.start and end > mark for at, end in enumerate(made.ends)])


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
