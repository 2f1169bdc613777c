"""From the text of a response to its steps: where each begins and ends, and by which rule it was found.

Pure. A marker is `Step k:` at the start of a line; every marker opens a step, whatever its number (SPEC 4a).
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from core.parsing import MOST_STEPS, segments

How = Literal["markers", "paragraphs", "whole"]
_PARAGRAPH = re.compile(r"\n[ \t]{0,99}\n")


class Span(NamedTuple):
    """One step: its text without marker, and where it stands with it: characters [start, end) of the response."""

    text: str
    start: int
    end: int


class Found(NamedTuple):
    """The steps of a response in order, the rule that found them, and what is odd about its format, a sentence each."""

    steps: tuple[Span, ...]
    how: How
    notes: tuple[str, ...]


def find_steps(text: str) -> Found:
    """Steps by their markers; where there is none, by blank lines. Empty ones are left out, with a note.

    At most MOST_STEPS are returned, with a note on what was left off. An empty text has no step.
    """
    marked = segments(text)
    if not marked:
        spans = _paragraphs(text)
        how: How = "paragraphs" if len(spans) > 1 else "whole"
        by = "each paragraph counts as one" if how == "paragraphs" else "the whole text counts as one"
        return _bounded(spans, how, [f"No line starts with a marker such as “Step 1:”, so {by}."] if spans else [])
    notes: list[str] = []
    if text[: marked[0].start].strip():
        notes.append("The text before the first marker belongs to no step and is not judged.")
    if [one.number for one in marked] != list(range(1, len(marked) + 1)):
        told = ", ".join(str(one.number) for one in marked[:12]) + (", …" if len(marked) > 12 else "")
        notes.append(
            f"The steps are numbered {told}, which is malformed: a run counts such a response as out of format."
        )
    spans = [Span(one.text, one.start, one.end) for one in marked if one.text]
    if len(spans) < len(marked):
        notes.append(f"{len(marked) - len(spans)} of {len(marked)} markers have no text behind them.")
    return _bounded(spans, "markers", notes)


def marked_steps(text: str) -> tuple[Span, ...]:
    """The steps that have a marker, none for a text without one: what a training judges (SPEC 4a)."""
    found = find_steps(text)
    return found.steps if found.how == "markers" else ()


def judged_steps(text: str, finish: str) -> tuple[str, ...]:
    """The texts of the steps a critic is asked about: none of a response that was cut off, or has no marker (SPEC 4a)."""
    return tuple(step.text for step in marked_steps(text)) if finish == "stop" else ()


def _paragraphs(text: str) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for gap in [*_PARAGRAPH.finditer(text), None]:
        end = gap.start() if gap else len(text)
        words = text[start:end].strip()
        if words:
            spans.append(Span(words, start, end))
        start = gap.end() if gap else end
    return spans


def _bounded(spans: list[Span], how: How, notes: list[str]) -> Found:
    if len(spans) > MOST_STEPS:
        notes.append(f"Only the first {MOST_STEPS} of {len(spans)} steps are looked at.")
    return Found(tuple(spans[:MOST_STEPS]), how, tuple(notes))


def steps_of_tokens(steps: Sequence[tuple[int, int]], ends: Sequence[int], ended: bool) -> list[int]:
    """The step of each sampled token, from 0; -1 for a token in none.

    `steps` are the characters [start, end) of each step, in order; `ends[t]` is the number of characters of the response that the
    first t + 1 tokens decode to, without special tokens. A token belongs to the step that holds its last character; one that
    ends inside a character belongs to the step of that character; the token that ends the turn (the last one, where `ended`)
    belongs to the last step (SPEC 4a).
    """
    found: list[int] = []
    at = 0
    whole = ends[-1] if ends else 0
    before = 0
    for place, end in enumerate(ends):
        if ended and place == len(ends) - 1:
            found.append(len(steps) - 1)
            continue
        last = end - 1 if end > before else min(end, whole - 1)
        while at < len(steps) and steps[at][1] <= last:
            at += 1
        found.append(at if at < len(steps) and steps[at][0] <= last else -1)
        before = end
    return found
