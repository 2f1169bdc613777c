"""What a run kept of the responses it sampled: one response with its tokens and steps, a group of them, and their figures.

Pure values. Knows neither the files they come from nor who made them; everything in them was read from outside and is checked
by `problem_of` before it is believed.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FOLDER = "rollouts"
"""Folder of a job in which a run keeps its rollouts, one file for each update and process."""
TEXTS = ("prompt", "preference", "query", "text")
NUMBERS = ("group", "response", "format")
FLAGS = ("truncated",)
TOKENS = ("ids", "ends", "index", "advantages", "kl", "entropy", "clipped")
STEP_NUMBERS = ("starts_of_steps", "ends_of_steps", "scores")
STEP_TEXTS = ("critiques", "reasons")
COLUMNS = (*TEXTS, *NUMBERS, *FLAGS, *TOKENS, *STEP_NUMBERS, *STEP_TEXTS)
"""Columns of a file, by what they hold: a value of the response, a list with one entry a token (T), or one a step (K)."""

LONGEST_TEXT = 400_000
MOST_TOKENS = 100_000
MOST_KEPT_STEPS = 1_000
CRITIQUE_SHOWN = 8_000
"""Characters of a critique or reason that are kept; what is cut ends in an ellipsis."""


class Step(NamedTuple):
    """One step: characters [start, end) of the text, its score in [-1, 1] or None with the reason, and the critique."""

    start: int
    end: int
    score: float | None
    critique: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """One response of a group.

    `ends[t]` is the number of characters of `text` that the first t + 1 tokens decode to, `index[t]` its step from 0,
    -1 in none. `advantages`, `kl` and `entropy` are NaN where nothing is known. `format` is 1 for well-numbered steps, else 0.
    """

    group: int
    response: int
    prompt: str
    preference: str
    query: str
    text: str
    truncated: bool
    format: float | None
    ids: Ints
    ends: Ints
    index: Ints
    advantages: Floats
    kl: Floats
    entropy: Floats
    clipped: Bools
    steps: tuple[Step, ...]


class Figures(NamedTuple):
    """A response in numbers: all and scored steps, mean step score, all tokens and those in no step, means over tokens."""

    steps: int
    scored: int
    score: float | None
    tokens: int
    outside: int
    advantage: float | None
    kl: float | None
    entropy: float | None
    clipped: int


class GroupFigures(NamedTuple):
    """Means over the responses of a group; `score` over those with a scored step, `kl` and `entropy` over all tokens."""

    responses: int
    score: float | None
    tokens: float
    steps: float
    advantage: float | None
    kl: float | None
    entropy: float | None
    truncated: int


def problem_of(rollout: Rollout) -> str:
    """Why a response cannot be believed, as a sentence; '' when it can."""
    count, length, steps = len(rollout.ends), len(rollout.text), len(rollout.steps)
    longest = max(length, len(rollout.prompt), len(rollout.preference), len(rollout.query))
    if longest > LONGEST_TEXT or count > MOST_TOKENS or steps > MOST_KEPT_STEPS:
        return f"It has a text of {longest:,} characters, {count:,} tokens and {steps:,} steps, more than can be shown."
    if any(len(getattr(rollout, name)) != count for name in TOKENS):
        return "Its lists of tokens differ in length."
    if count and (np.diff(rollout.ends, prepend=0).min() < 0 or rollout.ends[-1] > length):
        return "Its tokens do not lie in its text in order."
    if count and (rollout.index.min() < -1 or rollout.index.max() >= steps):
        return "A token belongs to a step that is not there."
    at = 0
    for step in rollout.steps:
        if not at <= step.start <= step.end <= length:
            return "Its steps do not lie in its text in order."
        if step.score is not None and not -1 <= step.score <= 1:
            return "A step has a score outside -1 to 1."
        at = step.end
    return ""


def mean(values: NDArray[Any] | Sequence[float]) -> float | None:
    """The mean of the finite values; None where there is none."""
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    return float(found.mean()) if found.size else None


def step_advantages(rollout: Rollout) -> list[float | None]:
    """The mean advantage of each step's tokens (K); None for a step without a token."""
    return [mean(rollout.advantages[rollout.index == step]) for step in range(len(rollout.steps))]


def figures(rollout: Rollout) -> Figures:
    """The numbers of one response."""
    scores = [step.score for step in rollout.steps if step.score is not None]
    return Figures(
        len(rollout.steps), len(scores), mean(scores), len(rollout.ends), int((rollout.index < 0).sum()),
        mean(rollout.advantages), mean(rollout.kl), mean(rollout.entropy), int(rollout.clipped.sum()),
    )  # fmt: skip


def group_figures(group: Sequence[Rollout]) -> GroupFigures:
    """The numbers of one group of at least one response."""
    found = [figures(one) for one in group]
    return GroupFigures(
        len(group),
        mean([one.score for one in found if one.score is not None]),
        sum(one.tokens for one in found) / len(found),
        sum(one.steps for one in found) / len(found),
        mean(np.concatenate([one.advantages for one in group])),
        mean(np.concatenate([one.kl for one in group])),
        mean(np.concatenate([one.entropy for one in group])),
        sum(one.truncated for one in group),
    )


def best(group: Sequence[Rollout]) -> Rollout:
    """The response with the highest mean step score, the first of equals; one without a score comes last."""

    def rank(one: Rollout) -> float:
        score = figures(one).score
        return -math.inf if score is None else score

    return max(group, key=rank)


def prompt_key(prompt: str, preference: str, query: str) -> str:
    """16 hex digits that are the same for the same question, in whatever update it was asked."""
    text = json.dumps([prompt, preference, query])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def utf16(text: str, places: Ints) -> Ints:
    """Places counted in characters as places counted in UTF-16 units, as a browser counts them. Same shape."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    wide = np.concatenate([[0], np.cumsum(codes > 0xFFFF)])
    return places + wide[places]


def ceiling(values: Floats) -> tuple[float, float]:
    """Where a colour scale from 0 ends, and the highest value: the 99th percentile and the maximum; (0, 0) without values."""
    found = values[np.isfinite(values)]
    return (float(np.percentile(found, 99)), float(found.max())) if found.size else (0.0, 0.0)
