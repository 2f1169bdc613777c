"""A stored tree as the JSON the tree page draws. Bounded: texts are cut and said to be cut, and so are huge trees."""

from typing import Any

from core.bands import band_of
from core.formats.foreign import turns
from core.tree import best_path, by_key, chain, path_score, stats
from core.types import MARKS, Foreign, Node, Path, Tree, shorten
from db.scenarios import Stored

NODES_DRAWN = 2000
TEXT_BUDGET = 1_500_000
TEXT_LIMIT = 4000


def stored_view(stored: Stored) -> dict[str, Any]:
    """Everything the page shows of one scenario."""
    scenario = stored.scenario
    view: dict[str, Any] = {
        "id": stored.id,
        "set": {"id": stored.set_id, "name": stored.set_name, "version": stored.set_version, "sample": stored.sample},
        "position": stored.position,
        "file": stored.file,
        "form": stored.form,
        "preference": shorten(scenario.preference, 20_000),
        "query": shorten(scenario.query, 20_000),
        "topic": scenario.topic,
        "split": scenario.split,
        "explanation": shorten(scenario.explanation, 20_000),
        "growing": stored.growing,
        "tree": None if stored.tree is None else tree_view(stored.tree),
    }
    return view | ({} if stored.foreign is None else {"talk": talk_view(stored.foreign)})


def talk_view(record: Foreign) -> list[dict[str, str]]:
    """The conversation of a record without a tree, as role and text."""
    return [{"role": role, "text": text[:TEXT_LIMIT]} for role, text in turns(record)[:200]]


def tree_view(tree: Tree) -> dict[str, Any]:
    """Nodes, paths and summary of a tree."""
    known = by_key(tree.nodes)
    best = best_path(known, tree.paths)
    drawn = _drawn(tree.nodes)
    limit = max(120, min(TEXT_LIMIT, TEXT_BUDGET // max(1, 2 * len(drawn))))
    return {
        "nodes": [node_view(node, limit) for node in drawn],
        "hidden": len(tree.nodes) - len(drawn),
        "paths": [path_view(path, known) for path in tree.paths[:200]],
        "best": best.leaf if best else None,
        "stats": stats(tree.nodes)._asdict(),
        "marks": [{"key": mark, "text": MARKS.get(mark, mark)} for mark in tree.marks],
    }


def _drawn(nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes to draw: all, or in a huge tree those nearest to the root."""
    if len(nodes) <= NODES_DRAWN:
        return list(nodes)
    return sorted(nodes, key=lambda node: node.depth)[:NODES_DRAWN]


def node_view(node: Node, limit: int) -> dict[str, Any]:
    """One node. Fields that are empty are left out; `cut` says that a text goes on (the node's own address has it all)."""
    view: dict[str, Any] = {
        "key": node.key,
        "parent": node.parent,
        "kind": node.kind,
        "depth": node.depth,
        "thought": node.thought[:limit],
        "critique": node.critique[:limit],
        "score": node.score,
        "band": None if node.score is None else band_of(node.score).key,
        "unscored": node.unscored,
        "persona": node.persona,
        "pruned": node.pruned,
        "detail": node.prune_detail[:400],
        "marks": [{"key": mark, "text": MARKS.get(mark, mark)} for mark in node.marks],
        "cut": len(node.thought) > limit or len(node.critique) > limit,
    }
    return {key: value for key, value in view.items() if key in ("thought", "score") or not _empty(value)}


def _empty(value: object) -> bool:
    return value is False or value == "" or value == []


def path_view(path: Path, known: dict[str, Node]) -> dict[str, Any]:
    """One finished path with R(tau) and its review."""
    view: dict[str, Any] = {"leaf": path.leaf, "stated": path.stated}
    if path.leaf is not None and path.leaf in known:
        total, scored, unscored = path_score(chain(known, path.leaf))
        view |= {"total": total, "scored": scored, "unscored": unscored}
    elif path.steps is not None:
        view["steps"] = [step[:TEXT_LIMIT] for step in path.steps[:50]]
    if path.review is not None:
        review = path.review
        parts = {"process": review.process, "discovery": review.discovery, "answer": review.answer}
        view["review"] = parts | {"total": review.total, "text": review.text[:TEXT_LIMIT]}
    return view


def full_node(tree: Tree, key: str) -> dict[str, Any] | None:
    """One node with its whole texts, its raw reply and what its file said differently; None when it is not there."""
    node = by_key(tree.nodes).get(key)
    if node is None:
        return None
    return node_view(node, len(node.thought) + len(node.critique) + 1) | {"reply": node.reply, "patch": node.patch}
