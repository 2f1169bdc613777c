"""The probe beside the families' own slow attention: equal in every family, with padding, windows and soft-caps, and never T x T."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from core.attention import average, measure  # noqa: E402
from core.prompts.policy import policy  # noqa: E402
from core.regions import Prompt  # noqa: E402
from tests.training.families import FAMILIES, WINDOW, loaded  # noqa: E402
from training import attention_rows, probe  # noqa: E402
from training.models import Loaded, load  # noqa: E402
from training.probe import NotProbeable, open_probe  # noqa: E402
from training.prompt_tokens import read_prompt  # noqa: E402
from training.starter import FOLDER  # noqa: E402

CLOSE = 1e-4
LENGTHS = (60, 33, 47, 5)


def prompts(*lengths: int) -> list[list[int]]:
    """Random token ids."""
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(3, 500, (length,), generator=generator).tolist() for length in lengths]


def slow(one: Loaded, ids: list[int]) -> np.ndarray:
    """All weights (L, H, T, T) of a prompt alone, by the family's own function."""
    with torch.inference_mode(), attention_rows.attending(one.model, "eager"):
        found = one.model(input_ids=torch.tensor([ids]), output_attentions=True, use_cache=False).attentions
    return torch.stack(found)[:, 0].float().numpy()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that a short prompt fills several times."""
    monkeypatch.setattr(attention_rows, "QUERIES", 13)
    monkeypatch.setattr(attention_rows, "WEIGHTS", 1500)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_the_slow_function(family: str, small_blocks: None) -> None:
    one = loaded(family)
    rows = prompts(*LENGTHS)
    together = dict(open_probe(one).last(rows))
    assert sorted(together) == [0, 1, 2, 3]
    worst, peak = 0.0, 0.0
    for number, ids in enumerate(rows):
        expected, found = slow(one, ids)[:, :, -1], together[number]
        assert found.shape == (4, 4, len(ids))
        assert found.dtype == np.float32
        worst, peak = max(worst, float(np.abs(found - expected).max())), max(peak, float(expected.max()))
        alone = dict(probe.Probe(one, 4, 4).last([ids]))[0]
        assert np.abs(found - alone).max() < CLOSE
        if family != "gpt_oss":  # its sinks take a part of every row
            assert np.abs(found.sum(-1) - 1).max() < 1e-5
    print(f"{family}: max abs difference to eager {worst:.1e}, largest weight {peak:.3f}")
    assert worst < CLOSE
    assert peak > 0.4, "a network that spreads its attention evenly would hide errors"


@pytest.mark.parametrize("family", ["mistral", "gemma2", "gemma3", "qwen2_window"])
def test_windows_end_what_is_seen(family: str) -> None:
    one = loaded(family)
    found = dict(open_probe(one).last(prompts(60)))[0]
    beyond = found[:, :, : 60 - WINDOW].max((1, 2))
    kinds = getattr(one.model.config, "layer_types", None) or ["sliding_attention"] * 4
    assert [bool(most == 0) for most in beyond] == [kind == "sliding_attention" for kind in kinds]
    assert beyond.max() > 0 or family == "mistral"


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gemma3"])
def test_right_padding_hides_nothing(family: str) -> None:
    """The same rows when the prompt stands before its padding: blocks do not depend on the side."""
    one, (ids,) = loaded(family), prompts(40)
    kept: dict[int, Any] = {}
    wanted = attention_rows.Wanted(
        39, 40, lambda layer, _, weights: kept.__setitem__(layer, weights[0, :, 0].numpy()), torch.zeros(4)
    )
    mask = torch.tensor([[1] * 40 + [0] * 9])
    with torch.inference_mode(), attention_rows.rows_beside(one.model):
        one.model(
            input_ids=torch.tensor([ids + [0] * 9]), attention_mask=mask, position_ids=torch.arange(49)[None],
            use_cache=False, wanted=wanted,
        )  # fmt: skip
    found = np.stack([kept[layer] for layer in range(4)])
    assert np.abs(found[:, :, :40] - slow(one, ids)[:, :, -1]).max() < CLOSE
    assert not found[:, :, 40:].any()


@pytest.mark.parametrize("family", ["qwen2", "llama", "mistral", "gemma2", "gemma3"])
def test_an_answer_read_again(family: str, small_blocks: None) -> None:
    one = loaded(family)
    prompt, answer = prompts(37, 21)
    regions = np.zeros((2, 37), dtype=np.float32)
    regions[0, 5:11] = [0.5, 1, 1, 1, 1, 0.25]
    regions[1, 20:30] = 1
    opened = open_probe(one)
    found = opened.replay(prompt, answer, regions)
    whole = slow(one, [*prompt, *answer])[:, :, 36:-1, :37]
    assert np.abs(found.last - whole[:, :, 0]).max() < CLOSE
    assert np.abs(found.last - dict(opened.last([prompt]))[0]).max() < CLOSE
    assert np.abs(found.mean - whole.mean((0, 1))).max() < CLOSE
    assert np.abs(found.masses - np.einsum("lhat,rt->alhr", whole, regions)).max() < CLOSE
    with torch.inference_mode(), attention_rows.attending(one.model, "eager"):
        logits = one.model(input_ids=torch.tensor([[*prompt, *answer]]), use_cache=False).logits[0, 36:-1]
    expected = torch.log_softmax(logits, -1)[torch.arange(21), answer].numpy()
    assert np.abs(found.log_probs - expected).max() < 1e-3
    assert np.abs(opened.log_probs(prompt, answer) - expected).max() < 1e-3
    assert expected.std() > 0.1, "equal log probabilities would show no error"


def test_two_byte_numbers() -> None:
    for family in ("qwen2", "mistral", "gemma2"):
        opened = open_probe(loaded(family, kind=torch.bfloat16))
        for _, found in opened.last(prompts(60, 33)):
            assert found.dtype == np.float32
            assert np.abs(found.sum(-1) - 1).max() < 1e-5
            assert found.max() > 0.2


def test_rotations_that_depend_on_the_longest_prompt_run_alone() -> None:
    one = loaded(
        "llama",
        max_position_embeddings=32,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    )
    rows = prompts(90, 20)
    found = dict(open_probe(one).last(rows))
    for number, ids in enumerate(rows):
        assert np.abs(found[number] - slow(one, ids)[:, :, -1]).max() < CLOSE


def test_the_model_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    one, (ids,) = loaded("llama"), prompts(30)
    one.model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        before = one.model(input_ids=torch.tensor([ids])).logits
        opened = open_probe(one)
        list(opened.last([ids]))
        assert one.model.config._attn_implementation == "sdpa"

        def broken(*_: Any) -> None:
            raise MemoryError("no room")

        monkeypatch.setattr(attention_rows, "_weights", broken)
        with pytest.raises(MemoryError):
            list(opened.last([ids]))
        assert one.model.config._attn_implementation == "sdpa"
        assert torch.equal(one.model(input_ids=torch.tensor([ids])).logits, before)


def test_the_pass_itself_is_a_plain_one() -> None:
    """Without padding or a window the probed pass gives to the bit what the model gives without a probe."""
    one, (ids,) = loaded("qwen2"), prompts(50)
    one.model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        before = one.model(input_ids=torch.tensor([ids]), use_cache=False).logits
        with attention_rows.rows_beside(one.model):
            beside = one.model(
                input_ids=torch.tensor([ids]),
                use_cache=False,
                wanted=attention_rows.Wanted(49, 50, lambda *_: None, torch.zeros(4)),
            ).logits
    assert torch.equal(before, beside)


def _no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_rows, "block_mask", lambda **_: None)


def _no_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention_rows.block_mask
    monkeypatch.setattr(attention_rows, "block_mask", lambda **options: whole(**{**options, "attention_mask": None}))


def _no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_rows._Layer, "own", property(lambda _: False))


def _scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_rows._Layer, "scaling", property(lambda layer: layer.options["scaling"] * 1.1))


def _other_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention_rows._weights
    monkeypatch.setattr(attention_rows, "_weights", lambda *given: whole(*given).roll(1, 1))


def _next_row(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention_rows._weights
    monkeypatch.setattr(attention_rows, "_weights", lambda layer, start, stop: whole(layer, start - 1, stop - 1))


def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention_rows._hand_out

    def skipping(layer: Any, *given: Any) -> None:
        if layer.module.layer_idx != 2:
            whole(layer, *given)

    monkeypatch.setattr(attention_rows, "_hand_out", skipping)


@pytest.mark.parametrize(
    ("family", "break_it"),
    [
        ("llama", _no_mask), ("mistral", _no_mask), ("gemma3", _no_mask), ("llama", _no_padding), ("gemma2", _no_padding),
        ("gemma2", _no_cap), ("qwen2", _scaled), ("gemma3", _scaled), ("qwen3", _other_heads), ("llama", _next_row),
        ("qwen2", _silent),
    ],
)  # fmt: skip
def test_a_wrong_reading_is_refused(
    family: str, break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = loaded(family)
    open_probe(one)
    break_it(monkeypatch)
    with pytest.raises(NotProbeable):
        open_probe(one)
    monkeypatch.undo()
    open_probe(one)


class Largest(TorchDispatchMode):
    """Notes the most elements of any tensor that an operation makes."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            if isinstance(one, torch.Tensor) and one._base is None:
                self.most = max(self.most, one.numel())
        return found


@pytest.mark.parametrize("family", ["qwen2", "mistral", "gemma2", "gemma3"])
@pytest.mark.parametrize("padded", [False, True])
def test_no_matrix_of_all_pairs_is_made(family: str, padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    length = 2048
    monkeypatch.setattr(attention_rows, "QUERIES", 512)
    monkeypatch.setattr(attention_rows, "WEIGHTS", 1 << 20)
    one = loaded(family, num_hidden_layers=2)
    opened = probe.Probe(one, 2, 4)
    rows = prompts(length, length - 300) if padded else prompts(length)
    with Largest() as seen:
        list(opened.last(rows))
    assert len(rows) * length * 96 <= seen.most < len(rows) * length * length / 3
    with Largest() as seen:
        slow(one, prompts(256)[0])
    assert seen.most >= 256 * 256 * 4, "the count has to see a matrix of all pairs where there is one"


def test_what_does_not_fit_is_refused() -> None:
    opened = open_probe(loaded("llama"))
    with pytest.raises(NotProbeable, match="Nothing is cut off"):
        list(opened.last([[5] * 4097]))
    with pytest.raises(NotProbeable, match=r"4,090 tokens and its answer 7"):
        opened.replay([5] * 4090, [6] * 7, np.ones((1, 4090), dtype=np.float32))
    with pytest.raises(NotProbeable, match="empty"):
        list(opened.last([[]]))
    with pytest.raises(NotProbeable, match="answer is empty"):
        opened.log_probs([5], [])
    with pytest.raises(NotProbeable, match="at most 2,048"):
        opened.log_probs([5], [6] * 2049)
    assert list(opened.last([])) == []


def test_the_starter_model_looks_at_a_preference() -> None:
    one = load(FOLDER, "cpu")
    read = read_prompt(one.tokenizer, policy("I love quiet places with good coffee.", "Where should I work tomorrow?"))
    assert isinstance(read, Prompt)
    ((_, found),) = open_probe(one).last([read.ids.tolist()])
    told = measure(average(found), read)
    expected = slow(one, read.ids.tolist())[:, :, -1]
    assert np.abs(found - expected).max() < CLOSE
    assert told.mass == pytest.approx(float((expected.mean((0, 1)) * read.region("preference")).sum()), abs=1e-5)
    assert 0 < told.mass < 1
    assert 0 < told.share < 0.5


@pytest.fixture(scope="module")
def gpu() -> Iterator[str]:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    yield "cuda"


@pytest.mark.parametrize("family", ["qwen2", "mistral", "gemma2", "gemma3"])
def test_on_a_gpu(family: str, gpu: str) -> None:
    rows = prompts(*LENGTHS)
    here = dict(open_probe(loaded(family)).last(rows))
    there = dict(open_probe(loaded(family, device=gpu)).last(rows))
    for number in here:
        assert np.abs(here[number] - there[number]).max() < 1e-3
    for _, found in open_probe(loaded(family, kind=torch.bfloat16, device=gpu)).last(rows):
        assert np.abs(found.sum(-1) - 1).max() < 1e-5
