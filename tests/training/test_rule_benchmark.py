"""The rule of the policy benchmark: its bounds, its best step, and that held-out prompts share no preference with the others."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rl import ASSUMED, BEST, FEELINGS, prompts, rule, score
from core.scoring import Case

LIKES = "I hate confrontation, but I hate pretending just as much."


def test_the_best_step_quotes_four_words_and_says_what_is_asked_for() -> None:
    assert rule(LIKES, "« but I hate pretending »: they fear it.", last=False) == BEST
    assert rule(LIKES, "« but I hate pretending »: I have assumed it.", last=True) == BEST
    assert rule(LIKES, "« but I hate pretending »: they fear it.", last=True) == 0.0
    assert rule(LIKES, "« hate confrontation ».", last=False) == -0.5
    assert rule(LIKES, "« but we hate pretending » is nowhere said.", last=False) == -1.0
    assert rule(LIKES, "« ate pretend » cuts through words.", last=False) == -1.0


@given(
    st.text(max_size=80),
    st.lists(st.sampled_from([*FEELINGS, *ASSUMED, "«", "»", "I", "hate", " ", "x"]), max_size=40),
    st.booleans(),
)
def test_no_text_leaves_the_scale(preference: str, words: list[str], last: bool) -> None:
    assert -1.0 <= rule(preference or LIKES, " ".join(words), last) <= BEST


def test_the_last_step_is_the_answer() -> None:
    step = "« but I hate pretending »: they fear it."
    case = Case(LIKES, "How?", (step, step))
    assert [one.score for one in score([case])[0]] == [1.0, 0.0]
    assert [one.score for one in score([case], answer=False)[0]] == [1.0, 1.0]


def test_held_out_prompts_are_of_other_scenarios() -> None:
    learned, asked = prompts(["train"], 6), prompts(["validation", "test"], 3)
    assert len(set(learned)) == 72 and len(set(asked)) == 24
    assert not {one.preference for one in learned} & {one.preference for one in asked}
    assert not {one.query for one in learned} & {one.query for one in asked}
