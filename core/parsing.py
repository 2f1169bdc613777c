"""Every parser of model text, once. Knows replies; does not know where they came from.

An evaluator's reply is free text after `Reasoning:`, then `SCORE: x`; bold markers around both words are accepted, the last
valid score wins, and a missing, non-finite or out-of-range score is None, never 0 (SPEC 3). A reply that cannot be used is
`Malformed` with a reason; nothing is guessed and nothing is cut. Every reader takes linear time and bounds what it returns.
"""

import re
from typing import Literal, NamedTuple

from core.types import Review

# Every gap is one bounded or possessive class: a hostile text must not make a pattern try the same place twice.
_HEAD = re.compile(r"[\s*]*+Reasoning\s*+:[\s*]*+", re.IGNORECASE)
_WORD = re.compile("score", re.IGNORECASE)
_SCORE = re.compile(
    r"SCORE\s{0,9}:[\s*]{0,20}\[?\s{0,9}([-+]?(?:\d{1,9}(?:\.\d{0,30})?|\.\d{1,30}))(?![\w%])\]?\*{0,4}", re.IGNORECASE
)
_THINKING = re.compile(r"</think>", re.IGNORECASE)
_LABEL = re.compile(r"[\s*#\"]*+(?:hypothesis|thought|next thought|final answer|answer)\s{0,9}:[\s*]*+", re.IGNORECASE)
_ANSWER = re.compile(r"^[ \t*#]{0,9}(?:final )?answer[ \t*]{0,9}:[ \t*]{0,9}", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"^[ \t*#\d.)-]{0,9}(preference|query)[ \t*]{0,9}:[ \t*]{0,9}", re.IGNORECASE | re.MULTILINE)
_MARKER = re.compile(r"^[ \t*#]{0,9}step[ \t]{1,9}(\d{1,4})[ \t*]{0,9}:[ \t*]{0,9}", re.IGNORECASE | re.MULTILINE)
_PART = re.compile(
    r"(?<!\w)(process|discovery|answer|total)[ \t*]{0,9}:[ \t*]{0,9}(-?\d{1,4}(?:\.\d{1,9})?)(?!\.?[\w%])",
    re.IGNORECASE,
)
_TICK = re.compile(r"^[ \t*#(-]{0,9}(\d{1,3})[ \t*.:)-]{1,9}(yes|no)\b", re.IGNORECASE | re.MULTILINE)
_VERDICT_WORD = re.compile("verdict", re.IGNORECASE)
_VERDICT = re.compile(
    r"VERDICT[ \t*]{0,9}:[\s*\[(\"']{0,9}(yes|no|(?:cannot|can not|can't|can’t) determine|cannot be determined)"
    r"(?=[*\])\"'!]{0,9}[ \t]{0,9}(?:$|[\r\n]|[.;](?!\w)))",
    re.IGNORECASE,
)
_EXPLANATION = re.compile(r"[\s*]*+Explanation\s*+:[\s*]*+", re.IGNORECASE)
_CHOICE = re.compile(
    r"CHOICE[ \t*]{0,9}:[\s*\[(\"']{0,9}(?:option )?([A-Z])(?:[*)\].:!]|[\"'](?!\w)|[ \t]{0,9}(?:$|[\r\n]))",
    re.IGNORECASE,
)
_CHOICE_WORD = re.compile("choice", re.IGNORECASE)
_LETTER = re.compile(r"[\s*(\[\"']{0,9}(?:option )?([A-Z])[*)\]\"'.:]{0,9}\s{0,9}", re.IGNORECASE)
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

LONGEST_REPLY = 100_000
"""Characters of a reply that are looked at at all."""
LONGEST_THOUGHT = 4000
LONGEST_ANSWER = 20_000
MOST_STEPS = 50
MOST_SCENARIOS = 50

LIMITS = {"process": 30.0, "discovery": 40.0, "answer": 30.0}
"""Most points of each part of a review (SPEC 1)."""


Answer = Literal["yes", "no", "cannot"]
"""What a judge may say; `cannot` is "cannot determine", an answer of its own and never a "no"."""


class Malformed(NamedTuple):
    """A reply that cannot be used, with a sentence for people."""

    reason: str


class Pair(NamedTuple):
    """A preference and a query that a model wrote."""

    preference: str
    query: str


class Scenarios(NamedTuple):
    """What `read_scenarios` found, in order, and how many blocks lacked a half or were too long."""

    found: tuple[Pair, ...]
    broken: int


class Verdict(NamedTuple):
    """A judge's answer to one check, and the explanation that stands before it."""

    answer: Answer
    explanation: str


class Segment(NamedTuple):
    """One step of a response: its number as written, its text, and where marker and text stand: [start, end)."""

    number: int
    text: str
    start: int
    end: int


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


def _body(text: str) -> str | Malformed:
    """The reply without what a reasoning model thought aloud before it."""
    if len(text) > LONGEST_REPLY:
        return Malformed(f"The reply has more than {LONGEST_REPLY:,} characters.")
    thinking = list(_THINKING.finditer(text))
    if thinking:
        text = text[thinking[-1].end() :]
    elif text.lstrip().lower().startswith("<think>"):
        return Malformed("The reply ends before its thinking does.")
    return text if text.strip() else Malformed("The reply is empty.")


def spoken(text: str) -> str | Malformed:
    """The reply without what a reasoning model thought aloud before it; Malformed where nothing is left or it is too long."""
    return _body(text)


def _prose(text: str, limit: int) -> str | Malformed:
    label = _LABEL.match(text)
    text = strip_step(text[label.end() :] if label else text).strip().strip('"').strip(" *\n\t")
    if not text or is_placeholder(text):
        return Malformed(f"The reply is a placeholder: {text!r}." if text else "The reply is empty.")
    return text if len(text) <= limit else Malformed(f"The text has {len(text):,} characters; {limit:,} are allowed.")


def read_thought(text: str) -> str | Malformed:
    """A hypothesis or thought: trimmed, without label, step number or quotes; at most LONGEST_THOUGHT characters."""
    body = _body(text)
    return body if isinstance(body, Malformed) else _prose(body, LONGEST_THOUGHT)


def read_answer(text: str) -> str | Malformed:
    """A final answer: what follows the last `Answer:` at the start of a line, or the whole reply where there is none."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    starts = list(_ANSWER.finditer(body))
    return _prose(body[starts[-1].end() :] if starts else body, LONGEST_ANSWER)


def read_critique(text: str) -> Reply | Malformed:
    """Critique and score of a reply that has both; the reason where one is missing."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    found = read_reply(body)
    if found.score is None:
        named = _WORD.search(body)
        return Malformed("No SCORE in the reply is a number from -1 to 1." if named else "The reply holds no SCORE.")
    if not found.critique or is_placeholder(found.critique):
        return Malformed("The reply holds a score without a critique.")
    return found


def read_review(text: str) -> Review | Malformed:
    """The three parts of a review. The last value of each part counts; a stated total must be their sum.

    The text is what stands before the first part, without `Reasoning:`.
    """
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    parts: dict[str, float] = {}
    first = len(body)
    for match in _PART.finditer(body):
        first = min(first, match.start())
        parts[match.group(1).lower()] = float(match.group(2))
    for name, most in LIMITS.items():
        if name not in parts:
            return Malformed(f"The review states no {name.upper()}.")
        if not 0 <= parts[name] <= most:
            return Malformed(f"{name.upper()} lies between 0 and {most:g}, not at {parts[name]:g}.")
    added = sum(parts[name] for name in LIMITS)
    if "total" in parts and abs(parts["total"] - added) > 1e-6:
        return Malformed(f"The parts add up to {added:g}, but the review states a TOTAL of {parts['total']:g}.")
    head = _HEAD.match(body)
    words = body[head.end() if head and head.end() <= first else 0 : first].strip(" *\n\t")
    return Review(parts["process"], parts["discovery"], parts["answer"], words)


def read_checklist(text: str, count: int) -> tuple[bool, ...] | Malformed:
    """The verdicts on `count` questions: lines like `3: yes`, the last line of a number counts. Malformed without one."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    found = {int(match.group(1)): match.group(2).lower() == "yes" for match in _TICK.finditer(body)}
    missing = [number for number in range(1, count + 1) if number not in found]
    if missing:
        return Malformed(f"The checklist has no yes or no for question {missing[0]}.")
    return tuple(found[number] for number in range(1, count + 1))


def read_scenarios(text: str, limit: int = MOST_SCENARIOS) -> Scenarios | Malformed:
    """Blocks of `Preference:` and `Query:`, at most `limit`; a block without both, or too long, is counted as broken."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    marks = list(_BLOCK.finditer(body))
    found: list[Pair] = []
    broken = 0
    preference = ""
    for index, mark in enumerate(marks):
        end = marks[index + 1].start() if index + 1 < len(marks) else len(body)
        words = body[mark.end() : end].strip(" *\n\t")
        if mark.group(1).lower() == "preference":
            broken += bool(preference)
            preference = words
            broken += not words
            continue
        if preference and words and max(len(words), len(preference)) <= LONGEST_THOUGHT:
            found.append(Pair(preference, words))
        else:
            broken += 1
        preference = ""
    broken += bool(preference)
    if not found:
        return Malformed("The reply holds no block of `Preference:` and `Query:`.")
    return Scenarios(tuple(found[:limit]), broken)


def segments(text: str) -> tuple[Segment, ...]:
    """Every `Step k:` at the start of a line opens a segment that runs to the next one (SPEC 4a); text before is in none."""
    marks = list(_MARKER.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return tuple(
        Segment(int(mark.group(1)), text[mark.end() : end].strip(), mark.start(), end)
        for mark, end in zip(marks, ends, strict=False)
    )


def read_steps(text: str) -> tuple[str, ...] | Malformed:
    """The steps of a response, the last of which is the answer. Numbering other than 1 to N, or an empty step, is malformed."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    found = segments(body)
    if not found:
        return Malformed("The response holds no `Step 1:` at the start of a line.")
    if len(found) > MOST_STEPS:
        return Malformed(f"The response has {len(found)} steps; {MOST_STEPS} are allowed.")
    for place, segment in enumerate(found, 1):
        if segment.number != place:
            return Malformed(f"Step {place} of the response is numbered {segment.number}.")
        if not segment.text:
            return Malformed(f"Step {place} of the response is empty.")
    return tuple(segment.text for segment in found)


def read_verdict(text: str) -> Verdict | Malformed:
    """The last valid `VERDICT: yes | no | cannot determine` of a reply, with what is said before it.

    The answer must end its line or its sentence: "no way to tell" and "yes or no" are no verdicts.
    """
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    words = list(_VERDICT_WORD.finditer(body))
    for word in reversed(words):
        match = _VERDICT.match(body, word.start())
        if match:
            said = match.group(1).lower()
            answer: Answer = "yes" if said == "yes" else "no" if said == "no" else "cannot"
            return _explained(body[: word.start()], answer)
    if words:
        return Malformed("No VERDICT in the reply is yes, no or cannot determine.")
    return Malformed("The reply holds no VERDICT.")


def _explained(before: str, answer: Answer) -> Verdict | Malformed:
    head = _EXPLANATION.match(before)
    words = before[head.end() if head else 0 :].strip(" *\n\t")
    if not words or is_placeholder(words):
        return Malformed("The reply holds a verdict without an explanation before it.")
    if len(words) > LONGEST_ANSWER:
        return Malformed(f"The explanation has {len(words):,} characters; {LONGEST_ANSWER:,} are allowed.")
    return Verdict(answer, words)


def read_choice(text: str, count: int) -> int | Malformed:
    """The place (from 0) of the option that a reply chooses among `count` (2 to 26): the last `CHOICE: letter` that an option
    has, or a letter that is the whole reply. Malformed without a letter, or with one that no option has."""
    body = _body(text)
    if isinstance(body, Malformed):
        return body
    alone = _LETTER.fullmatch(body[:40]) if len(body) <= 40 else None
    named = (_CHOICE.match(body, word.start()) for word in reversed(list(_CHOICE_WORD.finditer(body))))
    found = [match for match in (alone, *named) if match]
    if not found:
        return Malformed("The reply chooses no letter.")
    for match in found:
        place = ord(match.group(1).upper()) - ord("A")
        if place < count:
            return place
    return Malformed(
        f"The reply chooses {found[0].group(1).upper()}, and the options end at {chr(ord('A') + count - 1)}."
    )
