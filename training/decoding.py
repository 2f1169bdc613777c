"""Decode many asks at once, each row by its own rules: a KV cache, left padding, a random generator per row.

`generate` of transformers shares one random stream among the rows of a batch; here a row's draws are its own, so a seeded ask
comes out the same whatever it is batched with, up to rounding in the last bits of its logits. Knows tensors; no threads, no loop.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache

from core.ports import Ask, Failure, Reply
from training.models import Loaded
from training.patterns import BadPattern, Guide, Patterns

_APART = 1_000_003
"""Distance between the seeds of an ask's repeats."""


@dataclass(slots=True)
class Row:
    """One ask on its way. `emit` gets text that is final; `given_up` says that nobody waits any more. `guide` holds the reply
    to the ask's pattern."""

    ask: Ask
    emit: Callable[[str], None]
    given_up: Callable[[], bool]
    ids: list[int] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    text: str = ""
    sent: int = 0
    finish: Literal["stop", "length", "other", ""] = ""
    stream: DecodeStream = field(default_factory=lambda: DecodeStream(skip_special_tokens=True))
    guide: Guide | None = None


def encode(loaded: Loaded, ask: Ask) -> list[int] | Failure:
    """Token ids of the prompt, or a failure where no token of a reply would fit."""
    messages = [{"role": message.role, "content": message.content} for message in ask.messages]
    text = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) >= loaded.context:
        reason = (
            f"The prompt has {len(ids):,} tokens; {loaded.name} takes {loaded.context - 1:,} and writes at least one."
        )
        return Failure("too_long", reason, 1)
    return ids


def decode(loaded: Loaded, rows: Sequence[Row], patterns: Patterns) -> list[Reply | Failure]:
    """Run all rows to their end; replies in the order of the rows. `patterns` are those of the same checkpoint."""
    began = time.perf_counter()
    outcomes: dict[int, Failure] = {}
    active: list[Row] = []
    for place, row in enumerate(rows):
        problem = _prepare(loaded, row, patterns)
        if problem is not None:
            outcomes[place] = problem
        else:
            active.append(row)
    with torch.inference_mode():
        _run(loaded, active)
    seconds = time.perf_counter() - began
    return [outcomes.get(place) or _reply(loaded, row, seconds) for place, row in enumerate(rows)]


def _prepare(loaded: Loaded, row: Row, patterns: Patterns) -> Failure | None:
    """Set a row's prompt and guide, or say why it cannot be answered."""
    found = encode(loaded, row.ask)
    if isinstance(found, Failure):
        return found
    if row.ask.max_tokens < 1:
        return Failure("bad_ask", "At least one token has to be asked for.", 1)
    row.prompt = found
    try:
        row.guide = patterns.guide(row.ask.pattern) if row.ask.pattern else None
    except BadPattern as error:
        return Failure("refused", str(error), 1)
    return None


def _reply(loaded: Loaded, row: Row, seconds: float) -> Reply:
    return Reply(row.text, row.finish or "other", len(row.prompt), len(row.ids), seconds, loaded.name)


def _run(loaded: Loaded, rows: list[Row]) -> None:
    """The loop. Rows that have ended leave the batch once they are half of it."""
    if not rows:
        return
    device = loaded.model.device
    width = max(len(row.prompt) for row in rows)
    pad = loaded.tokenizer.pad_token_id or 0
    ids = torch.tensor([[pad] * (width - len(row.prompt)) + row.prompt for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    generators = [_generator(row.ask, device) for row in rows]
    cache = DynamicCache(config=loaded.model.config)
    while True:
        output = loaded.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        chosen = _choose(output.logits[:, -1].float(), rows, generators)
        for row, token in zip(rows, chosen, strict=True):
            if not row.finish:
                _take(loaded, row, token)
        alive = [place for place, row in enumerate(rows) if not row.finish]
        if not alive:
            return
        if len(alive) * 2 <= len(rows):
            keep = torch.tensor(alive, device=device)
            cache.batch_select_indices(keep)
            mask, positions = mask[keep], positions[keep]
            rows, generators = [rows[i] for i in alive], [generators[i] for i in alive]
            chosen = [chosen[i] for i in alive]
        ids = torch.tensor(chosen, device=device)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], 1)
        positions = positions[:, -1:] + 1


def _generator(ask: Ask, device: torch.device) -> torch.Generator | None:
    """A row's own source of chance; None where the ask is greedy."""
    if ask.temperature <= 0:
        return None
    generator = torch.Generator(device)
    if ask.seed is None:
        generator.seed()
    else:
        generator.manual_seed((ask.seed + _APART * ask.repeat) % (1 << 63))
    return generator


def _choose(logits: torch.Tensor, rows: Sequence[Row], generators: Sequence[torch.Generator | None]) -> list[int]:
    """Next token of each row from logits (B, V): the largest, or a draw from the row's own generator, of those that its guide
    lets through."""
    for place, row in enumerate(rows):
        if row.guide is not None and not row.finish:
            row.guide.hold(logits[place])
    chosen: list[int] = logits.argmax(-1).tolist()
    for place, (row, generator) in enumerate(zip(rows, generators, strict=True)):
        if generator is not None and not row.finish:
            chosen[place] = draw(logits[place], row.ask.temperature, row.ask.top_p, generator)
    return chosen


def draw(logits: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """One token from logits (V,): softmax(logits / temperature), cut to the smallest set of mass `top_p`."""
    chances = torch.softmax(logits / temperature, -1)
    if top_p >= 1.0:
        return int(torch.multinomial(chances, 1, generator=generator))
    ordered, order = chances.sort(descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= max(top_p, 0.0)] = 0.0
    if not ordered.any():
        return int(order[0])
    return int(order[torch.multinomial(ordered, 1, generator=generator)])


def _take(loaded: Loaded, row: Row, token: int) -> None:
    """Add a token to a row: its text, what may be emitted, and whether the row ends here."""
    row.ids.append(token)
    if row.guide is not None:
        row.guide.take(token)
    if token in loaded.ends:
        row.finish = "stop"
        _rest(loaded, row)
    else:
        row.text += row.stream.step(loaded.tokenizer.backend_tokenizer, token) or ""
        if _stopped(row):
            row.finish = "stop"
        elif len(row.ids) >= row.ask.max_tokens or len(row.prompt) + len(row.ids) >= loaded.context:
            row.finish = "length"
            _rest(loaded, row)
        elif row.given_up():
            row.finish = "other"
    held = 0 if row.finish else max((len(stop) for stop in row.ask.stop), default=1) - 1
    ready = max(row.sent, len(row.text) - held)
    if ready > row.sent:
        row.emit(row.text[row.sent : ready])
        row.sent = ready


def _rest(loaded: Loaded, row: Row) -> None:
    """What the stream still holds back at the end: bytes that never became a character."""
    whole = loaded.tokenizer.decode(row.ids, skip_special_tokens=True)
    if whole.startswith(row.text):
        row.text = whole


def _stopped(row: Row) -> bool:
    """Cut the text before the first stop string in it. What was sent before never holds a part of one."""
    places = [at for stop in row.ask.stop if stop and (at := row.text.find(stop, max(0, row.sent - len(stop)))) >= 0]
    if places:
        row.text = row.text[: min(places)]
    return bool(places)
