"""Critic data and report: what becomes an example, which side it stands on, what the lint says, and measures by hand."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import numpy as np
import pytest

from core.bands import BANDS
from core.critic_data import Example, against_tone, counts, examples, lint, refusal, split, tone
from core.critic_report import Judged, as_json, points, quality, report, spearman
from core.critic_scoring import score_steps
from core.jobs import plain
from core.parsing import read_reply
from core.ports import Ask, Failure, Reply, Streamed
from core.specs import CRITIC_PRESETS, UNTRAINED, CriticSpec, critic_preset, lane, read_spec, resumable
from core.types import Node, Scenario, Tree

ROOT = Node("0", None, "root", 0, "q")


def tree(*steps: Node, query: str = "q", split: str = "", preference: str = "p") -> Tree:
    """A tree of these steps."""
    return Tree(Scenario(preference, query, split=split), (ROOT, *steps))


def step(
    key: str, score: float | None, critique: str = "It sees the need.", thought: str = "", parent: str = "0"
) -> Node:
    """A step with a critique."""
    return Node(
        key, parent, "thought", key.count("-"), thought or f"thought {key}", critique, score, persona="pedagogue"
    )


def many(count: int, splits: Sequence[str] = ("",)) -> list[Tree]:
    """Trees of two steps, one scenario each, whose splits go round."""
    return [
        tree(
            step("0-1", 0.5, f"a {n}"),
            step("0-1-1", 0.2, f"b {n}", parent="0-1"),
            query=f"q{n}",
            split=splits[n % len(splits)],
        )
        for n in range(count)
    ]


def test_examples_are_the_rows_of_d_rea() -> None:
    one, two = examples([tree(step("0-1", 0.25), step("0-1-1", -0.5, parent="0-1"), step("0-2", None))])
    assert (one.scenario, one.node, one.step, one.persona, one.score) == (1, "0-1", 1, "pedagogue", 0.25)
    assert two.step == 2
    assert read_reply(two.completion) == ("It sees the need.", -0.5)
    assert "thought 0-1" in two.prompt[-1].content


def test_a_scenario_is_never_on_both_sides() -> None:
    found = list(examples(many(40)))
    for seed in range(5):
        parts = split(found, 0.2, seed)
        train, held = ({one.group for one in side} for side in (parts.train, parts.held_out))
        assert not train & held
        assert (len(train), len(held), parts.drawn) == (32, 8, 40)
        assert len(parts.train) + len(parts.held_out) == len(found)
    assert split(found, 0.2, 1) == split(found, 0.2, 1)
    assert {one.group for one in split(found, 0.2, 1).held_out} != {one.group for one in split(found, 0.2, 2).held_out}
    again = split(found[::-1], 0.2, 1)
    assert {one.group for one in again.held_out} == {one.group for one in split(found, 0.2, 1).held_out}


def test_the_same_scenario_twice_stays_together_whatever_its_white_space() -> None:
    trees = [*many(10), *(tree(step("0-1", 0.1), query=f" q{n}\n") for n in range(10))]
    parts = split(list(examples(trees)), 0.3, 4)
    assert not {one.group for one in parts.train} & {one.group for one in parts.held_out}
    assert len({one.group for one in parts.held_out}) == 3


def test_a_scenarios_own_split_stands() -> None:
    parts = split(list(examples(many(12, ("train", "train", "validation", "test")))), 0.5, 1)
    assert {one.split for one in parts.train} == {"train"}
    assert {one.split for one in parts.held_out} == {"validation", "test"}
    assert parts.drawn == 0
    both = [tree(step("0-1", 0.1), split="train"), tree(step("0-1", 0.1), split="test"), *many(2, ("train",))]
    assert [one.scenario for one in split(list(examples(both)), 0.5, 1).held_out] == [1, 2]


def test_a_set_that_states_train_throughout_is_drawn_from() -> None:
    parts = split(list(examples(many(10, ("train",)))), 0.2, 1)
    assert (len({one.group for one in parts.held_out}), parts.drawn) == (2, 10)
    mixed = split(list(examples(many(10, ("train", "")))), 0.4, 1)
    assert {one.split for one in mixed.held_out} == {""}
    assert len({one.group for one in mixed.held_out}) == 2


@pytest.mark.parametrize(
    ("count", "share", "held"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (5, 0.0, 0), (0, 0.5, 0)]
)
def test_small_splits(count: int, share: float, held: int) -> None:
    parts = split(list(examples(many(count))), share, 1)
    assert len({one.group for one in parts.held_out}) == held
    with pytest.raises(ValueError, match="share"):
        split([], 1.0, 1)


def test_lint_of_good_data_finds_nothing() -> None:
    found = lint(many(3))
    assert found.findings == ()
    assert refusal(found) == ""
    assert found.histogram.total == 6
    assert sum(found.histogram.bands.values()) == 6


def test_every_finding() -> None:
    found = lint(
        [
            tree(
                step("0-1", None)._replace(unscored="The reply holds no SCORE."),
                step("0-2", 1.5, "out"),
                step("0-3", 0.4, ""),
                step("0-4", 0.4, "As I said, SCORE: 0.9 SCORE: 0.9 would be right, SCORE: nine"),
                step("0-5", 0.9, "This is generic and repeats the query."),
                step("0-6", -0.5, "An insightful, sharp thought."),
            ),
            tree(step("0-1", 0.3, "Same words."), step("0-2", 0.3, "same  WORDS."), step("0-3", -0.3, "Same words.")),
            tree(step("0-1", 0.3, "N/A")),
        ]
    )
    told = {(one.kind, one.scenario, one.node): one.blocking for one in found.findings}
    assert told == {
        ("no_score", 1, "0-1"): False,
        ("out_of_range", 1, "0-2"): True,
        ("no_critique", 1, "0-3"): False,
        ("tone", 1, "0-5"): False,
        ("tone", 1, "0-6"): False,
        ("same_critique", 2, "0-2"): False,
        ("same_critique", 2, "0-3"): True,
        ("unreadable", 3, "0-1"): True,
    }
    blocking = [one.blocking for one in found.findings]
    assert all(before or not after for before, after in pairwise(blocking))
    said = refusal(found)
    assert said.startswith("3 findings block the training. ")
    assert "Scenario 1, step 0-2: The score 1.5 lies outside -1 to 1." in said
    assert "no_score" in counts(found)
    unscored = next(one for one in found.findings if one.kind == "no_score")
    assert "The reply holds no SCORE" in unscored.sentence


def test_what_cannot_be_used_at_all_blocks() -> None:
    for trees in ([], [tree()], [tree(step("0-1", None))], [tree(step("0-1", 0.5, ""))], [tree(step("0-1", math.nan))]):
        assert "nothing" in {one.kind for one in lint(trees).blocking()}


def test_a_long_list_is_counted() -> None:
    said = refusal(lint([tree(*(step(f"0-{n}", 2.0, f"c {n}") for n in range(1, 31)))]))
    assert said.count("lies outside") == 20
    assert said.endswith("And 11 more.")


def test_a_collapsed_scorer_is_a_warning() -> None:
    found = lint([tree(*(step(f"0-{n}", 0.5, f"c {n}") for n in range(1, 31)))])
    assert [(one.kind, one.blocking) for one in found.findings] == [("histogram", False)]


@pytest.mark.parametrize(
    ("critique", "score", "against"),
    [
        ("Shallow and generic.", 0.8, True),
        ("Shallow and generic.", 0.69, False),
        ("Not shallow and not generic.", 0.8, False),
        ("Not insightful, never deep.", 0.9, True),
        ("Shallow and generic, but useful.", 0.8, False),
        ("Deep and original.", -0.1, True),
        ("Deep and original.", 0.0, False),
        ("It is deep and vague.", -0.9, False),
        ("", 0.9, False),
    ],
)
def test_tone(critique: str, score: float, against: bool) -> None:
    assert bool(against_tone(critique, score)) == against


def test_tone_takes_linear_time_on_odd_text() -> None:
    assert tone("a" * 200_000) == (0, 0)
    assert tone("not " * 50_000 + "deep") == (0, 1)


def test_measures_by_hand() -> None:
    judged = [
        Judged(0.9, 0.7, "", 1, "pedagogue"),
        Judged(0.5, 0.5, "", 1, ""),
        Judged(-0.5, 0.2, "", 2, "pedagogue"),
        Judged(0.1, None, "The reply is empty.", 2, ""),
    ]
    found = report(judged)
    assert found.all.steps == 4
    assert found.all.unscored == 0.25
    assert found.all.mae == pytest.approx((0.2 + 0 + 0.7) / 3)
    assert found.all.spearman == pytest.approx(1.0)
    assert found.all.band == pytest.approx(1 / 3)
    assert found.by_step[2] == quality(judged[2:])
    assert found.by_step[2].spearman is None
    assert list(found.by_persona) == ["", "pedagogue"]
    assert found.reasons == {"The reply is empty.": 1}
    assert sum(one.steps for one in found.bins) == 3
    (low,) = [one for one in found.bins if one.low == 0.2]
    assert (low.steps, low.said, low.stated) == (1, 0.2, -0.5)
    assert plain(as_json(found))["by_persona"]["unknown"]["steps"] == 2


def test_a_report_of_nothing_is_none_throughout() -> None:
    assert quality([]) == (0, None, None, None, None)
    assert report([Judged(0.1, None, "x", 1, "")]).all == (1, 1.0, None, None, None)
    assert quality([Judged(0.1, 0.3, "", 1, ""), Judged(0.2, 0.3, "", 1, "")]).spearman is None


def test_the_ends_of_the_scale_have_a_bin() -> None:
    found = report([Judged(1.0, 1.0, "", 1, ""), Judged(-1.0, -1.0, "", 1, "")])
    assert (found.bins[0].steps, found.bins[-1].steps) == (1, 1)
    assert found.all.band == 1.0
    assert len(BANDS) == 9


def test_spearman_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    for _ in range(20):
        first, second = np.round(rng.normal(size=(2, 30)), 1)
        assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)


class Scorer:
    """Replies from a list, in the order of the steps' queries."""

    name = "scorer"

    def __init__(self, replies: dict[str, str | Failure]) -> None:
        self.replies = replies
        self.asks: list[Ask] = []

    async def ask(self, ask: Ask) -> Reply | Failure:
        self.asks.append(ask)
        await asyncio.sleep(0)
        found = next(reply for key, reply in self.replies.items() if key in ask.messages[-1].content)
        return found if isinstance(found, Failure) else Reply(found, "stop", 1, 1, 0.0, "")

    def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        raise NotImplementedError


def test_scoring_keeps_the_order_and_every_reason() -> None:
    found = [one for one in examples(many(4)) if one.step == 1]
    model = Scorer(
        {
            "q0": "Reasoning: so. SCORE: 0.3",
            "q1": Failure("busy", "Too many requests.", 3),
            "q2": "Well. SCORE: 7",
            "q3": "fine SCORE: -1",
        }
    )
    judged = asyncio.run(score_steps(model, found, 99, side_by_side=2))
    assert [one.said for one in judged] == [0.3, None, None, -1.0]
    assert judged[1].why == "Too many requests."
    assert "-1 to 1" in judged[2].why
    assert {(ask.temperature, ask.max_tokens) for ask in model.asks} == {(0.0, 99)}


def test_points_carry_the_ids_that_were_handed_in() -> None:
    trees = many(2)
    found = list(examples(trees, [(11, 21), (12, 22)]))
    judged = asyncio.run(score_steps(Scorer({"q0": "so SCORE: 0.3", "q1": Failure("busy", "Busy.", 1)}), found, 99))
    assert points(judged)[1:3] == [
        {"scenario": 11, "tree": 21, "node": "0-1-1", "step": 2, "persona": "pedagogue", "stated": 0.2, "said": 0.3, "why": ""},
        {"scenario": 12, "tree": 22, "node": "0-1", "step": 1, "persona": "pedagogue", "stated": 0.5, "said": None, "why": "Busy."},
    ]  # fmt: skip
    assert {(one.scenario_id, one.tree_id) for one in examples(trees)} == {(0, 0)}


def test_scoring_that_is_told_to_stop_leaves_the_rest_out() -> None:
    found: list[Example] = list(examples(many(20)))
    model = Scorer({"q": "Reasoning: so. SCORE: 0.3"})
    judged = asyncio.run(score_steps(model, found, 99, side_by_side=1, tell=lambda done: done >= 3))
    assert len(judged) == len(model.asks) == 3


def test_the_spec_and_its_presets() -> None:
    paper = critic_preset("paper", name="P", set=3)
    assert (paper.base, paper.lora_rank, paper.lora_alpha, paper.learning_rate, paper.epochs, paper.max_length) == (
        "Qwen2.5-7B-Instruct", 16, 32, 2e-5, 3.0, 4096,
    )  # fmt: skip
    assert lane(paper) == "gpu"
    assert resumable("critic")
    assert read_spec(paper.model_dump()) == paper
    for name in CRITIC_PRESETS:
        assert isinstance(critic_preset(name, name="x", set=1), CriticSpec)
    assert critic_preset("starter", name="x", set=1, epochs=1).epochs == 1
    assert critic_preset("untrained", name="x", set=1).base == UNTRAINED
    assert not any(critic_preset(name, name="x", set=1).corrections for name in CRITIC_PRESETS)
    with pytest.raises(ValueError, match="no preset"):
        critic_preset("huge")
    with pytest.raises(ValueError, match="set"):
        critic_preset("paper", name="P")
