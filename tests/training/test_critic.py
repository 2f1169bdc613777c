"""Training a critic on a tiny random network: what is trained on, the two parts of the loss, accumulation, going on after a stop."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

from peft import PeftModel  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from trl.trainer.sft_trainer import SFTTrainer  # noqa: E402

from core.critic_data import Example, examples  # noqa: E402
from core.types import Node, Scenario, Tree  # noqa: E402
from training import critic  # noqa: E402
from training.critic import CriticTrainer, Outcome, Recipe, newest, parts, train_critic  # noqa: E402
from training.critic_rows import NotTrainable, encode, preview  # noqa: E402
from training.models import load  # noqa: E402
from training.untrained import write_untrained  # noqa: E402

QWEN = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}<|endoftext|>\n\n{{ message['content'] | trim }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant<|endoftext|>\n\n{% endif %}"
)
"""The form of Llama 3: a special token closes the role, the text is trimmed, and nothing stands behind the end of a turn."""

SMALL = Recipe(
    rank=0, rate=1e-3, epochs=2, batch=1, accumulate=2, save_every=2, log_every=1, device="cpu", max_length=1024
)


class Told:
    """A reporter that remembers, and wants the job to stop after so many updates."""

    def __init__(self, stop_after: int = 1 << 30) -> None:
        self.metrics: list[tuple[int, str, float]] = []
        self.done = 0.0
        self.stop_after = stop_after

    def progress(self, done: float, total: float, message: str = "") -> None:
        self.done = done

    def metric(self, step: int, name: str, value: float) -> None:
        self.metrics.append((step, name, value))

    def input(self, name: str, digest: str) -> None:
        raise AssertionError("a training reads no input of its own")

    def cancelled(self) -> bool:
        return self.done >= self.stop_after

    def at(self, step: int) -> dict[str, float]:
        """The metrics of one update."""
        return {name: value for at, name, value in self.metrics if at == step}


def made(count: int) -> list[Example]:
    """Examples of one scenario each, of different lengths."""
    found = []
    for place in range(count):
        node = Node(
            "0-1",
            "0",
            "thought",
            1,
            f"dogs {place}",
            "slow " * (place + 1) + "é漢",
            round(place / 10 - 0.3, 2),
            persona="pragmatist",
        )
        root = Node("0", None, "root", 0, f"fox {place}")
        found.append(Tree(Scenario(f"seven {place}", f"fox {place}"), (root, node)))
    return list(examples(found))


@pytest.fixture
def base(tiny_folder: Path) -> Path:
    """The checkpoint that is trained."""
    return tiny_folder


@pytest.fixture(params=[QWEN, LLAMA], ids=["qwen", "llama"])
def tokenizer(request: pytest.FixtureRequest, tiny_folder: Path) -> Iterator[Any]:
    """The tiny tokenizer with one of the templates."""
    found = AutoTokenizer.from_pretrained(tiny_folder)
    found.chat_template = request.param
    yield found


def test_exactly_the_reply_and_its_end_are_trained_on(tokenizer: Any) -> None:
    for example in made(4):
        row = encode(tokenizer, example)
        assert tokenizer.decode(row.ids[row.start :]) == example.completion + "<|im_end|>"
        asked = [message._asdict() for message in example.prompt]
        alone = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        assert row.ids[: row.start] == tokenizer(alone, add_special_tokens=False)["input_ids"]
        score = [token for token, inside in zip(row.ids, row.score, strict=True) if inside]
        assert tokenizer.decode(score).strip() == f"SCORE: {example.score!r}<|im_end|>"
        assert not any(row.score[: row.start])


def test_the_same_tokens_as_trl_would_train_on(tokenizer: Any, base: Path, tmp_path: Path) -> None:
    """TRL's own preparation of the same row; it goes on behind the end of the turn, where nothing but white space is left."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig

    example = made(3)[2]
    tokenizer.padding_side = "right"
    data = Dataset.from_list(
        [
            {
                "prompt": [one._asdict() for one in example.prompt],
                "completion": [{"role": "assistant", "content": example.completion}],
            }
        ]
    )
    options = SFTConfig(use_cpu=True, bf16=False, report_to="none", max_length=4096, output_dir=str(tmp_path))
    prepared = SFTTrainer(
        model=load(base, "cpu").model, args=options, train_dataset=data, processing_class=tokenizer
    ).train_dataset[0]
    row = encode(tokenizer, example)
    end = len(row.ids)
    assert prepared["input_ids"][:end] == row.ids
    assert prepared["labels"][:end] == [-100] * row.start + row.ids[row.start :]
    assert tokenizer.decode(prepared["input_ids"][end:]).strip() == ""


def test_the_preview_says_what_would_be_cut(tokenizer: Any) -> None:
    example = made(1)[0]
    row = encode(tokenizer, example)
    shown = preview(tokenizer, example, len(row.ids) - 2)
    assert [one.cut for one in shown] == [False] * (len(row.ids) - 2) + [True] * 2
    assert [one.trained for one in shown].index(True) == row.start
    assert "".join(one.text for one in shown if one.score).strip().startswith("SCORE:")


def test_a_template_that_hides_the_reply_is_refused(tokenizer: Any) -> None:
    plain = tokenizer.chat_template
    for template, said in (
        (plain.replace("add_generation_prompt %}", "add_generation_prompt %}<think>"), "differently"),
        ("{{ raise_exception('no system here') }}", "no system here"),
        (plain.replace("<|im_end|>", "."), "never stop"),
    ):
        tokenizer.chat_template = template
        with pytest.raises(NotTrainable, match=said):
            encode(tokenizer, made(1)[0])


def test_an_example_that_would_lose_its_score_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotTrainable, match=r"2 of 2 examples have more than 20 tokens .* scenario 1, step 0-1"):
        train_critic(base, made(2), [], tmp_path, replace(SMALL, max_length=20), Told())
    with pytest.raises(NotTrainable, match="no example"):
        train_critic(base, [], made(1), tmp_path, SMALL, Told())


def test_parts_by_hand() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -4.0, 0.0], [-8.0, -16.0, 0.0, 0.0]])
    trained = torch.tensor([[True, True, True, False], [True, True, False, False]])
    score = torch.tensor([[False, False, True, True], [False, True, False, False]])
    assert parts(log_probs, trained, score).tolist() == [11.0, 3.0, 20.0, 2.0]


CURVES = ("loss", "loss_critique", "loss_score", "grad_norm", "learning_rate")


def curve(outcome: Outcome) -> dict[tuple[int, str], float]:
    """What was logged of the updates, by update and name."""
    rows = [row for row in outcome.metrics["log"] if "loss" in row]
    return {(row["step"], name): row[name] for row in rows for name in CURVES}


def weights(folder: Path) -> dict[str, Any]:
    """The trained weights."""
    return load_file(folder / critic.WEIGHTS / "model.safetensors")


def same(first: dict[str, Any], second: dict[str, Any], within: float) -> bool:
    """Whether two sets of weights agree."""
    return first.keys() == second.keys() and all(
        torch.allclose(first[name], second[name], rtol=0, atol=within) for name in first
    )


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_writes_a_critic_and_its_parts_add_up(base: Path, tmp_path: Path, rank: int) -> None:
    told = Told()
    outcome = train_critic(base, made(6), made(7)[6:], tmp_path, replace(SMALL, rank=rank, rate=1e-3), told)
    assert (outcome.whole, outcome.updates, outcome.planned) == (True, 6, 6)
    for update in range(1, 7):
        own = told.at(update)
        whole = own["critique_tokens"] * own["loss_critique"] + own["score_tokens"] * own["loss_score"]
        assert whole == pytest.approx((own["critique_tokens"] + own["score_tokens"]) * own["loss"], rel=1e-4)
    assert told.at(6)["eval_loss_output"] == pytest.approx(told.at(6)["eval_loss"], rel=1e-4)
    assert told.at(6)["eval_loss"] < told.at(3)["eval_loss"]
    assert json.loads((tmp_path / critic.METRICS).read_text("utf-8"))["examples"] == {"train": 6, "held_out": 1}
    assert not same(weights(tmp_path), load_file(base / "model.safetensors"), 1e-6)
    assert load(tmp_path / critic.WEIGHTS, "cpu").tokenizer.chat_template


def test_every_trained_token_is_in_one_of_the_parts(base: Path, tmp_path: Path) -> None:
    told = Told()
    found = made(4)
    train_critic(base, found, [], tmp_path, replace(SMALL, updates=1, accumulate=4), told)
    tokenizer = load(base, "cpu").tokenizer
    rows = [encode(tokenizer, example) for example in found]
    assert told.at(1)["score_tokens"] == sum(sum(row.score) for row in rows)
    assert told.at(1)["critique_tokens"] + told.at(1)["score_tokens"] == sum(len(row.ids) - row.start for row in rows)


@pytest.mark.parametrize("rank", [0, 4])
def test_small_batches_added_up_are_one_large_one(base: Path, tmp_path: Path, rank: int) -> None:
    found = made(8)
    recipe = replace(SMALL, epochs=1, save_every=100, rank=rank)
    tell = [Told(), Told()]
    train_critic(base, found, [], tmp_path / "one", replace(recipe, batch=1, accumulate=4), tell[0])
    train_critic(base, found, [], tmp_path / "four", replace(recipe, batch=4, accumulate=1), tell[1])
    for name in ("loss", "loss_critique", "loss_score"):
        assert tell[0].at(1)[name] == pytest.approx(tell[1].at(1)[name], rel=1e-4)
    assert tell[0].at(1)["grad_norm"] == pytest.approx(tell[1].at(1)["grad_norm"], rel=1e-3)
    assert tell[0].at(2)["loss"] == pytest.approx(tell[1].at(2)["loss"], rel=1e-3)
    assert tell[0].at(2)["loss"] != pytest.approx(tell[0].at(1)["loss"], rel=1e-3)
    assert same(weights(tmp_path / "one"), weights(tmp_path / "four"), 1e-4)


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(base: Path, tmp_path: Path, rank: int) -> None:
    found = made(6)
    recipe = replace(SMALL, rank=rank, dropout=0.1 if rank else 0.0)
    unbroken = train_critic(base, found, [], tmp_path / "unbroken", recipe, Told())
    first = train_critic(base, found, [], tmp_path / "broken", recipe, Told(stop_after=3))
    assert (first.whole, first.updates, first.planned) == (False, 3, 6)
    assert not (tmp_path / "broken" / critic.WEIGHTS).exists()
    second = train_critic(base, found, [], tmp_path / "broken", recipe, Told())
    assert (second.whole, second.updates) == (True, 6)
    assert curve(second) == pytest.approx(curve(unbroken), rel=1e-6)
    assert len(curve(second)) == 6 * len(CURVES)
    assert same(weights(tmp_path / "unbroken"), weights(tmp_path / "broken"), 1e-6)
    assert (tmp_path / "broken" / critic.ADAPTER).exists() == bool(rank)
    assert not same(weights(tmp_path / "broken"), load_file(base / "model.safetensors"), 1e-6)
    with pytest.raises(NotTrainable, match="other examples"):
        train_critic(base, found[1:], [], tmp_path / "broken", recipe, Told())


def test_a_tracker_gets_the_curves_and_changes_nothing_else(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    short = replace(SMALL, updates=2)
    plain = train_critic(base, made(4), [], tmp_path / "plain", short, Told())
    seen = train_critic(base, made(4), [], tmp_path / "seen", replace(short, report_to=("tensorboard",)), Told())
    assert [row.get("loss") for row in plain.metrics["log"]] == [row.get("loss") for row in seen.metrics["log"]]
    (events,) = (tmp_path / "seen").rglob("events.out.tfevents.*")
    found = EventAccumulator(str(events.parent))
    found.Reload()
    assert {"train/loss", "train/loss_critique", "train/loss_score"} <= set(found.Tags()["scalars"])


def test_half_a_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((2, '{"global_step": 2}'), (4, '{"global_st'), (6, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state:
            (folder / "trainer_state.json").write_text(state, "utf-8")
    assert newest(tmp_path) == tmp_path / "checkpoint-2"
    assert newest(tmp_path / "nothing") is None


def test_the_hooks_into_trl_still_exist() -> None:
    assert CriticTrainer.compute_loss is not SFTTrainer.compute_loss
    assert {"compute_loss", "log"} <= set(vars(SFTTrainer))


def killed_at(update: int, arguments: tuple[Any, ...]) -> None:
    """Train in a process of its own until an update, then die at once: no checkpoint is written, nothing is closed."""

    class Dying(Told):
        def progress(self, done: float, total: float, message: str = "") -> None:
            if done >= update:
                os.kill(os.getpid(), signal.SIGKILL)

    train_critic(*arguments, Dying())


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_that_was_killed_gives_the_same_curve(base: Path, tmp_path: Path, rank: int) -> None:
    """Killed in the fifth update, with checkpoints of the second and the fourth: the fifth is done again."""
    found, recipe = made(6), replace(SMALL, rank=rank, dropout=0.1 if rank else 0.0)
    unbroken = train_critic(base, found, found[:1], tmp_path / "unbroken", recipe, Told())
    arguments = (base, found, found[:1], tmp_path / "killed", recipe)
    process = multiprocessing.get_context("spawn").Process(target=killed_at, args=(5, arguments))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    at = newest(tmp_path / "killed" / critic.CHECKPOINTS)
    assert at is not None and at.name == "checkpoint-4"
    told = Told()
    outcome = train_critic(*arguments, told)
    assert (outcome.whole, outcome.updates) == (True, 6)
    assert min(step for step, _, _ in told.metrics) == 5
    assert curve(outcome) == pytest.approx(curve(unbroken), rel=1e-5)
    assert same(weights(tmp_path / "unbroken"), weights(tmp_path / "killed"), 1e-5)


def test_a_lora_leaves_the_base_alone_and_its_merge_is_the_adapter_on_the_base(base: Path, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in load_file(base / "model.safetensors").items()}
    train_critic(base, made(4), [], tmp_path, replace(SMALL, rank=4, rate=1e-2), Told())
    assert same(load_file(base / "model.safetensors"), before, 0)
    plain = load(base, "cpu")
    ids = torch.tensor([encode(plain.tokenizer, made(1)[0]).ids])
    with torch.no_grad():
        bare = plain.model(ids).logits
        adapted = PeftModel.from_pretrained(plain.model, tmp_path / critic.ADAPTER).eval()(ids).logits
        merged = load(tmp_path / critic.WEIGHTS, "cpu").model(ids).logits
    assert torch.allclose(merged, adapted, atol=1e-3)
    assert not torch.allclose(merged, bare, atol=1e-1)


def test_an_untrained_network_is_drawn_by_the_seed(base: Path, tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    one, again, other = (write_untrained(base, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert torch.equal(torch.random.get_rng_state(), state)
    drawn = load_file(one / "model.safetensors")
    assert same(drawn, load_file(again / "model.safetensors"), 0)
    assert not same(drawn, load_file(other / "model.safetensors"), 1e-3)
    assert not same(drawn, load_file(base / "model.safetensors"), 1e-3)
    assert encode(load(one, "cpu").tokenizer, made(1)[0]) == encode(load(base, "cpu").tokenizer, made(1)[0])
    kept = (one / "model.safetensors").stat().st_mtime_ns
    assert write_untrained(base, one, 9) == one
    assert (one / "model.safetensors").stat().st_mtime_ns == kept
