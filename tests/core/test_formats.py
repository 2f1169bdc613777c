"""Every format is recognised by content, read, and written again as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.formats import deeppref as published
from core.formats import native, steps
from core.formats.reading import Unreadable
from core.formats.registry import EXPORTS, LABELS, Entry, detect, read_records
from core.tree import by_key, chain, path_score
from core.types import Foreign, Problem, Record, Tree
from tests.samples import FOREIGN, STEP_ROW, deeppref, trees


def read_one(value: Any) -> Record:
    """The only record in a file that holds this value."""
    (entry,) = read_records([json.dumps([value]).encode()])
    assert isinstance(entry, Entry), entry
    return entry.record


@pytest.mark.parametrize("form", FOREIGN)
def test_foreign_shapes_are_recognised_and_written_as_they_came(form: str) -> None:
    record = read_one(FOREIGN[form])
    assert isinstance(record, Foreign)
    assert record.form == form
    assert EXPORTS[form].rows(record, 1) == [FOREIGN[form]]
    assert native.read(json.loads(json.dumps(native.write(record)))) == record


def test_all_foreign_shapes_are_tried() -> None:
    assert set(FOREIGN) | {"subtext", "deeppref", "deeppref_steps"} == set(LABELS)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"more": {"kept": [1, None]}},
        {"response_list": []},
        {"response_list": [{"response": ["Step 1: something else"], "score": "high", "judge": "x"}]},
        {"response_list": [{"response": [], "score": None}]},
    ],
)
def test_deeppref_records_come_out_as_they_went_in(change: dict[str, Any]) -> None:
    record = deeppref(**change)
    assert published.write(published.read(record)) == record


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", None), ("score", "0.5"), ("score", "high"), ("score", 1.7), ("score", True), ("score", [1]), ("score", -0.0),
        ("score", 1), ("reasoning", None), ("reasoning", "**Reasoning:** x **SCORE:** 0.1"), ("thought", ""), ("thought", None),
        ("thought", "Final Answer Node."), ("children", ["3"]), ("children", [3]), ("step", 4), ("reasoning", "SCORE: 0.8"),
    ],
)  # fmt: skip
def test_odd_nodes_come_out_as_they_went_in(field: str, value: Any) -> None:
    record = deeppref()
    record["thought_tree"]["1"][field] = value
    assert published.write(published.read(record)) == record


def test_missing_node_fields_stay_missing() -> None:
    record = deeppref()
    del record["thought_tree"]["3"]["children"], record["thought_tree"]["3"]["score"]
    assert published.write(published.read(record)) == record


@pytest.mark.parametrize(
    ("value", "score", "mark"),
    [
        (None, 0.8, ""), ("0.8", 0.8, "score_not_number"), ("high", None, "score_not_number"), (1.7, None, "score_out_of_range"),
        (True, None, "score_not_number"), ("NaN", None, "score_not_number"), (10**400, None, "score_not_number"),
        (0.1, 0.1, "score_disagrees"),
    ],
)  # fmt: skip
def test_scores_are_never_invented(value: Any, score: float | None, mark: str) -> None:
    record = deeppref()
    record["thought_tree"]["1"]["score"] = value
    node = by_key(published.read(record).nodes)["1"]
    assert node.score == score
    assert node.marks == ((mark,) if mark else ())
    assert bool(node.unscored) == (score is None)


def test_a_node_without_any_score_is_unscored_with_a_reason() -> None:
    record = deeppref()
    record["thought_tree"]["1"] |= {"score": None, "reasoning": "The call failed."}
    node = by_key(published.read(record).nodes)["1"]
    assert (node.score, node.unscored, node.marks) == (None, "the file has no score", ("missing_score",))


def test_quality_marks() -> None:
    record = deeppref()
    tree = record["thought_tree"]
    tree["9"] = {"thought": tree["1"]["thought"], "score": 0.1, "reasoning": "Final Answer Node.", "children": []}
    record["response_list"][0]["response"].append("Step 3: not in the tree")
    found = published.read(record)
    assert set(by_key(found.nodes)["9"].marks) == {"unreachable", "placeholder", "duplicate_thought"}
    assert set(found.marks) == {"unreachable", "placeholder", "duplicate_thought", "path_not_in_tree"}
    assert published.write(found) == record


def test_step_rows() -> None:
    tree = steps.read(STEP_ROW)
    assert [node.score for node in tree.nodes] == [None, 0.8, 0.6]
    assert path_score(chain(by_key(tree.nodes), "2")).total == 1.4
    assert steps.write(tree, 1) == [STEP_ROW]
    odd = STEP_ROW | {"label": STEP_ROW["label"][:1], "more": 1}
    read = steps.read(odd)
    assert set(read.marks) == {"step_label_mismatch", "missing_score"}
    assert steps.write(read, 1) == [odd]


def test_step_rows_from_a_tree_hold_every_finished_path() -> None:
    rows = steps.write(published.read(deeppref()), 5)
    assert [row["final_score"] for row in rows] == [1.5, -1.15]
    assert all(row["idx"] == 5 and len(row["label"]) == 2 for row in rows)
    assert [steps.read(row).marks for row in rows] == [(), ()]


@given(trees())
@settings(max_examples=150, deadline=None)
def test_our_own_format_gives_every_tree_back(tree: Tree) -> None:
    assert native.read(json.loads(json.dumps(native.write(tree)))) == tree


@given(trees())
@settings(max_examples=150, deadline=None)
def test_a_tree_written_as_deeppref_keeps_its_structure_and_scores(tree: Tree) -> None:
    back = published.read(json.loads(json.dumps(published.write(tree))))
    assert [(n.key, n.parent, n.thought) for n in back.nodes] == [(n.key, n.parent, n.thought) for n in tree.nodes]
    plain = [
        (n.score, m.score)
        for n, m in zip(tree.nodes, back.nodes, strict=True)
        if n.reply is None and "SCORE" not in n.critique.upper()
    ]
    assert all(ours == theirs for ours, theirs in plain)
    assert published.read(published.write(back)) == back


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_keys = st.sampled_from(
    [
        "thought_tree",
        "initial_question",
        "user_profile",
        "response_list",
        "children",
        "0",
        "1",
        "score",
        "reasoning",
        "thought",
    ]
    + [
        "process",
        "label",
        "preference",
        "question",
        "kind",
        "nodes",
        "record",
        "form",
        "scenario",
        "prompt",
        "chosen",
        "rejected",
    ]
    + [
        "id",
        "parent",
        "conversations",
        "profile",
        "personality",
        "completions",
        "labels",
        "messages",
        "paths",
        "leaf",
        "review",
    ]
)
_likely = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.floats()
    | st.sampled_from(["0", "1", "tree", "foreign", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=6),
    max_leaves=25,
)


_samples = [*FOREIGN.values(), STEP_ROW, deeppref(), native.write(published.read(deeppref()))]
_known = st.sampled_from(_samples).flatmap(
    lambda record: st.tuples(st.just(record), st.dictionaries(_keys, _likely, max_size=3))
)
_spoiled = _known.map(lambda pair: pair[0] | pair[1] if isinstance(pair[0], dict) else pair[0])


@given(_json | _likely | st.tuples(st.sampled_from(_samples), _likely | _spoiled).map(list))
@settings(max_examples=1200, deadline=None)
def test_arbitrary_json_never_raises(value: Any) -> None:
    for item in read_records([json.dumps(value).encode()]):
        if isinstance(item, Entry):
            for export in EXPORTS.values():
                export.rows(item.record, 1)
        else:
            assert item.sentence.endswith((".", "…")), item


@given(st.binary(max_size=200), st.integers(1, 9))
@settings(max_examples=400, deadline=None)
def test_arbitrary_bytes_never_raise(content: bytes, size: int) -> None:
    list(read_records(content[i : i + size] for i in range(0, len(content), size)))


@pytest.mark.parametrize("value", [3, True, None, [1], {}, {"a": 1}])
def test_unknown_shapes_have_no_format(value: Any) -> None:
    assert detect(value) is None


def test_trl_rows_from_a_tree() -> None:
    tree = published.read(deeppref())
    prompt = "User preference: I do not share my live location.\nQuestion: How do I keep my family updated?"
    (pair,) = EXPORTS["trl_preference"].rows(tree, 1)
    assert pair["prompt"] == prompt  # type: ignore[index]
    assert pair["chosen"].startswith("Step 1: The user may want to decide alone")  # type: ignore[index]
    assert [row["labels"] for row in EXPORTS["trl_stepwise"].rows(tree, 1)] == [[0.8, 0.7], [-0.25, -0.9]]  # type: ignore[index]
    unscored = deeppref()
    unscored["thought_tree"]["1"] |= {"score": None, "reasoning": ""}
    assert [r["labels"] for r in EXPORTS["trl_stepwise"].rows(published.read(unscored), 1)] == [[-0.25, -0.9]]  # type: ignore[index]


def test_ratings_change_shape_and_come_back() -> None:
    for form in ("ratings_argilla", "ratings_label_studio"):
        (row,) = EXPORTS[form].rows(read_one(FOREIGN["ratings"]), 1)
        assert EXPORTS["ratings"].rows(read_one(row), 1) == [FOREIGN["ratings"]]
    skipped = FOREIGN["ratings"] | {"value": None, "status": "discarded"}
    for form in ("ratings_argilla", "ratings_label_studio"):
        (row,) = EXPORTS[form].rows(read_one(skipped), 1)
        assert EXPORTS["ratings"].rows(read_one(row), 1) == [skipped]


def test_a_row_with_fewer_labels_than_completions_is_refused() -> None:
    with pytest.raises(Unreadable, match="2 completions but 1 labels"):
        detect_and_read({"prompt": "p", "completions": ["a", "b"], "labels": [True]})


def detect_and_read(value: Any) -> Record:
    """Read a value with the format it looks like."""
    form = detect(value)
    assert form is not None
    return form.read(value)


COUNTS = {
    "prefeval/explicit": 901,
    "prefeval/choice": 901,
    "prefeval/persona": 901,
    "alignx": 600,
    "aloe": 429,
    "deeppref": 1,
}


@pytest.mark.field
@pytest.mark.parametrize("folder", COUNTS)
def test_real_files_are_read_whole_and_written_as_they_are(field: Path, folder: str) -> None:
    count = 0
    for file in sorted((field / folder).iterdir()):
        entries = list(read_records([file.read_bytes()]))
        assert not [entry for entry in entries if isinstance(entry, Problem)]
        records = [entry.record for entry in entries if isinstance(entry, Entry)]
        form = next(entry.form for entry in entries if isinstance(entry, Entry))
        rows = [row for index, record in enumerate(records, 1) for row in EXPORTS[form].rows(record, index)]
        assert rows == _values(file)
        count += len(records)
    assert count == COUNTS[folder]


def _values(file: Path) -> list[Any]:
    """All JSON values of a file, by the standard library alone."""
    text, decoder, at, found = file.read_text("utf-8").strip(), json.JSONDecoder(), 0, list[Any]()
    if text.startswith("["):
        return json.loads(text)
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


@pytest.mark.field
def test_figure_16(field: Path) -> None:
    (entry,) = read_records([(field / "deeppref/figure16.json").read_bytes()])
    assert isinstance(entry, Entry)
    tree = entry.record
    assert isinstance(tree, Tree)
    assert len(tree.nodes) == 12
    known = by_key(tree.nodes)
    assert [path_score(chain(known, path.leaf or "")).total for path in tree.paths] == [4.24, 4.12, 3.25]
    assert [path.stated for path in tree.paths] == [4.24, 4.12, 3.25]
