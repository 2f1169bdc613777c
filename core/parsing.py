"""Every parser of model text, once. Knows replies; does not know where they came from.

An evaluator's reply is free text after `Reasoning:`, then `SCORE: x`; bold markers around both words are accepted, the last
valid score wins, and a missing, non-finite or out-of-range score is None, never 0 (SPEC 3).
"""

import re
from typing import NamedTuple

# Every gap is one bounded or possessive class: a hostile text must not make a pattern try the same place twice.
_HEAD = re.compile(r"[\s*]*+Reasoning\s*+:[\s*]*+", re.IGNORECASE)
_WORD = re.compile("score", re.IGNORECASE)
_SCORE = re.compile(
    r"SCORE\s{0,9}:[\s*]{0,20}\[?\s{0,9}([-+]?(?:\d{1,9}(?:\.\d{0,30})?|\.\d{1,30}))(?![\w%])\]?\*{0,4}", re.IGNORECASE
)
_STEP = re.compile(r"\s*+Step\s{1,9}\d{1,9}\s{0,9}:\s*+", re.IGNORECASE)

PLACEHOLDERS = frozenset(
    {
        "final answer node.",
        "final answer node",
        "n/a",
        "none",
        "null",
        "todo",
        "tbd",
        "...",
        "placeholder",
        "[placeholder]",
    }
)


class Reply(NamedTuple):
    """Critique text without its frame, and the last valid score in [-1, 1] or None."""

    critique: str
    score: float | None


def read_reply(text: str) -> Reply:
    """Split an evaluator's reply into critique and score."""
    at = text.rfind(" SCORE: ")
    if at >= 0 and text.startswith("Reasoning: "):
        score = _number(text[at + 8 :])
        if score is not None:
            return Reply(text[11:at].strip(), score)
    return _read_freely(text)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value + 0.0 if -1.0 <= value <= 1.0 else None


def _read_freely(text: str) -> Reply:
    end, score = len(text), None
    for word in reversed(list(_WORD.finditer(text))):
        match = _SCORE.match(text, word.start())
        score = _number(match.group(1)) if match else None
        if match and score is not None:
            end = word.start() if not text[match.end() :].strip(" .*\n\t") else end
            break
    head = _HEAD.match(text)
    return Reply(text[head.end() if head else 0 : end].strip(" *\n\t" if end < len(text) else None), score)


def write_reply(critique: str, score: float | None) -> str:
    """The canonical reply for a critique and a score; inverse of `read_reply` for texts that hold no frame of their own."""
    return f"Reasoning: {critique}" if score is None else f"Reasoning: {critique} SCORE: {float(score)!r}"


def is_placeholder(text: str) -> bool:
    """True for texts such as `Final Answer Node.` that stand where a thought or critique should be."""
    return len(text) < 24 and text.strip().lower() in PLACEHOLDERS


def strip_step(text: str) -> str:
    """The step's text without a leading `Step k:`."""
    match = _STEP.match(text)
    return text[match.end() :] if match else text


def number_steps(thoughts: list[str]) -> list[str]:
    """`Step 1: ...` to `Step K: ...`, the response format of the paper (figure 14)."""
    return [f"Step {index}: {thought}" for index, thought in enumerate(thoughts, 1)]
