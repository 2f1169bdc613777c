"""CDPA on TRL: hooks that must exist, numbers worked by hand, equality with numpy and with GRPO, failures, and real small runs."""

import inspect
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer
from trl.trainer.grpo_trainer import GRPOTrainer

from app.engines.roles import STARTER
from core.advantages import LEVELS, Level, Normal
from core.advantages import advantages as by_numpy
from core.parsing import number_steps
from core.scoring import Case, Scored
from training.cdpa import CDPATrainer, Credit, CriticFailed, StepRewards, decoded, format_reward
from training.critic_rows import NotTrainable
from training.loss import advantages, scalar_advantages, token_kl, token_loss
from training.models import load
from training.policy import PolicyRecipe, Prompt, make_trainer, options, train_policy
from training.rollouts import FOLDER

NO = math.nan
PROMPTS = [Prompt("I like quiet places.", "Where do I go?"), Prompt("I never borrow money.", "How do I pay?")]
SMALL = PolicyRecipe(updates=2, group=3, prompts=2, batch=3, rate=1e-4, max_new=60, rank=0, save_every=1, device="cpu")


class Heard:
    """A reporter that remembers metrics; told to stop after `stop` updates."""

    def __init__(self, stop: int = 0) -> None:
        self.metrics: dict[str, list[float]] = {}
        self.done, self._stop = 0.0, stop

    def progress(self, done: float, total: float, message: str = "") -> None:
        self.done = done

    def metric(self, step: int, name: str, value: float) -> None:
        self.metrics.setdefault(name, []).append(value)

    def input(self, name: str, digest: str) -> None: ...

    def cancelled(self) -> bool:
        return bool(self._stop) and self.done >= self._stop


def scored(value: float | None) -> Scored:
    return Scored(value, "A critique.", None, (), "" if value is not None else "The server was away.")


def by_length(cases: Sequence[Case]) -> list[list[Scored]]:
    """A rule: the more words, the better."""
    return [[scored(min(1.0, len(step.split()) / 20 - 0.5)) for step in case.steps] for case in cases]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("_generate_and_score_completions", ["self", "inputs"]),
        ("_compute_loss", ["self", "model", "inputs"]),
        ("_get_per_token_logps_and_entropies", ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]),
    ],
)
def test_the_hooks_exist_in_the_pinned_library(name: str, wanted: list[str]) -> None:
    assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters)[: len(wanted)] == wanted
    source = inspect.getsource(GRPOTrainer)
    for word in (
        'inputs["advantages"]',
        "advantages.dim() == 1",
        "completion_ids=completion_ids_list",
        '"completion_mask"',
    ):
        assert word in source


@settings(max_examples=60)
@given(st.data(), st.sampled_from(LEVELS))
def test_tensors_and_arrays_give_the_same(data: st.DataObject, level: Level) -> None:
    group, groups, steps, tokens = data.draw(
        st.tuples(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 7))
    )
    value = st.one_of(st.just(NO), st.floats(-1, 1))
    rows = group * groups
    scores = np.array(
        data.draw(st.lists(st.lists(value, min_size=steps, max_size=steps), min_size=rows, max_size=rows))
    )
    place = st.integers(-1, steps - 1)
    index = np.array(
        data.draw(st.lists(st.lists(place, min_size=tokens, max_size=tokens), min_size=rows, max_size=rows))
    )
    how = Normal(sigma_floor=data.draw(st.sampled_from([0.0, 0.05])), min_alive=data.draw(st.sampled_from([2, 3])))
    found = advantages(torch.tensor(scores), torch.tensor(index), group, level, how).numpy()
    for at in range(0, rows, group):
        own = by_numpy(scores[at : at + group], index[at : at + group], level, how)
        assert np.allclose(found[at : at + group], own, atol=1e-12)


def test_no_step_at_all_gives_no_advantage() -> None:
    found = advantages(torch.empty(4, 0), torch.full((4, 3), -1), 2, "step", Normal())
    assert found.tolist() == [[0.0] * 3] * 4


def test_the_loss_of_two_responses_of_three_tokens_by_hand() -> None:
    # Advantages of scores .9 against .3 at every position: +-.3 / (.3 * sqrt 2 + 1e-4).
    credit = advantages(torch.tensor([[0.9], [0.3]]), torch.zeros(2, 3, dtype=torch.long), 2, "position", Normal())
    up = 0.3 / (0.3 * math.sqrt(2) + 1e-4)
    assert credit.tolist() == [pytest.approx([up] * 3), pytest.approx([-up] * 3)]
    old = torch.tensor([[-1.0, -2.0, -0.5], [-1.0, -1.0, -3.0]])
    new = old + torch.log(torch.tensor([[1.0, 1.5, 0.5], [1.0, 1.5, 0.5]]))
    loss = token_loss(new, old, credit, 0.2)
    # A > 0: rho above 1.2 is cut. A < 0: rho below 0.8 is cut to 0.8.
    expected = [[-up, -1.2 * up, -0.5 * up], [up, 1.5 * up, 0.8 * up]]
    assert loss.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]
    assert token_kl(torch.tensor([-1.0]), torch.tensor([-1.0 + math.log(2)])).item() == pytest.approx(
        2 - math.log(2) - 1
    )


def test_scalar_advantages_leave_out_what_has_no_value() -> None:
    found = scalar_advantages(torch.tensor([1.0, 0.0, NO, 5.0, 5.0, 5.0]), 3, Normal(eps=0))
    assert found.tolist() == pytest.approx([0.7071, -0.7071, 0, 0, 0, 0], abs=1e-4)


TEXTS = [
    "Step 1: They hide.\nStep 2: Go early, bring tea — 🙈 ok.",
    "Hm.\nStep 1: a\nStep 3: b",
    "no marker at all",
    "Step 1: x",
]


@pytest.mark.parametrize("text", TEXTS)
def test_steps_lie_on_the_tokens_that_were_sampled(text: str) -> None:
    """Published fault 3: nothing is tokenised again, whatever way the text was cut into tokens."""
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    apart = [token for char in text for token in tokenizer(char, add_special_tokens=False)["input_ids"]]
    rewards = StepRewards(tokenizer, by_length, frozenset([tokenizer.eos_token_id]))
    for ids in (whole, apart):
        ids = [*ids, tokenizer.eos_token_id]
        tokens = decoded(tokenizer, ids)
        if ids[:-1] == whole:
            assert tokens.text == text
        rewards.steps(["p"], [ids], ["P"], ["q"])
        (one,) = rewards.batch
        for step, (start, end) in enumerate(one.spans):
            ends = [0, *one.ends]
            own = [at for at, number in enumerate(one.index) if number == step]
            assert own == list(range(own[0], own[-1] + 1)), "the tokens of a step lie next to each other"
            assert start < ends[own[0] + 1] and ends[own[-1]] <= end
        assert one.index[-1] == len(one.spans) - 1, "the end of the turn belongs to the last step"
        assert len(one.scores) == len(one.spans) == tokens.text.count("Step ")


def test_every_step_counts_however_many_there_are() -> None:
    """Published fault 5: there only the first five steps did."""
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    text = "\n".join(number_steps([f"thought {place}" for place in range(9)]))
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    rewards = StepRewards(tokenizer, by_length, frozenset([tokenizer.eos_token_id]))
    rewards.steps(["p"], [ids], ["P"], ["q"])
    assert len(rewards.batch[0].scores) == 9 and set(rewards.batch[0].index) == set(range(9))


def test_a_step_without_a_score_is_never_zero() -> None:
    """Published faults 1 and 4: no reply and padding are outside every statistic."""
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    end = tokenizer.eos_token_id
    ids = [[*tokenizer("Step 1: a\nStep 2: b", add_special_tokens=False)["input_ids"], end]] * 2

    def half(cases: Sequence[Case]) -> list[list[Scored]]:
        return [[scored(0.8), scored(None)], [scored(None), scored(None)]]

    rewards = StepRewards(tokenizer, half, frozenset([end]))
    assert rewards.steps(["p"] * 2, ids, ["P"] * 2, ["q"] * 2) == [0.8, None]
    assert rewards.batch[1].reasons == ["The server was away."] * 2


def test_all_steps_of_a_batch_are_scored_in_one_go() -> None:
    """Published fault 2: there one request waited for the other."""
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    calls: list[int] = []

    def counted(cases: Sequence[Case]) -> list[list[Scored]]:
        calls.append(sum(len(case.steps) for case in cases))
        return by_length(cases)

    ids = [[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in TEXTS]
    StepRewards(tokenizer, counted, frozenset([tokenizer.eos_token_id])).steps(["p"] * 4, ids, ["P"] * 4, ["q"] * 4)
    assert calls == [5]


def test_a_truncated_response_has_no_steps_and_the_format_is_judged() -> None:
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    rewards = StepRewards(tokenizer, by_length, frozenset([tokenizer.eos_token_id]))
    cut = tokenizer("Step 1: a\nStep 2: b", add_special_tokens=False)["input_ids"]
    assert rewards.steps(["p"], [cut], ["P"], ["q"]) == [None]
    assert rewards.batch[0].truncated and set(rewards.batch[0].index) == {-1}
    assert [format_reward(text) for text in TEXTS] == [1.0, 0.0, 0.0, 1.0]


def run(folder: Path, recipe: PolicyRecipe, score: Any = by_length, heard: Heard | None = None) -> Any:
    return train_policy(STARTER, PROMPTS, score, folder, recipe, heard or Heard())


def test_a_real_run_writes_weights_metrics_and_every_tokens_credit(tmp_path: Path) -> None:
    heard = Heard()
    outcome = run(tmp_path, replace(SMALL, max_new=160), heard=heard)
    assert outcome.whole and outcome.updates == 2
    assert run(tmp_path, replace(SMALL, max_new=160)).updates == 2, "a finished run is not trained again"
    for name in (
        "loss",
        "step_score",
        "unscored",
        "zero_grpo",
        "zero_cdpa",
        "turned",
        "outside",
        "kl",
        "entropy",
        "steps",
    ):
        assert len(heard.metrics[name]) >= 1, name
    assert load(tmp_path / "model", "cpu").model.num_parameters() > 1e6
    files = sorted((tmp_path / FOLDER).glob("*.parquet"))
    assert [file.name for file in files] == ["update-000001-00.parquet", "update-000002-00.parquet"]
    for row in pq.read_table(files[0]).to_pylist():
        size = len(row["ids"])
        assert (
            size
            == len(row["ends"])
            == len(row["index"])
            == len(row["advantages"])
            == len(row["entropy"])
            == len(row["kl"])
        )
        assert len(row["scores"]) == len(row["critiques"]) == len(row["starts_of_steps"])
        assert row["ends"][-1] == len(row["text"]) and row["update"] == 1
        if row["truncated"]:
            assert not any(row["advantages"])
    groups = {(row["group"], row["response"]) for row in pq.read_table(files[1]).to_pylist()}
    assert groups == {(group, response) for group in range(2) for response in range(3)}


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    run(tmp_path / "whole", SMALL)
    stopped = run(tmp_path / "parts", SMALL, heard=Heard(stop=1))
    assert not stopped.whole and stopped.updates == 1
    assert run(tmp_path / "parts", SMALL).whole
    one, two = (load(tmp_path / name / "model", "cpu").model.state_dict() for name in ("whole", "parts"))
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    with pytest.raises(NotTrainable, match="other prompts, another base or other settings"):
        run(tmp_path / "parts", replace(SMALL, rate=1e-3))


def test_without_beta_no_reference_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[bool] = []
    plain = GRPOTrainer._get_per_token_logps_and_entropies

    def counted(self: Any, *arguments: Any, **given: Any) -> Any:
        passes.append(bool(given.get("compute_entropy")))
        return plain(self, *arguments, **given)

    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", counted)
    run(tmp_path / "without", replace(SMALL, updates=1, beta=0.0))
    assert passes == [True, True], "one forward for each micro-batch, nothing else"
    passes.clear()
    run(tmp_path / "with", replace(SMALL, updates=1, beta=0.1))
    assert sorted(passes) == [False, True, True]
    kl = pq.read_table(tmp_path / "without" / FOLDER / "update-000001-00.parquet").column("kl").to_pylist()
    assert kl == [[]] * 6


def test_a_critic_that_fails_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    def away(cases: Sequence[Case]) -> list[list[Scored]]:
        return [[scored(None) for _ in case.steps] for case in cases]

    with pytest.raises(
        CriticFailed,
        match=r"100% of the newest \d+ steps have no score; 20% are allowed. The critic says: The server was away.",
    ):
        run(tmp_path, replace(SMALL, updates=20, max_new=160), away)


def credited(folder: Path, credit: Credit, score: Callable[[Sequence[Case]], Any]) -> list[dict[str, Any]]:
    recipe = replace(SMALL, updates=1, max_new=160, credit=credit)
    run(folder, recipe, score)
    return pq.read_table(folder / FOLDER / "update-000001-00.parquet").to_pylist()


def test_with_one_score_for_all_steps_cdpa_is_grpo(tmp_path: Path) -> None:
    def same(cases: Sequence[Case]) -> list[list[Scored]]:
        return [[scored(len(case.steps[0]) / 200) for _ in case.steps] for case in cases]

    ours = credited(tmp_path / "cdpa", Credit(level="step", format_weight=0), same)
    grpo = credited(tmp_path / "grpo", Credit(tokens=False, format_weight=0), same)
    assert [row["ids"] for row in ours] == [row["ids"] for row in grpo], "the same responses"
    compared = 0
    for one, two in zip(ours, grpo, strict=True):
        first = [a for a, at in zip(one["advantages"], one["index"], strict=True) if at == 0]
        if first and not two["truncated"]:
            compared += 1
            assert first == pytest.approx([two["advantages"][0]] * len(first), abs=1e-5)
    assert compared >= 2


def test_the_format_term_is_an_advantage_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flat(cases: Sequence[Case]) -> list[list[Scored]]:
        return [[scored(0.5) for _ in case.steps] for case in cases]

    # The starter model writes well-numbered steps only, so what counts as well-formed is drawn by the length here.
    monkeypatch.setattr("training.cdpa.format_reward", lambda text: float(len(text) % 2))
    rows = credited(tmp_path / "with", Credit(), flat)
    assert not any(any(row["advantages"]) for row in credited(tmp_path / "without", Credit(format_weight=0), flat))
    compared = 0
    for group in range(2):
        own = [row for row in rows if row["group"] == group]
        formats = [row["format"] for row in own]
        if len(set(formats)) == 2:
            compared += 1
            spread = statistics.stdev(formats)
            for row in own:
                expected = (row["format"] - statistics.fmean(formats)) / (spread + 1e-4)
                alike = 0.0 if row["truncated"] else expected
                assert row["advantages"] == pytest.approx([alike] * len(row["ids"]), rel=1e-3)
    assert compared and any(row["truncated"] for row in rows), (
        "a cut-off response counts as badly formed and learns nothing"
    )


def test_sizes_that_do_not_fit_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(
        NotTrainable, match="2 prompts x 3 responses are 6 responses an update, which micro-batches of 4 do not divide"
    ):
        options(replace(SMALL, batch=4), tmp_path)
    with pytest.raises(NotTrainable, match="There is no prompt"):
        train_policy(STARTER, [], by_length, tmp_path, SMALL, Heard())


def test_the_trainer_overrides_few_hooks(tmp_path: Path) -> None:
    own = {name for name in vars(CDPATrainer) if name in vars(GRPOTrainer)}
    assert own == {
        "__init__",
        "__doc__",
        "__module__",
        "_generate_and_score_completions",
        "_compute_loss",
        "_get_per_token_logps_and_entropies",
    }
    trainer = make_trainer(load(STARTER, "cpu"), PROMPTS, by_length, tmp_path, SMALL, Heard())
    assert [function.__name__ for function in trainer.reward_funcs] == ["steps", "format"]  # type: ignore[union-attr]
