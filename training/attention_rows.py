"""One attention function for transformers: computes what a model computes anyway, and hands out single rows of weights beside it.

Knows queries, keys and masks of one layer; not what a row means. Nothing of the size T x T is ever made: without a mask the
kernel of torch gets the whole sequence; with one (padding, windows) it gets blocks of queries and only the keys that a block may
see; a family whose scores are more than a scaled product (soft-cap, sinks) runs its own function on small blocks.

Queries and keys arrive after norms, rotations and caches, so nothing here belongs to a family. The mask function is registered
under the same name: without it transformers would hand out no mask at all, and padding and windows would be ignored in silence.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "rows_beside"
"""Name of the attention function; transformers gives names with `sdpa`, `flash`, `/` or `|` a meaning of their own."""
QUERIES = 1024
"""Queries of a block where a mask is needed."""
WEIGHTS = 1 << 22
"""Weights that are held at once where they have to be formed: 16 MiB in float32."""

Take = Callable[[int, int, Tensor], None]


@dataclass(slots=True, eq=False)
class Wanted:
    """Which rows a forward is to hand out: those of the queries [start, stop), the same for every prompt of the batch.

    `take(layer, at, weights)` gets weights (B, H, q, T) in float32 of the rows start + at and following; it has to copy what
    it keeps. `away` (L,), NaN to begin with, is filled for each layer with how far weights @ values lie from what the layer
    computed, as a part of the largest value. It is made before the pass: small tensors that are kept while large ones come and
    go would leave holes in the memory of a CPU.
    """

    start: int
    stop: int
    take: Take
    away: Tensor


class Block(NamedTuple):
    """Queries [start, stop) and the keys [first, last) that any of them may see."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class BlockMask:
    """A mask that is made block by block from what transformers would make it from as a whole."""

    options: dict[str, Any]
    blocks: tuple[Block, ...]

    def part(self, block: Block) -> Tensor:
        """True where a query may see a key: (B, 1, stop - start, last - first)."""
        found = sdpa_mask(
            **self.options,
            q_length=block.stop - block.start,
            kv_length=block.last - block.first,
            q_offset=block.start,
            kv_offset=block.first,
            allow_is_causal_skip=False,
        )
        assert found is not None
        return found

    def rows(self, start: int, stop: int, length: int) -> Tensor:
        """The rows [start, stop) over all keys: (B, 1, stop - start, length)."""
        return self.part(Block(start, stop, 0, length))


def block_mask(
    *, q_length: int, kv_length: int, q_offset: int = 0, kv_offset: int = 0, **options: Any
) -> BlockMask | None:
    """What transformers calls in place of `sdpa_mask`. None where every query sees all keys up to itself."""
    if q_length != kv_length or q_offset or kv_offset:
        raise NotImplementedError("rows are read from whole sequences, without a cache")
    padding, window = options.get("attention_mask"), options.get("local_size")
    plain = options.pop("allow_is_causal_skip", True)
    if plain and (window is None or kv_length < window) and (padding is None or bool(padding.all())):
        return None
    whole = BlockMask(options, ())
    blocks: list[Block] = []
    for start in range(0, q_length, QUERIES):
        stop = min(start + QUERIES, q_length)
        seen = whole.rows(start, stop, kv_length).any(2).any(0).view(-1).nonzero()
        first, last = (int(seen[0]), int(seen[-1]) + 1) if len(seen) else (start, stop)
        blocks.append(Block(start, stop, first, last))
    return BlockMask(options, tuple(blocks))


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: BlockMask | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one layer: query (B, H, T, D), key and value (B, G, T, D) to (B, T, H, D), as `sdpa` of transformers.

    With `wanted` among the options the rows it names are handed out too.
    """
    wanted: Wanted | None = options.pop("wanted", None)
    shape = _Layer(module, query, key, value, attention_mask, options)
    output = _by_family(shape) if shape.own else _by_kernel(shape)
    if wanted is not None:
        _hand_out(shape, output, wanted)
    return output, None


class _Layer(NamedTuple):
    """The arguments of one call."""

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: BlockMask | None
    options: dict[str, Any]

    @property
    def own(self) -> bool:
        """True where the family's scores are more than a scaled product of query and key."""
        return any(self.options.get(name) is not None for name in ("softcap", "s_aux"))

    @property
    def scaling(self) -> float:
        found = self.options.get("scaling")
        return float(self.query.shape[-1] ** -0.5 if found is None else found)

    def visible(self, start: int, stop: int) -> Tensor:
        """True where the queries [start, stop) may see a key: (B or 1, 1, stop - start, T)."""
        length = self.key.shape[2]
        if self.mask is not None:
            return self.mask.rows(start, stop, length)
        places = torch.arange(length, device=self.key.device)
        return (places[None, :] <= places[start:stop, None])[None, None]


def _by_kernel(layer: _Layer) -> Tensor:
    module, query, key, value, mask, options = layer
    if mask is None:
        return sdpa_attention_forward(module, query, key, value, None, **options)[0]
    pieces = [
        sdpa_attention_forward(
            module,
            query[:, :, block.start : block.stop],
            key[:, :, block.first : block.last],
            value[:, :, block.first : block.last],
            mask.part(block),
            **options,
        )[0]
        for block in mask.blocks
    ]
    return torch.cat(pieces, 1)


def _by_family(layer: _Layer) -> Tensor:
    """The family's own function on blocks of queries."""
    length, size = layer.key.shape[2], _rows_at_once(layer)
    pieces = [
        _family(layer, start, min(start + size, length), layer.query.dtype)[0] for start in range(0, length, size)
    ]
    return torch.cat(pieces, 1)


def _family(layer: _Layer, start: int, stop: int, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Output (B, q, H, D) and weights (B, H, q, T) of the rows [start, stop) by the family's own function, computed in `kind`."""
    eager = getattr(sys.modules[type(layer.module).__module__], "eager_attention_forward", None)
    if eager is None:
        raise NotImplementedError(
            f"{type(layer.module).__name__} has no attention function that can be asked for weights"
        )
    visible = layer.visible(start, stop)
    last = layer.key.shape[2] if layer.mask is not None else stop
    barred = torch.zeros(visible.shape, dtype=kind, device=visible.device)
    barred.masked_fill_(~visible, torch.finfo(kind).min)
    query, key, value = (
        layer.query[:, :, start:stop].to(kind),
        layer.key[:, :, :last].to(kind),
        layer.value[:, :, :last].to(kind),
    )
    output, weights = eager(layer.module, query, key, value, barred[..., :last], **layer.options)
    return output, nn.functional.pad(weights, (0, layer.key.shape[2] - last))


def _rows_at_once(layer: _Layer) -> int:
    batch, heads, _, _ = layer.query.shape
    return max(1, WEIGHTS // (batch * heads * layer.key.shape[2]))


def _weights(layer: _Layer, start: int, stop: int) -> Tensor:
    """Weights (B, H, q, T) in float32 of the rows [start, stop)."""
    if layer.own:
        return _family(layer, start, stop, torch.float32)[1]
    batch, heads, _, width = layer.query.shape
    groups, length = layer.key.shape[1:3]
    rows = layer.query[:, :, start:stop].float().reshape(batch, groups, -1, width)
    scores = (rows @ layer.key.float().transpose(2, 3)).view(batch, heads, stop - start, length) * layer.scaling
    return scores.masked_fill_(~layer.visible(start, stop), -torch.inf).softmax(-1)


def _hand_out(layer: _Layer, output: Tensor, wanted: Wanted) -> None:
    """Give every wanted row away, and note how far it is from explaining the output (B, T, H, D)."""
    number = int(layer.module.layer_idx)  # type: ignore[arg-type]
    batch, groups, _, width = layer.value.shape
    value, size = layer.value.float(), _rows_at_once(layer)
    largest = value.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
    away = torch.zeros((), device=value.device)
    for start in range(wanted.start, wanted.stop, size):
        stop = min(start + size, wanted.stop)
        weights = _weights(layer, start, stop)
        again = (weights.view(batch, groups, -1, weights.shape[-1]) @ value).view(batch, -1, stop - start, width)
        there = output[:, start:stop].transpose(1, 2).float()
        away = torch.maximum(away, (again - there).abs().amax() / largest)
        wanted.take(number, start - wanted.start, weights)
    wanted.away[number].copy_(away)


@contextmanager
def attending(model: PreTrainedModel, name: str) -> Generator[None]:
    """The model computes its attention by that function inside, and as before afterwards, whatever happens inside."""
    before = model.config._attn_implementation or "sdpa"
    try:
        model.set_attn_implementation(name)
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def rows_beside(model: PreTrainedModel) -> Generator[None]:
    """The model computes its attention with `attend` inside."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, block_mask)
    with attending(model, NAME):
        yield
