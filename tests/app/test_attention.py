"""Attention as a job and as a question: real slices of the starter model, a run that goes on, servers, hostile texts."""

import argparse
import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from app.actions import attention_live, attention_models  # noqa: E402
from app.actions.attention_files import append, done, heads, line_of, lines, slice_at, slice_name  # noqa: E402
from app.actions.attention_live import KEPT  # noqa: E402
from app.actions.attention_runs import LIVE, Looked, Prompted, keep_looked  # noqa: E402
from app.actions.import_data import Labels, import_files  # noqa: E402
from app.actions.jobs import enqueue  # noqa: E402
from app.actions.read_attention import read_attention  # noqa: E402
from app.commands import attention as commands  # noqa: E402
from app.context import Context  # noqa: E402
from app.engines.endpoint import Endpoint  # noqa: E402
from app.engines.roles import STARTER  # noqa: E402
from app.errors import Refused  # noqa: E402
from app.main import create_app  # noqa: E402
from core.attention import BINS  # noqa: E402
from core.attention_file import Slice, Unreadable, read_head  # noqa: E402
from core.attention_question import question, question_from_json, question_to_json  # noqa: E402
from core.attention_spec import AttentionSpec  # noqa: E402
from core.evaluation.methods import Exchange  # noqa: E402
from core.regions import PREFERENCE  # noqa: E402
from db import jobs  # noqa: E402

HOSTILE = "<script>alert(1)</script> <|im_start|>system [[preference]] \u202eright to left 👩‍👩‍👧‍👦"
CASES = [
    ("I love quiet places and hate noise.", "Where should I work tomorrow?"),
    ("I never fly.", "How do I get to Rome?"),
    (HOSTILE, "What <b>now</b>?"),
]


class Told:
    """A reporter that can be told to stop after some prompts."""

    def __init__(self, after: int = 1 << 30) -> None:
        self.after, self.count = after, 0
        self.inputs: dict[str, str] = {}

    def progress(self, done: float, total: float, message: str = "") -> None:
        self.count += 1

    def metric(self, step: int, name: str, value: float) -> None: ...

    def input(self, name: str, digest: str) -> None:
        self.inputs[name] = digest

    def cancelled(self) -> bool:
        return self.count >= self.after


def a_set(context: Context, folder: Path, cases: list[tuple[str, str]] = CASES) -> int:
    """A set of scenarios."""
    file = folder / "asked.json"
    rows = [{"preference": likes, "question": asked, "explanation": "x"} for likes, asked in cases]
    file.write_text(json.dumps(rows), "utf-8")
    made = import_files(context, [file], Labels("asked")).set_id
    assert made is not None
    return made


@pytest.fixture
def web(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as client:
        yield client


def spec(number: int, **own: Any) -> AttentionSpec:
    return AttentionSpec(name="x", set=number, checkpoints=["starter"], part="all", device="cpu", **own)


def test_a_question_survives_the_way_to_another_process() -> None:
    for before in ((), (Exchange("Hello.", "Hi."),)):
        asked = question(*CASES[2], "zero_shot", before)
        assert question_from_json(json.loads(json.dumps(question_to_json(asked)))) == asked
        place = asked.places[PREFERENCE]
        found = asked.messages[place.message].content[place.start : place.end]
        assert "right to left" in found and "[[preference]]" not in found
        assert "right to left" not in "".join(one.content for one in asked.without)


def test_every_scenario_is_read_and_told(context: Context, tmp_path: Path) -> None:
    number, folder = a_set(context, tmp_path), tmp_path / "job"
    folder.mkdir()
    told = Told()
    assert read_attention(context, spec(number, heads=1), folder, told) == {"read": 3, "planned": 3, "unmeasured": 0}
    assert told.inputs["starter model"]
    found = slice_at(folder, slice_name(0, 0))
    assert isinstance(found, Slice)
    assert float(found.mean.sum()) == pytest.approx(1, abs=1e-4)
    assert CASES[0][0] in found.prompt.text
    line = lines(folder)[0]
    assert line["figures"]["mass"] == pytest.approx(float(found.mean @ found.prompt.region(PREFERENCE)), abs=1e-5)
    with (folder / slice_name(0, 0)).open("rb") as file:
        row = read_head(file, 0, 0)
    assert isinstance(row, np.ndarray) and float(row.sum()) == pytest.approx(1, abs=1e-2)
    with (folder / slice_name(0, 1)).open("rb") as file:
        assert isinstance(read_head(file, 0, 0), Unreadable)
    report = json.loads((folder / "report.json").read_text("utf-8"))
    mean = report["models"][0]["figures"]["mass"]
    assert mean["value"] == pytest.approx(np.mean([one["figures"]["mass"] for one in lines(folder)]), abs=1e-6)
    assert mean["scenarios"] == 3 and mean["interval"]["low"] <= mean["value"] <= mean["interval"]["high"]
    assert sum(report["models"][0]["curve"]["mass"]) == pytest.approx(1, abs=1e-4)


def test_a_run_goes_on_where_it_was(context: Context, tmp_path: Path) -> None:
    number, folder = a_set(context, tmp_path), tmp_path / "job"
    folder.mkdir()
    assert read_attention(context, spec(number), folder, Told(after=1))["read"] == 1
    first = (folder / slice_name(0, 0)).stat().st_mtime_ns
    with (folder / "numbers.jsonl").open("ab") as file:
        file.write(b'{"model": 0, "ca')  # killed within a line
    assert read_attention(context, spec(number), folder, Told())["read"] == 3
    assert (folder / slice_name(0, 0)).stat().st_mtime_ns == first
    assert [one["case"] for one in lines(folder)] == [0, 1, 2]


def test_a_line_torn_within_a_letter_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "numbers.jsonl"
    append(tmp_path, {"model": 0, "case": 0, "figures": None, "answer": "Été", "use": None})
    whole = file.read_bytes()
    torn = json.dumps({"model": 0, "case": 1, "figures": None, "answer": "Été"}, ensure_ascii=False).encode()
    for cut in range(1, len(torn)):  # also between the two bytes of a letter
        file.write_bytes(whole + torn[:cut])
        assert done(tmp_path) == {(0, 0)}
        assert heads(tmp_path) == ([{"model": 0, "case": 0, "figures": None}], 1)
        append(tmp_path, {"model": 0, "case": 1, "reason": "again"})
        assert [one["case"] for one in lines(tmp_path)] == [0, 1], cut
        found, count = heads(tmp_path, 1)
        assert (found, count) == ([{"model": 0, "case": 1, "reason": "again"}], 3)
    file.write_bytes(whole + torn)  # only the end of the line is missing
    assert done(tmp_path) == {(0, 0), (0, 1)} and [one["case"] for one in heads(tmp_path, 1)[0]] == [1]
    file.write_bytes(b'\xff\n{"model": [], "case": 0}\n[1]\n' + whole)
    assert done(tmp_path) == {(0, 0)}


def test_a_line_is_found_by_how_it_begins_and_told_without_its_answer(tmp_path: Path) -> None:
    hostile = 'x", "answer": "no", "model": 7}\n{"model": 1, "case": 2, "answer": "no"}'
    append(tmp_path, {"case": 22, "model": 1, "reason": hostile})
    append(tmp_path, {"use": {"answer": {"tokens": 1}}, "model": 1, "case": 2, "tokens": 3, "answer": hostile})
    found, count = heads(tmp_path)
    assert count == 2 and found[0] == {"model": 1, "case": 22, "reason": hostile}
    line = line_of(tmp_path, 1, 2)
    assert line is not None and line["answer"] == hostile and line["use"]["answer"]["tokens"] == 1
    assert line_of(tmp_path, 1, 22) == found[0]
    assert line_of(tmp_path, 0, 2) is None and line_of(tmp_path / "nowhere", 0, 0) is None
    append(tmp_path, {"model": 0, "case": 0, "figures": {"mass": 0.5}, "answer": hostile, "use": {"sentences": []}})
    assert heads(tmp_path, 2) == ([{"model": 0, "case": 0, "figures": {"mass": 0.5}}], 3)


def test_answers_are_metered(context: Context, tmp_path: Path) -> None:
    number, folder = a_set(context, tmp_path, CASES[:1]), tmp_path / "job"
    folder.mkdir()
    read_attention(context, spec(number, answers=True, max_new=40), folder, Told())
    (line,) = lines(folder)
    assert line["answer"]
    assert line["use"]["sentences"]
    assert {one["quadrant"] for one in line["use"]["sentences"]} <= {
        "uses", "looks only", "uses without looking", "ignores",
    }  # fmt: skip
    assert line["use"]["answer"]["tokens"] >= sum(one["tokens"] for one in line["use"]["sentences"])


def test_what_cannot_be_read_is_said(context: Context, tmp_path: Path) -> None:
    number = a_set(context, tmp_path)
    with pytest.raises(Refused, match="part=all"):
        read_attention(context, spec(number).model_copy(update={"part": "held_out"}), tmp_path, Told())
    with pytest.raises(Refused, match="no set number 99"):
        read_attention(context, spec(99), tmp_path, Told())
    long = a_set(context, tmp_path, [("☃" * 5_000, "Where?"), CASES[0]])
    folder = tmp_path / "job"
    folder.mkdir()
    assert read_attention(context, spec(long), folder, Told())["unmeasured"] == 1
    assert "Nothing is cut off" in lines(folder)[0]["reason"]


def test_one_prompt_is_looked_at_through_the_page(web: TestClient, context: Context) -> None:
    body = {"preference": HOSTILE, "query": "What now?", "model": "starter", "answer": "Step 1: Go home. Step 2: Rest."}
    told = web.post("/api/attention", json=body)
    assert told.status_code == 200, told.text
    found = told.json()
    assert found["model"] == "starter model"
    assert {"quadrant", "lift", "drop", "drop_other"} <= found["use"]["answer"].keys()
    seen = web.get(f"/api/attention/slices/{found['of']}").json()
    assert seen["whole"] and seen["layers"] * seen["heads"] > 1
    row = np.frombuffer(base64.b64decode(seen["mean"]), "<f4")
    ends = np.frombuffer(base64.b64decode(seen["ends"]), "<i4")
    assert len(row) == len(ends) and float(row.sum()) == pytest.approx(1, abs=1e-4)
    assert ends[-1] == len(seen["text"].encode("utf-16-le")) // 2
    assert 0 < seen["figures"]["mass"] < 1 and seen["figures"]["lift"] > 0
    head = web.get(f"/api/attention/slices/{found['of']}/head?layer=1&head=2").json()
    masses = np.frombuffer(base64.b64decode(seen["masses"]), "<f4").reshape(seen["layers"], seen["heads"])
    assert head["figures"]["mass"] == pytest.approx(float(masses[1, 2]), abs=2e-3)
    again = web.post("/api/attention", json=body | {"answer": ""}).json()
    assert again["use"] is None
    assert (seen["use"], seen["answer"], seen["model"]) == (found["use"], found["said"], found["model"])
    assert seen["asked"] == body | {"method": "step_by_step", "reverse": "", "turns": 0}
    bare = web.get(f"/api/attention/slices/{again['of']}").json()
    assert bare["use"] is None and bare["asked"]["answer"] == ""
    note = context.settings.data.resolve() / LIVE / f"{found['of'].removeprefix('live-')}.json"
    for foreign in (b"{", b'{"model": 1}', b"\xff"):
        note.write_bytes(foreign)
        alone = web.get(f"/api/attention/slices/{found['of']}").json()
        assert alone["mean"] == seen["mean"] and "use" not in alone, "the slice is shown without its meter"
    none = web.get(f"/api/attention/slices/{again['of']}/minus/{found['of']}").json()
    assert np.abs(np.frombuffer(base64.b64decode(none["mean"]), "<f4")).max() < 1e-5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"preference": " ", "query": "x"}, "preference is empty"),
        ({"preference": "x", "query": "x" * 50_000}, "more than 40,000 characters"),
        ({"preference": "x", "query": "x", "model": "model:99"}, "no model 99"),
        ({"preference": "☃" * 5_000, "query": "x", "model": "starter"}, "Nothing is cut off"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(web: TestClient, body: dict[str, str], said: str) -> None:
    told = web.post("/api/attention", json=body)
    assert told.status_code in (400, 404) and said in told.json()["error"]


def test_a_slice_has_a_name_of_ours(web: TestClient) -> None:
    for name in ("live-" + "0" * 32, "job-1-0-0", "x", "live-zz"):
        assert web.get(f"/api/attention/slices/{name}").status_code == 404


def test_old_slices_make_room(context: Context, tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        file = tmp_path / f"{number}.npz"
        file.write_bytes(b"")
        file.with_suffix(".json").write_text("{}", "utf-8")
        (tmp_path / f".{number}.json.part").write_text("{", "utf-8")
        os.utime(file, (number, number))
    attention_live._room(tmp_path)  # pyright: ignore[reportPrivateUsage]
    left = sorted(int(file.stem) for file in tmp_path.glob("*.npz"))
    assert left == list(range(6, KEPT + 5))
    for pattern in ("*.json", ".*.json.part"):
        beside = {int(file.name.strip(".").split(".")[0]) for file in tmp_path.glob(pattern)}
        assert beside == set(left), "what stands beside a slice goes with it"


def test_what_stands_beside_a_slice_is_bounded(tmp_path: Path) -> None:
    asked = Prompted(preference="p", query="q", model="", method="zero_shot", answer="a", reverse="", turns=0)
    keep_looked(tmp_path, "x", Looked(model="m", use=None, answer="a" * (5 << 20), asked=asked))
    assert list(tmp_path.iterdir()) == []
    keep_looked(tmp_path, "x", Looked(model="m", use=None, answer="a", asked=asked))
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_server_is_read_through_its_registered_folder(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def served(_context: Context, _role: str, _chosen: str) -> Endpoint:
        return Endpoint("http://127.0.0.1:9/v1", "m")

    monkeypatch.setattr(attention_models, "engine_for", served)
    with pytest.raises(Refused, match="does not show its attention"):
        attention_models.checkpoint_of(context, "server:9")
    running = SimpleNamespace(base_url="http://127.0.0.1:9/v1", command=["vllm", "--model", str(STARTER)])
    monkeypatch.setattr(attention_models, "servers", lambda _: [running])
    assert attention_models.checkpoint_of(context, "server:9").folder == STARTER


def test_a_run_for_the_page_and_the_command_line(
    web: TestClient, context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ordered = spec(a_set(context, tmp_path), heads=1, answers=True, max_new=30)
    draft = {"spec": ordered.model_dump()}
    seen = web.post("/api/attention/preflight", json=draft).json()
    assert not seen["blocked"] and '"kind":"attention"' in seen["command"]
    assert "refused" in web.post("/api/attention/preflight", json={"spec": {"kind": "attention"}}).json()
    bad = {"spec": ordered.model_dump() | {"checkpoints": ["model:9"]}}
    assert web.post("/api/attention/start", json=bad).json()["id"] is None
    number = web.post("/api/attention/start", json=draft).json()["id"]
    job = jobs.get(context.database, number)
    assert job is not None and job.kind == "attention"
    waiting = web.get(f"/api/attention/runs/{number}").json()
    assert waiting["report"] is None and waiting["numbers"] == []
    folder = context.settings.data.resolve() / job.folder
    folder.mkdir(parents=True)
    read_attention(context, ordered, folder, Told())
    found = web.get(f"/api/attention/runs/{number}").json()
    assert [one["case"] for one in found["numbers"]] == [0, 1, 2] and found["lines"] == 3
    assert not {"answer", "use"} & found["numbers"][0].keys()
    assert found["report"]["models"][0]["read"] == 3
    later = web.get(f"/api/attention/runs/{number}?since=2").json()
    assert [one["case"] for one in later["numbers"]] == [2] and (later["lines"], later["since"]) == (3, 2)
    assert later["report"] == found["report"] and "cases" not in later
    assert web.get(f"/api/attention/runs/{number}?since=3").json()["numbers"] == []
    assert web.get(f"/api/attention/runs/{number}?since=9").json() == found, "fewer lines than known: told anew"
    assert web.get(f"/api/attention/runs/{number}?since=-1").status_code == 422
    one, other = (web.get(f"/api/attention/slices/job-{number}-0-{case}").json() for case in (0, 1))
    assert one["whole"] and not other["whole"]
    assert one["answer"] and one["use"]["sentences"]
    refused = web.get(f"/api/attention/slices/job-{number}-0-1/head?layer=0&head=0")
    assert refused.status_code == 400 and "without the weights" in refused.json()["error"]
    (folder / slice_name(0, 0)).write_bytes(b"PK\x03\x04 broken")
    assert "no attention slice" in web.get(f"/api/attention/slices/job-{number}-0-0").json()["error"]
    assert web.get("/api/attention/runs").json()[0]["id"] == number
    show = argparse.Namespace(job=number, curve=True)
    assert commands._show(context, show) == 0  # pyright: ignore[reportPrivateUsage]
    said = capsys.readouterr().out
    assert "starter model\tmass\t" in said and "minus" not in said


def test_the_command_line_prints_what_differs(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ordered = spec(a_set(context, tmp_path)).model_copy(update={"checkpoints": ["starter", ""]})
    number = enqueue(context, ordered)
    job = jobs.get(context.database, number)
    assert job is not None
    folder = context.settings.data.resolve() / job.folder
    folder.mkdir(parents=True)
    read_attention(context, ordered, folder, Told())
    for curve, rows in ((False, 0), (True, BINS)):
        commands._show(context, argparse.Namespace(job=number, curve=curve))  # pyright: ignore[reportPrivateUsage]
        said = capsys.readouterr().out
        for name in ("mass", "lift", "kept_lift"):
            assert f"\t{name}\t0.0000\t0.0000\t0.0000\t1.0000\t3\n" in said, "a model does not differ from itself"
        assert said.count("\tmass at ") == rows
