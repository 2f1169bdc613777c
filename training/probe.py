"""Where a model looks: attention of the last prompt token, or of every token of an answer, over the prompt (SPEC 7).

Knows a loaded checkpoint and token ids; not which of them are a preference. The model runs once, as it always does; the rows that
are wanted are computed beside it (`training.attention_rows`). Nothing is believed unchecked: when a probe is made it is compared
with the weights that the family's own slow function returns, and in every pass each row times the values must give what the layer
computed.

A probe switches the attention of its model while it works: nothing else may use the model at that time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.attention_rows import Take, Wanted, attending, rows_beside
from training.models import Loaded, NotLoadable

Floats = NDArray[np.float32]
CHECKED = 48
"""Tokens of the longer prompt of the check."""
MOST_ANSWER = 2048
"""Tokens of an answer that is looked at."""
LOGITS = 1 << 24
"""Logits that are turned into log probabilities at once: 64 MiB in float32."""


class NotProbeable(NotLoadable):
    """A model whose attention cannot be read, or a prompt that it cannot take; the text is a sentence for people."""


class Tolerance(NamedTuple):
    """How far a row may be from its check: `explained` from what the layer computed, as a part of the largest value; `weight`
    the mean of |difference| / 2 over a row, averaged over rows, from the slow function."""

    explained: float
    weight: float


EXACT = Tolerance(1e-4, 1e-4)
ROUGH = Tolerance(0.03, 0.05)
"""For two-byte numbers: the slow function rounds its weights, so it shows gross errors only."""


class Replay(NamedTuple):
    """An answer of A tokens read again behind its prompt of T tokens.

    Row a is the one from which token a of the answer was predicted, so row 0 is that of the last prompt token. `last` (L, H, T)
    its weights; `mean` (A, T) the mean of every row over layers and heads: what is missing from 1 lies on the answer itself;
    `masses` (A, L, H, R) the mass of each region; `log_probs` (A,) log p(token a | prompt and the answer before it).
    """

    last: Floats
    mean: Floats
    masses: Floats
    log_probs: Floats


@dataclass(frozen=True, slots=True)
class Probe:
    """A checkpoint whose attention can be read. Make it with `open_probe`."""

    loaded: Loaded
    layers: int
    heads: int

    def last(self, prompts: Sequence[Sequence[int]], batch: int = 8) -> Iterator[tuple[int, Floats]]:
        """Attention of the last token of each prompt over its T tokens: number of the prompt and weights (L, H, T), float32.

        Prompts of like length run together, so they come in another order. Raises NotProbeable for a prompt that does not fit.
        """
        for prompt in prompts:
            self._fits(len(prompt))
        order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
        size = 1 if _depends_on_length(self.loaded) else max(1, batch)
        for begin in range(0, len(order), size):
            numbers = order[begin : begin + size]
            ids, mask = _padded([prompts[number] for number in numbers], self.loaded)
            length = ids.shape[1]
            found = np.zeros((len(numbers), self.layers, self.heads, length), dtype=np.float32)

            def take(layer: int, _: int, weights: Tensor, found: Floats = found) -> None:
                found[:, layer] = weights[:, :, -1].cpu().numpy()

            self._run(ids, mask, self._wanted(length - 1, length, take), body=True)
            for row, number in enumerate(numbers):
                yield number, found[row, :, :, length - len(prompts[number]) :].copy()

    def replay(self, prompt: Sequence[int], answer: Sequence[int], regions: Floats) -> Replay:
        """Read an answer again behind its prompt; `regions` (R, T) are weights of prompt tokens. Raises NotProbeable."""
        tokens, count = len(prompt), self._answer(prompt, answer)
        ids, mask = _padded([[*prompt, *answer[:-1]]], self.loaded)
        device = self.loaded.model.device
        weigh = torch.tensor(np.asarray(regions, dtype=np.float32).reshape(-1, tokens), device=device)
        mean = torch.zeros(count, tokens, device=device)
        masses = torch.zeros(count, self.layers, self.heads, len(weigh), device=device)
        last = np.zeros((self.layers, self.heads, tokens), dtype=np.float32)

        def take(layer: int, at: int, weights: Tensor) -> None:
            own = weights[0, :, :, :tokens]
            stop = at + own.shape[1]
            mean[at:stop] += own.mean(0) / self.layers
            masses[at:stop, layer] = (own @ weigh.T).transpose(0, 1)
            if at == 0:
                last[layer] = own[:, 0].cpu().numpy()

        logits = self._run(ids, mask, self._wanted(tokens - 1, tokens - 1 + count, take), body=False)
        return Replay(last, mean.cpu().numpy(), masses.cpu().numpy(), _log_probs(logits[0], answer))

    def log_probs(self, prompt: Sequence[int], answer: Sequence[int]) -> Floats:
        """log p(token | prompt and the answer before it) (A,), without reading any attention. Raises NotProbeable."""
        count = self._answer(prompt, answer)
        ids, mask = _padded([[*prompt, *answer[:-1]]], self.loaded)
        with torch.inference_mode(), rows_beside(self.loaded.model):
            model: Any = self.loaded.model
            found = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=count)
        return _log_probs(found.logits[0], answer)

    def _answer(self, prompt: Sequence[int], answer: Sequence[int]) -> int:
        if not answer:
            raise NotProbeable("The answer is empty, so there is nothing to read again.")
        if len(answer) > MOST_ANSWER:
            raise NotProbeable(f"The answer has {len(answer):,} tokens; at most {MOST_ANSWER:,} are looked at.")
        self._fits(len(prompt), len(answer))
        return len(answer)

    def _fits(self, prompt: int, answer: int = 0) -> None:
        if not prompt:
            raise NotProbeable("The prompt is empty, so there is nothing to look at.")
        if prompt + answer > self.loaded.context:
            told = f" and its answer {answer:,}" if answer else ""
            raise NotProbeable(
                f"The prompt has {prompt:,} tokens{told}; {self.loaded.name} takes {self.loaded.context:,}. Nothing is cut off."
            )

    def _run(self, ids: Tensor, mask: Tensor, wanted: Wanted, body: bool) -> Tensor:
        """One pass. Returns hidden states (B, T, width), or the logits of the wanted rows (B, rows, V)."""
        with torch.inference_mode(), rows_beside(self.loaded.model):
            found = _forward(self.loaded, ids, mask, wanted, body)
        _explained(self.loaded, wanted.away)
        return found

    def _wanted(self, start: int, stop: int, take: Take) -> Wanted:
        return Wanted(start, stop, take, torch.full((self.layers,), torch.nan, device=self.loaded.model.device))


def open_probe(loaded: Loaded) -> Probe:
    """A probe on a checkpoint, checked against the weights of its family's own slow function. Raises NotProbeable."""
    config: Any = loaded.model.config.get_text_config()
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    probe = Probe(loaded, layers, heads)
    try:
        slow, fast = _slow_and_fast(probe)
    except (NotImplementedError, AttributeError, TypeError, KeyError, IndexError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotProbeable(f"The attention of {loaded.name} cannot be read: {reason}.") from error
    if slow.shape != fast.shape or not np.isfinite(fast).all():
        raise NotProbeable(
            f"The attention of {loaded.name} cannot be read: not every layer has weights for every token."
        )
    away = float(np.abs(slow - fast).sum(-1).mean() / 2)
    if away > _tolerance(loaded).weight:
        raise NotProbeable(
            f"The attention that was read of {loaded.name} differs from what its own slow function says by {away:.2g} of a row, "
            "so it is not shown."
        )
    return probe


def _slow_and_fast(probe: Probe) -> tuple[Floats, Floats]:
    """Weights (L, B, H, T) of the last token of two prompts, one of them padded: of the family's own function, and read."""
    loaded = probe.loaded
    size = min(CHECKED, loaded.context)
    generator = torch.Generator().manual_seed(1)
    drawn: list[int] = torch.randint(0, _vocabulary(loaded), (size,), generator=generator).tolist()
    ids, mask = _padded([drawn, drawn[size // 3 :]], loaded)
    with torch.inference_mode(), attending(loaded.model, "eager"):
        given = {"input_ids": ids, "attention_mask": mask, "position_ids": _positions(mask), "use_cache": False}
        told = _body(loaded)(**given, output_attentions=True).attentions
    slow = np.stack([one[:, :, -1].float().cpu().numpy() for one in told or ()])
    fast = np.full((probe.layers, 2, probe.heads, ids.shape[1]), np.nan, dtype=np.float32)

    def take(layer: int, _: int, weights: Tensor) -> None:
        fast[layer] = weights[:, :, -1].cpu().numpy()

    probe._run(ids, mask, probe._wanted(ids.shape[1] - 1, ids.shape[1], take), body=True)
    return slow, fast


def _vocabulary(loaded: Loaded) -> int:
    table: Any = loaded.model.get_input_embeddings()
    return int(table.weight.shape[0])


def _body(loaded: Loaded) -> Callable[..., Any]:
    """The model without the part that says the next token."""
    model: Any = loaded.model
    return model.get_decoder()


def _forward(loaded: Loaded, ids: Tensor, mask: Tensor, wanted: Wanted, body: bool) -> Tensor:
    given: dict[str, Any] = {
        "input_ids": ids, "attention_mask": mask, "position_ids": _positions(mask), "use_cache": False, "wanted": wanted,
    }  # fmt: skip
    if body:
        return _body(loaded)(**given).last_hidden_state
    model: Any = loaded.model
    return model(**given, logits_to_keep=wanted.stop - wanted.start).logits


def _positions(mask: Tensor) -> Tensor:
    return (mask.cumsum(1) - 1).clamp(min=0)


def _padded(rows: Sequence[Sequence[int]], loaded: Loaded) -> tuple[Tensor, Tensor]:
    """Token ids and mask (B, T), padded on the left, on the model's device."""
    width, pad = max(map(len, rows)), loaded.tokenizer.pad_token_id or 0
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    device = loaded.model.device
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _tolerance(loaded: Loaded) -> Tolerance:
    return EXACT if loaded.model.dtype == torch.float32 else ROUGH


def _explained(loaded: Loaded, away: Tensor) -> None:
    """Raise where a layer was not read, or where its rows times its values are not what it computed: away (L,) says how far."""
    lost = away.isnan().nonzero().flatten().tolist()
    if lost:
        raise NotProbeable(
            f"Layer {lost[0] + 1} of {loaded.name} gives no weights that can be read, so this model cannot be probed."
        )
    worst = int(away.argmax())
    if float(away[worst]) > _tolerance(loaded).explained:
        raise NotProbeable(
            f"The attention that was read in layer {worst + 1} of {loaded.name} does not give what the layer computed "
            f"(off by {float(away[worst]):.2g} of its largest value), so it is not shown."
        )


def _depends_on_length(loaded: Loaded) -> bool:
    """True where a position's rotation depends on the longest prompt of a batch, so prompts must not run together."""

    def kinds(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield value.get("rope_type")
            for inner in value.values():
                yield from kinds(inner)

    config: Any = loaded.model.config.get_text_config()
    return any(kind in ("dynamic", "longrope") for kind in kinds(getattr(config, "rope_parameters", None)))


def _log_probs(logits: Tensor, answer: Sequence[int]) -> Floats:
    """log p of each token of the answer (A,) from logits (A, V); in blocks, because of the vocabulary."""
    size = max(1, LOGITS // logits.shape[-1])
    wanted = torch.tensor(answer, device=logits.device)
    found = [
        torch.log_softmax(logits[at : at + size].float(), -1).gather(-1, wanted[at : at + size, None])[:, 0]
        for at in range(0, len(answer), size)
    ]
    return torch.cat(found).cpu().numpy()
