"""A prompt as tokens, with the tokens that hold a preference or a query found through the chat template. Knows a tokenizer only.

The prompt is rendered and tokenised exactly as when it is answered (`training.decoding`); where its texts stand is the arithmetic
of `core.regions`. A prompt is never cut: whoever measures it says what does not fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from core.ports import Message
from core.regions import PREFERENCE, QUERY, Place, Prompt, Unplaced, fenced_place, make_prompt, mark, read_marks

LONGEST = 1_000_000
"""Characters of a rendered prompt."""


def read_prompt(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], places: Mapping[str, Place] | None = None
) -> Prompt | Unplaced:
    """The tokens of a prompt and which of them hold each of the places; without places those of our fences.

    An empty place has a region without tokens. Unplaced, with the reason, where tokens cannot be told apart.
    """
    if places is None:
        found = {name: fenced_place(messages, name) for name in (PREFERENCE, QUERY)}
        places = {name: place for name, place in found.items() if place is not None}
    if not tokenizer.is_fast:
        return Unplaced("This tokenizer does not say which characters a token stands for, so no text can be found.")
    text = rendered(tokenizer, messages)
    if isinstance(text, Unplaced):
        return text
    if len(text) > LONGEST:
        return Unplaced(f"The prompt has {len(text):,} characters; at most {LONGEST:,} are looked at.")
    marked = mark(messages, places, text)
    if isinstance(marked, Unplaced):
        return marked
    again = rendered(tokenizer, marked.messages)
    spans = again if isinstance(again, Unplaced) else read_marks(again, text, marked.marks)
    if isinstance(spans, Unplaced):
        return spans
    lost = [name for name, place in places.items() if name in spans and place.start < place.end and not spans[name]]
    if lost:
        return Unplaced(f"The chat template leaves out the message that holds the {lost[0]}.")
    coded = tokens_of(tokenizer, text)
    if isinstance(coded, Unplaced):
        return coded
    return make_prompt(text, coded["input_ids"], coded["offset_mapping"], {**dict.fromkeys(places, ()), **spans})


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int] | Unplaced:
    """The token ids of a prompt, as when it is answered."""
    text = rendered(tokenizer, messages)
    coded = text if isinstance(text, Unplaced) else tokens_of(tokenizer, text)
    return coded if isinstance(coded, Unplaced) else list(coded["input_ids"])


def rendered(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str | Unplaced:
    """The text of a prompt that waits for a reply."""
    asked: list[dict[str, Any]] = [message._asdict() for message in messages]
    try:
        text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        return Unplaced(f"The chat template does not take this conversation: {' '.join(str(error).split())[:200]}.")
    return str(text)


def tokens_of(tokenizer: PreTrainedTokenizerBase, text: str) -> Any:
    """Token ids with their places in the text, or Unplaced.

    The template writes the special tokens; a tokenizer that is set to cut must not.
    """
    try:
        return tokenizer(text, add_special_tokens=False, truncation=False, padding=False, return_offsets_mapping=True)
    except (TypeError, ValueError) as error:
        return Unplaced(f"The tokenizer does not take this text: {' '.join(str(error).split())[:200]}.")
