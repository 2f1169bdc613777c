"""The council: how a tree grows, what is cut and why, what a failing model leaves; the audit of what each persona gave."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import council
from core.audit import NOBODY, audit
from core.council import Finish, Growth, Level, Models, cut, grow_tree, most_calls
from core.ports import Ask, Failure, Reply
from core.similarity import nearest, overlap
from core.tree import best_path, by_key, chain
from core.types import ROOT, Node, Path, Persona, Scenario, Tree
from tests.fakes import ScriptedModel

CASE = Scenario("I never share where I am.", "How do I tell my sister when I arrive?", "privacy")


def kind(ask: Ask) -> str:
    """Which prompt this is."""
    system, user = ask.messages[0].content, ask.messages[-1].content
    if "You judge one step" in system:
        return "critic"
    if "You review a finished path" in system:
        return "review"
    if user.endswith("Your answer:"):
        return "answer"
    return "hypothesis" if user.endswith("Your hypothesis:") else "follow_up"


def words(ask: Ask) -> str:
    """Ten words that depend on the question and its repeat only."""
    rng = random.Random(f"{ask.messages} {ask.repeat}")
    return " ".join(f"w{rng.randrange(10_000)}" for _ in range(10)) + "."


def reply(ask: Ask) -> str:
    """A well-formed reply to every prompt; scores lie between 0.30 and 0.99."""
    match kind(ask):
        case "critic":
            score = 0.3 + 0.69 * random.Random(str(ask.messages)).random()
            return f"Reasoning: It sees {words(ask)} SCORE: {score:.2f}"
        case "review":
            return "Reasoning: It holds together. PROCESS: 20 DISCOVERY: 30 ANSWER: 25 TOTAL: 75"
        case _:
            return words(ask)


def grow(answer=reply, growth: Growth | None = None, scenario: Scenario = CASE):  # type: ignore[no-untyped-def]
    """Grow a tree; returns it with the sentences about what was lost, and the model."""
    model = ScriptedModel(answer)

    async def run() -> tuple[Tree, list[str]]:
        nodes, paths, lost = [council.root(scenario)], (), []
        async for item in grow_tree(scenario, growth or Growth(threshold=0.4), Models(model, model, model)):
            lost += item.lost
            if isinstance(item, Level):
                nodes += item.nodes
            else:
                paths = item.paths
        return Tree(scenario, tuple(nodes), paths), lost

    tree, lost = asyncio.run(run())
    return tree, lost, model


def test_a_tree_grows_as_the_method_says() -> None:
    growth = Growth(depth=3, beam=2, branching=2, threshold=0.4)
    tree, lost, model = grow(growth=growth)
    assert lost == []
    levels = {
        depth: [node for node in tree.nodes if node.depth == depth and node.kind == "thought"] for depth in (1, 2, 3)
    }
    assert [node.persona for node in levels[1]] == list(Persona)
    alive = [node for node in levels[1] if not node.pruned]
    assert len(alive) == 2
    assert len(levels[2]) == 4
    assert {node.parent for node in levels[2]} == {node.key for node in alive}
    assert all(len({node.persona for node in levels[2] if node.parent == one.key}) == 2 for one in alive)
    answers = [node for node in tree.nodes if node.kind == "answer"]
    assert [path.leaf for path in tree.paths] == [node.key for node in answers]
    assert all(node.score is not None for node in tree.nodes if node.kind != "root")
    assert all(path.review and path.review.total == 75 for path in tree.paths)
    best = best_path(by_key(tree.nodes), tree.paths)
    assert best is not None
    assert len(chain(by_key(tree.nodes), best.leaf)) == 4
    assert len(model.asked) <= most_calls(growth)
    assert [node.key for node in tree.nodes] == [str(index) for index in range(len(tree.nodes))]


def test_the_order_of_replies_changes_nothing() -> None:
    class Shuffled(ScriptedModel):
        async def ask(self, ask: Ask) -> Reply | Failure:
            for _ in range(random.randrange(5)):
                await asyncio.sleep(0)
            return await super().ask(ask)

    async def run(model: ScriptedModel) -> list[Level | Finish]:
        return [item async for item in grow_tree(CASE, Growth(threshold=0.4), Models(model, model, model))]

    plain = asyncio.run(run(ScriptedModel(reply)))
    assert all(asyncio.run(run(Shuffled(reply))) == plain for _ in range(5))


def test_proposals_are_sampled_and_scores_are_greedy() -> None:
    _, _, model = grow()
    for ask in model.asked:
        judged = kind(ask) in ("critic", "review")
        assert (ask.temperature == 0.0) == judged
        assert bool(ask.pattern) == judged


def test_a_step_without_a_score_is_unscored_with_the_reason_and_goes_no_further() -> None:
    def mute(ask: Ask) -> str:
        return "Reasoning: I will not say. SCORE: high" if kind(ask) == "critic" else reply(ask)

    tree, _, model = grow(mute)
    steps = [node for node in tree.nodes if node.kind != "root"]
    assert len(steps) == 5
    assert {(node.score, node.pruned, node.unscored) for node in steps} == {
        (None, "unscored", "No SCORE in the reply is a number from -1 to 1.")
    }
    assert all(node.reply == "Reasoning: I will not say. SCORE: high" for node in steps)
    assert tree.paths == ()
    assert sum(kind(ask) == "critic" for ask in model.asked) == 10  # each asked once more


def test_a_reply_that_cannot_be_read_is_asked_for_once_more() -> None:
    def stumbling(ask: Ask) -> str:
        return reply(ask) if ask.repeat else "Reasoning: no number here"

    tree, lost, _ = grow(lambda ask: stumbling(ask) if kind(ask) == "critic" else reply(ask))
    assert lost == []
    assert all(node.score is not None for node in tree.nodes if node.kind != "root")


@pytest.mark.parametrize("broken", ["hypothesis", "follow_up", "answer", "review", "critic"])
def test_a_model_that_fails_leaves_sentences(broken: str) -> None:
    def failing(ask: Ask) -> Reply | Failure | str:
        return Failure("server", "The server answered 500.", 5) if kind(ask) == broken else reply(ask)

    tree, lost, _ = grow(failing)
    steps = [node for node in tree.nodes if node.kind != "root"]
    match broken:
        case "hypothesis":
            assert len(lost) == 5
            assert steps == []
        case "critic":
            assert {node.unscored for node in steps} == {"The server answered 500."}
        case "review":
            assert all(path.review is None for path in tree.paths)
            assert len(lost) == len(tree.paths) > 0
        case _:
            assert lost
            assert all("The server answered 500." in sentence for sentence in lost)
            assert tree.paths == ()
    assert all(node.score is not None or node.unscored for node in steps)


def node(key: str, score: float | None, thought: str = "", parent: str = ROOT) -> Node:
    """A thought."""
    return Node(key, parent, "thought", 1, thought or f"words only of {key} {key}a {key}b", score=score)


def test_what_is_cut_and_why() -> None:
    same = "one two three four five six seven eight"
    given = [
        node("1", 0.9, same), node("2", 0.8, same + " nine"), node("3", 0.5), node("4", 0.7), node("5", 0.49), node("6", None),
        node("7", 0.8, same, parent="9"), node("8", 0.7),
    ]  # fmt: skip
    found = cut(given, Growth(beam=3, threshold=0.5, similarity=0.8))
    assert [one.pruned for one in found] == ["", "duplicate", "beam", "", "threshold", "unscored", "", "beam"]
    assert found[1].prune_detail == "It shares 89% of its words with step 1, which scored no less."
    assert found[4].prune_detail == "0.49 is below 0.50."


@given(st.lists(st.none() | st.floats(-1, 1), max_size=12), st.integers(1, 5), st.floats(-1, 1))
@settings(max_examples=80, deadline=None)
def test_cutting_keeps_the_best(scores: list[float | None], beam: int, threshold: float) -> None:
    given = [node(str(index), score) for index, score in enumerate(scores)]
    found = cut(given, Growth(beam=beam, threshold=threshold))
    assert [one._replace(pruned="", prune_detail="") for one in found] == given
    kept = [one.score for one in found if not one.pruned]
    worthy = sorted((score for score in scores if score is not None and score >= threshold), reverse=True)
    assert sorted((score for score in kept if score is not None), reverse=True) == worthy[:beam]


def test_overlap_of_words() -> None:
    assert overlap("A b, c!", "c B a") == 1.0
    assert overlap("a b", "c d") == 0.0
    assert overlap("", "") == 1.0
    assert overlap("", "a") == 0.0
    assert nearest("a b", []) == 0.0
    assert nearest("a b c d", ["a x", "a b c y"]) == pytest.approx(3 / 5)


def test_the_audit_of_a_tree_worked_by_hand() -> None:
    nodes = (
        Node(ROOT, None, "root", 0, "q"),
        Node("1", ROOT, "thought", 1, "a b c d", score=0.8, persona=Persona.SOCIOLOGIST),
        Node("2", ROOT, "thought", 1, "a b c e", score=0.6, persona=Persona.CONTRARIAN),
        Node("3", ROOT, "thought", 1, "x y", score=0.2, persona=Persona.PEDAGOGUE, pruned="threshold"),
        Node("4", "1", "thought", 2, "f", score=0.7, persona=Persona.CONTRARIAN),
        Node("5", "2", "thought", 2, "g", score=0.5, persona=Persona.CONTRARIAN),
        Node("6", "4", "answer", 3, "A", score=0.9),
        Node("7", "5", "answer", 3, "B", score=0.4),
    )
    tree = Tree(CASE, nodes, (Path("6"), Path("7")))  # R = 2.4 and 1.5
    sociologist, pedagogue, contrarian = audit([tree])
    assert (sociologist.persona, sociologist.proposals, sociologist.share) == ("sociologist", 1, 0.2)
    assert (sociologist.survival, sociologist.on_best, sociologist.best_share) == ((1.0,), 1, 0.5)
    assert sociologist.loss == pytest.approx(0.9)
    assert sociologist.redundancy == pytest.approx(3 / 5)
    assert (pedagogue.survival, pedagogue.loss, pedagogue.on_best) == ((0.0,), 0.0, 0)
    assert (contrarian.survival, contrarian.blocked, contrarian.loss) == ((1.0, 1.0), 1, None)
    assert contrarian.scored == pytest.approx(0.6)
    assert audit([]) == []
    assert [one.persona for one in audit([Tree(CASE, (Node(ROOT, None, "root", 0, "q"), node("1", 0.5)))])] == [NOBODY]
