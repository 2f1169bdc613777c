"""Local checkpoints as chat models: a row of a batch is what it would be alone, stops and limits hold, nobody waits forever."""

import asyncio
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from core.ports import Ask, Cut, Failure, Message, Reply, Streamed  # noqa: E402
from training import decoding  # noqa: E402
from training.generate import LocalModel  # noqa: E402
from training.models import Loaded, NotLoadable, device_of, load  # noqa: E402
from training.patterns import Patterns  # noqa: E402

TEXTS = ("one fox", "the quick brown fox asks a slow question about seven lazy dogs, twice", "🙂 漢字", "", "a" * 90)


def ask(text: str, **options: object) -> Ask:
    """An ask of one user message, 24 tokens long."""
    return Ask((Message("user", text),), **{"max_tokens": 24, **options})  # type: ignore[arg-type]


def run(model: LocalModel, *asks: Ask) -> list[Reply]:
    """All asks at once; every one has to succeed."""

    async def together() -> Sequence[Reply | Failure]:
        return await asyncio.gather(*(model.ask(one) for one in asks))

    found = asyncio.run(together())
    assert all(isinstance(one, Reply) for one in found), found
    return [one for one in found if isinstance(one, Reply)]


def pieces(model: LocalModel, one: Ask) -> list[Streamed]:
    """Everything that a stream yields."""

    async def listen() -> list[Streamed]:
        return [piece async for piece in model.stream(one)]

    return asyncio.run(listen())


def plain_greedy(loaded: Loaded, one: Ask) -> list[int]:
    """Second implementation: `generate` of transformers, one prompt, no padding."""
    ids = torch.tensor([decoding.encode(loaded, one)])
    found = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=one.max_tokens, do_sample=False, pad_token_id=0
    )
    return found[0, ids.shape[1] :].tolist()


def test_greedy_in_a_batch_is_what_transformers_generates_alone(tiny: LocalModel) -> None:
    loaded = tiny._loaded
    replies = run(tiny, *(ask(text) for text in TEXTS))
    for text, reply in zip(TEXTS, replies, strict=True):
        expected = plain_greedy(loaded, ask(text))
        assert reply.completion_tokens == len(expected)
        assert reply.text == loaded.tokenizer.decode(expected, skip_special_tokens=True)
        assert reply.prompt_tokens == len(decoding.encode(loaded, ask(text)))
        assert reply.model == "tiny"
    assert len({reply.text for reply in replies}) == len(TEXTS), "a model that always says the same tests nothing"


def test_asks_are_decoded_together(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = decoding.decode
    monkeypatch.setattr(
        "training.generate.decode",
        lambda loaded, rows, patterns: sizes.append(len(rows)) or original(loaded, rows, patterns),
    )
    run(tiny, *(ask(f"{number} fox") for number in range(20)))
    assert sum(sizes) == 20
    assert max(sizes) == 8, "batch size of the fixture"


def test_a_seeded_ask_does_not_depend_on_its_batch(tiny: LocalModel) -> None:
    one = ask("a slow question", temperature=1.0, top_p=0.9, seed=11)
    alone = run(tiny, one)[0]
    others = [ask(text, temperature=1.3, seed=place, max_tokens=5 + place) for place, text in enumerate(TEXTS)]
    assert run(tiny, *others, one)[-1].text == alone.text
    assert run(tiny, one, ask("x"), *others[:2])[0].text == alone.text
    different = run(tiny, *(ask("a slow question", temperature=1.0, seed=seed) for seed in range(6)))
    assert len({reply.text for reply in different}) > 1
    repeats = run(tiny, *(ask("a slow question", temperature=1.0, seed=1, repeat=repeat) for repeat in range(6)))
    assert len({reply.text for reply in repeats}) > 1


def test_draws_follow_the_chances() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    found = [decoding.draw(logits, 1.0, 1.0, generator) for _ in range(4000)]
    assert [found.count(token) / 4000 for token in range(4)] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert {decoding.draw(logits, 1.0, 0.79, generator) for _ in range(200)} == {0, 1}
    assert {decoding.draw(logits, 1.0, 0.81, generator) for _ in range(400)} == {0, 1, 2}
    assert {decoding.draw(logits, 1.0, 0.0, generator) for _ in range(50)} == {0}
    assert {decoding.draw(logits, 0.01, 1.0, generator) for _ in range(50)} == {0}


def test_limits_and_reasons_to_end(tiny: LocalModel) -> None:
    full = run(tiny, ask("one fox", max_tokens=16))[0]
    short = run(tiny, ask("one fox", max_tokens=3))[0]
    assert (short.finish, short.completion_tokens) == ("length", 3)
    assert full.text.startswith(short.text)
    ending = Loaded(*tiny._loaded[:4], frozenset(decoding_ids(tiny, "one fox", 16)[4:5]))
    with LocalModel(ending) as model:
        stopped = run(model, ask("one fox", max_tokens=16))[0]
    assert stopped.finish == "stop"
    assert stopped.completion_tokens <= 5


def decoding_ids(model: LocalModel, text: str, count: int) -> list[int]:
    """The tokens of a greedy reply."""
    row = decoding.Row(ask(text, max_tokens=count), lambda _: None, lambda: False)
    decoding.decode(model._loaded, [row], Patterns(model._loaded))
    return row.ids


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_reply_is_held_to_its_pattern(tiny: LocalModel, temperature: float) -> None:
    """A network of random weights writes what the pattern wants, and rows beside it what they write alone."""
    free = ask("one fox", temperature=temperature, seed=3)
    patterns = ("(yes|no)", r"Explanation: [a-z ]{5,20} VERDICT: (yes|no|cannot determine)", "[0-9]{3}-é🙂?")
    held = [replace(free, pattern=pattern, max_tokens=120) for pattern in patterns]
    replies = run(tiny, *held, free)
    for pattern, reply in zip(patterns, replies[:3], strict=True):
        assert re.fullmatch(pattern, reply.text), reply.text
        assert reply.finish == "stop"
    assert replies[3].text == run(tiny, free)[0].text
    assert not any(re.fullmatch(pattern, replies[3].text) for pattern in patterns)
    assert "".join(map(str, pieces(tiny, held[1]))) == replies[1].text
    cut = run(tiny, replace(held[1], max_tokens=4))[0]
    assert cut.finish == "length" and replies[1].text.startswith(cut.text)


@pytest.mark.parametrize("pattern", ["(unclosed", "a(?=b)", r"(a)\1"])
def test_a_pattern_that_cannot_be_followed_is_refused_and_the_others_go_on(tiny: LocalModel, pattern: str) -> None:
    async def together() -> Sequence[Reply | Failure]:
        return await asyncio.gather(tiny.ask(ask("x", pattern=pattern)), tiny.ask(ask("x")))

    refused, other = asyncio.run(together())
    assert isinstance(refused, Failure) and isinstance(other, Reply)
    assert refused.kind == "refused" and "cannot be followed" in refused.reason


def test_stop_strings(tiny: LocalModel) -> None:
    text = run(tiny, ask("one fox"))[0].text
    assert len(text) > 8
    for stop in (text[3:6], text[5], text[4:9]):
        found = run(tiny, ask("one fox", stop=("never in it", stop)))[0]
        assert (found.text, found.finish) == (text[: text.index(stop)], "stop")
        assert "".join(map(str, pieces(tiny, ask("one fox", stop=(stop,))))) == found.text, "and no Cut behind it"
    assert run(tiny, ask("one fox", stop=("never in it", "")))[0].text == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_is_the_reply_in_pieces(tiny: LocalModel, text: str) -> None:
    one = ask(text, temperature=1.2, seed=5)
    found = pieces(tiny, one)
    whole = run(tiny, one)[0]
    assert "".join(piece for piece in found if isinstance(piece, str)) == whole.text
    assert [piece for piece in found if not isinstance(piece, str)] == [Cut()] * (whole.finish == "length")
    assert isinstance(found[-1], Cut if whole.finish == "length" else str)
    assert len(found) > 1


def test_a_cancelled_ask_ends_and_the_others_go_on(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), list[int]()
    original = decoding._take

    def take(loaded: Loaded, row: decoding.Row, token: int) -> None:
        begun.set()
        original(loaded, row, token)
        if row.finish:
            ended.append(len(row.ids))

    monkeypatch.setattr(decoding, "_take", take)
    endless = Loaded(*tiny._loaded[:4], frozenset())

    async def story(model: LocalModel) -> Reply | Failure:
        first = asyncio.create_task(model.ask(ask("one fox", max_tokens=220)))
        other = asyncio.create_task(model.ask(ask("two", max_tokens=200)))
        await asyncio.to_thread(begun.wait)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await other

    with LocalModel(endless, wait=0.05) as model:
        found = asyncio.run(story(model))
    assert isinstance(found, Reply)
    assert found.completion_tokens == 200
    assert min(ended) < 200, "the cancelled row left its batch early"


def test_who_stops_listening_stops_the_row(tiny: LocalModel) -> None:
    async def story() -> None:
        stream = tiny.stream(ask("one fox", max_tokens=200))
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(story())
    assert run(tiny, ask("one fox"))[0].text


def test_what_cannot_be_answered(tiny: LocalModel) -> None:
    async def story(model: LocalModel, one: Ask) -> Reply | Failure:
        return await model.ask(one)

    long = asyncio.run(story(tiny, ask("fox " * 400)))
    assert isinstance(long, Failure)
    assert (long.kind, "tiny takes 255" in long.reason) == ("too_long", True)
    assert pieces(tiny, ask("fox " * 400)) == [long]
    none = asyncio.run(story(tiny, ask("x", max_tokens=0)))
    assert isinstance(none, Failure)
    edge = run(tiny, ask("fox", max_tokens=4000))[0]
    assert edge.finish == "stop" or edge.prompt_tokens + edge.completion_tokens == 256
    tiny.close()
    closed = asyncio.run(story(tiny, ask("x")))
    assert isinstance(closed, Failure)
    assert closed.kind == "cancelled"


def test_a_model_that_breaks_fails_its_batch_and_works_again(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> Sequence[Reply | Failure]:
        return await asyncio.gather(tiny.ask(ask("x")), tiny.ask(ask("y")))

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory\n in layer 1")

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_run", broken)
        assert {one.kind for one in asyncio.run(story()) if isinstance(one, Failure)} == {"server"}
    assert all(isinstance(one, Reply) for one in asyncio.run(story()))


def test_the_event_loop_stays_free(tiny: LocalModel) -> None:
    async def story() -> int:
        turns, running = 0, asyncio.create_task(tiny.ask(ask("one fox", max_tokens=120)))
        while not running.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(story()) > 3


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("folder", "There is no checkpoint folder"),
        ("config.json", "holds no config.json"),
        ("tokenizer_config.json", "holds no tokenizer_config.json"),
        ("model.safetensors", "holds no safetensors file"),
        ("cut", "cannot be read"),
        ("config", "cannot be read"),
        ("chat_template.jinja", "no chat template"),
    ],
)
def test_folders_that_cannot_be_loaded(tiny_folder: Path, tmp_path: Path, damage: str, sentence: str) -> None:
    folder = tmp_path / "model"
    if damage != "folder":
        folder.mkdir()
        for file in tiny_folder.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    if damage == "cut":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:2000])
    elif damage == "config":
        (folder / "config.json").write_text(json.dumps({"model_type": "no_such_model"}))
    elif damage != "folder":
        (folder / damage).unlink()
    with pytest.raises(NotLoadable, match=sentence):
        load(folder, "cpu")


def test_code_in_a_folder_is_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\nclass Own: pass\n"
    )
    with pytest.raises(NotLoadable):
        load(folder, "cpu")
    assert not (tmp_path / "ran").exists()


def test_devices() -> None:
    assert device_of("cpu").type == "cpu"
    with pytest.raises(NotLoadable, match="no device"):
        device_of("abacus")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu(tiny_folder: Path) -> None:
    with LocalModel(load(tiny_folder, "cuda")) as model:
        assert next(model._loaded.model.parameters()).dtype == torch.bfloat16
        one = ask("a slow question", temperature=1.0, seed=4)
        assert run(model, one)[0].text == run(model, one)[0].text
