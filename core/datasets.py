"""Training sets out of trees (SPEC 2.8): D_Rea, every scored step for the critic; D_RFT, the best path for the policy.

Rows are conversational prompt and completion, as TRL takes them, with where they come from beside. Pure; reads trees only.
"""

from collections.abc import Iterator, Sequence

from core.parsing import number_steps, write_reply
from core.ports import Message
from core.prompts import judging, policy
from core.tree import best_path, by_key, chain, path_score
from core.types import Json, Node, Record, Scenario, Tree

D_REA, D_RFT = "d_rea", "d_rft"


def d_rea(tree: Tree) -> Iterator[Json]:
    """One row for each scored step with a critique: rubric, P, q and the steps so far; the completion is critique, then score."""
    nodes = by_key(tree.nodes)
    for node in tree.nodes:
        if node.kind == "root" or node.score is None or not node.critique:
            continue
        before = [step.thought for step in chain(nodes, node.key)[:-1]]
        asked = judging.critic(tree.scenario.preference, tree.scenario.query, before, node.thought)
        where = {
            "step": len(before) + 1,
            "kind": node.kind,
            "persona": node.persona,
            "score": node.score,
            "node": node.key,
        }
        yield _row(asked, write_reply(node.critique, node.score), tree.scenario) | where


def d_rft(tree: Tree) -> Json | None:
    """One row: the policy's question, and the path with the highest R(tau) as numbered steps. None without a finished path."""
    steps = _best_steps(tree)
    if not steps:
        return None
    asked = policy.policy(tree.scenario.preference, tree.scenario.query)
    found = {"steps": len(steps), "reward": path_score(steps).total}
    return _row(asked, _response(steps), tree.scenario) | found


def best_response(tree: Tree) -> str | None:
    """The path with the highest R(tau) as numbered steps, the response format of the policy. None without a finished path."""
    steps = _best_steps(tree)
    return _response(steps) if steps else None


def _best_steps(tree: Tree) -> list[Node]:
    nodes = by_key(tree.nodes)
    best = best_path(nodes, tree.paths)
    return chain(nodes, best.leaf) if best else []


def _response(steps: Sequence[Node]) -> str:
    return "\n".join(number_steps([node.thought for node in steps]))


def rows(name: str, record: Record) -> list[Json]:
    """The rows of a record in one of the two sets; none for a record without a tree."""
    if not isinstance(record, Tree):
        return []
    if name == D_REA:
        return list(d_rea(record))
    found = d_rft(record)
    return [] if found is None else [found]


def _row(asked: tuple[Message, ...], reply: str, scenario: Scenario) -> Json:
    prompt = [message._asdict() for message in asked]
    place = {
        "topic": scenario.topic,
        "split": scenario.split,
        "preference": scenario.preference,
        "query": scenario.query,
    }
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": reply}]} | place
