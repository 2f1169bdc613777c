"""The reverse of a preference by rule: what is turned round, and what gets a frame because a rule might turn the wrong part."""

import pytest

from core.rewording import reverse


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        ("I don't share my live location.", "I share my live location."),
        ("I can't eat nuts", "I can eat nuts"),
        ("I cannot eat nuts", "I can eat nuts"),
        ("I can’t fly.", "I can fly."),
        ("I won't fly", "I will fly"),
        ("I will not fly", "I will fly"),
        ("I wouldn't mind", "I would mind"),
        ("I am not a morning person.", "I am a morning person."),
        ("I love quiet places.", "I hate quiet places."),
        ("I really like tea.", "I really dislike tea."),
    ],
)
def test_plain_sentences_are_turned_round(preference: str, expected: str) -> None:
    assert reverse(preference) == expected


@pytest.mark.parametrize(
    "preference",
    [
        "I love quiet places and hate noise.",
        "Although I am busy, I want long answers.",
        "I love tea. I hate coffee.",
        "I want it short because I read on a phone",
        "Quiet places suit me.",
        "💚 أحب الهدوء",
    ],
)
def test_more_than_a_plain_sentence_gets_a_frame(preference: str) -> None:
    assert reverse(f" {preference} ") == f"The opposite of this is true for me: {preference}"


def test_a_hostile_text_takes_no_time() -> None:
    for text in ("can't " * 20_000, "I " * 20_000, "do not " * 20_000):
        assert reverse(text)
