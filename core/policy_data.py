"""What a policy is trained on: prompts, responses to learn by heart, and ranked paths, out of the records of a set (SPEC 2.8, 4).

Pure. Two records of one (preference, query) never stand on both sides of a split.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from core.critic_data import group_of, sides
from core.datasets import d_rft
from core.parsing import number_steps
from core.ports import Message
from core.prompts import policy
from core.tree import best_path, by_key, chain, path_score
from core.types import Record, Scenario, Tree

Data = Literal["path", "answer"]


class Example(NamedTuple):
    """A response to learn. `scenario` is the place of the record among those given, from 1; `group` and `split` as in a critic's
    example."""

    scenario: int
    group: str
    split: str
    prompt: tuple[Message, ...]
    completion: str


class Asked(NamedTuple):
    """A preference and a query to answer."""

    scenario: int
    group: str
    split: str
    preference: str
    query: str


class Ranked(NamedTuple):
    """The paths of one tree, best first: the steps of each, and R(tau) of each."""

    scenario: int
    group: str
    split: str
    prompt: tuple[Message, ...]
    responses: tuple[tuple[str, ...], ...]
    values: tuple[float, ...]


class Parts(NamedTuple):
    """Two sides of a split. `drawn` counts the scenarios whose side was drawn instead of stated by themselves."""

    train: tuple[Asked, ...]
    held_out: tuple[Asked, ...]
    drawn: int


def split(found: Sequence[Asked], share: float, seed: int) -> Parts:
    """Split by scenario, by the rule of `core.critic_data.split`. Whatever is trained on goes by the split of all scenarios of
    its set, so that a policy trained in several jobs with one seed never learns what a later job holds out."""
    held, drawn = sides([(one.group, one.split) for one in found], share, seed)
    return Parts(
        tuple(one for one in found if one.group not in held), tuple(one for one in found if one.group in held), drawn
    )


def asked(scenarios: Iterable[Scenario | None]) -> list[Asked]:
    """Every different (preference, query), in their order; `scenarios` has one for each record of a set, None where a record has
    none. One without a preference or a query is left out."""
    found: dict[str, Asked] = {}
    for place, scenario in enumerate(scenarios, 1):
        if scenario is not None and scenario.preference.strip() and scenario.query.strip():
            group = group_of(scenario)
            found.setdefault(group, Asked(place, group, scenario.split, scenario.preference, scenario.query))
    return list(found.values())


def examples(records: Iterable[Record], data: Data) -> list[Example]:
    """One example for each tree with a finished, scored path: the whole path as steps, or the plain answer at its end."""
    found: list[Example] = []
    for place, record in enumerate(records, 1):
        if isinstance(record, Tree):
            made = _path(record) if data == "path" else _answer(record)
            if made is not None:
                found.append(Example(place, group_of(record.scenario), record.scenario.split, *made))
    return found


def _path(tree: Tree) -> tuple[tuple[Message, ...], str] | None:
    row = d_rft(tree)
    if row is None:
        return None
    return tuple(Message(**message) for message in row["prompt"]), row["completion"][0]["content"]


def _answer(tree: Tree) -> tuple[tuple[Message, ...], str] | None:
    nodes = by_key(tree.nodes)
    best = best_path(nodes, tree.paths)
    text = nodes[best.leaf].thought.strip() if best and nodes[best.leaf].kind == "answer" else ""
    return (policy.zero_shot(tree.scenario.preference, tree.scenario.query), text) if text else None


def ranked(records: Iterable[Record], most: int) -> list[Ranked]:
    """The different finished and scored paths of every tree, by R(tau), at most `most` of them spread over the ranking.

    A tree whose paths all have one value ranks nothing and is left out.
    """
    found: list[Ranked] = []
    for place, record in enumerate(records, 1):
        if not isinstance(record, Tree):
            continue
        own = _spread(_paths(record), most)
        if len({value for _, value in own}) > 1:
            asked_of = policy.policy(record.scenario.preference, record.scenario.query)
            steps, values = tuple(steps for steps, _ in own), tuple(value for _, value in own)
            found.append(Ranked(place, group_of(record.scenario), record.scenario.split, asked_of, steps, values))
    return found


def _paths(tree: Tree) -> list[tuple[tuple[str, ...], float]]:
    nodes = by_key(tree.nodes)
    found: dict[tuple[str, ...], float] = {}
    for path in tree.paths:
        if path.leaf is not None and path.leaf in nodes:
            steps = chain(nodes, path.leaf)
            score = path_score(steps)
            if score.scored and not score.unscored and all(step.thought.strip() for step in steps):
                found.setdefault(tuple(step.thought for step in steps), score.total)
    return sorted(found.items(), key=lambda item: -item[1])


def _spread(found: list[tuple[tuple[str, ...], float]], most: int) -> list[tuple[tuple[str, ...], float]]:
    if len(found) <= most:
        return found
    return [found[round(at * (len(found) - 1) / (most - 1))] for at in range(most)]


def response(steps: Sequence[str]) -> str:
    """Steps as one response, in the format of the policy."""
    return "\n".join(number_steps(list(steps)))
