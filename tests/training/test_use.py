"""The meter on real networks: drops are those of three plain passes, and a model that copies its preference is seen to use it."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from core.attention import Unmeasured  # noqa: E402
from core.ports import Message  # noqa: E402
from core.preference_use import Answer, Meter  # noqa: E402
from core.prompts.policy import policy  # noqa: E402
from core.regions import Place, Prompt, fenced_place, replaced  # noqa: E402
from training.decoding import encode  # noqa: E402
from training.models import Loaded, load  # noqa: E402
from training.probe import Probe, open_probe  # noqa: E402
from training.prompt_tokens import prompt_ids, read_prompt  # noqa: E402
from training.starter import FOLDER  # noqa: E402
from training.use import preference_use, written_answer  # noqa: E402

LIKES = "I love quiet places with good coffee and hate noise."
ASKED = "Where should I work tomorrow?"


@pytest.fixture(scope="module")
def starter() -> Probe:
    return open_probe(load(FOLDER, "cpu"))


def asked(probe: Probe, likes: str = LIKES) -> tuple[tuple[Message, ...], Prompt]:
    messages = policy(likes, ASKED)
    found = read_prompt(probe.loaded.tokenizer, messages)
    assert isinstance(found, Prompt)
    return messages, found


def written(probe: Probe, messages: tuple[Message, ...], text: str) -> Answer:
    found = written_answer(probe.loaded.tokenizer, messages, text)
    assert isinstance(found, Answer)
    return found


def said(loaded: Loaded, messages: tuple[Message, ...], answer: Answer) -> np.ndarray:
    """Second implementation: log probabilities from the logits of a whole plain pass."""
    ids = prompt_ids(loaded.tokenizer, messages)
    assert isinstance(ids, list)
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([[*ids, *answer.ids]])).logits[0, len(ids) - 1 : -1]
    return torch.log_softmax(logits.float(), -1)[torch.arange(len(answer.ids)), list(answer.ids)].numpy()


def test_drops_are_those_of_plain_passes(starter: Probe) -> None:
    messages, prompt = asked(starter)
    answer = written(starter, messages, "Step 1: You love quiet places.\nStep 2: Work in a small café.")
    place = fenced_place(messages, "preference")
    assert place is not None
    without, other = replaced(messages, place, ""), replaced(messages, place, "I love crowds and loud music.")
    found = preference_use(starter, prompt, answer, without, other)
    assert isinstance(found, Meter)
    given, bare, beside = (said(starter.loaded, one, answer) for one in (messages, without, other))
    assert found.drops == pytest.approx(given - bare, abs=1e-4)
    assert found.answer.drop == pytest.approx(float((given - bare).mean()), abs=1e-4)
    assert found.answer.drop_other == pytest.approx(float((given - beside).mean()), abs=1e-4)
    assert [answer.text[one.start : one.end].strip() for one in found.sentences] == [
        "Step 1: You love quiet places.", "Step 2: Work in a small café.",
    ]  # fmt: skip
    assert sum(one.tokens for one in found.sentences) == len(answer.ids)
    only = preference_use(starter, prompt, answer, without)
    assert isinstance(only, Meter)
    assert math.isnan(only.answer.drop_other)
    assert only.drops == pytest.approx(found.drops)


def test_words_of_the_preference_depend_on_it(starter: Probe) -> None:
    """The starter model learned to repeat words of the preference: such an answer loses most when it is taken away."""
    messages, prompt = asked(starter)
    place = fenced_place(messages, "preference")
    assert place is not None
    without = replaced(messages, place, "I like blue.")
    drops = []
    for text in (
        "Step 1: You love quiet places with good coffee and hate noise.",
        "Step 1: You own two green boats and a red kite.",
    ):
        answer = written(starter, messages, text)
        found = preference_use(starter, prompt, answer, without)
        assert isinstance(found, Meter)
        drops.append(found.answer.drop)
    assert drops[0] > drops[1]


@pytest.mark.parametrize("text", ["Tea. Coffee", " Tea. Coffee", "\n\nTea. Coffee", "\u00a0x. y", "Tea. 🫖 Coffee"])
def test_the_tokens_of_an_answer_are_its_words(starter: Probe, text: str) -> None:
    """White space in front is kept, and no end of a turn is booked to an answer that may have been cut."""
    messages, prompt = asked(starter)
    answer = written(starter, messages, text)
    assert (answer.text, answer.ended) == (text, False) and answer.ends[-1] == len(text)
    assert starter.loaded.tokenizer.decode(answer.ids) == text
    assert not set(answer.ids) & set(starter.loaded.ends)
    found = preference_use(starter, prompt, answer, messages)
    assert isinstance(found, Meter)
    assert found.drops == pytest.approx(0, abs=1e-4), "the same prompt twice"
    assert sum(one.tokens for one in found.sentences) == len(answer.ids)


def test_a_template_that_writes_a_turn_otherwise_can_be_measured(starter: Probe) -> None:
    """Templates of thinking models put an empty thought into a finished turn; what is measured is the answer behind the prompt."""
    loaded = starter.loaded
    plain = loaded.tokenizer.chat_template
    messages, _ = asked(starter)
    expected = written(starter, messages, "Tea.")
    thinking = plain.replace(
        "message['content']", "('<think></think>' if message['role'] == 'assistant' else '') + message['content']"
    )
    assert thinking != plain
    loaded.tokenizer.chat_template = thinking
    try:
        assert written(starter, messages, "Tea.") == expected
    finally:
        loaded.tokenizer.chat_template = plain


def test_what_cannot_be_measured_is_a_reason(starter: Probe) -> None:
    messages, prompt = asked(starter)
    answer = written(starter, messages, "Tea.")
    empty = read_prompt(starter.loaded.tokenizer, policy("", ASKED))
    assert isinstance(empty, Prompt)
    found = [
        preference_use(starter, empty, answer, messages),
        preference_use(starter, prompt, Answer("", (), (), False), messages),
        preference_use(starter, prompt, answer, (Message("user", "x y " * 3000),)),
        preference_use(starter, prompt, answer, (Message("user", "\ud800"),)),
    ]
    for one in found:
        assert isinstance(one, Unmeasured)
        assert one.reason.endswith(".")
    placed = read_prompt(starter.loaded.tokenizer, messages, {"preference": Place(1, 0, 3)})
    assert isinstance(placed, Prompt)
    assert isinstance(preference_use(starter, placed, answer, messages), Meter)


def test_the_prompt_is_the_one_that_is_answered(starter: Probe) -> None:
    from core.ports import Ask

    messages, prompt = asked(starter)
    assert prompt.ids.tolist() == encode(starter.loaded, Ask(messages))
