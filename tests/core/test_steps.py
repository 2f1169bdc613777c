"""Steps in the text of a response: by marker, by paragraph, or the whole; where each stands; what is said of a bad format."""

from hypothesis import given
from hypothesis import strategies as st

from core.parsing import MOST_STEPS, number_steps
from core.steps import find_steps, marked_steps


def test_markers_open_steps_and_the_text_before_the_first_belongs_to_none() -> None:
    text = "Let me think.\nStep 1: They are shy.\nStill shy.\n**Step 2:** Go early."
    found = find_steps(text)
    assert found.how == "markers"
    assert [step.text for step in found.steps] == ["They are shy.\nStill shy.", "Go early."]
    assert [text[step.start : step.end].strip()[:8] for step in found.steps] == ["Step 1: ", "**Step 2"]
    assert found.notes == ("The text before the first marker belongs to no step and is not judged.",)


def test_a_number_out_of_order_opens_a_step_all_the_same_and_is_said() -> None:
    found = find_steps("Step 1: a\nStep 3: b\nStep 3:\n")
    assert [step.text for step in found.steps] == ["a", "b"]
    assert "numbered 1, 3, 3, which is malformed" in found.notes[0]
    assert found.notes[1] == "1 of 3 markers have no text behind them."


def test_without_markers_paragraphs_count_and_without_those_the_whole() -> None:
    found = find_steps("First thought.\n\nSecond thought,\nin two lines.\n  \n\n")
    assert found.how == "paragraphs" and [step.text for step in found.steps] == [
        "First thought.",
        "Second thought,\nin two lines.",
    ]
    assert "each paragraph counts as one" in found.notes[0]
    assert find_steps("One line. Step 1: not at its start.").how == "whole"
    assert find_steps(" \n\n ").steps == ()


def test_more_steps_than_a_critic_is_asked_for_are_left_off_and_counted() -> None:
    found = find_steps("\n".join(number_steps(["x"] * (MOST_STEPS + 5))))
    assert len(found.steps) == MOST_STEPS
    assert found.notes == (f"Only the first {MOST_STEPS} of {MOST_STEPS + 5} steps are looked at.",)


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="*\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", exclude_categories=["Cs"]),
            min_size=1,
        )
        .map(str.strip)
        .filter(bool),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_numbered_is_found_again(thoughts: list[str]) -> None:
    text = "\n".join(number_steps(thoughts))
    found = find_steps(text)
    assert [step.text for step in found.steps] == thoughts
    assert found.steps[0].start == 0 and found.steps[-1].end == len(text)
    assert all(one.end == two.start for one, two in zip(found.steps, found.steps[1:], strict=False))


def test_a_training_judges_only_steps_with_a_marker() -> None:
    assert [step.text for step in marked_steps("Well.\nStep 1: Look.\nStep 2: Go.")] == ["Look.", "Go."]
    assert marked_steps("First thought.\n\nSecond thought.") == () == marked_steps("")
