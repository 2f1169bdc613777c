"""One prompt looked at by one checkpoint: its slice, and what an answer owes to the preference. Values in, values out.

Knows a probe and a question (`core.attention_question`); not where the question comes from or where a slice is kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

from core.attention import Unmeasured
from core.attention_file import Slice, make_slice
from core.attention_question import Question
from core.ports import Ask, Failure, Message
from core.preference_use import Meter
from core.regions import PREFERENCE, Unplaced
from training.decoding import Row, decode
from training.models import Loaded, NotLoadable
from training.patterns import Patterns
from training.probe import Probe
from training.prompt_tokens import read_prompt
from training.use import preference_use, written_answer


class Looked(NamedTuple):
    """What was seen: the slice, with all weights; the meter of the answer, None where there is no answer; and the answer as
    it was read again, in which the meter's sentences are places."""

    slice: Slice
    use: Meter | Unmeasured | None
    said: str = ""


def look(probe: Probe, asked: Question, scenario: str, answer: str = "") -> Looked | Unmeasured:
    """Attention of the last prompt token, and with an answer (its text) the preference-use meter. Unmeasured with the reason."""
    prompt = read_prompt(probe.loaded.tokenizer, asked.messages, asked.places)
    if isinstance(prompt, Unplaced):
        return Unmeasured(prompt.reason)
    if not prompt.region(PREFERENCE).any():
        return Unmeasured("The prompt holds no preference, so nothing can be said about it.")
    try:
        ((_, weights),) = probe.last([prompt.ids.tolist()])
    except NotLoadable as error:
        return Unmeasured(str(error))
    found = make_slice(probe.loaded.name[:600], scenario, prompt, weights)
    if not answer.strip():
        return Looked(found, None)
    tokens = written_answer(probe.loaded.tokenizer, asked.messages, answer)
    if isinstance(tokens, Unmeasured):
        return Looked(found, tokens)
    return Looked(found, preference_use(probe, prompt, tokens, asked.without, asked.other), tokens.text)


def write_answer(loaded: Loaded, messages: Sequence[Message], max_new: int) -> str | Unmeasured:
    """What a checkpoint answers, word by word the likeliest. Unmeasured with the reason where it does not."""
    ask = Ask(tuple(messages), max_new)
    (outcome,) = decode(loaded, [Row(ask, lambda _: None, lambda: False)], Patterns(loaded))
    if isinstance(outcome, Failure):
        return Unmeasured(outcome.reason)
    return outcome.text if outcome.text.strip() else Unmeasured("The model answered nothing.")
