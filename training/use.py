"""The preference-use meter: read an answer again with the preference, without it, and with another one, and compare.

Knows a probe and a tokenizer; what the numbers mean is `core.preference_use`. The same tokens of the answer stand behind each
prompt, so every token has its own difference. Three passes: one that reads attention too, and one for each other prompt.
"""

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from core.attention import Unmeasured
from core.ports import Message
from core.preference_use import Answer, Evidence, Meter, Thresholds, meter
from core.regions import PREFERENCE, Prompt, Unplaced
from training.models import NotLoadable
from training.probe import Probe
from training.prompt_tokens import prompt_ids, rendered, tokens_of


def written_answer(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], text: str) -> Answer | Unmeasured:
    """An answer of which only the text is known, as the tokens that the tokenizer makes of it behind the prompt.

    No token ends the turn: what is measured are the words of the answer, also where it was cut. Where the tokenizer would join
    the end of the prompt with the beginning of the answer, the answer is made into tokens by itself, as a model writes it.
    Unmeasured, with the reason, where there is no prompt or no text.
    """
    before = rendered(tokenizer, messages)
    if isinstance(before, Unplaced):
        return Unmeasured(before.reason)
    prompt, found = tokens_of(tokenizer, before), tokens_of(tokenizer, before + text)
    if isinstance(prompt, Unplaced) or isinstance(found, Unplaced):
        return Unmeasured(prompt.reason if isinstance(prompt, Unplaced) else found.reason)
    start, skipped = len(prompt["input_ids"]), len(before)
    if found["input_ids"][:start] != prompt["input_ids"]:
        found, start, skipped = tokens_of(tokenizer, text), 0, 0
    ids = tuple(found["input_ids"][start:])
    return Answer(text, ids, tuple(end - skipped for _, end in found["offset_mapping"][start:]), ended=False)


def preference_use(
    probe: Probe,
    prompt: Prompt,
    answer: Answer,
    without: Sequence[Message],
    other: Sequence[Message] | None = None,
    at: Thresholds | None = None,
) -> Meter | Unmeasured:
    """The meter of an answer on a prompt (`training.prompt_tokens.read_prompt`).

    `without` is the conversation without the preference, `other` with a reversed or somebody else's, as messages. Unmeasured
    with the reason where a prompt cannot be made, has no preference, or does not fit.
    """
    tokenizer = probe.loaded.tokenizer
    if not prompt.region(PREFERENCE).any():
        return Unmeasured("The prompt holds no preference, so its use cannot be measured.")
    prompts: list[list[int]] = []
    for messages in (without, other):
        ids = [] if messages is None else prompt_ids(tokenizer, messages)
        if isinstance(ids, Unplaced):
            return Unmeasured(ids.reason)
        prompts.append(ids)
    try:
        given = probe.replay(prompt.ids.tolist(), answer.ids, prompt.region(PREFERENCE)[None])
        bare, beside = (probe.log_probs(ids, answer.ids) if ids else None for ids in prompts)
    except NotLoadable as error:
        return Unmeasured(str(error))
    if bare is None:
        return Unmeasured("The conversation without the preference is empty, so there is nothing to compare with.")
    evidence = Evidence(
        given.mean,
        given.log_probs.astype(np.float64),
        bare.astype(np.float64),
        None if beside is None else beside.astype(np.float64),
    )
    return meter(answer, prompt, evidence, at)
