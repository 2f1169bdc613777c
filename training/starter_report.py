"""How good the starter model is at its formats: well-formed replies per prompt, spread and sense of the scores, speed.

Asks about cases that it was not trained on, greedy and at a temperature. Returns figures; prints nothing.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np

from core.parsing import Malformed, read_answer, read_critique, read_review, read_scenarios, read_steps, read_thought
from core.ports import Ask, ChatModel, Failure, Reply
from core.prompts.judging import critic
from training import cases
from training.lessons import LESSONS, Example, Material, case
from training.rule import QUOTE, rule_score

Check = Callable[[str], object]


def _analysis(text: str) -> object:
    return read_answer(text) if text.startswith("Analysis:") and "\nAnswer:" in text else Malformed("no analysis")


def _whole_scenarios(text: str) -> object:
    found = read_scenarios(text)
    return found if isinstance(found, Malformed) or not found.broken else Malformed("a block lacks a half")


CHECKS: Mapping[str, Check] = {
    "scenario": _whole_scenarios,
    "hypothesis": read_thought,
    "follow_up": read_thought,
    "answer": read_answer,
    "critic": read_critique,
    "review": read_review,
    "policy": read_steps,
    "zero_shot": read_answer,
    "few_shot": read_answer,
    "chain_of_thought": _analysis,
}
"""How each lesson's reply is read in the product."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to ask: temperature, and the most tokens of a reply."""

    temperature: float
    max_tokens: int = 512


class Form(NamedTuple):
    """Replies of one prompt: how many, the share that is well-formed, the share of quoted words that stand in the prompt."""

    count: int
    well_formed: float
    quoted: float
    fault: str


class Sense(NamedTuple):
    """Scores against the rule: asked, rank correlation, standard deviation, share in the fullest tenth, unscored."""

    count: int
    correlation: float
    spread: float
    fullest: float
    unscored: int


def held_out(material: Material, name: str, count: int, seed: int) -> list[Example]:
    """Examples of one lesson that training never drew; `material` is what was held back."""
    lesson, rng = LESSONS[name][0], Random(seed)
    return [lesson(rng, material) for _ in range(count)]


async def ask_all(model: ChatModel, asks: Sequence[Ask]) -> list[Reply | Failure]:
    """All at once; the model batches as it likes."""
    return list(await asyncio.gather(*(model.ask(ask) for ask in asks)))


def well_formed(name: str, reply: Reply | Failure) -> str:
    """'' for a reply that the product can use, else why not."""
    if isinstance(reply, Failure):
        return reply.reason
    if reply.finish != "stop":
        return f"ended by {reply.finish}"
    found = CHECKS[name](reply.text)
    return found.reason if isinstance(found, Malformed) else ""


async def form(model: ChatModel, name: str, examples: Sequence[Example], sampling: Sampling) -> Form:
    """Ask about the examples and count what is well-formed."""
    asks = [
        Ask(example.messages, sampling.max_tokens, sampling.temperature, seed=place)
        for place, example in enumerate(examples)
    ]
    replies = await ask_all(model, asks)
    faults = [well_formed(name, reply) for reply in replies]
    quotes = [
        quote in example.messages[-1].content
        for example, reply in zip(examples, replies, strict=True)
        if isinstance(reply, Reply)
        for quote in QUOTE.findall(reply.text)
    ]
    bad = [fault for fault in faults if fault]
    quoted = sum(quotes) / len(quotes) if quotes else float("nan")
    return Form(len(examples), 1 - len(bad) / len(examples), quoted, max(bad, key=bad.count) if bad else "")


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1; equal values share the mean of their ranks."""
    found = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(found, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


async def sense(model: ChatModel, material: Material, count: int, seed: int) -> Sense:
    """Greedy scores of held-out steps of all kinds against the rule's (Spearman)."""
    rng = Random(seed)
    kinds = ("exceptional", "strong", "surface", "vague", "leap", "against", "harm", "other")
    asks: list[Ask] = []
    truth: list[float] = []
    for place in range(count):
        found = case(rng, material)
        persona = rng.choice(list(cases.Persona))
        step = cases.thought(rng, found, kinds[place % len(kinds)], persona)
        truth.append(rule_score(found.preference, found.query, [], step))
        asks.append(Ask(critic(found.preference, found.query, [], step), 256))
    replies = await ask_all(model, asks)
    read = [read_critique(reply.text) if isinstance(reply, Reply) else Malformed(reply.reason) for reply in replies]
    pairs = [
        (one.score, value)
        for one, value in zip(read, truth, strict=True)
        if not isinstance(one, Malformed) and one.score is not None
    ]
    given = [pair[0] for pair in pairs]
    together = np.corrcoef(ranks(given), ranks([pair[1] for pair in pairs]))[0, 1] if len(pairs) > 2 else float("nan")
    bins = np.histogram(given, bins=20, range=(-1, 1))[0]
    fullest = float(bins.max() / max(1, len(given)))
    return Sense(len(asks), float(together), float(np.std(given)), fullest, len(asks) - len(pairs))


async def speed(model: ChatModel, material: Material, batch: int, rounds: int) -> float:
    """Tokens written in a second when `batch` policy asks are always under way."""
    examples = held_out(material, "policy", batch * rounds, 3)
    asks = iter([Ask(example.messages, 256, 0.8, seed=place) for place, example in enumerate(examples)])
    began, written = time.perf_counter(), 0
    while group := list(islice(asks, batch)):
        replies = await ask_all(model, group)
        written += sum(reply.completion_tokens for reply in replies if isinstance(reply, Reply))
    return written / (time.perf_counter() - began)
