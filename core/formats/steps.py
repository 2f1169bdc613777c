"""The published step rows (SPEC 9): one line per path, its steps in one text, one label (critique, score) per step.

A row becomes a tree with a single path. Where the numbers of steps and labels differ both are kept and the tree is marked.
"""

from dataclasses import replace
from typing import Any, cast

from core.formats.deeppref import score_of, text_of
from core.formats.patch import apply, diff
from core.formats.reading import Unreadable
from core.parsing import is_placeholder, number_steps, read_reply, strip_step, write_reply
from core.tree import by_key, chain, path_score
from core.types import ROOT, Json, Node, Path, Scenario, Tree

FORM = "deeppref_steps"
LABEL = "DeepPref step rows"
SEPARATOR = "\n" * 5


def fits(value: Any) -> bool:
    """True when a JSON value looks like a record of this format."""
    return isinstance(value, dict) and "process" in value and "label" in value


def read(value: Any) -> Tree:
    """A one-path tree from one row. Raises Unreadable with the field and a sentence."""
    row = cast("Json", value)
    scenario = Scenario(preference=text_of(row, "preference"), query=text_of(row, "question"))
    steps = [part.strip() for part in text_of(row, "process").split(SEPARATOR) if part.strip()]
    labels = row.get("label")
    if not isinstance(labels, list) or not all(isinstance(item, dict) for item in cast("list[Any]", labels)):
        raise Unreadable("label", "The labels must be a list of {critique, score} objects.")
    labels = cast("list[Json]", labels)
    nodes = [Node(ROOT, None, "root", 0, scenario.query)]
    for index, text in enumerate(steps):
        nodes.append(_node(index, text, labels[index] if index < len(labels) else {}, last=index == len(steps) - 1))
    marks = {mark for node in nodes for mark in node.marks}
    if len(steps) != len(labels):
        marks.add("step_label_mismatch")
    stated = row.get("final_score")
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not abs(stated) < 1e12:
        stated = None
    paths = (Path(nodes[-1].key, stated),) if steps else ()
    tree = Tree(scenario, tuple(nodes), paths, tuple(sorted(marks)), FORM)
    return replace(tree, patch=diff(_row(tree, 0), row))


def _node(index: int, text: str, label: Json, last: bool) -> Node:
    critique_text = label.get("critique")
    if critique_text is not None and not isinstance(critique_text, str):
        raise Unreadable(f"label.{index}.critique", f"The critique of label {index + 1} must be a text.")
    critique, said = read_reply(critique_text or "")
    score, unscored, mark = score_of(label.get("score"), said)
    marks = (mark,) if mark else ()
    if is_placeholder(critique) or is_placeholder(strip_step(text)):
        marks += ("placeholder",)
    reply = None if critique_text == write_reply(critique, score) else critique_text
    key, parent = str(index + 1), str(index)
    kind = "answer" if last else "thought"
    return Node(key, parent, kind, index + 1, strip_step(text), critique, score, unscored, marks=marks, reply=reply)


def write(tree: Tree, index: int) -> list[Json]:
    """The rows of a tree, one per finished path; `index` is the number of the scenario in its set."""
    if tree.form == FORM and len(tree.paths) <= 1:
        return [apply(_row(tree, 0), tree.patch)]
    return [_row(replace(tree, paths=(path,)), index) for path in tree.paths if path.leaf is not None]


def _row(tree: Tree, index: int) -> Json:
    """Our canonical row for the tree's first path."""
    leaf = tree.paths[0].leaf if tree.paths else None
    nodes = chain(by_key(tree.nodes), leaf) if leaf is not None else []
    stated = tree.paths[0].stated if tree.paths else None
    return {
        "idx": index,
        "question": tree.scenario.query,
        "preference": tree.scenario.preference,
        "process": SEPARATOR.join(number_steps([node.thought for node in nodes])),
        "label": [
            {
                "critique": node.reply if node.reply is not None else write_reply(node.critique, node.score),
                "score": node.score,
            }
            for node in nodes
        ],
        "final_score": stated if stated is not None else path_score(nodes).total,
    }
