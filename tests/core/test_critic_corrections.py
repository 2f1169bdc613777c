"""People's checks as labels: one person, several who disagree, a step that was changed, what is left out and what is kept."""

import pytest

from core.checks import Check, digest, judged_of
from core.critic_corrections import HALF, WRONG, Counts, Given, Said, correct, gather, given, total
from core.critic_data import counts, examples, lint
from core.tree import by_key
from core.types import Node, Scenario, Tree

ROOT = Node("0", None, "root", 0, "q")


def tree(thought: str = "A first thought.") -> Tree:
    """A tree of two steps, one below the other."""
    one = Node("0-1", "0", "thought", 1, thought, "Sees it.", 0.6)
    two = Node("0-1-1", "0-1", "answer", 2, "A second thought.", "Misses it.", -0.2)
    return Tree(Scenario("p", "q"), (ROOT, one, two))


def said(key: str, *checks: Check, of: Tree | None = None) -> list[tuple[str, Said]]:
    """What people say of a step of the tree as it is there."""
    found = of or tree()
    judged = judged_of(found.scenario, by_key(found.nodes), key)
    assert judged is not None
    return [(key, Said(digest(judged), judged, check)) for check in checks]


def one(*checks: Check) -> Given | None:
    """The label of the first step, whose score is 0.6."""
    return given([check for _, check in said("0-1", *checks)])


@pytest.mark.parametrize(
    ("checks", "label"),
    [
        ((Check("agree"),), Given(0.6, "Sees it.")),
        ((Check("partly"),), None),
        ((Check("partly", 0.123456),), Given(0.123456, "Sees it.", True)),
        ((Check("partly", None, "New."),), Given(0.6, "New.", True)),
        ((Check("wrong"),), Given(None, None)),
        ((Check("wrong", 0.1),), Given(0.1, None, True)),
        ((Check("wrong", None, "New."),), Given(None, "New.", True)),
        ((Check("wrong", -0.5, "New."),), Given(-0.5, "New.", True)),
        # Several people: the mean of those who gave a score, the newest text that somebody wrote.
        ((Check("agree"), Check("agree")), Given(0.6, "Sees it.")),
        ((Check("wrong", -0.5, "Old."), Check("partly", 0.2, "New.")), Given(-0.15, "New.", True, True)),
        ((Check("wrong", -0.5, "New."), Check("agree")), Given(0.05, "New.", True, True)),
        ((Check("wrong", 0.1, "N."), Check("wrong", 0.2), Check("wrong", 0.2)), Given(0.17, "N.", True)),
        ((Check("wrong"), Check("agree")), Given(0.6, "Sees it.", False, True)),
        ((Check("wrong"), Check("partly")), Given(None, None, False, True)),
        ((Check("wrong", 0.3), Check("partly", None, "New.")), Given(0.45, "New.", True, True)),
        ((Check("wrong", -0.1), Check("wrong", 0.1, "N.")), Given(0.0, "N.", True)),
    ],
)
def test_one_label_out_of_what_people_said(checks: tuple[Check, ...], label: Given | None) -> None:
    assert one(*checks) == label


def test_no_negative_zero() -> None:
    found = one(Check("wrong", -0.001, "N."), Check("wrong", 0.0))
    assert found is not None and str(found.score) == "0.0"


def test_labels_replace_the_trees_own() -> None:
    labels = gather([*said("0-1", Check("partly", 0.9)), *said("0-1-1", Check("wrong", 0.5, "Serves them."))])
    made, counted = correct(tree(), labels)
    assert [(node.score, node.critique) for node in made.nodes[1:]] == [(0.9, "Sees it."), (0.5, "Serves them.")]
    assert counted == Counts(2, 2, 0, 0, 0)
    assert [row.completion for row in examples([made])] == [
        "Reasoning: Sees it. SCORE: 0.9", "Reasoning: Serves them. SCORE: 0.5",
    ]  # fmt: skip


def test_a_step_judged_wrong_is_left_out_and_counted_but_stays_before_others() -> None:
    made, counted = correct(tree(), gather(said("0-1", Check("wrong"))))
    assert counted == Counts(0, 0, 1, 0, 0)
    (left,) = examples([made])
    assert left.node == "0-1-1"
    assert "A first thought." in left.prompt[-1].content
    (finding,) = [finding for finding in lint([made]).findings if finding.kind == "no_score"]
    assert WRONG.rstrip(".") in finding.sentence
    half, _ = correct(tree(), gather(said("0-1", Check("wrong", 0.4))))
    assert half.nodes[1].unscored == HALF
    assert counts(lint([half])) == {"no_score": 1}


def test_a_changed_step_does_not_inherit() -> None:
    labels = gather([*said("0-1", Check("wrong")), *said("0-1-1", Check("wrong"))])
    changed = tree("Another first thought.")
    made, counted = correct(changed, labels)
    assert made == changed  # the step below has another step before it, so it is not what was judged either
    assert counted == Counts(0, 0, 0, 0, 2)
    both = gather([*said("0-1", Check("wrong")), *said("0-1", Check("agree"), of=changed)])
    assert correct(changed, both)[1] == Counts(1, 0, 0, 0, 0)


def test_a_step_that_is_gone_is_counted_as_such() -> None:
    found = tree()
    smaller = Tree(found.scenario, found.nodes[:2])
    assert correct(smaller, gather(said("0-1-1", Check("agree"))))[1] == Counts(0, 0, 0, 0, 1)


def test_agreeing_with_a_critique_without_a_score_gives_no_label() -> None:
    bare = Tree(tree().scenario, (ROOT, tree().nodes[1]._replace(score=None, unscored="The reply holds no SCORE.")))
    made, counted = correct(bare, gather(said("0-1", Check("agree"), of=bare)))
    assert made == bare
    assert counted == Counts(0, 0, 0, 0, 0)
    scored, counted = correct(bare, gather(said("0-1", Check("partly", 0.5), of=bare)))
    assert (scored.nodes[1].score, scored.nodes[1].unscored, counted.labels) == (0.5, "", 1)


def test_corrected_labels_are_linted() -> None:
    made, _ = correct(tree(), gather(said("0-1", Check("wrong", 0.9, "N/A"))))
    assert [finding.kind for finding in lint([made]).blocking()] == ["unreadable"]


def test_counts_add_up() -> None:
    assert total([]) == Counts(0, 0, 0, 0, 0)
    assert total([Counts(1, 2, 3, 4, 5), Counts(1, 1, 1, 1, 1)]) == Counts(2, 3, 4, 5, 6)
