"""Specs, rates and reading logs: pure values against hand-made cases."""

import pytest

from core.jobs import rate, vanished
from core.logs import Hit, last_traceback, search, whole
from core.specs import KINDS, DoctorSpec, ExportSpec, lane, read_spec, resumable


def test_specs_are_read_by_kind() -> None:
    assert read_spec({"kind": "doctor"}) == DoctorSpec()
    spec = read_spec({"kind": "export", "set": 3, "format": "parquet"})
    assert spec == ExportSpec(set=3, format="parquet")
    assert (lane(spec), resumable("export"), resumable("doctor"), resumable("gone")) == ("light", True, False, False)
    assert [model.model_fields["kind"].default for model in KINDS.values()] == list(KINDS)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "A job is a JSON object with a field 'kind'."),
        (
            {},
            "The job has no kind. Kinds: doctor, export, build, critic, sft, tpo, policy, evaluate, simulate, attention.",
        ),
        (
            {"kind": "trian"},
            "The job has the kind 'trian'. Kinds: doctor, export, build, critic, sft, tpo, policy, evaluate, simulate, attention.",
        ),
        (
            {"kind": ["x"]},
            "The job has the kind \"['x']\". Kinds: doctor, export, build, critic, sft, tpo, policy, evaluate, simulate, attention.",
        ),
        ({"kind": "doctor", "deep": 1}, "There is no field 'deep' in a job of kind doctor. It has no fields."),
        ({"kind": "export"}, "A job of kind export needs the field 'set'. Its fields: set, format."),
        (
            {"kind": "export", "set": "1"},
            "The field 'set' of a job of kind export cannot be used: input should be a valid integer.",
        ),
        (
            {"kind": "export", "set": 0},
            "The field 'set' of a job of kind export cannot be used: input should be greater than or equal to 1.",
        ),
    ],
)
def test_specs_that_cannot_be(value: object, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        read_spec(value)
    assert str(error.value) == sentence


def test_rate() -> None:
    assert rate(60, 40, 10) == 2.0, "what an earlier attempt did makes no rate"
    assert rate(40, 40, 10) is None
    assert rate(60, 40, 0) is None


def test_vanished() -> None:
    assert vanished("signal 9", 1, again=False) == (
        "The process ended without a word (signal 9); the log has its last lines. "
        "Signal 9 is often a machine out of memory. Resume or retry."
    )
    assert "queued again" in vanished("", 2, again=True)


def test_the_last_traceback_of_a_log() -> None:
    text = """start
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in run
    raise ValueError("two
lines")
ValueError: two
lines

failed: see above
"""
    found = last_traceback(text)
    assert found.startswith("Traceback")
    assert found.endswith("ValueError: two\nlines")
    assert "KeyError" not in found
    assert last_traceback("all is well\n") == ""


def test_tracebacks_with_a_prefix_and_without_an_end() -> None:
    rank = "[rank0]: Traceback (most recent call last):\n[rank0]:   File 'x'\n[rank0]: OutOfMemoryError: 2 GiB\nother\n"
    assert last_traceback(rank).splitlines()[2] == "[rank0]: OutOfMemoryError: 2 GiB"
    endless = "Traceback (most recent call last):\n" + '  File "x", line 1\n' * 10_000
    assert len(last_traceback(endless).splitlines()) == 200


def test_search() -> None:
    lines = ["Loss ä 1\n".encode(), b"\xff broken loss\n", b"reward\n"]
    hits, more = search(lines, "LOSS")
    assert hits == [Hit(0, 1, "Loss ä 1"), Hit(10, 2, "\ufffd broken loss")]
    assert not more
    assert search([b"a\n"] * 5, "a", start=100, limit=2) == ([Hit(100, 1, "a"), Hit(102, 2, "a")], True)


@pytest.mark.parametrize("cut", range(1, 12))
def test_pieces_of_utf8_join_again(cut: int) -> None:
    text = "aä€😀b"
    raw = text.encode()
    first = whole(raw[:cut])
    assert first.decode("utf-8") + raw[len(first) :].decode("utf-8") == text
    assert cut - len(first) < 4
