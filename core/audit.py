"""Council audit: what each persona contributed to stored trees, and what would be missing without it. Pure; reads trees only."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.similarity import nearest
from core.tree import best_path, by_key, chain
from core.types import Node, Persona, Tree

NOBODY = "unknown"
"""Stands for steps that do not say who proposed them."""


class Share(NamedTuple):
    """One persona over a set of trees.

    `proposals` steps, and their `share` of all; `survival`[d - 1] = share of its steps at depth d that were not cut (None without
    any); `scored` mean step score; `on_best` steps on best paths, and their share of all steps there; `redundancy` mean largest
    overlap of a step's words with a sibling's; `loss` = mean drop of R(tau) of the best path when no path may go through this
    persona, over the `counted` trees that keep a path; `blocked` trees that keep none.
    """

    persona: str
    proposals: int
    share: float
    survival: tuple[float | None, ...]
    scored: float | None
    on_best: int
    best_share: float
    redundancy: float | None
    loss: float | None
    counted: int
    blocked: int


class _Sums:
    """Running sums of one persona. Mutable on purpose."""

    def __init__(self) -> None:
        self.depths: dict[int, list[bool]] = {}
        self.scores: list[float] = []
        self.near: list[float] = []
        self.losses: list[float] = []
        self.on_best = 0
        self.blocked = 0

    def proposals(self) -> int:
        """Steps proposed."""
        return sum(len(one) for one in self.depths.values())


def audit(trees: Iterable[Tree]) -> list[Share]:
    """Every persona's share, in the council's order; steps without a persona last. Empty without any step."""
    sums: dict[str, _Sums] = {}
    for tree in trees:
        _add(tree, sums)
    total = sum(one.proposals() for one in sums.values())
    best = sum(one.on_best for one in sums.values())
    order = [*(str(persona) for persona in Persona), NOBODY]
    named = sorted(sums, key=lambda name: order.index(name) if name in order else len(order))
    return [_share(name, sums[name], total, best) for name in named]


def _add(tree: Tree, sums: dict[str, _Sums]) -> None:
    nodes = by_key(tree.nodes)
    thoughts = [node for node in tree.nodes if node.kind == "thought"]
    siblings: dict[str | None, list[Node]] = {}
    for node in thoughts:
        siblings.setdefault(node.parent, []).append(node)
    found = best_path(nodes, tree.paths)
    on_best = {node.key for node in chain(nodes, found.leaf)} if found else set[str]()
    for node in thoughts:
        own = sums.setdefault(node.persona or NOBODY, _Sums())
        own.depths.setdefault(node.depth, []).append(not node.pruned)
        if node.score is not None:
            own.scores.append(node.score)
        others = [other.thought for other in siblings[node.parent] if other.key != node.key]
        if others:
            own.near.append(nearest(node.thought, others))
        own.on_best += node.key in on_best
    if found:
        for name in {node.persona or NOBODY for node in thoughts}:
            _without(tree, nodes, name, found.score.total, sums[name])


def _without(tree: Tree, nodes: dict[str, Node], name: str, total: float, own: _Sums) -> None:
    kept = [path for path in tree.paths if path.leaf in nodes and name not in _speakers(chain(nodes, path.leaf))]
    other = best_path(nodes, kept)
    if other is None:
        own.blocked += 1
    else:
        own.losses.append(total - other.score.total)


def _speakers(steps: Iterable[Node]) -> set[str]:
    return {node.persona or NOBODY for node in steps if node.kind == "thought"}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(name: str, own: _Sums, total: int, best: int) -> Share:
    deepest = max(own.depths)
    survival = tuple(_mean(own.depths[depth]) if depth in own.depths else None for depth in range(1, deepest + 1))
    return Share(
        name,
        own.proposals(),
        own.proposals() / total,
        survival,
        _mean(own.scores),
        own.on_best,
        own.on_best / best if best else 0.0,
        _mean(own.near),
        _mean(own.losses),
        len(own.losses),
        own.blocked,
    )
