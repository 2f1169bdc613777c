"""What a person reads of a verdict: the judge's material, no names; further judges beside a table; lines of files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.asking_people import digest, shown, without_names
from core.evaluation.people import kind_of
from core.evaluation.table import ABSENT, CANNOT, NO, TIED, YES, Item, Row, Said, settle, verdicts_of, with_judges
from core.evaluation.verdicts import CHECKS, Material
from core.formats.verdicts import LONGEST_LINE, AnswerLine, read_line
from core.prompts.verdicts import LONGEST_RESPONSE, QUESTIONS, verdict

ABOUT = Material("I avoid meat.", "What do I cook?", "As Qwen2.5-7B I say: lentils, with tea.")


@pytest.mark.parametrize("check", CHECKS)
def test_a_person_reads_what_the_judge_reads(check: str) -> None:
    found = shown(check, ABOUT, [])  # type: ignore[arg-type]
    system, user = verdict(check, *ABOUT)  # type: ignore[arg-type]
    assert system.content.startswith(QUESTIONS[found.check]) and found.question == QUESTIONS[found.check]
    assert all(line in system.content for line in found.rules.splitlines())
    assert bool(found.preference) == (ABOUT.preference in user.content) and found.query in user.content
    long = shown(check, ABOUT._replace(response="a" * (LONGEST_RESPONSE + 7)), [])  # type: ignore[arg-type]
    assert long.response.endswith("7 more characters]") and long.response.count("a") < LONGEST_RESPONSE + 30


def test_technical_names_are_taken_out_and_words_are_not() -> None:
    names = ["Qwen2.5-7B (model 3)", "tea", "org/some_model-v2", "a1", "12"]
    assert without_names("qwen2.5-7b, Org/some_model-V2 and tea; model 12", names) == "[name], [name] and tea; model 12"
    assert without_names("xQwen2.5-7Bx", names) == "xQwen2.5-7Bx"
    assert shown("violate", ABOUT, names).response == "As [name] I say: lentils, with tea."
    assert without_names("a.b", ["a.b*(c1"]) == "a.b"


@given(st.text(), st.lists(st.text(max_size=20), max_size=5))
def test_any_names_and_texts_can_be_shown(text: str, names: list[str]) -> None:
    without_names(text, names)
    assert len(digest(Material(text, "", text))) == 64


def test_people_stand_beside_the_judges() -> None:
    items = [Item(0, f"s{n}") for n in range(3)]
    table = verdicts_of([Row("r", "d")], items, [Said(0, "violate", "yes", "Anne"), Said(1, "violate", "no", "Anne")])
    made, places = with_judges(table, [Said(0, "violate", "no", "Anne"), Said(2, "violate", "cannot", "Ben")])
    assert made.judges == ("Anne", "Anne", "Ben") and places == (1, 2)
    assert settle(made, [0])[:, 1].tolist() == settle(table)[:, 1].tolist() == [YES, NO, ABSENT]
    assert settle(made, places)[:, 1].tolist() == [NO, ABSENT, CANNOT]
    again, none = with_judges(table, [])
    assert again.judges == table.judges and none == ()
    with pytest.raises(ValueError, match="two outcomes"):
        with_judges(table, [Said(0, "violate", "no", "B"), Said(0, "violate", "yes", "B")])


@pytest.mark.parametrize(
    ("judge", "people", "kind"),
    [
        (YES, YES, "yes_yes"), (YES, NO, "yes_no"), (NO, YES, "no_yes"), (NO, NO, "no_no"), (CANNOT, NO, "judge_cannot"),
        (YES, CANNOT, "people_cannot"), (CANNOT, CANNOT, "neither"), (TIED, YES, "neither"), (NO, TIED, "neither"), (ABSENT, NO, "neither"),
    ],
)  # fmt: skip
def test_every_pair_falls_into_one_count(judge: int, people: int, kind: str) -> None:
    assert kind_of(judge, people) == kind


def test_lines_are_read_field_by_field() -> None:
    line = {
        "form": "subtext.verdict_answer.1", "row": 0, "case": 1, "check": "violate", "digest": "0" * 64, "answer": "yes", "who": "A",
        "at": "2026-01-01T00:00:00+00:00", "client_id": "c",
    }  # fmt: skip
    assert isinstance(read_line(json.dumps(line).encode()), AnswerLine)
    for change in (
        {"row": -1}, {"row": True}, {"case": "1"}, {"check": "choice"}, {"digest": "x"}, {"answer": "maybe"}, {"who": ""}, {"at": "now"},
        {"client_id": "a\n"}, {"client_id": "ü"}, {"more": 1}, {"form": "subtext.check.1"},
    ):  # fmt: skip
        assert isinstance(read_line(json.dumps(line | change).encode()), str), change
    assert "bytes" in str(read_line(b" " * (LONGEST_LINE + 1)))
