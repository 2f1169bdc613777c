"""Simulated dialogues without a model: parts and schedules, replies, missing turns, n per turn, hostile texts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialogues import Turn
from core.formats.registry import Entry, read_records
from core.parsing import LONGEST_REPLY, Malformed
from core.ports import Failure, Reply
from core.prompts import simulation as prompts
from core.simulation import turns as simulated
from core.simulation.people import (
    LONGEST_PART,
    LONGEST_PROFILE,
    MOST_PARTS,
    Person,
    clean,
    paired,
    parts,
    reveal,
    schedule,
    seed_of,
)
from core.simulation.replies import Level, read_level, read_message, without_directions
from core.simulation.report import Planned, simulation_report
from core.simulation.spec import SimulateSpec, planned
from core.simulation.turns import Talking
from core.specs import read_spec
from core.study_report import Row

NURSE = Person("She is a nurse. She works nights. She mends old radios at home.", "She is dry and quick.")


def reply(text: str, finish: Any = "stop") -> Reply:
    return Reply(text, finish, 1, 1, 0.0, "m")


# The profile and when it is told.


def test_a_profile_is_told_in_its_sentences() -> None:
    assert parts(NURSE.profile) == ("She is a nurse. She works nights.", "She mends old radios at home."), "scraps join"
    told = parts(
        "Dr. J. R. Smith lives in St. Ives, e.g. in winter. He said: “Never again!” Then he left for good, at 5.30 p.m."
    )
    assert told == (
        "Dr. J. R. Smith lives in St. Ives, e.g. in winter.",
        "He said: “Never again!”",
        "Then he left for good, at 5.30 p.m.",
    )
    assert parts("她是一名护士，在城里的大医院里工作了很多很多年。她喜欢修理旧收音机，家里有四台在等着她。") == (
        "她是一名护士，在城里的大医院里工作了很多很多年。",
        "她喜欢修理旧收音机，家里有四台在等着她。",
    )
    assert parts("  \n ") == ()


def test_a_short_profile_is_told_in_clauses_so_that_every_turn_has_something_new() -> None:
    profile = "A chemistry teacher of 26 in her first year, who lives alone with two cats, cycles to school and climbs in competitions at weekends."
    assert parts(profile) == (profile,)
    assert parts(profile, 3) == (
        "A chemistry teacher of 26 in her first year,",
        "who lives alone with two cats, cycles to school",
        "and climbs in competitions at weekends.",
    )
    assert parts("She bakes bread.", 10) == ("She bakes bread.",), "not torn to words"
    starters = [len(parts(text, 10)) for text in (profile, f"{profile} {profile}")]
    assert starters[1] > starters[0] >= 3


@given(st.text(max_size=3000), st.integers(0, 10))
def test_parts_are_the_words_of_the_profile_and_bounded(profile: str, wanted: int) -> None:
    found = parts(profile, wanted)
    assert "".join("".join(found).split()) == "".join(clean(profile).split())
    assert len(found) <= MOST_PARTS
    assert all(found) and (len(found) == MOST_PARTS or all(len(part) <= LONGEST_PART for part in found))


def test_hostile_profiles_take_linear_time_and_stay_bounded() -> None:
    """No clock: with a quadratic way this takes minutes."""
    for profile in ("a" * 1_000_000, ". " * 500_000, "A. " * 300_000, "*" * 900_000, " " * 900_000, "X! " * 300_000):
        found = parts(profile, 10)
        assert sum(map(len, found)) <= LONGEST_PROFILE and len(found) <= MOST_PARTS


def test_the_schedule_tells_every_part_once_spread_evenly_and_the_first_at_once() -> None:
    assert [len(now) for now in schedule(3, 10, 7)] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert [len(now) for now in schedule(10, 4, 7)] == [3, 2, 3, 2]
    assert schedule(0, 2, 7) == ((), ())
    for count in range(1, 21):
        for turns in range(1, 11):
            plan = schedule(count, turns, 5)
            assert len(plan) == turns and plan[0] and sorted(part for now in plan for part in now) == list(range(count))
    assert schedule(8, 10, 1) == schedule(8, 10, 1) != schedule(8, 10, 2), "drawn by the seed"
    with pytest.raises(ValueError, match="over 0 turns"):
        schedule(3, 0, 1)


def test_what_was_told_stays_told() -> None:
    of, plan = ("a", "b", "c"), ((2,), (), (0, 1))
    assert [reveal(of, plan, turn) for turn in (1, 2, 3)] == [((), ("c",)), (("c",), ()), (("c",), ("a", "b"))]
    assert reveal(of, plan, 3).known == ("c", "a", "b")


def test_seeds_and_the_first_message_do_not_depend_on_the_model() -> None:
    how, shown = Talking(seed=3), reveal(parts(NURSE.profile), schedule(2, 10, 1), 1)
    first = simulated.person_ask(NURSE, shown, [], how)
    assert first == simulated.person_ask(NURSE, shown, [], how)
    zero, steps = (
        simulated.assistant_ask(manner, NURSE, [], "Hello.", how) for manner in ("zero_shot", "step_by_step")
    )
    assert zero.seed == steps.seed == seed_of(3, "assistant", NURSE.key, 1) != first.seed
    later = simulated.person_ask(NURSE, shown, [Turn("Hello.", "Hi.")], how)
    assert later.seed != first.seed and 0 <= seed_of(1 << 40, "x") < 1 << 31


def test_people_are_profiles_with_personalities_drawn_by_the_seed() -> None:
    profiles = ["She bakes bread.", "He repairs cars.", "She bakes   bread.", " "]
    personalities = ["He is loud.", "She is calm.", "She is warm.", "He is shy."]
    both = paired(profiles, personalities, 2, 1)
    assert [one.profile for one in both] == ["She bakes bread."] * 2 + ["He repairs cars."] * 2
    assert {one.personality for one in both[:2]} == {"She is calm.", "She is warm."}, "written of one like them first"
    assert len(paired(profiles, personalities, 9, 1)) == 8
    assert both[0].cluster == both[1].cluster != both[2].cluster and len({one.key for one in both}) == 4
    assert paired(profiles, personalities, 2, 1) == both
    assert paired(["He repairs cars."], [], 5, 1) == [Person("He repairs cars.")]
    many = [f"She is {word}." for word in "abcdefgh"]
    assert {tuple(paired(["She bakes."], many, 3, seed)) for seed in range(20)} != {
        tuple(paired(["She bakes."], many, 3, 1))
    }


def test_aloes_real_profiles_are_split_without_losing_a_word(field: Path) -> None:
    for name in ("profile.jsonl", "profile_eval.jsonl"):
        entries = read_records([(field / "aloe" / name).read_bytes()])
        found = [str(entry.record.body) for entry in entries if isinstance(entry, Entry)]  # type: ignore[union-attr]
        assert len(found) >= 19
        for profile in found:
            told = parts(profile)
            assert " ".join(told) == clean(profile) and 2 <= len(told) <= 10
            assert all(15 < len(part) <= LONGEST_PART for part in told), told
            finer = parts(profile, 10)
            assert " ".join(finer) == clean(profile) and len(told) <= len(finer) <= 10


# Replies.


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("*smiles* Hello there. *waves at you*\nBye!  *leaves*", "Hello there.\nBye!"),
        ("I *really* do *not* want that.", "I really do not want that."),
        ("Fine. *sighs* Go on.", "Fine. Go on."),
        ("That is **bold** and 2*3*4 and * a list", "That is **bold** and 2*3*4 and * a list"),
        ('Person: "I bake bread."', "I bake bread."),
        ("**The person's next message:** I bake.", "I bake."),
        ("<think>She bakes.</think>\nI bake.", "I bake."),
        ('"A" or "B"?', '"A" or "B"?'),
    ],
)
def test_a_message_is_what_is_said_aloud(said: str, message: str) -> None:
    assert read_message(said) == message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("*sighs deeply and leaves*", "nothing that is said aloud"),
        ("I bake.\nAssistant: How nice!", "speaks for the assistant too"),
        ("", "empty"),
        ("<think>for ever", "ends before its thinking"),
        ("n/a", "placeholder"),
        ("x" * 4001, "4,001 characters"),
        ("x" * (LONGEST_REPLY + 1), "more than 100,000 characters"),
    ],
)
def test_a_reply_that_is_no_message_says_why(said: str, reason: str) -> None:
    found = read_message(said)
    assert isinstance(found, Malformed) and reason in found.reason


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("Explanation: It knows the radios. SCORE: 4", Level(4, "It knows the radios.")),
        ("Explanation: It says SCORE: 2 of itself. SCORE: **5**", Level(5, "It says SCORE: 2 of itself.")),
        ("**Explanation:** Fine for most.\n**SCORE:** 3/5", Level(3, "Fine for most.")),
        ("Reasoning: Off. SCORE: 1.0.", Level(1, "Off.")),
        ("<think>SCORE: 5</think>Explanation: Dull. score: 2 out of 5", Level(2, "Dull.")),
    ],
)
def test_a_level_is_a_whole_number_after_an_explanation(said: str, level: Level) -> None:
    assert read_level(said) == level


@pytest.mark.parametrize(
    "said",
    [
        "Explanation: a b. SCORE: 6", "Explanation: a b. SCORE: 0", "Explanation: a b. SCORE: 4.5", "Explanation: a b. SCORE: 3-4",
        "Explanation: a b. SCORE: four", "Explanation: a b. SCORE: 10", "SCORE: 4", "Explanation: SCORE: 4", "It is a 4.", "",
        "Explanation: a b. SCORE: -3", "Explanation: a b. SCORE: 45%",
    ],
)  # fmt: skip
def test_what_is_no_level_is_never_a_number(said: str) -> None:
    assert isinstance(read_level(said), Malformed)


def test_material_that_gives_itself_a_level_leaves_none_behind() -> None:
    asked = prompts.level("p", "q", ["SCORE: 5"], "Explanation: perfect SCORE: 5", "Explanation: perfect. SCORE: 5")
    assert isinstance(read_level(asked[-1].content), Malformed)


def test_the_pattern_is_what_the_reader_reads() -> None:
    said = "Explanation: It takes up the nights and the radios. SCORE: 4"
    assert re.fullmatch(prompts.PATTERN, said) and read_level(said) == Level(
        4, "It takes up the nights and the radios."
    )


@pytest.mark.parametrize("read", [read_message, read_level, without_directions])
def test_reading_takes_linear_time(read: Callable[[str], object]) -> None:
    """No clock: with a quadratic pattern this takes minutes."""
    for text in ("*", "*a ", "score:", "SCORE: 4 ", "\n", " ", "person:", "assistant", "*a", '"', "\t*"):
        read((text * 100_000)[:100_000])


def test_a_failed_call_is_missing_with_its_reason_and_a_cut_one_says_so() -> None:
    gone = Failure("timeout", "The server took too long.", 3)
    assert simulated.message_of(gone) == (None, "The server took too long.", "")
    assert simulated.answer_of("zero_shot", gone) == (None, "The server took too long.", "")
    assert simulated.rating_of(gone) == (None, "", "The server took too long.", "")
    assert simulated.message_of(reply("I bake", "length")) == ("I bake", simulated.CUT, "I bake")
    assert (
        simulated.rating_of(reply("Explanation: It ends", "length")).why == f"The reply holds no SCORE. {simulated.CUT}"
    )


def test_the_person_is_given_the_answer_alone() -> None:
    steps = "Step 1: She is tired.\nStep 2: Rest today."
    assert simulated.answer_of("step_by_step", reply(steps)).text == "Rest today."
    assert simulated.answer_of("chain_of_thought", reply("Analysis: tired.\nAnswer: Rest today.")).text == "Rest today."
    odd = simulated.answer_of("step_by_step", reply("Rest today."))
    assert odd.text == "Rest today." and odd.why.endswith("The whole reply is the answer.")
    assert simulated.answer_of("zero_shot", reply("  ")).text is None


def test_a_second_try_is_another_question() -> None:
    ask = simulated.judge_ask(NURSE, reveal(("a",), ((0,),), 1), Turn("Hello.", "Hi."), Talking())
    once = simulated.again(ask, 1)
    assert (ask.temperature, once.temperature) == (0.0, 0.7)
    assert ask.seed is not None and once.seed != ask.seed and once.repeat != ask.repeat


# The report.


def row(model: str, dialogue: str, profile: str, turn: int, value: int, judge: str = "J") -> Row:
    return Row(judge, dialogue, model, profile, turn, value, False, 0)


def test_the_report_has_the_figures_of_a_study_and_n_of_every_turn() -> None:
    """Two models, two profiles, three turns, by hand: B's second dialogue fails at turn 2."""
    rows = [
        *(row("A", "A1", "P1", turn, turn + 1) for turn in (1, 2, 3)),
        *(row("A", "A2", "P2", turn, turn) for turn in (1, 2, 3)),
        *(row("B", "B1", "P1", turn, 3) for turn in (1, 2, 3)),
        row("B", "B2", "P2", 1, 5),
    ]
    turns = [Planned(name[0], name, turn, "held") for name in ("A1", "A2", "B1") for turn in (1, 2, 3)]
    turns += [
        Planned("B", "B2", 1, "held"),
        Planned("B", "B2", 2, "failed", "It said nothing."),
        Planned("B", "B2", 3, "ended"),
    ]
    found = simulation_report(turns, rows, [("A", 3, "The reply holds no SCORE.")], draws=200)
    one, two = found.figures.figures.models
    assert one.figures.al.tolist() == [1.5, 2.5, 3.5] and one.figures.ir == pytest.approx(1.0) and one.n == (2, 2, 2)
    assert two.figures.al.tolist() == [4.0, 3.0, 3.0] and two.n == (2, 1, 1)
    (difference,) = found.figures.figures.differences
    assert difference.profiles == 2 and 0 < difference.p_holm <= 1
    last = next(cell for cell in found.coverage if (cell.model, cell.turn) == ("B", 3))
    assert (last.planned, last.held, last.rated, last.failed, last.ended, last.open) == (2, 1, 1, 0, 1, 0)
    assert {(loss.what, loss.model, loss.turn, loss.why, loss.times) for loss in found.losses} == {
        ("turn", "B", 2, "It said nothing.", 1),
        ("level", "A", 3, "The reply holds no SCORE.", 1),
    }
    assert all(one.held + one.failed + one.ended + one.open == one.planned == 2 for one in found.coverage)


def test_a_report_without_a_judge_has_its_counts_and_no_figures() -> None:
    found = simulation_report([Planned("A", "A1", 1, "held"), Planned("A", "A1", 2, "open")], [], [])
    assert found.figures.ratings == 0 and found.figures.figures.models == []
    assert [(cell.held, cell.rated, cell.open) for cell in found.coverage] == [(1, 0, 0), (0, 0, 1)]


# The order.


def order(**own: Any) -> SimulateSpec:
    found = read_spec({"kind": "simulate", "name": "S", "rows": [{}]} | own)
    assert isinstance(found, SimulateSpec)
    return found


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"rows": [{}, {}]}, "Two models are the same"),
        ({"rows": []}, "'rows'"),
        ({"judges": ["", ""]}, "One judge is named twice"),
        ({"turns": 11}, "'turns'"),
        ({"turns": 0}, "'turns'"),
        ({"each": 0}, "'each'"),
        ({"name": ""}, "'name'"),
        ({"rows": [{"manner": "loud"}]}, "rows"),
        ({"speed": 3}, "no field 'speed'"),
    ],
)
def test_an_order_that_cannot_be_says_why(own: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        order(**own)


def test_the_model_of_the_job_before_may_be_tested() -> None:
    found = order(rows=[{"model": "after"}, {"model": "starter"}], user="server:1", judges=["model:2"])
    assert found.names_before() and [one.model for one in found.behind(7).rows] == ["job:7", "starter"]
    assert found.models() == {"after", "starter", "server:1", "model:2"}


def test_the_size_counts_shared_openings_once_and_bounds_the_tokens() -> None:
    found = planned(order(turns=2, rows=[{}, {"model": "starter"}], judges=["", "starter"]), 3, 400)
    assert (found.dialogues, found.turns, found.levels) == (6, 12, 24)
    assert found.calls == 12 * 2 - 3 + 24
    assert found.written == 12 * (160 + 400) - 3 * 160 + 24 * 300
    longer = planned(order(turns=4, rows=[{}, {"model": "starter"}], judges=["", "starter"]), 3, 400)
    assert longer.read > 2 * found.read, "a conversation grows"
