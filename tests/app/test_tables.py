"""Ratings as tables: what is written comes back as it was, and what cannot be read ends with a sentence."""

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.actions import tables
from app.errors import Refused
from core.formats.ratings import LongRow

HEAD = b"study_id,rater_id,dialogue_id,turn,dimension,value,retest,check,asked,note\n"
ROW: dict[str, Any] = {"study_id": "s", "rater_id": "r", "dialogue_id": "d", "turn": 1, "dimension": "a", "value": 3}


def rows(content: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV file."""
    return [json.loads(line) for line in tables.csv_lines(io.BytesIO(content))]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_every_text_comes_back(note: str) -> None:
    written = b"".join(tables.to_csv([ROW | {"note": note}]))
    assert rows(written)[0].get("note") == note


def test_an_apostrophe_is_escaped_like_a_formula() -> None:
    written = b"".join(tables.to_csv([ROW | {"note": "'=1"}])).decode()
    assert written.splitlines()[1].endswith(",''=1")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("FALSE", False),
        ("False", False),
        ("0", False),
        ("no", False),
        ("TRUE", True),
        ("1", True),
        ("perhaps", "perhaps"),
    ],
)
def test_booleans_as_spreadsheets_write_them(cell: str, value: Any) -> None:
    (row,) = rows(HEAD + f"s,r,d,1,a,3,{cell},,,\n".encode())
    assert row["retest"] is value or row["retest"] == value == "perhaps"
    assert not {"check", "asked"} & set(row)  # an empty cell says nothing


@pytest.mark.parametrize("cell", ["--5", "1-", "5-5", "²", "1" * 16, "1.0", " 1"])
def test_what_is_no_whole_number_stays_text(cell: str) -> None:
    (row,) = rows(HEAD + f"s,r,d,{cell},a,3,,,,\n".encode())
    assert row["turn"] == cell


@pytest.mark.parametrize(
    "changes", [{"retest": "FALSE"}, {"check": 0}, {"asked": "5"}, {"asked": True}, {"retest": None}]
)
def test_flags_of_another_type_are_a_problem(changes: dict[str, Any]) -> None:
    LongRow.model_validate(ROW | {"retest": False, "check": True, "asked": 5})
    with pytest.raises(ValidationError, match=next(iter(changes))):
        LongRow.model_validate(ROW | changes)


def test_another_encoding_is_refused() -> None:
    with pytest.raises(Refused, match="Save it as UTF-8"):
        rows(HEAD + "s,r,d,1,a,3,,,,größer\n".encode("latin-1"))


def test_a_row_without_an_end_is_refused() -> None:
    class Endless(io.RawIOBase):
        """A line that never ends; counts what is read of it."""

        taken = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.taken += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    for start in (b"x", b'"a\n",' * 400_000):
        endless = Endless()
        source: Any = io.BufferedReader(endless) if start == b"x" else io.BytesIO(start)
        with pytest.raises(Refused, match="A row of this CSV file has more than"):
            list(tables.csv_lines(source))
        assert endless.taken < 4_000_000


def parquet(changes: dict[str, Any]) -> Callable[[], list[bytes]]:
    """Three rows as a Parquet file, read when called."""
    columns = {name: [value] * 3 for name, value in ROW.items()} | changes
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return lambda: list(tables.parquet_lines(io.BytesIO(target.getvalue())))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"note": ["x" * 2_000_000] * 3}, "cell of this Parquet file has more than"),
        ({"note": [["x"]] * 3}, "column note of this Parquet file holds lists"),
        ({"submitted_at": pa.array([1 << 50] * 3, pa.timestamp("ms"))}, "cannot be read: date value out of range"),
        ({"submitted_at": pa.array([1] * 3, pa.timestamp("ms", tz="Nowhere/Land"))}, "cannot be read: .*Nowhere"),
        ({"turn": pa.array([1 << 62] * 3, pa.time64("us"))}, "cannot be read"),
    ],
)
def test_parquet_that_cannot_be_read_ends_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        parquet(changes)()


def test_a_dictionary_column_is_read() -> None:
    found = parquet({"note": pa.array(["a", "b", None]).dictionary_encode(), "retest": [True, False, None]})()
    assert [json.loads(line).get("note", "-") for line in found] == ["a", "b", "-"]
    assert [json.loads(line).get("retest", "-") for line in found] == [True, False, "-"]
