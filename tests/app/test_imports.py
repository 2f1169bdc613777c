"""Importing and exporting as a person does it: same file twice, versions, kills, a full disk, and bad input of every kind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.actions.export_data import choices, export_set
from app.actions.import_data import Incoming, Labels, import_files, preview, stage_file
from app.actions.prepare import prepare
from app.actions.remove_set import remove_set
from app.context import Context, open_context
from app.errors import Refused
from app.settings import Settings
from core.datasets import D_REA, D_RFT
from core.formats.registry import EXPORTS
from db import scenarios, sets
from db.scenarios import Filter
from tests.samples import FOREIGN, STEP_ROW, deeppref

Write = Callable[[str, object], Path]


def rows_in(context: Context) -> dict[str, int]:
    """How many rows each table holds."""
    tables = (
        "data_set",
        "source_file",
        "problem",
        "record",
        "scenario",
        "tree",
        "node",
        "path",
        "tree_mark",
        "node_text_docsize",
    )
    with context.database.read() as connection:
        known = set(connection.execute(text("SELECT name FROM sqlite_master")).scalars())
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in tables
            if table in known
        }


def test_the_same_file_twice_is_told_and_not_doubled(context: Context, write: Write) -> None:
    file = write("one.json", [deeppref()])
    first = import_files(context, [file])
    assert first.sentence() == "Imported 1 record with 1 tree and 5 nodes into one (DeepPref trees) v1."
    before = rows_in(context)
    again = import_files(context, [write("renamed.json", [deeppref()])])
    assert rows_in(context) == before
    assert again.set_id is None
    assert again.sentence() == (
        "renamed.json was imported before as one.json, into one (DeepPref trees) v1; nothing was changed."
    )
    assert list((context.settings.data / "blobs" / "incoming").iterdir()) == []


def test_another_file_under_the_same_name_is_the_next_version(context: Context, write: Write) -> None:
    import_files(context, [write("one.json", [deeppref()])], Labels("Mine"))
    second = import_files(context, [write("two.json", [deeppref(), deeppref()])], Labels("Mine"))
    assert (second.name, second.version) == ("Mine", 2)


def test_several_files_make_one_set(context: Context, write: Write) -> None:
    files = [write("a.json", [deeppref()]), write("b.jsonl", json.dumps(STEP_ROW)), write("c.json", [deeppref()])]
    outcome = import_files(context, files, Labels("All"))
    assert outcome.counts.trees == 2
    assert outcome.known == ["c.json has the same content as a.json and was read once."]
    found = sets.find_set(context.database, "All")
    assert found is not None
    assert (found.form, found.files) == ("mixed", 2)


def test_a_deleted_set_can_be_imported_again(context: Context, write: Write) -> None:
    file = write("one.json", [deeppref()])
    outcome = import_files(context, [file], Labels("Mine"))
    assert outcome.set_id is not None
    with pytest.raises(Refused, match="type its name: Mine"):
        remove_set(context, outcome.set_id, "mine?")
    remove_set(context, outcome.set_id, "Mine")
    assert list(context.blobs.digests()) == []
    assert import_files(context, [file], Labels("Mine")).set_id is not None


def test_preview_stores_nothing_and_says_what_it_saw(context: Context, write: Write) -> None:
    file = write("one.json", [deeppref(), {"thought_tree": {}}, deeppref()])
    before = rows_in(context)
    found = preview(context, Incoming("one.json", stage_file(context, file)))
    assert rows_in(context) == before
    assert (found.form, found.counts.records, found.counts.nodes, found.counts.problems) == ("deeppref", 2, 10, 1)
    assert found.shown[0].detail == "5 nodes, 2 paths, depth 2, best R = 1.50"
    assert found.problems[0].where == "record 2"
    assert found.known == ""
    import_files(context, [file])
    assert "was imported before" in preview(context, Incoming("one.json", stage_file(context, file))).known


def test_topic_and_split_fill_gaps_only(context: Context, write: Write) -> None:
    own = {"kind": "tree", "scenario": {"preference": "p", "query": "q", "topic": "own", "split": "train"}, "nodes": []}
    import_files(context, [write("a.json", own)], Labels(topic="given", split="test"))
    import_files(context, [write("b.json", [deeppref()])], Labels(topic="given", split="test"))
    found = {(row.topic, row.split) for row in scenarios.listing(context.database, Filter()).rows}
    assert found == {("own", "train"), ("given", "test")}
    import_files(context, [write("pet_ownership.json", [FOREIGN["prefeval_explicit"]])])
    assert scenarios.listing(context.database, Filter(topic="pet ownership", trees_only=False)).total == 1


EVERY = [deeppref(), STEP_ROW, *FOREIGN.values()]


@pytest.mark.parametrize("record", EVERY, ids=lambda record: str(record)[:30])
def test_every_export_of_every_set_is_read_again(context: Context, write: Write, record: Any) -> None:
    first = import_files(context, [write("in.json", [record])])
    assert first.set_id is not None
    for choice in choices(context, first.set_id):
        download = export_set(context, first.set_id, choice.name)
        content = b"".join(download.chunks)
        again = import_files(context, [write(f"again-{download.name}", content)])
        if again.set_id is None:  # the very bytes that were imported
            assert content == (context.settings.data.parent / "in.json").read_bytes()
            continue
        assert again.counts.records >= 1
        assert again.counts.problems == 0
        if choice.name in ("subtext", "parquet"):
            ours = list(scenarios.records(context.database, first.set_id))
            assert list(scenarios.records(context.database, again.set_id)) == ours
        elif choice.name in EXPORTS:
            # Training sets are rows of TRL's shape, and are read as such.
            form = "trl_completion" if choice.name in (D_REA, D_RFT) else choice.name
            rows = [
                row for item in scenarios.records(context.database, again.set_id) for row in EXPORTS[form].rows(item, 1)
            ]
            assert rows == (
                json.loads(content) if content[:1] == b"[" else [json.loads(line) for line in content.splitlines()]
            )


def test_exports_are_refused_with_a_sentence(context: Context, write: Write) -> None:
    outcome = import_files(context, [write("a.json", [FOREIGN["aloe_text"]])])
    assert outcome.set_id is not None
    for form, sentence in [
        ("deeppref", "No record of"),
        ("nonsense", "There is no format"),
        ("trl_prompt", "No record of"),
    ]:
        with pytest.raises(Refused, match=sentence):
            export_set(context, outcome.set_id, form)
    with pytest.raises(Refused, match="There is no set number 99"):
        export_set(context, 99, "subtext")


def test_a_file_that_changes_while_it_is_read(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "growing.json"
    file.write_text(json.dumps([deeppref()] * 20_000))
    writer = subprocess.Popen(
        [sys.executable, "-c", f"while True: open({str(file)!r}, 'a').write(' ')"], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(0.3)
        with pytest.raises(Refused, match=r"growing\.json changed while it was being read"):
            import_files(context, [file])
    finally:
        writer.kill()
        writer.wait()
    assert rows_in(context)["record"] == 0


def test_files_that_are_not_there(context: Context, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none\.json could not be read: no such file"):
        import_files(context, [tmp_path / "none.json"])
    with pytest.raises(Refused, match="is a directory"):
        import_files(context, [tmp_path])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("records", [3000, 8000], ids=["while writing rows", "while copying"])
def test_a_full_disk(small_disk: Path, write: Write, records: int) -> None:
    context = open_context(Settings(data=small_disk, starter_set=False))
    prepare(context)
    import_files(context, [write("small.json", [deeppref()])])
    before = rows_in(context)
    big = write("big.json", [deeppref(number=index) for index in range(records)])
    with pytest.raises(Refused, match=r"disk is full|no space left"):
        import_files(context, [big])
    assert rows_in(context) == before
    assert list((small_disk / "blobs" / "incoming").iterdir()) == []
    context.database.close()


def test_killed_at_any_moment_all_of_it_is_there_or_none(tmp_path: Path, write: Write) -> None:
    data = tmp_path / "data"
    big = write("big.json", [deeppref(number=index) for index in range(4000)])
    command = [sys.executable, "-m", "app.cli", "import", str(big)]
    environment = os.environ | {"SUBTEXT_DATA": str(data), "SUBTEXT_STARTER_SET": "0"}
    context = open_context(Settings(data=data, starter_set=False))
    prepare(context)
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    whole = time.monotonic() - started
    complete = rows_in(context)
    assert complete["node"] == 20_000
    remove_set(context, sets.all_sets(context.database)[0].id, "big (DeepPref trees)")
    rng, seen = random.Random(5), set[int]()
    for _ in range(8):
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * rng.uniform(0.3, 1.0))
        child.send_signal(signal.SIGKILL)
        child.wait()
        found = rows_in(context)
        seen.add(found["node"])
        assert found["node"] in (0, 20_000)
        assert found == (complete if found["node"] else dict.fromkeys(complete, 0))
        if found["node"]:
            remove_set(context, sets.all_sets(context.database)[0].id, "big (DeepPref trees)")
    assert 0 in seen
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert rows_in(context) == complete
    context.database.close()


def test_the_starter_set_loads_once_and_stays_deleted(tmp_path: Path) -> None:
    context = open_context(Settings(data=tmp_path / "data"))
    trees, dialogues = prepare(context)
    assert trees.startswith("Imported 20 records with 20 trees and ")
    assert dialogues == "Imported 18 records into Starter dialogues v1."
    assert all(item.sample for item in sets.all_sets(context.database))
    assert prepare(context) == []
    for item in sets.all_sets(context.database):
        remove_set(context, item.id, item.name)
    prepare(context)
    assert sets.all_sets(context.database) == []
    context.database.close()
