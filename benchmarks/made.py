"""Made-up but lifelike tree files for the benchmarks: words and their frequencies come from the starter set."""

import json
import random
from pathlib import Path

from db.seeds import seed_files


def words() -> list[str]:
    """Every word of the starter set, as often as it occurs there."""
    found: list[str] = []
    for file in seed_files():
        for node in json.loads(file.read_text("utf-8"))["nodes"]:
            found += (node["thought"] + " " + node["critique"]).split()
    return found


def write_trees(file: Path, trees: int, nodes: int, seed: int = 1) -> None:
    """A DeepPref file of `trees` trees with `nodes` nodes each (thoughts and critiques of 30 to 70 words)."""
    rng, stock = random.Random(seed), words()
    starts = [rng.randrange(len(stock) - 80) for _ in range(20_000)]

    def text() -> str:
        start = rng.choice(starts)
        return " ".join(stock[start : start + rng.randint(30, 70)])

    with file.open("w", encoding="utf-8") as out:
        out.write("[")
        for index in range(trees):
            out.write(("," if index else "") + json.dumps(_tree(rng, nodes, text, index)))
        out.write("]")


def _tree(rng: random.Random, nodes: int, text: object, index: int) -> dict[str, object]:
    make = text if callable(text) else str
    tree: dict[str, dict[str, object]] = {"0": {"thought": "", "score": None, "reasoning": "", "children": []}}
    depth = {"0": 0}
    for number in range(1, nodes):
        key = str(number)
        parent = "0" if number <= 5 else str(rng.randint(max(1, number // 3), number - 1))
        while depth[parent] > 4:
            parent = str(rng.randint(1, 5))
        depth[key] = depth[parent] + 1
        score = round(rng.triangular(-1, 1, 0.6), 2)
        critique = f"Reasoning: {make()} SCORE: {score}"
        tree[key] = {"thought": make(), "score": score, "reasoning": critique, "children": []}
        tree[parent]["children"].append(number)  # type: ignore[attr-defined]
    query = f"{make()} {index}?"
    tree["0"]["thought"] = query
    leaves = [key for key, node in tree.items() if not node["children"]][:3]
    return {
        "initial_question": query,
        "user_profile": make(),
        "thought_tree": tree,
        "response_list": [{"response": _response(tree, leaf), "score": 1.0} for leaf in leaves],
    }


def _response(tree: dict[str, dict[str, object]], leaf: str) -> list[str]:
    parents = {str(child): key for key, node in tree.items() for child in node["children"]}  # type: ignore[attr-defined]
    steps: list[str] = []
    while leaf != "0":
        steps.insert(0, str(tree[leaf]["thought"]))
        leaf = parents[leaf]
    return [f"Step {number}: {step}" for number, step in enumerate(steps, 1)]
