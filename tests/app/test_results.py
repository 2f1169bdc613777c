"""What comes out of a study: cells that open their dialogues, exports that give the same report again, cards with checks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions import results
from app.actions.export_data import Download
from app.actions.export_ratings import FORMATS, export_ratings
from app.actions.import_data import Labels, import_files
from app.actions.prepare import prepare
from app.actions.studies import Order, start
from app.context import Context, open_context
from app.errors import Refused
from app.main import create_app
from app.settings import Settings
from core import latex
from core.study_report import StudyReport
from db import ratings, studies
from db.ratings import Act, Answer, Sheet


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """A study over the starter dialogues with retests and checks, rated by two people of different habits."""
    context = open_context(Settings(data=tmp_path_factory.mktemp("rated") / "data"))
    prepare(context)
    _, secrets = start(context, Order("Pilot & <co>", [2], ["Ada", "Ben"], 2, retest=0.2, checks=2, consent=""))
    for name, secret in secrets.items():
        _rate_all(context, studies.digest(secret), name)
    yield context
    context.database.close()


def _rate_all(context: Context, key: str, name: str) -> None:
    while True:
        sheet = ratings.sheet(context.database, key)
        assert isinstance(sheet, Sheet)
        if sheet.submitted:
            return
        with context.database.read() as connection:
            query = "SELECT i.model, i.check_level FROM assignment a JOIN study_item i ON i.id = a.item_id WHERE a.token = ?"
            model, level = connection.exec_driver_sql(query, (sheet.token,)).one()
        quality = {"System A": 1, "System B": 2, "System C": 3}[model]
        acts = []
        for turn in range(1, sheet.turn_count + 1):
            value = min(5, max(1, quality + (turn > 5) + (name == "Ben") - (turn % 3 == 0)))
            if level is not None and turn == sheet.turn_count and name == "Ada":
                value = level
            note = "=cmd()" if turn == 4 else ""
            acts.append(
                Act(
                    turn,
                    0 if turn == 7 and name == "Ben" else value,
                    f"{sheet.token}-{turn}",
                    9000 + turn,
                    turn == 4,
                    note,
                )
            )
        assert isinstance(ratings.save(context.database, key, sheet.token, "tab", acts, context.now()), Answer)


def text_of(download: Download) -> str:
    """The whole of a textual download."""
    return b"".join(download.chunks).decode()


def view(found: StudyReport) -> dict[str, Any]:
    """A report in a form that can be compared; the undefined is null, and sums in another order are the same."""
    from app.actions.results import report_view

    text = json.dumps(report_view(results.Result(found, [], {})))
    return json.loads(text, parse_float=lambda number: round(float(number), 9))


def test_cards_count_failed_checks(rated: Context) -> None:
    _, found = results.report(rated, 1)
    ada, ben = found.report.cards
    assert (ada.rater, ada.checks, ada.checks_failed) == ("Ada", 2, 0)
    assert ben.checks == 2
    with rated.database.read() as connection:
        levels = connection.exec_driver_sql(
            "SELECT i.check_level, v.value FROM rating v JOIN assignment a ON a.id = v.assignment_id JOIN study_item i ON "
            "i.id = a.item_id JOIN rater r ON r.id = a.rater_id WHERE r.name = 'Ben' AND i.check_turn = v.turn"
        ).all()
    assert ben.checks_failed == sum(abs(level - value) > 1 for level, value in levels)
    assert found.report.ratings == 2 * 180 - 18  # neither retests nor checks, nor what Ben could not rate


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_the_same_report_after_export_and_import(rated: Context, tmp_path: Any, form: str) -> None:
    download = export_ratings(rated, 1, form)
    file = tmp_path / f"again.{form}"
    file.write_bytes(b"".join(download.chunks))
    outcome = import_files(rated, [file], Labels(name=f"again {form}"))
    assert outcome.set_id is not None
    assert outcome.counts.problems == 0
    _, before = results.report(rated, 1)
    name, after = results.report_of_set(rated, outcome.set_id)
    assert name == f"again {form} v1"
    assert view(after.report) == view(before.report)
    assert after.models == before.models
    rater = results.Without(rater="Ben")
    assert view(results.report_of_set(rated, outcome.set_id, rater)[1].report) == view(
        results.report(rated, 1, rater)[1].report
    )


@pytest.mark.parametrize(("form", "suffix"), [("argilla", "jsonl"), ("label_studio", "json")])
def test_grouped_shapes_carry_the_figures(rated: Context, tmp_path: Any, form: str, suffix: str) -> None:
    file = tmp_path / f"{form}.{suffix}"
    file.write_text(text_of(export_ratings(rated, 1, form)), "utf-8")
    outcome = import_files(rated, [file], Labels(name=form))
    assert outcome.set_id is not None
    before, after = (
        view(results.report(rated, 1)[1].report),
        view(results.report_of_set(rated, outcome.set_id)[1].report),
    )
    for card in (*before["cards"], *after["cards"]):
        card["longest_run"] = None  # these shapes have no place for the order of a list
    assert after == before


def test_models_are_named_only_after_unblinding(rated: Context) -> None:
    for form in FORMATS:
        data = b"".join(export_ratings(rated, 1, form).chunks)
        assert b"System " not in data, form


def test_a_formula_in_a_note_stays_text(rated: Context) -> None:
    lines = text_of(export_ratings(rated, 1, "csv")).splitlines()
    assert any(line.endswith(",'=cmd()") for line in lines)
    assert not any(",=" in line for line in lines)


def test_the_table_for_a_paper(rated: Context) -> None:
    found = text_of(export_ratings(rated, 1, "latex"))
    assert "\\toprule" in found
    assert "Pilot \\& \\textless{}co\\textgreater{}" in found
    assert "CDRA (paper) & 2.0 & 3.4" in found
    rows = [line for line in found.splitlines() if line.startswith("{}Model ")]
    assert len(rows) == 4
    assert all(row.count("&") == 13 for row in rows)
    assert latex.escape("50 % of_{x}\n\\end") == r"50 \% of\_\{x\} \textbackslash{}end"


def test_a_cell_opens_its_dialogues_lowest_first(rated: Context) -> None:
    with TestClient(create_app(rated), base_url="http://127.0.0.1:7860") as client:
        report = client.get("/api/studies/1/report").json()
        row = report["figures"][0]
        found = client.get("/api/studies/1/behind", params={"model": row["model"], "turn": 3}).json()
        means = [dialogue["mean"] for dialogue in found["dialogues"]]
        assert (found["total"], means) == (6, sorted(means))
        assert sum(means) / 6 == pytest.approx(row["al"][2])
        whole = client.get("/api/studies/1/behind", params={"model": row["model"]}).json()
        assert len(whole["dialogues"][0]["turns"]) == 10
        alone = client.get("/api/studies/1/behind", params={"model": row["model"], "without_rater": "Ben"}).json()
        assert {given["rater"] for one in alone["dialogues"] for given in one["ratings"]} == {"Ada"}
        assert client.get("/api/studies/1/behind", params={"model": "System A"}).json()["total"] == 0  # blind
        assert client.get("/api/studies/9/behind", params={"model": "x"}).status_code == 400
        profile = next(iter(report["profiles"]))
        less = client.get("/api/studies/1/report", params={"profile": profile}).json()
        assert less["ratings"] == pytest.approx(report["ratings"] * 5 / 6, abs=3)


def test_what_cannot_be_exported_or_reported(rated: Context, tmp_path: Any) -> None:
    with pytest.raises(Refused, match="There is no format 'xls'"):
        export_ratings(rated, 1, "xls")
    with pytest.raises(Refused, match="no study number 7"):
        export_ratings(rated, 7, "csv")
    with pytest.raises(Refused, match="holds no ratings with a model"):
        results.report_of_set(rated, 1)
    with pytest.raises(Refused, match="no set number 99"):
        results.report_of_set(rated, 99)
    file = tmp_path / "broken.csv"
    file.write_text(
        "study_id,rater_id,dialogue_id,turn,dimension,value\ns,r,d,one,alignment,3\ns,r,d,2,alignment,4\n", "utf-8"
    )
    outcome = import_files(rated, [file], Labels(name="broken"))
    assert (outcome.counts.records, outcome.counts.problems) == (1, 1)


LONG = {"study_id": "s", "rater_id": "r", "dialogue_id": "d", "turn": 1, "dimension": "alignment", "value": 3,
        "status": "submitted", "model": "m", "profile": "p"}  # fmt: skip


def imported(context: Context, tmp_path: Any, *changes: dict[str, Any]) -> int:
    """The number of a set of these ratings; None as a value of a change takes the field away, except `value`."""
    lines = [
        {key: value for key, value in (LONG | change).items() if value is not None or key == "value"}
        for change in changes
    ]
    file = tmp_path / "foreign.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    set_id = import_files(context, [file]).set_id
    assert set_id is not None
    return set_id


def test_profiles_of_others_are_not_merged(context: Context, tmp_path: Any) -> None:
    long = "She keeps bees. " * 60
    profiles = ["profile-0001", "profile-0002", long, long + "Really."]
    changes = [{"profile": one, "dialogue_id": f"d{index}"} for index, one in enumerate(profiles)]
    set_id = imported(context, tmp_path, *changes)
    _, found = results.report_of_set(context, set_id)
    assert len(found.profiles) == 4
    assert all(len(key) <= 64 and len(shown) <= 60 for key, shown in found.profiles.items())
    assert sum(shown.startswith("She keeps bees") for shown in found.profiles.values()) == 2
    first = next(iter(found.profiles))
    assert results.report_of_set(context, set_id, results.Without(profile=first))[1].report.ratings == 3


def test_only_what_was_said_counts_and_the_rest_is_told(context: Context, tmp_path: Any) -> None:
    set_id = imported(
        context, tmp_path,
        {}, {"value": 5}, {"turn": 2}, {"turn": 3, "status": "draft"}, {"turn": 4, "value": None},
        {"turn": 5, "value": None, "status": "cannot rate"}, {"turn": 6, "value": 7}, {"turn": 7, "model": None},
        {"turn": 8, "value": 0}, {"turn": 9, "value": 2, "status": "cannot rate"}, {"turn": 2000},
        {"dimension": "style", "value": 1},
    )  # fmt: skip
    _, found = results.report_of_set(context, set_id)
    taken = found.imported
    assert taken is not None
    assert (taken.dimension, taken.dimensions) == ("alignment", {"alignment": 3, "style": 1})
    assert taken.left_out == {
        "with a value outside 1 to 5": 2,
        "given again later; the last one counts": 1,
        "of the status 'draft'": 1,
        "without a value": 1,
        "without a model or a user profile": 1,
        "that could not be rated and have a value all the same": 1,
        "with a turn outside 1 to 1000": 1,
    }
    assert found.report.ratings == 2
    assert found.report.figures.models[0].figures.al.tolist()[:2] == [5.0, 3.0]
    assert found.report.cards[0].cannot == 1
    assert results.report_of_set(context, set_id, None, "style")[1].report.ratings == 1
    with pytest.raises(Refused, match=r"no ratings of 'tone'\. It has: alignment, style"):
        results.report_of_set(context, set_id, None, "tone")
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as client:
        answer = client.get(f"/api/sets/{set_id}/report?dimension=style").json()
        assert (answer["imported"]["dimension"], answer["imported"]["left_out"]) == ("style", taken.left_out)
