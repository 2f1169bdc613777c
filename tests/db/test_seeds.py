"""The starter set keeps its promises: topics, personas, scores over the whole scale, critiques, reviews, reasons."""

import json

import pytest

from core.bands import BANDS, band_of
from core.dialogues import dialogue_of
from core.formats import foreign, native
from core.study import leaks
from core.tree import by_key, chain, stats
from core.types import Persona, Tree
from db.seeds import dialogue_files, seed_files


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


def test_dialogues_of_six_users_and_three_systems() -> None:
    found = [json.loads(line) for file in dialogue_files() for line in file.read_text("utf-8").splitlines()]
    assert len(found) == 18
    dialogues = [dialogue_of(foreign.read(record, form)) for record in found if (form := foreign.form_of(record))]
    assert all(dialogue is not None and len(dialogue.turns) == 10 for dialogue in dialogues)
    users = {dialogue.profile_key for dialogue in dialogues if dialogue}
    assert len(users) == 6
    assert {(dialogue.model, dialogue.profile_key) for dialogue in dialogues if dialogue} == {
        (f"System {letter}", user) for letter in "ABC" for user in users
    }
    assert len({dialogue.key for dialogue in dialogues if dialogue}) == 18
    assert not [
        leak
        for dialogue in dialogues
        if dialogue
        for leak in leaks("", dialogue.profile, dialogue.turns, ["System A", "System B", "System C"])
    ]


def test_no_text_occurs_twice() -> None:
    texts = [text for tree in TREES for node in tree.nodes[1:] for text in (node.thought, node.critique)]
    assert len(texts) == len(set(texts))
