"""Questions about a tree: children, path, R(tau), best path, statistics. Pure; every walk is iterative."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.types import ROOT, Node, Path


def by_key(nodes: Iterable[Node]) -> dict[str, Node]:
    """Nodes by key."""
    return {node.key: node for node in nodes}


def chain(nodes: dict[str, Node], leaf: str) -> list[Node]:
    """The nodes from below the root down to `leaf`. Raises KeyError when `leaf` is not in the tree."""
    found: list[Node] = []
    node: Node | None = nodes[leaf]
    while node is not None and node.key != ROOT:
        found.append(node)
        node = nodes.get(node.parent) if node.parent is not None else None
    return found[::-1]


def depths_of(keys: Iterable[str], parents: Mapping[str, str]) -> dict[str, int]:
    """Depth by key: 0 for nodes without a parent. Raises ValueError, with the key, where the parents run in a circle."""
    keys = list(keys)
    depths: dict[str, int] = {}
    for key in keys:
        walk = [key]
        while walk[-1] not in depths and walk[-1] in parents:
            walk.append(parents[walk[-1]])
            if len(walk) > len(keys) + 1:
                raise ValueError(key)
        base = depths.setdefault(walk.pop(), 0)
        for step in reversed(walk):
            base += 1
            depths[step] = base
    return depths


class PathScore(NamedTuple):
    """R(tau) = sum of the scored steps; `unscored` steps are outside the sum and counted here."""

    total: float
    scored: int
    unscored: int


def path_score(steps: Sequence[Node]) -> PathScore:
    """R(tau) of a root-to-leaf chain (CDRA paper, section 2.3)."""
    scores = [step.score for step in steps if step.score is not None]
    return PathScore(round(math.fsum(scores), 10), len(scores), len(steps) - len(scores))


class Best(NamedTuple):
    """The path with the highest R(tau): its leaf and its score."""

    leaf: str
    score: PathScore


def best_path(nodes: dict[str, Node], paths: Sequence[Path]) -> Best | None:
    """The finished path with the highest R(tau); the first one wins a tie; None without a finished path in the tree.

    One pass over the tree, whatever the number of paths: each node's sum is its parent's plus its own score.
    """
    sums: dict[str, PathScore] = {}
    best: Best | None = None
    for path in paths:
        if path.leaf is None or path.leaf not in nodes:
            continue
        score = _sum_to(nodes, path.leaf, sums)
        if score.scored and (best is None or score.total > best.score.total):
            best = Best(path.leaf, score)
    return best


def _sum_to(nodes: dict[str, Node], leaf: str, sums: dict[str, PathScore]) -> PathScore:
    """R(tau) down to a node, remembering the sums on the way."""
    walk: list[Node] = []
    node: Node | None = nodes[leaf]
    while node is not None and node.key != ROOT and node.key not in sums:
        walk.append(node)
        node = nodes.get(node.parent) if node.parent is not None else None
    total, scored, unscored = sums[node.key] if node is not None and node.key != ROOT else (0.0, 0, 0)
    for step in reversed(walk):
        total, scored = (total + step.score, scored + 1) if step.score is not None else (total, scored)
        unscored += step.score is None
        sums[step.key] = PathScore(total, scored, unscored)
    return PathScore(round(total, 10), scored, unscored)


class TreeStats(NamedTuple):
    """What lists and facets need. `nodes` counts the root; everything else is about the scored steps below it."""

    nodes: int
    depth: int
    pruned: int
    unscored: int
    low: float | None
    high: float | None


def stats(nodes: Iterable[Node]) -> TreeStats:
    """Counts, deepest level and score range of a tree."""
    nodes = tuple(nodes)
    steps = [node for node in nodes if node.kind != "root"]
    scores = [node.score for node in steps if node.score is not None]
    return TreeStats(
        nodes=len(nodes),
        depth=max((node.depth for node in steps), default=0),
        pruned=sum(1 for node in steps if node.pruned),
        unscored=len(steps) - len(scores),
        low=min(scores, default=None),
        high=max(scores, default=None),
    )
