"""The command line's twins of the Studies and People pages, from plan to export, in one data folder."""

import io
from pathlib import Path

import pytest

from app.cli import main

PASSWORD = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUBTEXT_DATA", str(tmp_path / "data"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that succeeds prints."""
    assert main(list(words)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_study_without_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--set", "2", "--rater", "Ada", "--rater", "Ben", "--checks", "1")
    plan = said(capsys, "studies", "plan", "Pilot", *asked)
    assert "38 dialogues to rate" in plan
    assert "Ada: 19 dialogues" in plan
    started = said(capsys, "studies", "start", "Pilot", *asked)
    assert started.count("/rate?key=") == 2
    assert "0 of 38 dialogues" in said(capsys, "studies", "list")
    assert "/rate?key=" in said(capsys, "studies", "link", "1", "Ada")
    assert "Nothing was changed yet" in said(capsys, "studies", "hand-over", "1", "Ada", "Cleo")
    assert "Cleo" not in said(capsys, "studies", "list")
    assert "went from Ada to Cleo" in said(capsys, "studies", "hand-over", "1", "Ada", "Cleo", "--yes")
    (folder / "g.txt").write_text("Rate kindly.", "utf-8")
    assert "holds from now on" in said(capsys, "studies", "guideline", "1", str(folder / "g.txt"))
    assert "were deleted" in said(capsys, "studies", "withdraw", "1", "Ben")
    assert "Pilot: 0 ratings" in said(capsys, "studies", "report", "1")
    assert said(capsys, "studies", "export", "1", "--format", "csv").startswith("study_id,rater_id")
    assert said(capsys, "studies", "export", "1", "--output", str(folder / "ratings.jsonl")) == ""
    assert said(capsys, "studies", "export", "1").encode() == (folder / "ratings.jsonl").read_bytes()
    assert "is frozen" in said(capsys, "studies", "freeze", "1")
    assert "is unblinded" in said(capsys, "studies", "unblind", "1")
    assert main(["studies", "freeze", "1"]) == 1
    assert "this one is unblinded" in capsys.readouterr().err
    assert main(["studies", "guideline", "1", str(folder / "absent.txt")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_people_without_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def typing(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    typing(PASSWORD)
    assert main(["people", "add", "Rosa", "--role", "researcher"]) == 1
    assert "first account is an admin" in capsys.readouterr().err
    typing(PASSWORD)
    assert "can sign in as admin" in said(capsys, "people", "add", "Alma", "--role", "admin")
    typing("short")
    assert main(["people", "add", "Rosa"]) == 1
    assert "at least 10" in capsys.readouterr().err
    typing(PASSWORD)
    said(capsys, "people", "add", "Rosa")
    assert "/join?key=" in said(capsys, "people", "invite", "--role", "visitor")
    (waiting,) = said(capsys, "people", "invitations").splitlines()
    assert "by the command line" in waiting
    assert "taken back" in said(capsys, "people", "revoke", waiting.split("\t")[0])
    assert said(capsys, "people", "invitations") == ""
    assert main(["people", "revoke", "0123456789abcdef"]) == 1
    assert "no such invitation" in capsys.readouterr().err
    assert "researcher" in said(capsys, "people", "role", "rosa", "researcher")
    typing(PASSWORD + "2")
    said(capsys, "people", "password", "Rosa")
    said(capsys, "people", "unlock", "Rosa")
    said(capsys, "people", "shut-out", "Rosa")
    assert "cannot sign in" in said(capsys, "people", "list")
    said(capsys, "people", "let-in", "Rosa")
    assert main(["people", "shut-out", "Alma"]) == 1
    assert "at least one admin" in capsys.readouterr().err
    assert main(["people", "unlock", "Eve"]) == 1
