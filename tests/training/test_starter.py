"""The shipped starter model: standard files, the prompts of today, well-formed replies on cases it never saw, scores with sense."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from app.actions.make_starter import starter_sentences, starter_trees  # noqa: E402
from core.bands import histogram  # noqa: E402
from core.parsing import Malformed  # noqa: E402
from core.ports import Ask, Message  # noqa: E402
from core.prompts import PROMPTS, council, digest  # noqa: E402
from core.types import Persona  # noqa: E402
from training import cases  # noqa: E402
from training.echo import echoes, look_back  # noqa: E402
from training.generate import LocalModel  # noqa: E402
from training.lessons import LESSONS, Material, examples, levels  # noqa: E402
from training.models import load  # noqa: E402
from training.rows import encode, tensors  # noqa: E402
from training.rule import QUOTE, critique, rule_score  # noqa: E402
from training.starter import FOLDER, Recipe, make_starter  # noqa: E402
from training.starter_report import CHECKS, ask_all, held_out, ranks, sense, well_formed  # noqa: E402
from training.tokens import fixed_lines, rendered  # noqa: E402

HELD_OUT = Material(starter_trees(["validation", "test"]), share=1.0)
TRAINED = Material(starter_trees(["train"]), starter_sentences())


@pytest.fixture(scope="module")
def starter() -> Iterator[LocalModel]:
    """The shipped model on the CPU."""
    with LocalModel(load(FOLDER, "cpu"), batch=32, wait=0.05) as model:
        yield model


def test_it_was_trained_for_the_prompts_of_today() -> None:
    """A changed prompt needs a newly trained starter: `make starter-model`."""
    made = json.loads((FOLDER / "made.json").read_text("utf-8"))
    assert made["prompts"] == {name: digest(name) for name in PROMPTS}
    assert made["recipe"] == asdict(Recipe())
    assert made["weights"] == hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()


def test_it_is_small_and_holds_no_code() -> None:
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 10_000_000
    assert {file.suffix for file in files} == {".json", ".safetensors", ".jinja"}


def test_it_is_a_standard_checkpoint() -> None:
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    config = model.config
    assert (config.model_type, config.architectures) == ("qwen2", ["Qwen2ForCausalLM"])
    assert config.hidden_size // config.num_attention_heads in (64, 128)
    assert config.vocab_size - 64 < len(tokenizer) <= config.vocab_size
    assert tokenizer.convert_ids_to_tokens([config.eos_token_id, config.pad_token_id]) == [
        "<|im_end|>",
        "<|endoftext|>",
    ]
    assert model.generation_config.eos_token_id == [config.eos_token_id, config.pad_token_id]
    messages = council.hypothesis("My privacy comes first. 🙂", "Which phone?", Persona.PEDAGOGUE)
    turns = [{"role": message.role, "content": message.content} for message in messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == rendered(messages)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert len(ids) < 80, "the fixed lines of a prompt are one token each"
    found = model.generate(torch.tensor([ids]), max_new_tokens=200)[0].tolist()
    assert found[-1] == config.eos_token_id


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_it_answers_every_prompt_about_unseen_scenarios_in_form(starter: LocalModel, temperature: float) -> None:
    # Scenarios are only ever asked for with a temperature; greedily the model goes on writing them.
    names = [name for name in LESSONS if temperature or name != "scenario"]
    given = [example for name in names for example in held_out(HELD_OUT, name, 6, 4242)]
    asks = [Ask(example.messages, 512, temperature, seed=place) for place, example in enumerate(given)]
    replies = asyncio.run(ask_all(starter, asks))
    faults = {name: list[str]() for name in names}
    for example, reply in zip(given, replies, strict=True):
        faults[example.lesson].append(well_formed(example.lesson, reply))
    bad = {name: [fault for fault in found if fault] for name, found in faults.items()}
    assert sum(map(len, bad.values())) <= 0.05 * len(given), bad
    assert max(map(len, bad.values())) <= 1, bad


def test_its_scores_are_spread_and_follow_the_rule(starter: LocalModel) -> None:
    found = asyncio.run(sense(starter, HELD_OUT, 64, 5))
    assert found.unscored <= 2
    assert found.correlation > 0.75
    assert found.spread > 0.35


def test_it_speaks_about_the_case(starter: LocalModel) -> None:
    """Words in quotes are copied from the preference or the query."""
    given = held_out(HELD_OUT, "hypothesis", 16, 7)
    replies = asyncio.run(ask_all(starter, [Ask(example.messages, 200) for example in given]))
    quotes = [
        quote in example.messages[-1].content
        for example, reply in zip(given, replies, strict=True)
        for quote in QUOTE.findall(getattr(reply, "text", ""))
    ]
    assert len(quotes) >= 12
    assert sum(quotes) >= 0.5 * len(quotes)


def test_every_prompt_has_its_lesson_and_its_check() -> None:
    assert set(LESSONS) == set(PROMPTS) == set(CHECKS)


@pytest.mark.parametrize("material", [TRAINED, HELD_OUT, Material()], ids=["trained", "held out", "none"])
def test_lessons_teach_well_formed_replies(material: Material) -> None:
    for name in LESSONS:
        for example in held_out(material, name, 120, 9):
            assert example.lesson == name
            assert not isinstance(CHECKS[name](example.target), Malformed), example.target


def test_lessons_are_reproducible_and_hold_nothing_back_wrongly() -> None:
    first, again = (list(islice(examples(5, TRAINED), 60)) for _ in range(2))
    assert first == again
    assert first != list(islice(examples(6, TRAINED), 60))
    seen = "\n".join(message.content for example in islice(examples(5, TRAINED), 3000) for message in example.messages)
    assert sum(tree.scenario.preference[:60] in seen for tree in TRAINED.trees) == len(TRAINED.trees)
    assert not [tree.scenario.topic for tree in HELD_OUT.trees if tree.scenario.preference[:60] in seen]


def test_the_rule_uses_the_whole_scale() -> None:
    rng = Random(1)
    found: list[tuple[float | None, int]] = []
    for _ in range(400):
        case = cases.made(rng)
        kind = rng.choice(("exceptional", "strong", "surface", "vague", "leap", "against", "harm", "other"))
        step = cases.thought(rng, case, kind, rng.choice(list(Persona)))
        text, value = critique(rng, (case.preference, case.query), [], step)
        assert text.endswith(".")
        assert value == rule_score(case.preference, case.query, [], step)
        found.append((value, 1))
    shape = histogram(found)
    assert not shape.warning
    assert sum(count > 0 for count in shape.bands.values()) >= 7


@pytest.mark.parametrize(
    ("step", "low", "high"),
    [
        (
            'What "closed curtains" protects: they may need a corner that nobody looks into. To laugh would end the conversation.',
            0.7,
            0.9,
        ),
        ('They like "closed curtains".', 0.4, 0.69),
        ("In general it depends on taste.", 0.1, 0.39),
        ("Bread rises slowly.", 0.0, 0.0),
        ("Surely they are shy.", -0.39, -0.1),
        ('They should forget about "closed curtains".', -0.69, -0.4),
        ('Lie about "closed curtains", nobody has to know.', -1.0, -0.7),
    ],
)
def test_the_rule_by_hand(step: str, low: float, high: float) -> None:
    assert low <= rule_score("I care about closed curtains.", "Which window?", [], step) <= high
    assert rule_score("I care about closed curtains.", "Which window?", [step], step) <= max(high, 0.39)


def test_reviews_by_hand() -> None:
    assert levels([1.0, 0.6], 0.8) == (2, 2)
    assert levels([0.7, 0.4], 0.5) == (1, 1)
    assert levels([-1.0], -1.0) == (0, 0)


def test_ranks_share_ties() -> None:
    assert ranks([0.3, 0.1, 0.3, 0.9]).tolist() == [2.5, 1, 2.5, 4]


@torch.no_grad()
def test_looking_back_means_the_token_before_and_the_one_before_that() -> None:
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=64,
            hidden_size=256,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )
    model.set_attn_implementation("eager")
    ids = torch.randint(0, 64, (1, 40))
    before = model(ids, output_attentions=True).attentions[0][0]
    look_back(model)
    after = model(ids, output_attentions=True).attentions[0][0]
    for head, back in enumerate((1, 2)):
        assert float(after[head].diagonal(-back)[5:].min()) > 0.9
        assert float(before[head].diagonal(-back)[5:].max()) < 0.5
    assert torch.allclose(before[2:], after[2:])


def test_echoes_repeat_what_was_said() -> None:
    for batch in islice(echoes(512, 1000, 1), 20):
        ids, learned = tensors(batch, 0)
        assert ids.shape[0] * ids.shape[1] <= 1000
        for row, kept in zip(ids, learned, strict=True):
            second = row[kept]
            assert 20 <= len(second) <= 31
            assert row[: len(second)].tolist() == second.tolist()


def test_only_replies_and_thoughts_are_learned() -> None:
    tokenizer = load(FOLDER, "cpu").tokenizer
    for name in LESSONS:
        for example in held_out(TRAINED, name, 10, 3):
            row = encode(tokenizer, example)
            learned = tokenizer.decode(row.ids[row.start :])
            assert learned.endswith(f"{example.target}<|im_end|>")
            assert example.messages[0].content not in learned
            assert tokenizer.decode(row.ids) == rendered(example.messages, example.target)


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    recipe = Recipe(vocabulary=768, hidden=128, heads=2, layers=1, inner=64, echo=2, steps=2, tokens=1024)
    first, again = (make_starter(HELD_OUT, tmp_path / name, recipe) for name in ("a", "b"))
    assert first == again
    other = Recipe(**{**asdict(recipe), "seed": 1})
    assert make_starter(HELD_OUT, tmp_path / "c", other) != first


def test_fixed_lines_are_lines_of_the_prompts() -> None:
    lines = fixed_lines()
    assert len(lines) == len(set(lines)) > 40
    assert all("\n" not in line and "{" not in line for line in lines)
    assert Message("user", lines[0]).content in rendered([Message("user", lines[0])])
