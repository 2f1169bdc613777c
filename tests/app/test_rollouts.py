"""Rollout files as people see them: runs, updates, groups, two updates compared, the command line, and files of strangers."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from app.actions import rollout_files, rollouts
from app.actions.rollout_files import Kept, read_update, updates
from app.cli import main
from app.context import Context
from app.errors import Missing, Refused
from app.main import create_app
from core.rollouts import COLUMNS
from tests.app.kept import PREFERENCE, QUERY, folder_of, group, job_with_rollouts, ordinary, response
from tests.app.peopled import browser, entered
from training.rollouts import FOLDER, SCHEMA, write

HOSTILE = "<img src=x onerror=alert(1)> ${alert(1)} \x1b[2J\u202e"


def client_of(context: Context) -> TestClient:
    return TestClient(create_app(context), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def unpacked(words: str, kind: str) -> list[Any]:
    return np.frombuffer(base64.b64decode(words), kind).tolist()


def test_the_columns_are_those_a_run_writes() -> None:
    assert set(COLUMNS) == set(SCHEMA.names) - {"update"}
    assert rollout_files.FOLDER == FOLDER


def test_runs_are_listed_newest_first(context: Context) -> None:
    first = job_with_rollouts(context, u1=ordinary(), u20=ordinary())
    second = job_with_rollouts(context)
    with client_of(context) as client:
        found = client.get("/api/rollouts").json()["runs"]
        assert [(run["job"], run["count"], run["first"], run["last"]) for run in found] == [
            (second, 0, None, None),
            (first, 2, 1, 20),
        ]
        assert client.get(f"/api/rollouts/{first}").json()["updates"] == [1, 20]
        assert client.get(f"/api/jobs/{first}").json()["job"]["rollouts"] is True
        assert client.get("/api/rollouts/99").status_code == 400
        assert "kept no responses of update 7" in client.get(f"/api/rollouts/{first}/7").json()["error"]


def test_an_update_has_its_prompts_with_their_figures(context: Context) -> None:
    job = job_with_rollouts(
        context, u1=ordinary() + group(1, response("nothing", [], format=0.0), response("Step 1: x", [None]))
    )
    with client_of(context) as client:
        found = client.get(f"/api/rollouts/{job}/1").json()
    one, two = found["groups"]
    assert (one["query"], one["preference"], one["responses"], one["findings"]) == (
        QUERY,
        PREFERENCE,
        3,
        {"outside": 1},
    )
    assert one["score"] == pytest.approx((0.5 + 0.4 + 0.45) / 3) and one["truncated"] == 0
    assert two["findings"] == {"no_gradient": 1, "outside": 1, "unscored": 1, "malformed": 1} and two["score"] is None
    assert {kind["kind"]: kind["count"] for kind in found["findings"]}["outside"] == 2


def test_a_group_comes_with_every_token(context: Context) -> None:
    job = job_with_rollouts(context, u1=ordinary() + ordinary(1, "sea"))
    with client_of(context) as client:
        found = client.get(f"/api/rollouts/{job}/1/1").json()
    one = found["responses"][1]
    assert "🙈" in one["text"]
    ends = unpacked(one["ends"], "<i4")
    assert ends[-1] == len(one["text"]) + 1 and ends == sorted(ends), "places are UTF-16 units"
    assert len(unpacked(one["advantages"], "<f4")) == len(unpacked(one["clipped"], "u1")) == len(ends)
    assert unpacked(one["clipped"], "u1")[:5] == [0, 0, 0, 1, 0]
    second = one["steps"][1]
    cut = one["text"].encode("utf-16-le")[2 * second["start"] : 2 * second["end"]].decode("utf-16-le")
    assert cut.startswith("Step 2: Take the sea path") and cut.endswith("slowly.")
    assert (second["score"], second["critique"], second["advantage"]) == (0.6, "Critique of 0.6.", pytest.approx(0.7))
    assert found["scales"]["advantage"] == pytest.approx(0.7) and found["scales"]["kl"][1] == pytest.approx(0.06)
    assert [one["kind"] for one in found["findings"]] == ["outside"] and found["findings"][0]["response"] == 2


def test_what_was_masked_has_no_numbers(context: Context) -> None:
    cut = response("Step 1: and then", [], truncated=True, spans=[], index=[-1] * 5, kl=[0.0] * 5, entropy=[0.0] * 5)
    folder = folder_of(context, job_with_rollouts(context, u1=group(0, cut, response("Step 1: x", [0.5])))).parent
    one = read_update(folder, 1).rollouts[0]
    assert np.isnan(one.entropy).all() and np.isnan(one.kl).all()


def test_without_a_reference_kl_is_unknown(context: Context) -> None:
    job = job_with_rollouts(context, u1=group(0, *(replace(one, kl=[]) for one in ordinary())))
    found = rollouts.group_of(context, job, 1, 0)
    assert found["figures"]["kl"] is None and found["scales"]["kl"] == (0.0, 0.0)


def test_rows_of_several_processes_are_one_group(context: Context) -> None:
    job = job_with_rollouts(context)
    one, two, three = ordinary()
    write(folder_of(context, job), 3, 1, [three])
    write(folder_of(context, job), 3, 0, [one, two])
    assert [item["response"] for item in rollouts.group_of(context, job, 3, 0)["responses"]] == [0, 1, 2]
    write(folder_of(context, job), 3, 2, [two])
    found = rollouts.group_of(context, job, 3, 0)
    assert len(found["responses"]) == 3 and "Response 2 of prompt 1 is stored twice" in found["problems"][0]


def test_the_same_prompt_in_two_updates(context: Context) -> None:
    other = [replace(one, query="Another?") for one in ordinary(0)]
    job = job_with_rollouts(context, u1=ordinary(), u2=other, u3=other + ordinary(1, "forest"))
    with client_of(context) as client:
        assert client.get(f"/api/rollouts/{job}/3/1/updates").json() == [
            {"update": 1, "group": 0},
            {"update": 3, "group": 1},
        ]
        found = client.get(f"/api/rollouts/{job}/3/1/against?other=1&other_group=0").json()
        assert client.get(f"/api/rollouts/{job}/3/1/against?other=1&other_group=9").status_code == 404
        apart = client.get(f"/api/rollouts/{job}/3/1/against?other=2&other_group=0").json()
    assert (found["same_prompt"], found["equal"], apart["same_prompt"]) == (True, False, False)
    assert [side["best"] for side in found["sides"]] == [
        {"update": 3, "group": 1, "response": 0, "score": 0.5},
        {"update": 1, "group": 0, "response": 0, "score": 0.5},
    ]
    changed = [(piece["what"], piece["text"]) for piece in found["diff"] if piece["what"] != "same"]
    assert changed == [("gone", "forest"), ("new", "garden")]


def test_a_file_that_changes_is_looked_at_again(context: Context) -> None:
    job = job_with_rollouts(context, u1=ordinary(), u2=ordinary())
    known = rollouts.Prompts(most=1)
    assert len(rollouts.other_updates(context, known, job, 1, 0)) == 2
    write(
        folder_of(context, job), 2, 0, [replace(one, query="Another question, which is longer?") for one in ordinary()]
    )
    assert rollouts.other_updates(context, known, job, 1, 0) == [{"update": 1, "group": 0}]


def test_samples_are_the_best_and_the_worst_of_an_update_with_their_scores(context: Context) -> None:
    cut = response("So it goes", [], truncated=True)
    job = job_with_rollouts(context, u2=group(0, *ordinary(), cut), u4=ordinary(word="beach"))
    empty = job_with_rollouts(context)
    with client_of(context) as client:
        newest = client.get(f"/api/train/{job}/samples").json()
        assert (newest["updates"], newest["update"], newest["query"]) == ([2, 4], 4, QUERY)
        found = client.get(f"/api/train/{job}/samples?update=2").json()
        best, worst = found["responses"]
        assert (best["which"], best["score"]) == ("the best of 4", pytest.approx(0.5))
        assert [(step["text"], step["score"]) for step in best["steps"]] == [
            ("Step 1: They need rest.", pytest.approx(0.8)),
            ("Step 2: Go to the garden early.", pytest.approx(0.2)),
        ]
        assert (worst["truncated"], worst["score"]) == (True, None), "a response that was cut off is the worst"
        assert client.get(f"/api/train/{job}/samples?update=3").json()["update"] == 4, "one that was not kept"
        assert client.get(f"/api/train/{empty}/samples").json() == {"updates": [], "update": None, "responses": []}
        assert client.get("/api/train/99/samples").status_code == 400


def test_only_researchers_see_rollouts(peopled: Context) -> None:
    job = job_with_rollouts(peopled, u1=ordinary())
    places = [
        "",
        f"/{job}",
        f"/{job}/1",
        f"/{job}/1/0",
        f"/{job}/1/0/updates",
        f"/{job}/1/0/against?other=1&other_group=0",
    ]
    stranger, anne, rosa = browser(peopled), entered(peopled, "Anne"), entered(peopled, "Rosa")
    for place in [*(f"/api/rollouts{place}" for place in places), f"/api/train/{job}/samples"]:
        assert stranger.get(place).status_code == 401
        assert anne.get(place).status_code == 403
        assert rosa.get(place).status_code == 200
    assert [client.get("/rollouts").status_code for client in (stranger, anne, rosa)] == [303, 303, 200]


def column(name: str, values: list[Any], kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    """A table in which one column is another."""
    return lambda table: table.set_column(table.schema.names.index(name), name, pa.array(values, kind))


def nested(table: pa.Table) -> pa.Table:
    return column("ends", [[[1]]] * 3)(table)


BROKEN: list[tuple[str, Callable[[pa.Table], pa.Table], str]] = [
    ("no column", lambda table: table.drop_columns(["entropy"]), "It has no column entropy, so it holds no rollouts."),
    ("texts for numbers", column("ends", [["a"]] * 3), "A value is missing or of the wrong kind."),
    ("lists in lists", nested, "stands where numbers belong"),
    ("numbers for lists", column("ends", [1, 2, 3]), "response 1: "),
    ("nothing", column("ends", [None] * 3, pa.list_(pa.int64())), "response 1: Its lists of tokens differ in length."),
    ("null in places", column("ends", [[1, None]] * 3), "A value is missing or of the wrong kind."),
    ("no group", column("group", [None] * 3, pa.int64()), "A value is missing or of the wrong kind."),
    ("negative group", column("group", [-1] * 3), "Its number is none."),
    ("group of texts", column("group", ["x"] * 3), "A value is missing or of the wrong kind."),
    ("far places", column("starts_of_steps", [[0, 1 << 60]] * 3), "Its steps do not lie in its text in order."),
    ("huge score", column("scores", [[7.0, 0.0]] * 3), "A step has a score outside -1 to 1."),
    ("fewer scores", column("scores", [[0.5]] * 3), "A value is missing or of the wrong kind."),
    ("bytes for texts", column("text", [b"\xff\xfe"] * 3), "response 1: Its tokens do not lie in its text in order."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), [item[1:] for item in BROKEN], ids=[item[0] for item in BROKEN])
def test_a_broken_file_is_a_sentence_and_the_rest_is_read(
    context: Context, change: Callable[[pa.Table], pa.Table], sentence: str
) -> None:
    job = job_with_rollouts(context, u1=ordinary())
    folder = folder_of(context, job)
    pq.write_table(change(pq.read_table(folder / "update-000001-00.parquet")), folder / "update-000001-01.parquet")
    kept = read_update(folder.parent, 1)
    assert len(kept.rollouts) == 3 and any(sentence in problem for problem in kept.problems), kept.problems
    assert len(rollouts.overview(context, job, 1)["groups"]) == 1
    assert len(rollouts.other_updates(context, rollouts.Prompts(), job, 1, 0)) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and nothing more PAR1", bytes(range(256)) * 50])
def test_a_file_that_is_no_parquet(context: Context, content: bytes) -> None:
    job = job_with_rollouts(context)
    (folder_of(context, job) / "update-000002-00.parquet").write_bytes(content)
    kept = read_update(folder_of(context, job).parent, 2)
    assert kept.rollouts == [] and "The file cannot be read" in kept.problems[0]
    with client_of(context) as client:
        answer = client.get(f"/api/rollouts/{job}/2").json()
        assert answer["groups"] == [] and "cannot be read" in answer["problems"][0]


def test_a_file_that_is_cut_or_damaged_anywhere_never_crashes(context: Context) -> None:
    job = job_with_rollouts(context, u1=ordinary())
    file = folder_of(context, job) / "update-000001-00.parquet"
    whole = file.read_bytes()
    for at in range(0, len(whole), 97):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert isinstance(read_update(file.parents[1], 1), Kept)
        file.write_bytes(whole[:at])
        assert read_update(file.parents[1], 1).rollouts == []


def test_sizes_are_bounded_before_anything_is_unpacked(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_with_rollouts(context, u1=ordinary())
    folder = folder_of(context, job).parent
    for name, value, sentence in (
        ("MOST_ROWS", 2, "It has 3 responses; at most 2 are read."),
        ("LARGEST_FILE", 100, "It has 0 MiB"),
        ("LARGEST_COLUMN", 10, "unpacks to more than a run would write"),
        ("MOST_VALUES", 2, "unpacks to more than a run would write"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(rollout_files, name, value)
            kept = read_update(folder, 1)
        assert kept.rollouts == [] and sentence in kept.problems[0]
    monkeypatch.setattr(rollout_files, "MOST_VALUES", 50)
    write(folder / FOLDER, 1, 1, group(1, *ordinary()))
    kept = read_update(folder, 1)
    assert len(kept.rollouts) == 3 and "update has more than 50 tokens" in kept.problems[0]


def test_one_long_text_under_many_rows_is_kept_once(context: Context) -> None:
    """A long text that a small file repeats must not become gigabytes."""
    job = job_with_rollouts(context, u1=ordinary())
    file = folder_of(context, job) / "update-000001-00.parquet"
    row = pq.read_table(file).slice(0, 1)
    many = pa.concat_tables([row] * 2_000)
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), pa.array(["x" * 300_000]))
    at = many.schema.names.index("prompt")
    pq.write_table(many.set_column(at, "prompt", long), file, compression="zstd")
    assert file.stat().st_size < 1 << 20
    assert len(rollout_files.groups_by_prompt(file.parents[1], file.name)) == 1
    kept = read_update(file.parents[1], 1)
    assert len(kept.rollouts) == 1 and len(kept.problems) == 100


def test_links_and_odd_names_are_not_followed(context: Context, tmp_path: Path) -> None:
    job = job_with_rollouts(context, u1=ordinary())
    folder = folder_of(context, job)
    (folder / "update-000009-00.parquet").symlink_to(folder / "update-000001-00.parquet")
    (folder / "update-000008-00.part").write_bytes(b"")
    (folder / "update-000007-00.parquet").mkdir()
    (folder / "notes.txt").write_text("x")
    assert list(updates(folder.parent)) == [1]
    elsewhere = job_with_rollouts(context)
    folder_of(context, elsewhere).rmdir()
    folder_of(context, elsewhere).symlink_to(folder)
    with pytest.raises(Missing, match="kept no rollouts"):
        rollouts.run_of(context, elsewhere)


def test_hostile_texts_stay_texts(
    context: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = group(0, *(replace(one, query=HOSTILE, critiques=[HOSTILE] * 2) for one in ordinary()))
    own[1] = response(f"Step 1: {HOSTILE}\nStep 2: {HOSTILE}", [0.1, 0.2], [0.1, 0.1], query=HOSTILE, response=1)
    job = job_with_rollouts(context, u1=own)
    assert HOSTILE in rollouts.group_of(context, job, 1, 0)["responses"][1]["text"]
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    assert main(["rollouts", "show", str(job)]) == 0
    said = capsys.readouterr().out
    assert "onerror" in said and "\x1b" not in said and "\u202e" not in said


def test_the_command_line(
    context: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_with_rollouts(context, u1=ordinary(), u12=ordinary() + ordinary(1))
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    assert main(["rollouts", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{job}\tdoctor\tqueued\t2\t1\t12\t"
    assert main(["rollouts", "show", str(job), "--prompt", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Update 12 of job {job}: 2 prompts."
    assert said[2].startswith("2\t1\t0.50\t2\t") and said[5].startswith("2\tmean\t0.45\t2.0\t")
    assert "Findings: tokens in no step 1" in said
    assert said[-1].startswith("  prompt 2, response 3: tokens in no step. ")
    assert main(["rollouts", "show", str(job), "--update", "3"]) == 1
    assert "kept no responses of update 3" in capsys.readouterr().err
    assert main(["rollouts", "show", "77"]) == 1
    with pytest.raises(Refused):
        rollouts.update_of(context, 77)
