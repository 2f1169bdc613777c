"""What chooses a model, which texts may name one, and reading a held-out report that may be anything."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.critic_report import Judged, as_json, report
from core.registered import NAME, NOTE, AsSet, Registered, Served, Starter, read_choice, text_problem
from core.report_file import read_report

JUDGED = [Judged(0.5, 0.4, "", 1, "pragmatist"), Judged(-0.2, None, "no score", 2, ""), Judged(0.9, 0.7, "", 2, "")]
POINT = {"scenario": 3, "tree": 7, "node": "0-1", "step": 1, "persona": "p", "stated": 0.5, "said": None, "why": "w"}


def whole(**changes: Any) -> dict[str, Any]:
    """A report as a critic job writes it, with changes to the trained critic's."""
    own = as_json(report(JUDGED)) | {"model": "ab", "points": [POINT]}
    return {"base": as_json(report(JUDGED)), "trained": own | changes}


def read(value: Any) -> Any:
    return read_report(json.dumps(value).encode())


def test_choices() -> None:
    assert [read_choice(one) for one in ("", "starter", "model:12", "server:8001")] == [
        AsSet(), Starter(), Registered(12), Served(8001),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["model:", "model:0", "model:-1", "model:1 ", "model:١", "server:999999", "x" * 5000, "Starter"]
)
def test_what_chooses_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="chooses no model") as refused:
        read_choice(text)
    assert len(str(refused.value)) < 250


def test_texts() -> None:
    assert text_problem("name", "Ünï 🙂 <b>", NAME) == ""
    assert text_problem("note", "two\nlines", NOTE, 0) == text_problem("note", "", NOTE, 0) == ""
    for bad in ("", "x" * 121, "two\nlines", "bell\x07", "half \ud800", "turn \u202e"):
        assert text_problem("name", bad, NAME)


def test_a_report_is_read_as_it_was_written() -> None:
    found = read(whole())
    assert found.trained.all.steps == 3
    assert found.trained.all.mae == pytest.approx(0.15)
    assert found.trained.reasons == {"no score": 1}
    assert list(found.trained.by_step) == ["1", "2"]
    assert found.trained.by_persona["unknown"].steps == 2
    assert (found.trained.points[0].node, found.trained.points[0].said, found.base.points) == ("0-1", None, ())
    assert found.trained.model_dump(exclude={"points", "model"}, mode="json") == {
        **as_json(report(JUDGED)), "bins": [one._asdict() for one in report(JUDGED).bins],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"points": [POINT | {"said": 1.5}]}, "points.0.said"),
        ({"points": [POINT | {"said": True}]}, "points.0.said"),
        ({"points": [POINT | {"scenario": -1}]}, "points.0.scenario"),
        ({"points": [POINT | {"node": "x" * 400}]}, "points.0.node"),
        ({"points": {}}, "points"),
        ({"bins": [None]}, "bins.0"),
        ({"by_step": {str(n): {} for n in range(3)}}, "by_step.0.steps"),
        ({"reasons": {"r": "many"}}, "reasons.r"),
        ({"all": "fine"}, "all"),
    ],
)
def test_a_broken_report_is_a_sentence_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ValueError, match="cannot be read at") as refused:
        read(whole(**changes))
    assert f"'trained.{place}" in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{", b"[" * 100_000, b"\xff\xfe", b'{"base": {}}', b'{"a": ' * 5000, b"NaN"]
)
def test_anything_else_is_a_sentence_too(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"held-out report cannot be read.*\.$") as refused:
        read_report(content)
    assert len(str(refused.value)) < 500


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda one: st.lists(one) | st.dictionaries(st.text(max_size=5), one),
    )
)
def test_no_json_crashes_it(value: Any) -> None:
    for content in (value, {"base": value, "trained": value}, whole(points=value), whole(all=value)):
        try:
            read(content)
        except ValueError as error:
            assert str(error).startswith("The held-out report cannot be read")
