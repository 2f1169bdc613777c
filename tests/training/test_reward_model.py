"""A reward model: what it says of a batch is what it says one by one, in the order of its head; what it is refused for."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from app.engines.roles import STARTER
from core.parsing import number_steps
from core.prompts.policy import policy
from core.scoring import Case
from tests.training.classifier import classifier
from training.models import NotLoadable
from training.reward_model import RewardModel

CASES = [
    Case("I never share where I am.", "Plan my day.", ("She decides who knows.", "Leave the phone at home.")),
    Case("I am shy.", "Plan a party.", ()),
    Case("I am shy.", "Plan a party.", ("Ask two friends.",)),
    Case("I am shy.", "Plan a party.", tuple(f"Ask friend number {n}, who is kind." for n in range(9))),
]


def test_a_batch_says_what_one_by_one_says(tmp_path: Path) -> None:
    model = RewardModel(classifier(tmp_path / "rm"), "cpu")
    together = model(CASES)
    assert [len(own) for own in together] == [2, 0, 1, 9]
    for case, own in zip(CASES, together, strict=True):
        (alone,) = model([case])
        assert [step.score for step in own] == pytest.approx([step.score for step in alone], abs=1e-5)
        assert len({step.score for step in own}) <= 1 and not any(step.critique for step in own)
    scores = [own[0].score for own in together if own]
    assert len(set(scores)) == 3 and all(-1 <= (score or 9) <= 1 for score in scores)


def test_the_score_is_that_of_the_head_on_the_whole_turn(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "rm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    head = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    said = {"role": "assistant", "content": "\n".join(number_steps(list(CASES[0].steps)))}
    asked = [message._asdict() for message in policy(CASES[0].preference, CASES[0].query)]
    ids = torch.tensor([tokenizer(tokenizer.apply_chat_template([*asked, said], tokenize=False))["input_ids"]])
    head.config.pad_token_id = tokenizer.pad_token_id
    with torch.no_grad():
        number = head(input_ids=ids).logits[0, 0].item()
    (own,) = RewardModel(folder, "cpu")(CASES[:1])
    assert own[0].score == pytest.approx(torch.tanh(torch.tensor(number / 2)).item(), abs=1e-5)


def test_what_is_too_long_is_unscored_with_the_reason(tmp_path: Path) -> None:
    long = Case("P", "q", ("word " * 5000,))
    found = RewardModel(classifier(tmp_path / "rm"), "cpu")([CASES[0], long])
    assert found[0][0].score is not None and found[1][0].score is None
    assert "reads 2,048 tokens; this is" in found[1][0].why


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotLoadable, match="no reward model"):
        RewardModel(STARTER, "cpu")
    with pytest.raises(NotLoadable, match="no reward model"):
        RewardModel(classifier(tmp_path / "two", labels=2), "cpu")
    with pytest.raises(NotLoadable, match="no checkpoint folder"):
        RewardModel(tmp_path / "gone", "cpu")


def test_a_tokenizer_whose_padding_is_the_end_of_a_turn_moves_no_score(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "rm")
    usual = [own[0].score for own in RewardModel(folder, "cpu")(CASES) if own]
    told = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    told["pad_token"] = told["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": config["eos_token_id"]}), "utf-8")
    found = [own[0].score for own in RewardModel(folder, "cpu")(CASES) if own]
    assert found == pytest.approx(usual, abs=1e-5)
