"""Records of one shape written as another. A record that does not fit gives no rows; nothing is invented to make it fit."""

from collections.abc import Callable
from typing import Any, cast

from core.formats import deeppref, ratings, steps
from core.formats.foreign import turns
from core.parsing import number_steps
from core.tree import by_key, chain, path_score
from core.types import Foreign, Json, Node, Record, Scenario, Tree

Rows = Callable[[Record, int], list[Json]]


def _body(record: Record, form: str) -> list[Any] | None:
    return [record.body] if isinstance(record, Foreign) and record.form == form else None


def same_form(form: str) -> Rows:
    """Rows only of records that came in this very shape."""
    return lambda record, _: _body(record, form) or []


def deeppref_rows(record: Record, _: int) -> list[Json]:
    """DeepPref trees."""
    return [deeppref.write(record)] if isinstance(record, Tree) else []


def step_rows(record: Record, index: int) -> list[Json]:
    """DeepPref step rows: one per finished path."""
    return steps.write(record, index) if isinstance(record, Tree) else []


def prefeval_rows(record: Record, _: int) -> list[Json]:
    """PrefEval explicit records, from anything that has a preference and a query."""
    scenario = record.scenario
    if scenario is None:
        return []
    found = _body(record, "prefeval_explicit")
    return found or [
        {"preference": scenario.preference, "question": scenario.query, "explanation": scenario.explanation}
    ]


def prompt_of(scenario: Scenario) -> str:
    """The plain prompt of a scenario for TRL's standard (string) rows."""
    return f"User preference: {scenario.preference}\nQuestion: {scenario.query}"


def _paths(tree: Tree) -> list[list[Node]]:
    """Finished paths of a tree, highest R(tau) first; paths without any scored step are left out."""
    known = by_key(tree.nodes)
    found = [chain(known, path.leaf) for path in tree.paths if path.leaf is not None]
    scored = [path for path in found if path_score(path).scored]
    return sorted(scored, key=lambda path: -path_score(path).total)


def _response(path: list[Node]) -> str:
    return "\n\n".join(number_steps([node.thought for node in path]))


def trl_prompt_rows(record: Record, _: int) -> list[Json]:
    """TRL prompt-only."""
    if record.scenario is not None:
        return [{"prompt": prompt_of(record.scenario)}]
    if isinstance(record, Tree) or not isinstance(record.body, dict):
        return []
    body = cast("Json", record.body)
    return [body] if record.form == "trl_prompt" else [{"prompt": body["prompt"]}] if "prompt" in body else []


def trl_completion_rows(record: Record, _: int) -> list[Json]:
    """TRL prompt-completion: the best path of a tree (D_RFT), or a row's chosen answer."""
    if isinstance(record, Tree):
        paths = _paths(record)
        return [{"prompt": prompt_of(record.scenario), "completion": _response(paths[0])}] if paths else []
    if record.form in ("alignx", "trl_preference"):
        return [{"prompt": record.body["prompt"], "completion": record.body["chosen"]}]
    return _body(record, "trl_completion") or []


def trl_preference_rows(record: Record, _: int) -> list[Json]:
    """TRL preference: the best path of a tree against the worst, or a comparison as it is."""
    if isinstance(record, Tree):
        paths = _paths(record)
        if len(paths) < 2 or path_score(paths[0]).total <= path_score(paths[-1]).total:
            return []
        prompt = prompt_of(record.scenario)
        return [{"prompt": prompt, "chosen": _response(paths[0]), "rejected": _response(paths[-1])}]
    if record.form == "alignx":
        return [{name: record.body[name] for name in ("prompt", "chosen", "rejected")}]
    return _body(record, "trl_preference") or []


def trl_unpaired_rows(record: Record, index: int) -> list[Json]:
    """TRL unpaired preference: chosen is true, rejected is false."""
    if isinstance(record, Foreign) and record.form == "trl_unpaired":
        return [record.body]
    return [
        {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
        for row in trl_preference_rows(record, index)
        for name in ("chosen", "rejected")
    ]


def trl_stepwise_rows(record: Record, _: int) -> list[Json]:
    """TRL stepwise supervision: one row per finished path whose steps all have a score, labels in [-1, 1]."""
    if isinstance(record, Foreign):
        return _body(record, "trl_stepwise") or []
    rows: list[Json] = []
    for path in _paths(record):
        if path_score(path).unscored == 0:
            texts, labels = [node.thought for node in path], [node.score for node in path]
            rows.append({"prompt": prompt_of(record.scenario), "completions": texts, "labels": labels})
    return rows


def trl_messages_rows(record: Record, index: int) -> list[Json]:
    """Chat messages: a conversation as it is, or the best path of a tree as one exchange."""
    if isinstance(record, Foreign):
        own = _body(record, "trl_messages")
        talk = [{"role": role, "content": text} for role, text in turns(record)]
        return own or ([{"messages": talk}] if talk else [])
    return [
        {"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]}
        for row in trl_completion_rows(record, index)
    ]


def rating_rows(form: str) -> Rows:
    """Ratings in one of the shapes of the field, from ratings in any of them."""

    def rows(record: Record, _: int) -> list[Json]:
        return ratings.convert(record, form) if isinstance(record, Foreign) else []

    return rows
