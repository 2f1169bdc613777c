"""What chooses a model, which texts may name one, and reading a held-out report that may be anything."""

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.critic_change import Change, changes
from core.critic_report import Judged, as_json, report
from core.registered import NAME, NOTE, AsSet, Registered, Served, Starter, read_choice, text_problem
from core.report_file import HeldOut, read_report

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


def compared(count: int, was: float, now: float, missing: tuple[int, int] = (0, 0)) -> HeldOut:
    """A report over so many steps, base and trained off by `was` and `now` on average, with some of them unscored."""
    sides: dict[str, Any] = {}
    for place, (side, off) in enumerate((("base", was), ("trained", now))):
        draw = Random(side)
        points = []
        for node in range(count):
            stated = (node * 7 % count) / count
            said = (
                None
                if node < missing[place]
                else max(-1.0, min(1.0, stated + draw.choice((-1, 1)) * 2 * off * draw.random()))
            )
            points.append(POINT | {"node": str(node), "stated": stated, "said": said})
        judged = [Judged(one["stated"], one["said"], "w", 1, "p") for one in points]
        sides[side] = as_json(report(judged)) | {"points": points}
    return read_report(json.dumps(sides).encode())


def test_changes_beyond_chance_have_a_name() -> None:
    found = changes(compared(200, 0.4, 0.05, (60, 2)))
    assert {measure: one.verdict for measure, one in found.items()} == dict.fromkeys(found, "better")
    assert found["unscored"].difference == pytest.approx(-0.29)
    turned = changes(compared(200, 0.05, 0.4, (2, 60)))
    assert {one.verdict for one in turned.values()} == {"worse"}
    small = changes(compared(9, 0.4, 0.05))
    assert {one.verdict for one in small.values()} == {""}
    assert small["mae"].difference is not None and small["mae"].difference < 0


def test_a_change_by_chance_is_called_so_nineteen_times_of_twenty() -> None:
    """Two critics of the same quality, many times: no more than some 5 % of the differences are named."""
    named: Counter[str] = Counter()
    for seed in range(400):
        draw, points = Random(seed), {"base": [], "trained": []}
        for node in range(80):
            stated = draw.uniform(-1, 1)
            for own in points.values():
                said = None if draw.random() < 0.2 else max(-1.0, min(1.0, stated + draw.gauss(0, 0.5)))
                own.append(POINT | {"node": str(node), "stated": stated, "said": said})
        sides = {
            side: as_json(report([Judged(one["stated"], one["said"], "w", 1, "p") for one in own])) | {"points": own}
            for side, own in points.items()
        }
        for measure, one in changes(read_report(json.dumps(sides).encode())).items():
            named[measure] += one.verdict in ("better", "worse")
    assert set(named) == {"unscored", "spearman", "mae", "band"}
    assert all(count <= 36 for count in named.values()), named


def test_no_difference_without_a_number() -> None:
    nothing = compared(20, 0.1, 0.1, (20, 20))
    assert changes(nothing)["mae"] == changes(nothing)["spearman"] == changes(nothing)["band"] == Change(None, "")
    assert changes(nothing)["unscored"] == Change(0.0, "chance")
    same = compared(20, 0.0, 0.0)
    assert changes(same)["mae"] == Change(0.0, "chance")
