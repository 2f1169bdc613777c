"""Does an answer use the preference? Attention on it beside what its absence costs the answer, sentence by sentence.

Pure. Knows log probabilities, rows of attention and where the tokens of an answer end; not which model gave them. The drop of a
token is log p(token | preference, query) - log p(token | query alone), in nats: how much more likely the preference makes it. It
is a counterfactual, the attention is not; the two together tell four cases apart (FEATURES, 3.4), and what the preference makes
less likely is a case of its own, wherever the model looks.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.attention import Unmeasured, measure
from core.regions import Prompt, Span
from core.steps import steps_of_tokens

Floats = NDArray[np.float64]
Quadrant = Literal["uses", "looks only", "uses without looking", "ignores", "against"]

MEANING: dict[Quadrant, str] = {
    "uses": "Looks at the preference, and would be less likely without it.",
    "looks only": "Looks at the preference, but would be as likely without it.",
    "uses without looking": "Hardly looks at the preference, but would be less likely without it.",
    "ignores": "Hardly looks at the preference, and would be as likely without it.",
    "against": "Would be likelier without the preference: what it says goes against it.",
}

MOST_SENTENCES = 400
_END = re.compile(r"(?:[.!?…]{1,9}+[\"'”’»)\]*_]{0,9}+(?=\s)|[。！？]{1,9}+|\n)\s{0,99}+")
_WORD = re.compile(r"[^\W\d_]{2}|[^\W\d_\x00-\u2fff]")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a sentence counts as looking and as using.

    `lift` 1: the preference gets more than its share of the attention that the messages of the prompt get (without the first
    token and the template's own). `drop` 0.05 nats a token: without the preference the sentence is 5 % less likely at each
    token, over 20 tokens by a factor of e. Where it is likelier by as much, it goes against the preference.
    """

    lift: float = 1.0
    drop: float = 0.05


class Answer(NamedTuple):
    """An answer as tokens: its text, token ids (A,), and how many characters the first a + 1 tokens give. `ended` where the last
    token ends the turn."""

    text: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]
    ended: bool


class Evidence(NamedTuple):
    """What was measured of an answer of A tokens on a prompt of T tokens.

    `rows` (A, T): attention of the row each token was predicted from, mean over layers and heads. Log probabilities (A,) with
    the preference, without it, and with another or reversed one (None where none was tried).
    """

    rows: NDArray[np.float32]
    given: Floats
    without: Floats
    other: Floats | None


class Use(NamedTuple):
    """A sentence, or the whole answer: characters [start, end) of it and its tokens.

    `lift` is the mean lift of its tokens on the preference, among the messages of the prompt; `mass` their mean mass. `drop`:
    mean log probability with the preference minus without, in nats a token, `error` its standard error over the tokens (NaN
    for one); `drop_other` the same beside another or reversed preference, NaN where none was tried. `clear`: the drop is further
    than 1.96 errors from both thresholds, so that more tokens of the kind would hardly change the case.
    """

    start: int
    end: int
    tokens: int
    mass: float
    lift: float
    drop: float
    error: float
    drop_other: float
    quadrant: Quadrant
    clear: bool


class Meter(NamedTuple):
    """The whole answer, its sentences in order (those without a token are left out), and drop and mass of each token (A,)."""

    answer: Use
    sentences: tuple[Use, ...]
    drops: Floats
    masses: Floats


def sentences(text: str) -> tuple[Span, ...]:
    """The text cut behind sentence ends and line breaks, without a gap: characters [start, end).

    A piece without a word, such as the number of a list, goes with what follows it. At most MOST_SENTENCES; the last holds the
    rest. An empty text has none.
    """
    found: list[Span] = []
    start = at = 0
    for match in _END.finditer(text):
        if _WORD.search(text, at, match.end()):
            if len(found) == MOST_SENTENCES - 1:
                break
            found.append((start, match.end()))
            start = match.end()
        at = match.end()
    if start < len(text):
        if found and not _WORD.search(text, start):
            found[-1] = (found[-1][0], len(text))
        else:
            found.append((start, len(text)))
    return tuple(found)


def quadrant(lift: float, drop: float, at: Thresholds) -> Quadrant:
    """Which of the cases; a lift that is NaN counts as not looking."""
    looks = lift > at.lift
    if drop < -at.drop:
        return "against"
    if drop > at.drop:
        return "uses" if looks else "uses without looking"
    return "looks only" if looks else "ignores"


def meter(answer: Answer, prompt: Prompt, evidence: Evidence, at: Thresholds | None = None) -> Meter | Unmeasured:
    """The meter of an answer. Raises ValueError where lengths do not fit.

    Unmeasured without a preference in the prompt or without a token in the answer.
    """
    at = at or Thresholds()
    count = len(answer.ids)
    if count == 0:
        return Unmeasured("The answer has no tokens, so nothing can be said about it.")
    if {count} != {len(answer.ends), len(evidence.rows), len(evidence.given), len(evidence.without)}:
        raise ValueError(f"the evidence does not fit an answer of {count} tokens")
    figures: list[tuple[float, float]] = []
    for row in evidence.rows:
        found = measure(row, prompt)
        if isinstance(found, Unmeasured):
            return found
        figures.append((found.mass, found.kept_lift))
    table = np.array(figures, dtype=np.float64)
    drops = np.asarray(evidence.given, dtype=np.float64) - np.asarray(evidence.without, dtype=np.float64)
    other = None if evidence.other is None else np.asarray(evidence.given - evidence.other, dtype=np.float64)
    spans = sentences(answer.text)
    places = np.array(steps_of_tokens(spans, answer.ends, answer.ended), dtype=np.int64)
    parts = [(span, np.flatnonzero(places == number)) for number, span in enumerate(spans)]

    def use(span: Span, own: NDArray[np.int64]) -> Use:
        drop, lift = float(drops[own].mean()), _mean(table[own, 1])
        error = float(drops[own].std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else float("nan")
        beside = float("nan") if other is None else float(other[own].mean())
        mass = float(table[own, 0].mean())
        clear = abs(abs(drop) - at.drop) > 1.96 * error
        return Use(*span, len(own), mass, lift, drop, error, beside, quadrant(lift, drop, at), clear)

    whole = use((0, len(answer.text)), np.arange(count))
    return Meter(whole, tuple(use(span, own) for span, own in parts if len(own)), drops, table[:, 0])


def _mean(values: ArrayLike) -> float:
    """The mean of what is known; NaN where nothing is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")
