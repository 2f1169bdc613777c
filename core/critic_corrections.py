"""People's checks as labels of a critic's training data: several checks of a step into one label, labels into trees.

Pure; knows checks and trees, not where either is kept. A label belongs to a step by its key and the digest of everything that was
judged, so a step that was changed since does not inherit one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.checks import Check, Judged, digest, judged_of, label_of
from core.tree import by_key
from core.types import Node, Tree

WRONG = "People judged this critique wrong, and nobody wrote what is right."
HALF = "People judged this critique wrong and corrected only a part of it."


class Said(NamedTuple):
    """What one person said of a step that was judged; `digest` is that of `judged`."""

    digest: str
    judged: Judged
    check: Check


class Given(NamedTuple):
    """What holds of one step after everybody's checks: score in [-1, 1] and critique, None where people left it open.

    `corrected`: somebody wrote a score or a critique. `disputed`: one judged it wrong, another did not.
    """

    score: float | None
    critique: str | None
    corrected: bool = False
    disputed: bool = False

    @property
    def whole(self) -> bool:
        """Whether there is both to train on."""
        return self.score is not None and bool(self.critique)


class Counts(NamedTuple):
    """Steps by what people's checks did: `labels` are trained on as people left them, `corrected` of these otherwise than before;
    `left_out` have no label after a check; `disputed` of all these were judged differently by several; `stale` were changed since
    they were checked, or are gone, and keep the label they have."""

    labels: int
    corrected: int
    left_out: int
    disputed: int
    stale: int


def given(said: Sequence[Said]) -> Given | None:
    """One label from the checks of one step, oldest first; None where they say too little, as *partly* without a correction.

    The score is the mean of those who gave one, in two decimals where they differ; *agree* gives the score that was judged. The
    critique is the newest corrected one, else the one that was judged where somebody keeps it (`core.checks.label_of`).
    """
    wrong = [one.check.verdict == "wrong" for one in said]
    labels = [label_of(one.judged, one.check) for one in said]
    scores = [label.score for label in labels if label.score is not None]
    texts = [one.check.critique for one in said if one.check.critique is not None]
    texts = texts or [label.critique for label in labels if label.critique is not None]
    if not any(wrong) and not (scores and texts):
        return None
    alike = len(set(scores)) == 1
    score = scores[0] if alike else round(sum(scores) / len(scores), 2) + 0.0 if scores else None
    touched = any(one.check.score is not None or one.check.critique is not None for one in said)
    return Given(score, texts[-1] if texts else None, touched, any(wrong) and not all(wrong))


def gather(said: Iterable[tuple[str, Said]]) -> dict[tuple[str, str], Given]:
    """Labels of one tree by (node key, digest), from (node key, what somebody said), oldest first."""
    steps: dict[tuple[str, str], list[Said]] = {}
    for key, one in said:
        steps.setdefault((key, one.digest), []).append(one)
    found = {step: given(checks) for step, checks in steps.items()}
    return {step: label for step, label in found.items() if label is not None}


def correct(tree: Tree, labels: Mapping[tuple[str, str], Given]) -> tuple[Tree, Counts]:
    """The tree with people's labels in place of its own, and how many steps they concern.

    A step that people left without a label is unscored with the reason; its thought stays, as a step before others.
    """
    nodes = by_key(tree.nodes)
    now: dict[str, str] = {}
    for key in {key for key, _ in labels}:
        judged = judged_of(tree.scenario, nodes, key)
        if judged is not None:
            now[key] = digest(judged)
    held = {key: label for (key, seen), label in labels.items() if now.get(key) == seen}
    made = tuple(_corrected(node, held[node.key]) if node.key in held else node for node in tree.nodes)
    whole = [label for label in held.values() if label.whole]
    counts = Counts(
        len(whole),
        sum(label.corrected for label in whole),
        len(held) - len(whole),
        sum(label.disputed for label in held.values()),
        len({key for key, _ in labels} - held.keys()),
    )
    return Tree(tree.scenario, made, tree.paths, tree.marks, tree.form, tree.patch), counts


def _corrected(node: Node, label: Given) -> Node:
    if label.whole:
        return node._replace(score=label.score, critique=label.critique or "", unscored="")
    return node._replace(score=None, unscored=WRONG if label.score is None and label.critique is None else HALF)


def total(counts: Iterable[Counts]) -> Counts:
    """The sums over trees."""
    return Counts(*(sum(column) for column in zip(Counts(0, 0, 0, 0, 0), *counts, strict=True)))
