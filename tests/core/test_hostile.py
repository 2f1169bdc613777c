"""What a hostile file once did to the readers: each of these hung, crashed, or changed what was stored.

No clock is looked at: with the fault back, a test here takes minutes instead of moments.
"""

import json
from typing import Any

import pytest

from core.formats import deeppref as published
from core.formats import native, steps
from core.formats.reading import Unreadable
from core.formats.registry import EXPORTS, Entry, read_records
from core.parsing import read_reply, strip_step
from core.tree import best_path, by_key
from core.types import ROOT, Node, Path, Problem, Scenario, Tree
from tests.samples import STEP_ROW, deeppref


def read(*values: Any) -> list[Entry | Problem]:
    """All entries of a file with these records."""
    return list(read_records([json.dumps(list(values)).encode()]))


@pytest.mark.parametrize(
    "text",
    [
        "SCORE:" + " " * 200_000 + "x",
        " " * 200_000 + "x",
        "*" * 200_000,
        "score " * 100_000,
        "SCORE: 1" * 50_000,
        "SCORE:" + "*" * 200_000,
        "Reasoning" + " " * 200_000 + "x",
        "Step " + "1" * 200_000,
        "Step" + " " * 200_000,
    ],
    ids=lambda text: text[:12],
)
def test_replies_are_read_in_linear_time(text: str) -> None:
    read_reply(text)
    strip_step(text)


@pytest.mark.parametrize(
    "content",
    [
        b'{"prompt":"a"}\n' + b"x\n" * 200_000,
        b"[" + b"x," * 200_000,
        b"[" + b'{"a": "\\q"},' * 100_000 + b"]",
        b'{"prompt":"a"}\n' + b'{"a": "\n' * 100_000,
        b"[" * 3_000_000,
        b'{"a":' * 300_000,
        b'["' + b"a" * 20_000_000,
        b"{" + b'"a":1,' * 300_000 + b"}",
    ],
    ids=lambda content: content[:14].decode(),
)
def test_broken_files_are_read_in_linear_time(content: bytes) -> None:
    found = list(read_records(content[i : i + (1 << 20)] for i in range(0, len(content), 1 << 20)))
    assert any(isinstance(item, Problem) for item in found)


def test_many_equal_leaves_and_many_paths() -> None:
    count = 8000
    tree: dict[str, Any] = {"0": {"children": list(range(1, count + 1))}}
    for index in range(1, count + 1):
        tree[str(index)] = {"thought": "the same thought", "score": 0.5, "reasoning": "", "children": []}
    responses = [{"response": ["Step 1: the same thought"], "score": 0.5}] * count
    found = published.read(
        {"initial_question": "q", "user_profile": "p", "thought_tree": tree, "response_list": responses}
    )
    assert {path.leaf for path in found.paths} == {"1"}
    nodes = [Node(ROOT, None, "root", 0, "q")]
    nodes += [Node(str(i), str(i - 1), "thought", i, "t", score=0.5) for i in range(1, count + 1)]
    best = best_path(by_key(nodes), [Path(str(count))] * count)
    assert best is not None
    assert best.score.total == count / 2


BASE: dict[str, Any] = {
    "kind": "tree",
    "scenario": {"preference": "p", "query": "q"},
    "nodes": [{"id": "1", "parent": "0", "thought": "t"}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"marks": [{}]},
        {"marks": [1, "a"]},
        {"marks": ["a b"]},
        {"marks": [""]},
        {"patch": "x"},
        {"patch": {"drop": 5}},
        {"patch": {"drop": [1]}},
        {"patch": {"set": 3}},
        {"patch": {"other": {}}},
        {"paths": [{"leaf": "1", "stated": 2**70}]},
        {"paths": [{"leaf": "1", "patch": "x"}]},
        {"nodes": [{"id": "0", "thought": "t", "score": 0.9}]},
        {"nodes": [{"id": "0", "kind": "thought", "thought": "t"}]},
        {"nodes": [{"id": "9", "kind": "root", "thought": "t"}]},
        {"nodes": [{"id": "", "parent": "0", "thought": "t"}]},
        {"nodes": [{"id": "x" * 300, "parent": "0", "thought": "t"}]},
        {"nodes": [{"id": "1", "parent": "0", "thought": "t", "patch": []}]},
        {"nodes": [{"id": "1", "parent": "0", "thought": "t", "persona": "<b>"}]},
    ],
    ids=str,
)
def test_absurd_records_of_our_own_format_are_problems(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        native.read(BASE | change)
    (found,) = read(BASE | change)
    assert isinstance(found, Problem)


@pytest.mark.parametrize("literal", ["1e400", "-1e999"])
def test_numbers_too_large_stay_text_and_never_become_infinity(literal: str) -> None:
    record = json.dumps(deeppref(extra="HERE")).replace('"HERE"', literal)
    (entry,) = read_records([f"[{record}]".encode()])
    assert isinstance(entry, Entry)
    for export in ("deeppref", "subtext"):
        text = json.dumps(EXPORTS[export].rows(entry.record, 1), allow_nan=False)
        assert json.dumps(literal) in text


def test_an_empty_critique_stays_empty() -> None:
    record = deeppref()
    record["thought_tree"]["1"]["reasoning"] = ""
    back = native.read(json.loads(json.dumps(native.write(published.read(record)))))
    assert isinstance(back, Tree)
    assert published.write(back) == record
    row = STEP_ROW | {"label": [{"critique": "", "score": 0.8}, STEP_ROW["label"][1]]}
    assert steps.write(native.read(native.write(steps.read(row))), 1) == [row]  # type: ignore[arg-type]


def test_true_is_not_one() -> None:
    record = deeppref()
    record["response_list"][0]["score"] = True
    record["thought_tree"]["1"]["score"] = False
    again = published.write(published.read(record))
    assert again["response_list"][0]["score"] is True
    assert again["thought_tree"]["1"]["score"] is False
    (row,) = steps.write(steps.read(STEP_ROW | {"idx": False}), 1)
    assert row["idx"] is False


def test_the_root_may_stand_anywhere() -> None:
    record = deeppref()
    root = record["thought_tree"].pop("0")
    record["thought_tree"]["0"] = root | {"thought": record["initial_question"], "score": None, "reasoning": ""}
    tree = published.read(record)
    assert native.read(native.write(tree)) == tree


def test_all_paths_of_a_tree_with_a_foreign_form_are_exported() -> None:
    tree = Tree(
        Scenario("p", "q"),
        (
            Node(ROOT, None, "root", 0, "q"),
            Node("1", "0", "thought", 1, "a", score=0.5),
            Node("2", "0", "thought", 1, "b", score=0.1),
        ),
        (Path("1"), Path("2")),
        form="deeppref_steps",
    )
    assert len(steps.write(tree, 1)) == 2


@pytest.mark.parametrize("key", ["1" * 5000, "²", "٣", "01", "-1"])
def test_odd_digits_in_ids(key: str) -> None:
    record = deeppref()
    record["thought_tree"][key] = {"thought": "t" * 30, "score": 0.1, "reasoning": "r" * 30, "children": []}
    (found,) = read(record)
    if isinstance(found, Entry):
        assert EXPORTS["deeppref"].rows(found.record, 1) == [record]
    else:
        assert "200 characters" in found.sentence


def test_odd_digits_in_ratings() -> None:
    for turn in ("²", "1" * 5000):
        record = {
            "id": "d",
            "fields": {},
            "responses": {f"d_{turn}": [{"user_id": "r", "value": 1, "status": "submitted"}]},
        }
        (found,) = read(record)
        assert isinstance(found, Entry)
        assert EXPORTS["ratings"].rows(found.record, 1)


def test_bad_characters_in_keys() -> None:
    (found,) = read_records([b'[{"\\ud800": "\\ud800x", "prompt": "a"}]'])
    assert isinstance(found, Problem)
    found.sentence.encode()
    found.field.encode()


def test_deep_nesting_and_long_names_in_problems() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    (found,) = read({"prompt": "a", "extra": deep})
    assert found == Problem("record 1", "", "The record is nested more than 60 levels deep.")
    record = deeppref()
    record["thought_tree"]["1"]["children"] = ["k" * 5_000_000]
    (long,) = read(record)
    assert isinstance(long, Problem)
    assert len(long.sentence) <= 600
