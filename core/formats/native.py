"""Our own record: everything Subtext knows about a scenario and its tree, one JSON object, readable by people.

A foreign record inside our files is `{"kind": "foreign", "form": ..., "record": ...}`.
"""

import re
from dataclasses import replace
from typing import Any, cast

from core.formats import foreign
from core.formats.deeppref import ID_LIMIT, score_of, text_of
from core.formats.reading import Unreadable
from core.tree import depths_of
from core.types import ROOT, Foreign, Json, Node, Path, Persona, Record, Review, Scenario, Tree

FORM = "subtext"
LABEL = "Subtext records"
_OPTIONAL = ("critique", "persona", "unscored", "patch")
_MARK = re.compile(r"[a-z_]{1,40}")
_PRUNED = ("threshold", "beam", "duplicate", "unscored")


def fits(value: Any) -> bool:
    """True when a JSON value looks like a record of this format."""
    return (
        isinstance(value, dict) and value.get("kind") in ("tree", "foreign") and ("nodes" in value or "record" in value)
    )


def read(value: Any) -> Record:
    """A record from one object. Raises Unreadable with the field and a sentence."""
    record = cast("Json", value)
    if record.get("kind") == "foreign":
        form = foreign.form_of(record.get("record"))
        if form is None or form.name != record.get("form"):
            raise Unreadable("record", f"The record does not have the shape {record.get('form')!r} that it claims.")
        found = foreign.read(record["record"], form)
        if found.scenario is None:
            return found
        topic, split = text_of(record, "topic", False), _split(record)
        return replace(found, scenario=replace(found.scenario, topic=topic, split=split))
    scenario = _scenario(record.get("scenario"))
    nodes = _nodes(record.get("nodes"), scenario)
    paths = tuple(_path(index, item) for index, item in enumerate(_list(record, "paths")))
    known = {node.key for node in nodes}
    for index, path in enumerate(paths):
        if path.leaf is not None and path.leaf not in known:
            raise Unreadable(f"paths.{index}.leaf", f"The path ends in node {path.leaf!r}, which is not in the tree.")
    marks = {mark for node in nodes for mark in node.marks} | set(_marks(record, "marks"))
    return Tree(scenario, nodes, paths, tuple(sorted(marks)), text_of(record, "form", False), _patch(record, "patch"))


def write(record: Record) -> Json:
    """The object of a record; `read` gives the record back."""
    if isinstance(record, Foreign):
        labels = {} if record.scenario is None else {"topic": record.scenario.topic, "split": record.scenario.split}
        made: Json = {"kind": "foreign", "form": record.form, "record": record.body}
        return made | {name: text for name, text in labels.items() if text}
    scenario = record.scenario
    made = {
        "kind": "tree",
        "scenario": {name: getattr(scenario, name) for name in Scenario.__slots__ if getattr(scenario, name)}
        | {"preference": scenario.preference, "query": scenario.query},
        "nodes": [_node_out(node) for index, node in enumerate(record.nodes) if index or not _implied(node, scenario)],
        "paths": [_path_out(path) for path in record.paths],
    }
    extra = {"marks": list(record.marks), "form": record.form, "patch": record.patch}
    return made | {key: item for key, item in extra.items() if item}


def _implied(node: Node, scenario: Scenario) -> bool:
    return node == Node(ROOT, None, "root", 0, scenario.query)


def _node_out(node: Node) -> Json:
    made: Json = {
        "id": node.key,
        "parent": node.parent,
        "kind": node.kind,
        "thought": node.thought,
        "score": node.score,
    }
    made |= {name: found for name in _OPTIONAL if (found := getattr(node, name))}
    if node.reply is not None:
        made["reply"] = node.reply
    if node.pruned:
        made["pruned"] = {"reason": node.pruned, "detail": node.prune_detail}
    return made | ({"marks": list(node.marks)} if node.marks else {})


def _path_out(path: Path) -> Json:
    made: Json = {"leaf": path.leaf}
    if path.review:
        made["review"] = {name: getattr(path.review, name) for name in Review.__slots__}
    extra = {"stated": path.stated, "steps": None if path.steps is None else list(path.steps), "patch": path.patch}
    return made | {key: item for key, item in extra.items() if item is not None}


def _list(record: Json, field: str) -> list[Any]:
    found = record.get(field, [])
    if not isinstance(found, list):
        raise Unreadable(field, f"The field {field} must be a list.")
    return cast("list[Any]", found)


def _marks(record: Json, field: str) -> tuple[str, ...]:
    marks = _list(record, "marks")
    if not all(isinstance(mark, str) and _MARK.fullmatch(mark) for mark in marks):
        raise Unreadable(field, "Quality marks are names of small letters and underscores.")
    return tuple(cast("list[str]", marks))


def _patch(record: Json, field: str) -> Json | None:
    found = record.get("patch")
    if found is None:
        return None
    patch = _object(found, field)
    drop = patch.get("drop", [])
    known = set(patch) <= {"set", "drop"} and isinstance(patch.get("set", {}), dict)
    if not known or not isinstance(drop, list) or not all(isinstance(key, str) for key in cast("list[Any]", drop)):
        raise Unreadable(field, "A patch has an object named set and a list of names called drop.")
    return patch


def _object(found: Any, field: str) -> Json:
    if not isinstance(found, dict):
        raise Unreadable(field, f"{field} must be an object.")
    return cast("Json", found)


def _scenario(found: Any) -> Scenario:
    record = _object(found, "scenario")
    preference, query = text_of(record, "preference"), text_of(record, "query")
    topic, explanation = text_of(record, "topic", False), text_of(record, "explanation", False)
    return Scenario(preference, query, topic, _split(record), explanation)


def _split(record: Json) -> str:
    split = text_of(record, "split", False)
    if split not in ("train", "validation", "test", ""):
        raise Unreadable("split", f"The split must be train, validation or test, not {split[:40]!r}.")
    return split


def _nodes(found: Any, scenario: Scenario) -> tuple[Node, ...]:
    if not isinstance(found, list):
        raise Unreadable("nodes", "The nodes must be a list.")
    nodes: dict[str, Node] = {}
    for index, item in enumerate(cast("list[Any]", found)):
        record = _object(item, f"nodes.{index}")
        key = text_of(record, "id")
        if key in nodes:
            raise Unreadable(
                f"nodes.{index}.id", f"Node id {key!r} occurs more than once. Give every node an id of its own."
            )
        nodes[key] = _node(record, key, index)
    if ROOT not in nodes:
        nodes = {ROOT: Node(ROOT, None, "root", 0, scenario.query)} | nodes
    parents = {key: node.parent for key, node in nodes.items() if node.parent is not None}
    for key, parent in parents.items():
        if parent not in nodes or key == ROOT:
            raise Unreadable("nodes", f"Node {key!r} hangs on {parent!r}, which is not in the tree or stands below it.")
    try:
        depths = depths_of(nodes, parents)
    except ValueError as error:
        raise Unreadable("nodes", f"Above node {error} the parents run in a circle: this is not a tree.") from None
    return tuple(node._replace(depth=depths[key]) for key, node in nodes.items())


def _node(record: Json, key: str, index: int) -> Node:
    where = f"nodes.{index}"
    parent, kind = record.get("parent"), record.get("kind", "root" if key == ROOT else "thought")
    if (parent is not None and not isinstance(parent, str)) or kind not in ("root", "thought", "answer"):
        raise Unreadable(where, f"Node {key[:40]!r} needs a parent id and a kind: thought or answer.")
    if (kind == "root") != (key == ROOT) or (kind == "root" and record.get("score") is not None):
        raise Unreadable(where, 'The root is the node "0", no other one is, and it has no score.')
    if not 0 < len(key) <= ID_LIMIT:
        raise Unreadable(where, f"A node id has 1 to {ID_LIMIT} characters; this one has {len(key)}.")
    persona = text_of(record, "persona", False)
    if persona and persona not in tuple(Persona):
        raise Unreadable(f"{where}.persona", f"There is no persona {persona[:40]!r} in the council.")
    pruned = _object(record.get("pruned") or {}, f"{where}.pruned")
    reason = text_of(pruned, "reason", bool(pruned))
    if reason and reason not in _PRUNED:
        raise Unreadable(f"{where}.pruned", f"A node is pruned by threshold, beam or duplicate, not {reason[:40]!r}.")
    score, unscored, mark = (None, "", "") if key == ROOT else score_of(record.get("score"), None)
    said = text_of(record, "unscored", False)
    marks = _marks(record, f"{where}.marks")
    return Node(
        key,
        parent,
        kind,
        0,
        text_of(record, "thought"),
        text_of(record, "critique", False),
        score,
        said if said and score is None else unscored,
        persona,
        reason,
        text_of(pruned, "detail", False),
        marks if marks or said or not mark else (mark,),
        text_of(record, "reply") if record.get("reply") is not None else None,
        _patch(record, f"{where}.patch"),
    )


def _path(index: int, item: Any) -> Path:
    record = _object(item, f"paths.{index}")
    leaf, stated, steps = record.get("leaf"), record.get("stated"), record.get("steps")
    if leaf is not None and not isinstance(leaf, str):
        raise Unreadable(f"paths.{index}.leaf", "The leaf of a path is a node id.")
    if stated is not None and (
        isinstance(stated, bool) or not isinstance(stated, int | float) or not abs(stated) < 1e12
    ):
        raise Unreadable(f"paths.{index}.stated", "The stated score of a path is a number below a million millions.")
    if steps is not None and not (
        isinstance(steps, list) and all(isinstance(s, str) for s in cast("list[Any]", steps))
    ):
        raise Unreadable(f"paths.{index}.steps", "The steps of a path are a list of texts.")
    review = (
        None if record.get("review") is None else _review(_object(record["review"], f"paths.{index}.review"), index)
    )
    return Path(
        leaf,
        stated,
        None if steps is None else tuple(cast("list[str]", steps)),
        review,
        _patch(record, f"paths.{index}.patch"),
    )


def _review(record: Json, index: int) -> Review:
    parts: list[float] = []
    for name, top in (("process", 30), ("discovery", 40), ("answer", 30)):
        found = record.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= top:
            raise Unreadable(
                f"paths.{index}.review.{name}", f"The part {name} of a review is a number from 0 to {top}."
            )
        parts.append(found)
    return Review(parts[0], parts[1], parts[2], text_of(record, "text", False))
