"""The words of the method as values (SPEC 1): scenario, node, path, review, tree.

Knows what they are and what may be derived from them; does not know how any file spells them or where they are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
"""A JSON object as `json` returns it."""

ROOT = "0"
"""Key of the root node; it holds the query and is never scored."""


class Persona(StrEnum):
    """The five members of the council (CDRA paper, appendix E)."""

    SOCIOLOGIST = "sociologist"
    PSYCHOLOGIST = "psychologist"
    PRAGMATIST = "pragmatist"
    PEDAGOGUE = "pedagogue"
    CONTRARIAN = "contrarian"


PERSONA_FOCUS: Mapping[str, str] = {
    Persona.SOCIOLOGIST: "norms, ethics, wider impact",
    Persona.PSYCHOLOGIST: "emotion, bias, unspoken need",
    Persona.PRAGMATIST: "feasible, efficient, reality check",
    Persona.PEDAGOGUE: "explains, empowers an informed decision",
    Persona.CONTRARIAN: "challenges assumptions, non-obvious paths",
}

Split = Literal["train", "validation", "test", ""]
NodeKind = Literal["root", "thought", "answer"]
PruneReason = Literal["threshold", "beam", "duplicate", "unscored"]


class Node(NamedTuple):
    """One reasoning step of a tree. A named tuple because a set holds hundreds of thousands of them.

    `score` is in [-1, 1] or None; None on anything but the root goes with a reason in `unscored`, never with 0.
    `reply` is the evaluator's raw text, kept only where it is not the canonical `Reasoning: critique SCORE: score`.
    `patch` says how a foreign file's spelling of this node differs from ours (see `core.formats.patch`).
    """

    key: str
    parent: str | None
    kind: NodeKind
    depth: int
    thought: str
    critique: str = ""
    score: float | None = None
    unscored: str = ""
    persona: str = ""
    pruned: str = ""
    prune_detail: str = ""
    marks: tuple[str, ...] = ()
    reply: str | None = None
    patch: Json | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """Holistic judgement of one whole path and its answer: process 0-30, discovery 0-40, answer 0-30."""

    process: float
    discovery: float
    answer: float
    text: str = ""

    @property
    def total(self) -> float:
        """0 to 100: the three parts added up."""
        return self.process + self.discovery + self.answer


@dataclass(frozen=True, slots=True)
class Path:
    """One root-to-leaf chain. `leaf` is the key of its last node, or None where the file's steps are not in the tree.

    `steps` holds the file's own step texts where they cannot be derived from the nodes; `stated` is the file's score.
    """

    leaf: str | None
    stated: float | None = None
    steps: tuple[str, ...] | None = None
    review: Review | None = None
    patch: Json | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One (preference P, query q). `explanation` says why a generic answer would go wrong."""

    preference: str
    query: str
    topic: str = ""
    split: str = ""
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A scenario with its nodes, in the order of their file, and its finished paths.

    `form` names the format it was read from; the patches of the tree, its nodes and its paths belong to that format.
    """

    scenario: Scenario
    nodes: tuple[Node, ...]
    paths: tuple[Path, ...] = ()
    marks: tuple[str, ...] = ()
    form: str = ""
    patch: Json | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A record of another shape of the field, kept as it came. `form` names the shape, `title` is its first line."""

    form: str
    body: Any
    title: str
    scenario: Scenario | None = None


Record = Tree | Foreign


class Problem(NamedTuple):
    """Something in a file that could not be read: where it stands, which field, and a sentence for a person."""

    where: str
    field: str
    sentence: str


@dataclass(slots=True)
class Counts:
    """Running totals of one import. Mutable on purpose: a stream fills it."""

    records: int = 0
    scenarios: int = 0
    trees: int = 0
    nodes: int = 0
    paths: int = 0
    problems: int = 0
    marks: dict[str, int] = field(default_factory=dict[str, int])


MARKS: Mapping[str, str] = {
    "missing_score": "A step has no score.",
    "score_not_number": "A score is not a number.",
    "score_out_of_range": "A score lies outside -1 to 1 and is treated as unscored.",
    "score_disagrees": "The score field differs from the score written in the critique.",
    "step_label_mismatch": "The number of steps differs from the number of labels.",
    "unreachable": "A node cannot be reached from the root.",
    "placeholder": "A text is a placeholder, not a thought or a critique.",
    "duplicate_thought": "The same thought occurs twice in one tree.",
    "empty_thought": "A step has no text.",
    "path_not_in_tree": "A listed response does not follow any path of the tree.",
}
"""Quality marks: what is odd but readable, with the sentence that explains it."""


def many(count: int, noun: str, nouns: str = "") -> str:
    """`1 tree`, `2 trees`, `3,000 trees`; `nouns` where the plural has no s of its own."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut to at most `limit` characters with an ellipsis."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
