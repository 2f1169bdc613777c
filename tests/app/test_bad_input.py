"""Files that are broken, odd or absurd: one clear sentence each, no crash, no partial row, and the rest is read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.actions.import_data import import_files
from app.context import Context
from app.errors import Refused
from core.types import Tree
from db import scenarios, sets
from db.scenarios import Filter
from tests.app.test_imports import rows_in
from tests.samples import STEP_ROW, deeppref

Write = Callable[[str, object], Path]


def nested(levels: int) -> str:
    """A JSON value nested this deep."""
    return "[" * levels + "]" * levels


def broken(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """A list with one good record and one that was changed."""
    record = deeppref()
    change(record["thought_tree"])
    return [deeppref(), record]


REFUSED: list[tuple[str, object, str]] = [
    ("empty", b"", "The file is empty"),
    ("space", b" \n\n ", "The file is empty"),
    ("bom only", b"\xef\xbb\xbf", "The file is empty"),
    ("wrong format", {"a": 1, "b": 2}, "No known format has this shape (fields: a, b)"),
    ("not json", "hello world\nthis is prose", "This is not valid JSON"),
    ("utf-16", '[{"a": 1}]'.encode("utf-16"), "not UTF-8 text"),
    ("latin-1", b'["caf\xe9"]', "not UTF-8 text"),
    ("binary", bytes(range(256)) * 40, "not UTF-8 text"),
    ("nul bytes", b'["a\x00b"]', "not valid JSON"),
    ("nul escapes", b'["a\\u0000b"]', "NUL character"),
    ("lone surrogate", b'["a\\ud800b"]', "lone surrogate"),
    ("deep nesting", f'[{{"thought_tree": {nested(10_000)}}}]', "nested too deeply"),
    ("huge number", '[{"thought_tree": ' + "9" * 5000 + "}]", "too long to be read"),
    ("cut off", json.dumps([deeppref()])[:200], "cut off"),
    ("array of numbers", [1, 2, 3], "A record is an object or a text"),
    ("parquet that is none", b"PAR1 and nothing more", "The Parquet file cannot be read"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), REFUSED, ids=[item[0] for item in REFUSED])
def test_a_file_without_a_record_is_refused(
    context: Context, write: Write, name: str, content: object, sentence: str
) -> None:
    before = rows_in(context)
    with pytest.raises(Refused) as refusal:
        import_files(context, [write(f"{name}.json", content)])
    assert sentence in str(refusal.value)
    assert rows_in(context) == before
    assert list(context.blobs.digests()) == []


def _drop_root(tree: dict[str, Any]) -> None:
    del tree["0"]


PARTIAL: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("no root", _drop_root, 'There is no node "0"'),
    (
        "points nowhere",
        lambda tree: tree["1"]["children"].append(77),
        "Node 1 points to node '77', which is not in the tree",
    ),
    ("circle", lambda tree: tree["3"]["children"].append(1) or tree["0"]["children"].remove(1), "point in a circle"),
    ("two parents", lambda tree: tree["2"]["children"].append(3), "Node 3 is a child of node 2 and also of node 1"),
    (
        "root as child",
        lambda tree: tree["3"]["children"].append(0),
        "Node 0 is a child of node 3 and also of nothing, as the root",
    ),
    ("itself", lambda tree: tree["3"]["children"].append("3"), "Node 3 is a child of node 3 and also of node 1"),
    ("children text", lambda tree: tree["1"].update(children="3"), "The children of node 1 must be a list"),
    ("child null", lambda tree: tree["1"].update(children=[None]), "Node 1 points to node 'None'"),
    ("node text", lambda tree: tree.update({"1": "x"}), "Node 1 must be an object, not a text"),
    ("thought number", lambda tree: tree["1"].update(thought=5), "The thought of node 1 must be a text, not a number"),
    ("surrogate", lambda tree: tree["1"].update(thought="\ud800"), "lone surrogate"),
]


@pytest.mark.parametrize(("name", "change", "sentence"), PARTIAL, ids=[item[0] for item in PARTIAL])
def test_a_broken_record_becomes_a_problem_and_the_rest_is_read(
    context: Context, write: Write, name: str, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    outcome = import_files(context, [write(f"{name}.json", broken(change))])
    assert outcome.set_id is not None
    assert (outcome.counts.records, outcome.counts.nodes, outcome.counts.problems) == (1, 5, 1)
    ((file, problem),) = sets.problems_of(context.database, outcome.set_id)
    assert (file, problem.where) == (f"{name}.json", "record 2")
    assert sentence in problem.sentence


def test_a_repeated_node_id_is_a_problem(context: Context, write: Write) -> None:
    good = json.dumps(deeppref())
    twice = good.replace('"3": {', '"1": {"thought": "x", "children": []}, "3": {')
    outcome = import_files(context, [write("twice.json", f"[{good}, {twice}, {good}]")])
    assert (outcome.counts.records, outcome.counts.problems) == (2, 1)
    ((_, problem),) = sets.problems_of(context.database, outcome.set_id or 0)
    assert "'1' occurs twice" in problem.sentence


def test_bad_lines_do_not_stop_the_others(context: Context, write: Write) -> None:
    lines = [
        json.dumps(STEP_ROW),
        "{broken",
        "",
        json.dumps(STEP_ROW | {"idx": 8}),
        json.dumps(STEP_ROW)[:-9],
        json.dumps({"a": 1}),
    ]
    outcome = import_files(context, [write("rows.jsonl", "\n".join(lines))])
    assert (outcome.counts.records, outcome.counts.problems) == (2, 3)
    found = sets.problems_of(context.database, outcome.set_id or 0)
    assert [problem.where for _, problem in found] == ["line 2", "line 5", "line 6"]


@pytest.mark.parametrize(
    "score", ["NaN", "Infinity", "-Infinity", "1e999", '"0.8"', '"high"', "1.01", "-3", "true", "[]"]
)
def test_odd_scores_are_marked_and_never_zero(context: Context, write: Write, score: str) -> None:
    record = json.dumps(deeppref()).replace('"score": 0.8,', f'"score": {score},')
    outcome = import_files(context, [write("odd.json", f"[{record}]")])
    assert outcome.counts.problems == 0
    (tree,) = scenarios.records(context.database, outcome.set_id or 0)
    assert isinstance(tree, Tree)
    node = tree.nodes[1]
    assert node.marks
    assert node.score == (0.8 if score == '"0.8"' else None)
    assert bool(node.unscored) == (node.score is None)


def test_a_byte_order_mark_is_no_problem(context: Context, write: Write) -> None:
    outcome = import_files(context, [write("bom.json", b"\xef\xbb\xbf" + json.dumps([deeppref()]).encode())])
    assert (outcome.counts.records, outcome.counts.problems) == (1, 0)


def test_ten_thousand_levels_and_a_huge_thought(context: Context, write: Write) -> None:
    tree: dict[str, Any] = {"0": {"children": [1]}}
    for index in range(1, 10_001):
        tree[str(index)] = {
            "thought": f"level {index}",
            "score": 0.5,
            "children": [index + 1] if index < 10_000 else [],
        }
    tree["10000"]["thought"] = "long " * 40_000
    record = {"initial_question": "q", "user_profile": "p", "thought_tree": tree, "response_list": []}
    outcome = import_files(context, [write("deep.json", [record])])
    assert outcome.counts.nodes == 10_001
    found = scenarios.get(context.database, scenarios.listing(context.database, Filter()).rows[0].id)
    assert found is not None
    assert found.tree is not None
    assert found.tree.nodes[-1].depth == 10_000
    assert len(found.tree.nodes[-1].thought) == 200_000
    from app.views.tree import stored_view

    assert len(json.dumps(stored_view(found))) < 4_000_000
