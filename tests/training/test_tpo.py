"""TPO and SFT on the tiny and the starter model: equal to numpy, equal to DPO with two responses, gradients the right way, runs."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import tpo as by_numpy
from core.policy_data import Example, Ranked, response
from core.prompts.policy import policy
from tests.training.test_cdpa import Heard
from training.models import load
from training.runs import ADAPTER, METRICS, WEIGHTS, Recipe
from training.sft import train_sft
from training.tpo import Preference, _rows, _tokens, log_probs_of, loss, step_sums, train_tpo
from training.turns import NotTrainable

SMALL = Recipe(rank=0, rate=1e-3, epochs=2, accumulate=1, save_every=1, log_every=1, device="cpu", max_length=2048)
SHARED = "They would rather decide alone who learns where they are."


def trees(count: int) -> list[Ranked]:
    """Trees of three paths; the first two share their first step."""
    asked = [policy(f"I never share place {place}.", "How do I tell them?") for place in range(count)]
    paths = (
        (SHARED, "Send one short message each evening."),
        (SHARED, "Turn on location sharing."),
        ("They want an app.", "Post it all in public."),
    )
    return [Ranked(place + 1, f"g{place}", "train", asked[place], paths, (1.6, 0.4, -1.2)) for place in range(count)]


@pytest.fixture(scope="session")
def base(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with a longer context."""
    made = tmp_path_factory.mktemp("bases") / "wide"
    made.mkdir()
    for file in tiny_folder.iterdir():
        made.joinpath(file.name).write_bytes(file.read_bytes())
    config = json.loads((made / "config.json").read_text("utf-8"))
    (made / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}), "utf-8")
    return made


@settings(max_examples=60)
@given(st.data())
def test_tensors_and_arrays_give_the_same(data: st.DataObject) -> None:
    count, steps = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    number = st.floats(-3, 3)
    ratios = np.array(
        data.draw(st.lists(st.lists(number, min_size=steps, max_size=steps), min_size=count, max_size=count))
    )
    values = np.array(data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=count, max_size=count)))
    share = st.lists(st.floats(0, 1), min_size=steps, max_size=steps)
    flat = data.draw(st.lists(share, min_size=count * count, max_size=count * count))
    differing = np.array(flat).reshape(count, count, steps)
    found, margins = loss(torch.tensor(ratios), torch.tensor(values), torch.tensor(differing), 0.3)
    margin = by_numpy.margins(ratios, differing, 0.3)
    assert found.item() == pytest.approx(by_numpy.loss(values, margin), abs=1e-9)
    assert margins.tolist() == pytest.approx(margin[values[:, None] > values[None]].tolist(), abs=1e-9)


def test_two_responses_are_dpo_times_lambda() -> None:
    """DPO: -log sigmoid(beta ((log pi/ref)(chosen) - (log pi/ref)(rejected)))."""
    chosen, rejected, beta = torch.tensor([[0.4, -0.1]]), torch.tensor([[-0.3, 0.9]]), 0.5
    dpo = -torch.nn.functional.logsigmoid(beta * (chosen.sum() - rejected.sum()))
    factor = abs(2**1.5 - 2**-0.5) * (1 / math.log2(2) - 1 / math.log2(3))
    found, _ = loss(torch.cat([rejected, chosen]), torch.tensor([-0.5, 1.5]), torch.ones(2, 2, 2), beta)
    assert found.item() == pytest.approx(factor * dpo.item(), rel=1e-6)


def test_each_token_is_given_the_probability_that_the_token_before_says(base: Path) -> None:
    """The published trainer's log probabilities are unshifted; ours are those of one token after the other."""
    model: Any = load(base, "cpu").model
    ids = torch.tensor([[5, 9, 300, 17, 2]])
    found = log_probs_of(model, ids, torch.ones_like(ids))[0]
    for place in range(1, 5):
        with torch.no_grad():
            own = torch.log_softmax(model(input_ids=ids[:, :place]).logits[0, -1].float(), -1)[ids[0, place]]
        assert found[place].item() == pytest.approx(own.item(), abs=1e-4)
    assert found[0] == 0
    sums = step_sums(found[None], torch.tensor([[-1, 0, 0, 1, -1]]), 3)
    assert sums[0].tolist() == pytest.approx([(found[1] + found[2]).item(), found[3].item(), 0.0], abs=1e-6)


def test_the_steps_of_a_path_cover_its_tokens(base: Path) -> None:
    tokenizer = load(base, "cpu").tokenizer
    one = trees(1)[0]
    ids, index = _tokens(tokenizer, one, one.responses[0])
    for number, words in enumerate(one.responses[0]):
        text = tokenizer.decode([token for token, at in zip(ids, index, strict=True) if at == number])
        assert words in text and f"Step {number + 1}:" in text
    assert index[-1] == 1, "the end of the turn belongs to the last step"
    assert sorted(set(index)) == [-1, 0, 1]


def test_what_the_base_says_is_the_reference_so_nothing_differs_at_the_start(base: Path) -> None:
    rows = _rows(load(base, "cpu"), trees(2), 2048, True)
    assert rows is not None
    row = rows[0]
    assert len(row["reference"]) == 3 and all(len(own) == 2 for own in row["reference"])
    assert row["differing"][0][1] == [0.0, pytest.approx(1.0)], "a shared step does not count between the two"
    assert all(value < 0 for own in row["reference"] for value in own)


def logs(heard: Heard, name: str) -> Sequence[float]:
    return heard.metrics[name]


@pytest.mark.parametrize(("rank", "weigh"), [(0, True), (4, False)])
def test_a_run_raises_the_best_path(base: Path, tmp_path: Path, rank: int, weigh: bool) -> None:
    heard = Heard()
    how = Preference(
        replace(SMALL, rank=rank, batch=2, rate=1e-3 if rank == 0 else 1e-2, epochs=8), beta=0.5, weigh=weigh
    )
    outcome = train_tpo(base, trees(2), trees(3)[2:], tmp_path, how, heard)
    assert outcome.whole and outcome.updates == 8
    at_start = by_numpy.loss(np.array([1.6, 0.4, -1.2]), np.zeros((3, 3)))
    assert logs(heard, "loss")[0] == pytest.approx(at_start, rel=1e-3), "at the start policy and reference are one"
    assert logs(heard, "loss")[-1] < 0.9 * at_start and logs(heard, "right")[-1] == 1.0
    assert logs(heard, "eval_margin")[-1] > logs(heard, "eval_margin")[0]
    assert (tmp_path / ADAPTER).exists() == bool(rank)
    rows = _rows(load(base, "cpu"), trees(1), 2048, True)
    trained = _rows(load(tmp_path / WEIGHTS, "cpu"), trees(1), 2048, True)
    assert rows and trained
    gained = [sum(new) - sum(old) for new, old in zip(trained[0]["reference"], rows[0]["reference"], strict=True)]
    assert gained[0] > gained[2], "the best path gains over the worst"


def test_trees_one_by_one_are_one_large_batch(base: Path, tmp_path: Path) -> None:
    heard = [Heard(), Heard()]
    for name, batch, accumulate in (("one", 1, 2), ("two", 2, 1)):
        recipe = replace(SMALL, batch=batch, accumulate=accumulate, updates=2, save_every=9)
        train_tpo(base, trees(2), [], tmp_path / name, Preference(recipe), heard[batch - 1])
    for name in ("loss", "right", "margin", "grad_norm"):
        assert heard[0].metrics[name] == pytest.approx(heard[1].metrics[name], rel=2e-3, abs=1e-6)


def weights_of(folder: Path) -> dict[str, Any]:
    return load(folder / WEIGHTS, "cpu").model.state_dict()


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    whole = train_tpo(base, trees(3), [], tmp_path / "whole", Preference(SMALL), Heard())
    stopped = train_tpo(base, trees(3), [], tmp_path / "parts", Preference(SMALL), Heard(stop=2))
    assert (whole.updates, stopped.whole, stopped.updates) == (6, False, 2)
    assert train_tpo(base, trees(3), [], tmp_path / "parts", Preference(SMALL), Heard()).whole
    one, two = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    with pytest.raises(NotTrainable, match="other settings"):
        train_tpo(base, trees(3), [], tmp_path / "parts", Preference(SMALL, beta=0.2), Heard())


def learned(count: int) -> list[Example]:
    return [Example(one.scenario, one.group, "train", one.prompt, response(one.responses[0])) for one in trees(count)]


def test_responses_are_learned_and_only_they(base: Path, tmp_path: Path) -> None:
    heard = Heard()
    outcome = train_sft(base, learned(3), learned(4)[3:], tmp_path, replace(SMALL, epochs=6), heard)
    assert outcome.whole and outcome.updates == 18
    assert heard.metrics["loss"][-1] < heard.metrics["loss"][0]
    assert heard.metrics["eval_loss"][-1] < heard.metrics["eval_loss"][0]
    told = json.loads((tmp_path / METRICS).read_text("utf-8"))
    assert told["examples"] == {"train": 3, "held_out": 1}
    loaded = load(base, "cpu")
    made = _tokens(loaded.tokenizer, trees(1)[0], trees(1)[0].responses[0])
    start = sum(at < 0 for at in made[1])
    with torch.no_grad():
        ids = torch.tensor([made[0]])
        by_hand = -log_probs_of(loaded.model, ids, torch.ones_like(ids))[0, start:].mean()
    first = Heard()
    train_sft(base, learned(1), [], tmp_path / "one", replace(SMALL, updates=1), first)
    assert first.metrics["loss"][0] == pytest.approx(by_hand.item(), rel=1e-4)


def test_a_response_that_does_not_fit_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotTrainable, match=r"2 of 2 examples have more than 20 tokens, the first at scenario 1"):
        train_sft(base, learned(2), [], tmp_path, replace(SMALL, max_length=20), Heard())
    with pytest.raises(NotTrainable, match=r"1 of 1 examples have more than 20 tokens"):
        train_tpo(base, trees(1), [], tmp_path, Preference(replace(SMALL, max_length=20)), Heard())
    with pytest.raises(NotTrainable, match="no example"):
        train_tpo(base, [], trees(1), tmp_path, Preference(SMALL), Heard())
