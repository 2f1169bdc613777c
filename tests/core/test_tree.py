"""Paths, R(tau), the best path and depths, on Figure 16's numbers and on trees made to be awkward."""

import pytest

from core.formats import deeppref as published
from core.tree import best_path, by_key, chain, depths_of, path_score, stats
from core.types import Node
from tests.samples import deeppref


def test_path_and_sum() -> None:
    tree = published.read(deeppref())
    known = by_key(tree.nodes)
    assert [node.key for node in chain(known, "3")] == ["1", "3"]
    assert path_score(chain(known, "3")) == (1.5, 2, 0)
    best = best_path(known, tree.paths)
    assert best is not None
    assert (best.leaf, best.score.total) == ("3", 1.5)
    assert stats(tree.nodes) == (5, 2, 0, 0, -0.9, 0.8)


def test_unscored_steps_stay_outside_the_sum() -> None:
    steps = [
        Node("1", "0", "thought", 1, "a", score=0.5),
        Node("2", "1", "thought", 2, "b", unscored="the call failed"),
    ]
    assert path_score(steps) == (0.5, 1, 1)


def test_the_sum_of_decimals_is_the_decimal_a_person_expects() -> None:
    scores = (0.78, 0.87, 0.85, 0.87, 0.87)
    assert path_score([Node(str(i), None, "thought", i, "", score=s) for i, s in enumerate(scores)]).total == 4.24


def test_a_path_without_any_score_is_never_the_best() -> None:
    record = deeppref()
    for key in ("1", "3"):
        record["thought_tree"][key] |= {"score": None, "reasoning": ""}
    tree = published.read(record)
    best = best_path(by_key(tree.nodes), tree.paths)
    assert best is not None
    assert best.leaf == "4"


def test_depths_of_a_very_deep_chain_and_of_a_circle() -> None:
    parents = {str(i): str(i - 1) for i in range(1, 20_001)}
    assert depths_of([str(i) for i in range(20_001)], parents)["20000"] == 20_000
    with pytest.raises(ValueError, match="c"):
        depths_of(["c", "a", "b"], {"a": "b", "b": "a", "c": "a"})
