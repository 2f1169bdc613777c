"""What a policy learns from: splits, examples, ranked paths; whole-response scores; the listwise loss; the report."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from core.parsing import Malformed, read_checklist
from core.policy_data import Asked, asked, examples, ranked, response, split
from core.policy_report import Answered, as_json, report
from core.policy_specs import POLICY_PRESETS, PRESET_MEANING, REWARD_MEANING
from core.ports import Ask, Failure
from core.prompts.checklist import QUESTIONS
from core.response_scoring import question, score_responses
from core.scoring import Case, Scored, Scoring
from core.tpo import differences, loss, margins, weights
from core.types import ROOT, Foreign, Node, Path, Scenario, Tree
from tests.fakes import ScriptedModel

CASE = Scenario("I never share where I am.", "How do I tell my sister when I arrive?", "privacy", "train")
NODES = (
    Node(ROOT, None, "root", 0, CASE.query),
    Node("1", ROOT, "thought", 1, "She decides who knows.", "c", 0.8),
    Node("2", ROOT, "thought", 1, "She likes maps.", "c", 0.1),
    Node("3", "1", "answer", 2, "Agree on one word.", "c", 0.7),
    Node("4", "1", "answer", 2, "Send a photo.", "c", 0.2),
    Node("5", "2", "answer", 2, "Share a map.", "c", -0.9),
    Node("6", "2", "answer", 2, "No verdict.", "", None, "The reply is empty."),
)
TREE = Tree(CASE, NODES, (Path("5"), Path("3"), Path("6"), Path("4"), Path("3"), Path(None)))


def test_prompts_are_every_different_scenario_once() -> None:
    again = Scenario("I never  share where I am.", CASE.query, split="test")
    found = asked([CASE, Scenario(" ", "q"), None, again, Scenario("P", "Q")])
    assert [(one.scenario, one.preference) for one in found] == [(1, CASE.preference), (5, "P")]


def test_a_stated_split_stands_and_the_rest_is_drawn_by_the_seed() -> None:
    made = [Asked(n, f"g{n}", "train" if n < 8 else "test", "P", "q") for n in range(10)]
    parts = split(made, 0.5, 1)
    assert [one.group for one in parts.held_out] == ["g8", "g9"] and parts.drawn == 0
    free = [one._replace(split="") for one in made]
    parts = split(free, 0.3, 1)
    assert len(parts.held_out) == 3 and parts.drawn == 10
    assert split(free[::-1], 0.3, 1).held_out == parts.held_out[::-1], "the order of the records does not matter"
    assert split(free, 0.3, 2) != parts


def test_the_best_path_or_its_answer_is_learned() -> None:
    (path,) = examples([Foreign("x", {}, "t", CASE), TREE], "path")
    assert path.completion == "Step 1: She decides who knows.\nStep 2: Agree on one word."
    assert (path.scenario, path.split) == (2, "train")
    (answer,) = examples([TREE], "answer")
    assert answer.completion == "Agree on one word."
    assert answer.prompt != path.prompt and answer.group == path.group
    assert examples([Tree(CASE, NODES)], "path") == examples([Tree(CASE, NODES, (Path("2"),))], "answer") == []


def test_paths_are_ranked_by_their_value() -> None:
    (found,) = ranked([TREE], 5)
    assert found.values == (1.5, 1.0, -0.8), "the unscored path is left out, the doubled one counts once"
    assert found.responses[0] == ("She decides who knows.", "Agree on one word.")
    assert response(found.responses[0]).startswith("Step 1: She decides who knows.\nStep 2: ")
    assert ranked([TREE], 2)[0].values == (1.5, -0.8), "spread over the ranking"
    assert ranked([Tree(CASE, NODES, (Path("3"),))], 5) == []


def test_the_listwise_loss_by_hand() -> None:
    values = np.array([1.0, 0.0, 0.0])
    discount = 1 - 1 / math.log2(3)
    assert weights(values)[0].tolist() == pytest.approx([0, discount, discount]), "equal values share a rank"
    assert not weights(values)[1:].any()
    ratios = np.array([[0.5, 0.5], [0.5, -0.5], [-1.0, 0.0]])
    margin = margins(ratios, np.ones((3, 3, 2)), 2.0)
    assert margin[0].tolist() == [0, 2, 4]
    expected = discount * (math.log1p(math.exp(-2)) + math.log1p(math.exp(-4))) / 2
    assert loss(values, margin) == pytest.approx(expected)
    assert loss(np.array([1.0, 1.0]), np.zeros((2, 2))) == 0.0
    better = margins(ratios + np.array([[0.1, 0], [0, 0], [0, 0]]), np.ones((3, 3, 2)), 2.0)
    assert loss(values, better) < loss(values, margin), "a likelier best path is a smaller loss"


def test_shared_steps_cancel_and_different_ones_count() -> None:
    found = differences([("a b", "c d"), ("a b", "c e"), ("x",)])
    assert found[0, 1].tolist() == pytest.approx([0, 2 / 3])
    assert found[0, 2].tolist() == [1, 1], "a step that only one of them has counts whole"
    assert np.allclose(found, found.swapaxes(0, 1))


REPLIES = {
    "You judge one step": "Reasoning: fine SCORE: 0.4",
    "You review a finished path": "Reasoning: sound PROCESS: 20 DISCOVERY: 30 ANSWER: 25 TOTAL: 75",
    "list of questions": "\n".join(f"{n}: {'yes' if n > 2 else 'no'}" for n in range(1, 9)),
}


def replying(ask: Ask) -> str:
    return next(reply for words, reply in REPLIES.items() if words in ask.messages[0].content)


def test_one_number_for_a_whole_response() -> None:
    cases = [Case("P", "q", ("one", "two", "three")), Case("P", "q", ()), Case("P", "q", ("only",))]
    for reward, value, critique in (("response", 0.4, ""), ("review", 0.5, "sound"), ("rubric", 0.75, "no: ")):
        model, told = ScriptedModel(replying), list[int]()
        found = asyncio.run(score_responses(model, cases, reward, Scoring(), told.append))
        assert [[step.score for step in own] for own in found] == [[value] * 3, [], [value]]
        assert found[0][0].critique.startswith(critique) and found[0][1].critique == ""
        assert len(model.asked) == 2 and told == [1, 2], "one question for each response that has a step"
    steps = asyncio.run(score_responses(ScriptedModel(replying), cases, "steps"))
    assert [len(own) for own in steps] == [3, 0, 1] and all(step.critique == "fine" for step in steps[0])


def test_the_answer_may_be_judged_by_a_rubric_of_its_own() -> None:
    cases = [Case("P", "q", ("one", "two", "three")), Case("P", "q", ()), Case("P", "q", ("only",))]
    model = ScriptedModel(replying)
    found = asyncio.run(score_responses(model, cases, "steps+review", Scoring()))
    assert [[step.score for step in own] for own in found] == [[0.4, 0.4, 0.5], [], [0.5]], "75 of 100 is 2 x 0.75 - 1"
    assert [step.critique for step in found[0]] == ["fine", "fine", "sound"]


def test_a_judgement_that_cannot_be_read_is_no_score() -> None:
    for reward in ("response", "review", "rubric"):
        model = ScriptedModel(lambda ask: "well")
        ((found,),) = asyncio.run(score_responses(model, [Case("P", "q", ("a",))], reward))
        assert (found.score, len(model.asked)) == (None, 2), "asked once more, then unscored"
        assert found.why
        gone = ScriptedModel(lambda ask: Failure("server", "It was away.", 1))
        ((found,),) = asyncio.run(score_responses(gone, [Case("P", "q", ("a",))], reward))
        assert (found.score, found.why) == (None, "It was away.")
    with pytest.raises(ValueError, match="without a step"):
        question(Case("P", "q", ()), "review")


def test_a_checklist_is_read_line_by_line() -> None:
    assert read_checklist("1: yes\n**2.** No\n(3) yes, indeed", 3) == (True, False, True)
    assert read_checklist("1: yes\n2: no\n1: no", 2) == (False, False), "the last word on a question counts"
    assert read_checklist("Thinking.</think>1: yes", 1) == (True,)
    for text in ("1: yes", "1: yes\n2: perhaps", "1: yes\n2: nothing", "yes yes", "", "12: yes"):
        assert isinstance(read_checklist(text, 2), Malformed)
    assert isinstance(read_checklist("1 " * 40_000 + "-" * 10_000, 2), Malformed)


def answered(scores: list[float | None], **changes: Any) -> Answered:
    steps = tuple(Scored(score, "c", None, (), "" if score is not None else "away") for score in scores)
    return Answered("P", "q", "Step 1: a", True, True, steps)._replace(**changes)


def test_a_report_leaves_out_what_is_not_known() -> None:
    found = report(
        [
            answered([0.5, None]),
            answered([1.0, 0.0, 0.5], formed=False),
            answered([], ended=False, formed=False),
            answered([], text="", ended=False, formed=False, why="It was away."),
        ]
    )
    assert found["step_score"] == 0.5 and found["response_score"] == 0.5 and found["reward"] == 1.0
    assert (found["unscored"], found["formed"], found["cut_off"], found["failed"]) == (0.2, 0.25, 0.25, 0.25)
    assert (found["prompts"], found["steps"]) == (4, 1.25)
    assert report([])["step_score"] is None
    assert as_json(answered([0.5]))["steps"] == [{"score": 0.5, "critique": "c", "why": ""}]


def test_every_preset_and_reward_has_a_line_for_people() -> None:
    assert set(POLICY_PRESETS) == set(PRESET_MEANING)
    rewards = {str(sizes["starter"].get("reward", "steps")) for sizes in POLICY_PRESETS.values()}
    assert rewards | {"steps+review"} == set(REWARD_MEANING)
    assert len(QUESTIONS) == 8
