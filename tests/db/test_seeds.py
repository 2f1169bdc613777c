"""The starter set keeps its promises: topics, personas, scores over the whole scale, critiques, reviews, reasons."""

import json

import pytest

from core.bands import BANDS, band_of
from core.formats import native
from core.tree import by_key, chain, stats
from core.types import Persona, Tree
from db.seeds import seed_files


def seed_trees() -> list[Tree]:
    """All trees of the starter set."""
    found = [native.read(json.loads(file.read_text("utf-8"))) for file in seed_files()]
    return [tree for tree in found if isinstance(tree, Tree)]


TREES = seed_trees()


def test_twenty_topics_in_three_splits() -> None:
    assert len({tree.scenario.topic for tree in TREES}) == len(TREES) == 20
    assert {tree.scenario.split for tree in TREES} == {"train", "validation", "test"}


def test_scores_use_the_whole_scale() -> None:
    keys = {band_of(node.score).key for tree in TREES for node in tree.nodes if node.score is not None}
    assert {band.key for band in BANDS} - keys <= {"revolutionary"}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.scenario.topic)
def test_each_tree(tree: Tree) -> None:
    known, children = by_key(tree.nodes), {node.parent for node in tree.nodes}
    summary = stats(tree.nodes)
    assert summary.nodes >= 12
    assert 3 <= summary.depth <= 5
    assert summary.unscored == 0
    assert tree.marks == ()
    assert {node.persona for node in tree.nodes if node.depth == 1} == set(Persona)
    assert any(node.score is not None and node.score < 0 for node in tree.nodes)
    for node in tree.nodes[1:]:
        assert len(node.critique.split()) >= 20
        assert bool(node.pruned) == bool(node.prune_detail)
        assert not (node.pruned and node.key in children)
        assert (node.kind == "answer") == (node.key not in children and not node.pruned)
    answers = {node.key for node in tree.nodes if node.kind == "answer"}
    assert {path.leaf for path in tree.paths} == answers
    assert all(path.review is not None and 0 < path.review.total <= 100 for path in tree.paths)
    assert all(not node.pruned for leaf in answers for node in chain(known, leaf))


def test_no_text_occurs_twice() -> None:
    texts = [text for tree in TREES for node in tree.nodes[1:] for text in (node.thought, node.critique)]
    assert len(texts) == len(set(texts))
