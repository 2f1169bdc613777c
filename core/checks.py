"""What a check of a critique is: the step and critique judged, what a person said of it, the label that follows, the word diff.

Pure values. Knows neither who is asked next (`core.check_queue`) nor where checks are kept.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

from core.tree import chain
from core.types import Node, Scenario

Verdict = Literal["agree", "partly", "wrong", ""]
"""What a person says of a critique; '' takes an earlier check back."""
VERDICTS: tuple[Verdict, ...] = ("agree", "partly", "wrong")
Source = Literal["person", "model"]
CRITIQUE_LIMIT = 8_000
REASON_LIMIT = 2_000
JUDGED_LIMIT = 60_000
"""Characters of everything that is judged. A longer step is not offered and its check is refused: half a text is not judged."""
_DIFF_CELLS = 1_000_000
_Word = tuple[Literal["same", "gone", "new"], str]


class Judged(NamedTuple):
    """What was judged: the case, the keys and texts of the steps before, the step, and what the critic said of it.

    `score` is in [-1, 1] or None where the critic gave none.
    """

    preference: str
    query: str
    topic: str
    before: tuple[tuple[str, str], ...]
    key: str
    kind: str
    depth: int
    persona: str
    step: str
    critique: str
    score: float | None


class Seen(NamedTuple):
    """What was judged and what stood around it: the scores of the other children of its parent, and its quality marks."""

    judged: Judged
    siblings: tuple[float, ...]
    marks: int


class Check(NamedTuple):
    """What somebody said of a critique. `score` and `critique` are corrections, None where nothing was corrected."""

    verdict: Verdict
    score: float | None = None
    critique: str | None = None
    reason: str = ""


class Label(NamedTuple):
    """What holds after a check; None where the check leaves it open."""

    score: float | None
    critique: str | None


class Piece(NamedTuple):
    """A run of words in a diff: `same`, `gone` or `new`."""

    what: Literal["same", "gone", "new"]
    text: str


def judged_of(scenario: Scenario, nodes: dict[str, Node], key: str) -> Judged | None:
    """What a check of this node judges; None for the root, a node without a critique, one not there, or too long a text."""
    node = nodes.get(key)
    if node is None or node.kind == "root" or not node.critique:
        return None
    before = tuple((step.key, step.thought) for step in chain(nodes, key)[:-1])
    place = (scenario.preference, scenario.query, scenario.topic, before)
    score = None if node.score is None else float(node.score)
    made = Judged(*place, key, node.kind, node.depth, node.persona, node.thought, node.critique, score)
    return made if size_of(made) <= JUDGED_LIMIT else None


def seen_in(scenario: Scenario, nodes: dict[str, Node], keys: Iterable[str]) -> Iterator[Seen]:
    """What checks of these nodes judge, with what stands around it; nodes that cannot be checked are left out.

    At most 50 siblings count.
    """
    children: dict[str | None, list[Node]] = {}
    for node in nodes.values():
        children.setdefault(node.parent, []).append(node)
    for key in keys:
        judged = judged_of(scenario, nodes, key)
        if judged is not None:
            beside = (node.score for node in children[nodes[key].parent][:51] if node.key != key)
            yield Seen(judged, tuple(score for score in beside if score is not None), len(nodes[key].marks))


def size_of(judged: Judged) -> int:
    """Characters of all texts together."""
    texts = [judged.preference, judged.query, judged.topic, judged.step, judged.critique]
    return sum(map(len, texts)) + sum(len(key) + len(text) for key, text in judged.before)


def digest(judged: Judged) -> str:
    """SHA-256 over everything that is judged, 64 hex digits: a step that was changed does not inherit a check."""
    text = json.dumps(judged, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def label_of(judged: Judged, check: Check) -> Label:
    """The label that follows from a check.

    *agree* keeps what was not corrected. *partly* does so where anything was corrected, and is open otherwise. *wrong* keeps
    nothing: only what the person wrote is a label.
    """
    touched = check.score is not None or check.critique is not None
    keeps = check.verdict == "agree" or (check.verdict == "partly" and touched)
    score = check.score if check.score is not None else judged.score if keeps else None
    critique = check.critique if check.critique is not None else judged.critique if keeps else None
    return Label(score, critique)


def problem_of(check: Check) -> str:
    """Why a check cannot be kept, as a sentence; '' when it can."""
    if not all(map(storable, (check.critique or "", check.reason))):
        return "The text holds half a character (a lone surrogate) and cannot be kept."
    if check.verdict not in (*VERDICTS, ""):
        return "A critique is judged with agree, partly or wrong."
    if check.score is not None and not (math.isfinite(check.score) and -1 <= check.score <= 1):
        return "A corrected score lies between -1 and 1."
    if check.critique is not None and not 1 <= len(check.critique) <= CRITIQUE_LIMIT:
        return f"A corrected critique has 1 to {CRITIQUE_LIMIT:,} characters."
    if len(check.reason) > REASON_LIMIT:
        return f"A reason has at most {REASON_LIMIT:,} characters."
    if check.verdict == "" and check != Check(""):
        return "A check that is taken back has no score, critique or reason."
    return ""


def storable(text: str) -> bool:
    """False for a text with a lone surrogate, which no file and no database can hold as UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def word_diff(before: str, after: str) -> list[Piece]:
    """Runs of words that stayed, went and came, in reading order, by the longest common subsequence of the words.

    Texts that differ in more than about a thousand words are shown as one whole replacement between their common ends.
    """
    one, two = before.split(), after.split()
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    rest = zip(reversed(one[head:]), reversed(two[head:]), strict=False)
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    middle = _middle(one[head : len(one) - tail], two[head : len(two) - tail])
    first: list[_Word] = [("same", word) for word in one[:head]]
    last: list[_Word] = [("same", word) for word in one[len(one) - tail :]]
    words = first + middle + last
    pieces: list[Piece] = []
    run: list[str] = []
    for index, (what, word) in enumerate(words):
        run.append(word)
        if index + 1 == len(words) or words[index + 1][0] != what:
            pieces.append(Piece(what, " ".join(run)))
            run = []
    return pieces


def _middle(one: Sequence[str], two: Sequence[str]) -> list[_Word]:
    if len(one) * len(two) > _DIFF_CELLS:
        return [*(("gone", word) for word in one), *(("new", word) for word in two)]
    table = [[0] * (len(two) + 1)]
    for word in reversed(one):
        below, row = table[-1], [0]
        for at, other in enumerate(reversed(two)):
            row.append(below[at] + 1 if word == other else max(below[at + 1], row[-1]))
        table.append(row)
    made: list[_Word] = []
    i, j = 0, 0
    while i < len(one) or j < len(two):
        left, right = len(one) - i, len(two) - j
        if i < len(one) and j < len(two) and one[i] == two[j]:
            made.append(("same", one[i]))
            i, j = i + 1, j + 1
        elif i < len(one) and (j == len(two) or table[left - 1][right] >= table[left][right - 1]):
            made.append(("gone", one[i]))
            i += 1
        else:
            made.append(("new", two[j]))
            j += 1
    return made
