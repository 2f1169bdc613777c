"""Training sets out of trees, and the choice of scenarios."""

from core.datasets import D_REA, D_RFT, d_rea, d_rft, rows
from core.parsing import read_critique, read_steps
from core.scenarios import alike, choose
from core.types import ROOT, Foreign, Node, Path, Scenario, Tree

CASE = Scenario("I never share where I am.", "How do I tell my sister when I arrive?", "privacy", "train")
NODES = (
    Node(ROOT, None, "root", 0, CASE.query),
    Node("1", ROOT, "thought", 1, "She wants to decide who knows.", "It reads the person.", 0.8, persona="sociologist"),
    Node("2", ROOT, "thought", 1, "She likes maps.", "", 0.1, pruned="threshold"),
    Node("3", "1", "thought", 2, "A signal without a place is enough.", "", None, "The reply is empty."),
    Node("4", "1", "answer", 2, "Agree on one word that means: arrived.", "It helps.", 0.7),
)
TREE = Tree(CASE, NODES, (Path("4"), Path("3")))


def test_every_scored_step_with_a_critique_trains_the_critic() -> None:
    first, last = d_rea(TREE)
    assert (first["step"], first["score"], first["persona"], first["topic"]) == (1, 0.8, "sociologist", "privacy")
    assert (last["step"], last["kind"], last["node"]) == (2, "answer", "4")
    assert [message["role"] for message in first["prompt"]] == ["system", "user"]
    assert "She wants to decide who knows." in last["prompt"][1]["content"]
    reply = read_critique(last["completion"][0]["content"])
    assert (reply.critique, reply.score) == ("It helps.", 0.7)  # type: ignore[union-attr]


def test_the_best_path_trains_the_policy() -> None:
    row = d_rft(TREE)
    assert row is not None
    assert read_steps(row["completion"][0]["content"]) == (
        "She wants to decide who knows.",
        "Agree on one word that means: arrived.",
    )
    assert (row["steps"], row["reward"]) == (2, 1.5)
    assert d_rft(Tree(CASE, NODES)) is None
    assert len(rows(D_REA, TREE)) == 2
    assert len(rows(D_RFT, TREE)) == 1
    assert rows(D_RFT, Foreign("alignx", {}, "x")) == []


def test_near_duplicates_of_a_topic_are_rejected_and_counted() -> None:
    def made(query: str, topic: str = "t") -> Scenario:
        return Scenario("I like quiet mornings.", query, topic)

    written = [
        made("What do I do today?"),
        made("What do I do today then?"),
        made("Whom can I call about rent?"),
        made("What do I do today?", "u"),
        made("What do I do today then?", "u"),
    ]
    found = choose(written, (), 5)
    assert [(one.query, one.topic) for one in found.taken] == [
        ("What do I do today?", "t"),
        ("Whom can I call about rent?", "t"),
        ("What do I do today then?", "u"),
    ], "near ones of another topic are taken, the same words are not"
    assert found.near == 2
    assert len(choose(written, found.taken, 3).taken) == 3
    assert alike(written[0], written[3]) == 1.0
