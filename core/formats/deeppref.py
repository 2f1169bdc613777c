"""The published tree format (SPEC 9): one object with a question, a profile, a tree of thoughts and the responses.

Reading is strict about structure (an id that points nowhere or twice makes the record unreadable) and tolerant about content
(a missing score is a quality mark). What is read can be written again exactly as it was.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from core.formats.patch import apply, diff
from core.formats.reading import Unreadable
from core.parsing import is_placeholder, number_steps, read_reply, strip_step, write_reply
from core.tree import by_key, chain, depths_of, path_score
from core.types import ROOT, Json, Node, Path, Scenario, Tree

FORM = "deeppref"
LABEL = "DeepPref trees"
FINAL_ANSWER = "Final Answer Node."
ID_LIMIT = 200
_NO_STEPS = 0


def fits(value: Any) -> bool:
    """True when a JSON value looks like a record of this format."""
    return isinstance(value, dict) and "thought_tree" in value


def read(value: Any) -> Tree:
    """A tree from one record. Raises Unreadable with the field and a sentence."""
    record = cast("Json", value)
    scenario = Scenario(preference=text_of(record, "user_profile"), query=text_of(record, "initial_question"))
    raw = record.get("thought_tree")
    if not isinstance(raw, dict) or not raw:
        raise Unreadable("thought_tree", "The tree must be an object of nodes by id, and it is not.")
    nodes = _nodes(cast("dict[str, Json]", raw))
    marks = {mark for node in nodes for mark in node.marks}
    paths = _paths(record.get("response_list", []), nodes)
    if any(path.leaf is None for path in paths):
        marks.add("path_not_in_tree")
    answers = {path.leaf for path in paths}
    nodes = [node._replace(kind="answer") if node.key in answers and node.kind == "thought" else node for node in nodes]
    frame: Json = {"initial_question": scenario.query, "user_profile": scenario.preference, "response_list": []}
    rest: Json = {key: [] if key == "response_list" else item for key, item in record.items() if key != "thought_tree"}
    return Tree(scenario, tuple(nodes), tuple(paths), tuple(sorted(marks)), FORM, diff(frame, rest))


def write(tree: Tree) -> Json:
    """The record of a tree: what `read` was given, or our canonical spelling for a tree made here."""
    ours = tree.form == FORM
    children = _children(tree.nodes)
    nodes = {
        node.key: apply(_object(node, children.get(node.key, [])), node.patch if ours else None) for node in tree.nodes
    }
    known = by_key(tree.nodes)
    responses = [apply(_response(path, known), path.patch if ours else None) for path in tree.paths]
    frame = {
        "initial_question": tree.scenario.query,
        "user_profile": tree.scenario.preference,
        "response_list": responses,
    }
    return apply(frame, tree.patch if ours else None) | {"thought_tree": nodes}


def text_of(record: Json, field: str, required: bool = True) -> str:
    """A text field of a record; Unreadable when it is missing or not a text."""
    found = record.get(field)
    if found is None and not required:
        return ""
    if not isinstance(found, str):
        what = "is missing" if found is None else f"must be a text, not {_kind(found)}"
        raise Unreadable(field, f"The field {field} {what}.")
    return found


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def score_of(found: Any, critique_score: float | None) -> tuple[float | None, str, str]:
    """(score, why unscored, mark) of a score field as it stands in a file. Never invents a score."""
    if found is None:
        if critique_score is not None:
            return critique_score, "", ""
        return None, "the file has no score", "missing_score"
    if isinstance(found, str):
        try:
            number = float(found)
        except ValueError:
            return None, f"the score is the text {found[:40]!r}", "score_not_number"
        return _bounded(number, "score_not_number")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None, f"the score is {_kind(found)}", "score_not_number"
    return _bounded(found, "")


def _bounded(number: float, mark: str) -> tuple[float | None, str, str]:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        return None, "the score is not a finite number", "score_not_number"
    if not -1.0 <= number <= 1.0:
        return None, f"the score {number:.6g} lies outside -1 to 1", mark or "score_out_of_range"
    return float(number) + 0.0, "", mark  # no -0.0: SQLite does not keep its sign


def _links(raw: dict[str, Any]) -> dict[str, str]:
    """Parent by child key. Raises Unreadable where the children do not make a forest."""
    parents: dict[str, str] = {}
    for key, item in raw.items():
        if not 0 < len(key) <= ID_LIMIT:
            raise Unreadable("thought_tree", f"A node id has 1 to {ID_LIMIT} characters; one here has {len(key)}.")
        if not isinstance(item, dict):
            raise Unreadable(f"thought_tree.{key}", f"Node {key} must be an object, not {_kind(item)}.")
        children = cast("Json", item).get("children", ())
        if not isinstance(children, list | tuple):
            raise Unreadable(f"thought_tree.{key}.children", f"The children of node {key} must be a list.")
        for child in cast("list[Any]", children):
            name = child if type(child) is str else str(child) if type(child) is int else None
            if name is None or name not in raw:
                raise Unreadable(
                    f"thought_tree.{key}.children",
                    f"Node {key} points to node {str(child)[:40]!r}, which is not in the tree. Add it or remove the pointer.",
                )
            if name in parents or name == ROOT:
                other = f"node {parents[name]}" if name in parents else "nothing, as the root"
                raise Unreadable(
                    f"thought_tree.{key}.children",
                    f"Node {name} is a child of node {key} and also of {other}: this is not a tree.",
                )
            parents[name] = key
    return parents


def _nodes(raw: dict[str, Json]) -> list[Node]:
    if ROOT not in raw:
        raise Unreadable("thought_tree", 'There is no node "0", the root every tree starts from.')
    parents = _links(raw)
    try:
        depths = depths_of(raw, parents)
    except ValueError as error:
        sentence = f"Above node {error} the children point in a circle: this is not a tree."
        raise Unreadable("thought_tree", sentence) from None
    lost = _unreachable(raw, parents)
    seen: set[str] = set()
    nodes: list[Node] = []
    for key, item in raw.items():
        node = _node(key, item, parents.get(key), depths[key])
        if key != ROOT:
            if key in lost:
                node = node._replace(marks=("unreachable", *node.marks))
            if node.thought in seen and node.thought:
                node = node._replace(marks=(*node.marks, "duplicate_thought"))
            seen.add(node.thought)
        nodes.append(node)
    children = _children(nodes)
    for index, node in enumerate(nodes):
        patch = diff(_object(node, children.get(node.key, [])), raw[node.key])
        if patch is not None:
            nodes[index] = node._replace(patch=patch)
    return nodes


def _unreachable(raw: dict[str, Json], parents: dict[str, str]) -> set[str]:
    """Keys that no chain of children leads to from the root. The links must hold no circle."""
    if len(parents) == len(raw) - 1:
        return set()
    inside: dict[str, bool] = {ROOT: True}
    for key in raw:
        walk: list[str] = []
        at: str | None = key
        while at is not None and at not in inside:
            walk.append(at)
            at = parents.get(at)
        inside.update(dict.fromkeys(walk, at is not None and inside[at]))
    return {key for key, reached in inside.items() if not reached}


def _node(key: str, item: Json, parent: str | None, depth: int) -> Node:
    thought, reasoning = item.get("thought"), item.get("reasoning")
    for name, found in (("thought", thought), ("reasoning", reasoning)):
        if found is not None and type(found) is not str:
            raise Unreadable(
                f"thought_tree.{key}.{name}", f"The {name} of node {key} must be a text, not {_kind(found)}."
            )
    thought, reasoning = thought or "", reasoning or ""
    if key == ROOT:
        return Node(key, None, "root", 0, thought, reply=reasoning or None)
    critique, said = read_reply(reasoning)
    score, unscored, mark = score_of(item.get("score"), said)
    marks = (mark,) if mark else ()
    if said is not None and score is not None and abs(said - score) > 1e-9:
        marks += ("score_disagrees",)
    if len(thought) < 24 or len(critique) < 24:
        marks += _text_marks(thought, critique)
    kind = "answer" if critique == FINAL_ANSWER else "thought"
    reply = None if reasoning == write_reply(critique, score) else reasoning
    return Node(key, parent, kind, depth, thought, critique, score, unscored, marks=marks, reply=reply)


def _text_marks(thought: str, critique: str) -> tuple[str, ...]:
    if not thought.strip():
        return ("empty_thought",)
    return ("placeholder",) if is_placeholder(thought) or is_placeholder(critique) else ()


def _children(nodes: Iterable[Node]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {}
    for node in nodes:
        if node.parent is not None:
            found.setdefault(node.parent, []).append(int(node.key) if _is_number(node.key) else node.key)
    return found


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 19 and str(int(key)) == key


def _object(node: Node, children: list[int | str]) -> Json:
    """Our canonical spelling of a node."""
    reasoning = (
        node.reply if node.reply is not None else "" if node.kind == "root" else write_reply(node.critique, node.score)
    )
    return {"thought": node.thought, "score": node.score, "reasoning": reasoning, "children": children}


def _paths(found: Any, nodes: list[Node]) -> list[Path]:
    if not isinstance(found, list):
        raise Unreadable("response_list", f"The response list must be a list, not {_kind(found)}.")
    known = by_key(nodes)
    ends = _ends(nodes)
    return [_path(index, item, known, ends) for index, item in enumerate(cast("list[Any]", found), 1)]


def _ends(nodes: list[Node]) -> dict[int, str]:
    """The first leaf by the hash of its chain of thoughts, so that a response is looked up and not compared with every leaf."""
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    ends: dict[int, str] = {}
    stack = [(node, _NO_STEPS) for node in reversed(children.get(ROOT, []))]
    while stack:
        node, above = stack.pop()
        chained = hash((above, node.thought))
        below = children.get(node.key)
        if below is None:
            ends.setdefault(chained, node.key)
        else:
            stack += [(child, chained) for child in reversed(below)]
    return ends


def _leaf(steps: list[str], known: dict[str, Node], ends: dict[int, str]) -> str | None:
    chained = _NO_STEPS
    for step in steps:
        chained = hash((chained, strip_step(step)))
    key = ends.get(chained) if steps else None
    return key if key is not None and _derived(known, key) == steps else None


def _path(index: int, item: Any, known: dict[str, Node], ends: dict[int, str]) -> Path:
    record = cast("Json", item) if isinstance(item, dict) else {}
    response = record.get("response")
    if not isinstance(response, list) or not all(isinstance(step, str) for step in cast("list[Any]", response)):
        raise Unreadable(f"response_list.{index - 1}.response", f"Response {index} must be a list of step texts.")
    steps = cast("list[str]", response)
    stated = record.get("score")
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not abs(stated) < 1e12:
        stated = None
    leaf = _leaf(steps, known, ends)
    path = Path(leaf, stated, None if leaf is not None else tuple(steps))
    return replace(path, patch=diff(_response(path, known), record))


def _derived(known: dict[str, Node], leaf: str) -> list[str]:
    return number_steps([node.thought for node in chain(known, leaf)])


def _response(path: Path, known: dict[str, Node]) -> Json:
    """Our canonical spelling of a path; without a stated score, R(tau)."""
    steps = list(path.steps) if path.steps is not None else _derived(known, path.leaf or "")
    stated = path.stated
    if stated is None and path.leaf is not None:
        stated = path_score(chain(known, path.leaf)).total
    return {"response": steps, "score": stated}
