"""The database: migrations, the doors, blobs, and that what is written comes back."""

import json
import sqlite3
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import SQLModel

import db.tables  # noqa: F401  (registers the tables)
from app.context import Context
from core.formats import deeppref as published
from core.types import Foreign, Problem, Tree
from db import scenarios, sets
from db.blobs import Blobs
from db.importing import PROBLEMS_KEPT, SetWriter
from db.migrate import migrate, newest, version
from db.scenarios import Filter
from db.search import match_of, search
from tests.samples import FOREIGN, deeppref, trees


def store(context: Context, *records: Tree | Foreign, name: str = "set") -> int:
    """Write records as a set; returns its id."""
    with context.database.write() as connection, SetWriter(connection, name, context.now()) as writer:
        writer.begin_file(f"{name}.json", f"{name}-{time.monotonic_ns()}", 1)
        for record in records:
            writer.add(record, record.form, "a topic", "test")
        writer.end_file()
    return writer.set_id


def test_the_migrations_make_exactly_the_tables(context: Context) -> None:
    with context.database.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert [item for item in found if "_text" not in str(item)] == []
    assert version(context.database) == newest()
    migrate(context.database)  # a second time changes nothing


def test_settings_of_a_connection(context: Context) -> None:
    with context.database.write() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_reader_cannot_write(context: Context) -> None:
    with context.database.read() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("INSERT INTO fact VALUES ('a', 'b')"))


def test_a_failed_write_leaves_nothing(context: Context) -> None:
    with pytest.raises(RuntimeError), context.database.write() as connection:
        sets.set_fact(connection, "a", "b")
        raise RuntimeError
    assert sets.fact(context.database, "a") is None


@given(trees())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_comes_back_as_it_was(context: Context, tree: Tree) -> None:
    set_id = store(context, tree)
    (back,) = scenarios.records(context.database, set_id)
    topic, split = tree.scenario.topic or "a topic", tree.scenario.split or "test"
    assert isinstance(back, Tree)
    assert (back.nodes, back.paths, back.marks) == (tree.nodes, tree.paths, tree.marks)
    assert (back.scenario.topic, back.scenario.split) == (topic, split)
    assert (back.scenario.preference, back.scenario.query) == (tree.scenario.preference, tree.scenario.query)


def test_a_published_tree_comes_back_with_its_spelling(context: Context) -> None:
    record = deeppref(extra=[1, {"a": None}])
    record["thought_tree"]["1"]["score"] = "high"
    set_id = store(context, published.read(record))
    (back,) = scenarios.records(context.database, set_id)
    assert isinstance(back, Tree)
    assert published.write(back) == record


def test_the_summary_of_a_tree(context: Context) -> None:
    store(context, published.read(deeppref()))
    (row,) = scenarios.listing(context.database, Filter()).rows
    assert (row.nodes, row.depth, row.low, row.high, row.best, row.topic) == (5, 2, -0.9, 0.8, 1.5, "a topic")
    found = scenarios.facets(context.database)
    assert found.depths == [(2, 1)]
    assert {key for key, count in found.bands if count} == {"harmful", "flawed", "strong"}


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (Filter(), 2), (Filter(topic="a topic"), 2), (Filter(topic="none"), 0), (Filter(split="test"), 2), (Filter(split="train"), 0),
        (Filter(band="harmful"), 2), (Filter(band="exceptional"), 0), (Filter(depth=2), 2), (Filter(depth=3), 0),
        (Filter(pruned="yes"), 0), (Filter(pruned="no"), 2), (Filter(mark="score_out_of_range"), 1), (Filter(set_id=99), 0),
        (Filter(trees_only=False), 3), (Filter(band="unknown"), 2),
    ],
)  # fmt: skip
def test_filters(context: Context, filters: Filter, count: int) -> None:
    odd = deeppref()
    odd["thought_tree"]["1"]["score"] = 3
    plain = FOREIGN["prefeval_explicit"]
    from core.formats.registry import detect

    form = detect(plain)
    assert form is not None
    store(context, published.read(deeppref()), published.read(odd), form.read(plain))
    assert scenarios.listing(context.database, filters).total == count


def test_neighbours(context: Context) -> None:
    tree = published.read(deeppref())
    store(context, tree, tree, tree)
    ids = [row.id for row in scenarios.listing(context.database, Filter()).rows]
    assert scenarios.neighbours(context.database, ids[1], Filter()) == (ids[0], ids[2])
    assert scenarios.neighbours(context.database, ids[0], Filter()) == (None, ids[1])


def test_search_finds_words_phrases_and_word_forms_and_leads_to_the_node(context: Context) -> None:
    store(context, published.read(deeppref()))
    one = search(context.database, "location sharing journey", Filter())
    assert [hit.node for hit in one] == ["4"]
    assert "\x02" in one[0].snippet
    assert [hit.node for hit in search(context.database, '"each day"', Filter())] == ["3"]
    assert search(context.database, '"day each"', Filter()) == []
    assert len(search(context.database, "applications", Filter())) == 1  # stemmed
    assert [hit.node for hit in search(context.database, "updated", Filter())] == [""]
    assert search(context.database, "location", Filter(depth=9)) == []


@pytest.mark.parametrize(
    "words", ['"', "* OR", "a AND NOT (", "NEAR(", "-", "''; DROP TABLE node;", "\x00", "thought:x", "{", "^a"]
)
def test_search_takes_anything_a_person_may_type(context: Context, words: str) -> None:
    store(context, published.read(deeppref()))
    search(context.database, words, Filter())
    assert len(match_of("word " * 100).split()) == 12


def test_deleting_a_set_takes_everything_with_it(context: Context) -> None:
    kept = store(context, published.read(deeppref()), name="kept")
    gone = store(context, published.read(deeppref()), name="gone")
    sets.delete_set(context.database, gone)
    with context.database.write() as connection:
        for table in ("data_set", "source_file", "record", "scenario", "tree"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 1
        assert connection.execute(text("SELECT count(*) FROM node")).scalar() == 5
        for table in ("node_text", "scenario_text"):
            connection.exec_driver_sql(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
    assert [hit.scenario.set_id for hit in search(context.database, "location", Filter())] == [kept]


def test_ids_in_an_address_are_never_given_to_something_else(context: Context) -> None:
    first = store(context, published.read(deeppref()))
    (row,) = scenarios.listing(context.database, Filter()).rows
    sets.delete_set(context.database, first)
    store(context, published.read(deeppref()))
    assert scenarios.get(context.database, row.id) is None


def test_versions_count_up(context: Context) -> None:
    for _ in range(3):
        store(context, published.read(deeppref()))
    assert [item.version for item in sets.all_sets(context.database)] == [3, 2, 1]


def test_problems_are_counted_beyond_those_that_are_kept(context: Context) -> None:
    with context.database.write() as connection, SetWriter(connection, "x", "now") as writer:
        writer.begin_file("f", "d", 1)
        for index in range(PROBLEMS_KEPT + 5):
            writer.problem(Problem(f"line {index}", "", "No."))
        writer.end_file()
    found = sets.one_set(context.database, writer.set_id)
    assert found is not None
    assert found.problems == PROBLEMS_KEPT + 5
    assert len(sets.problems_of(context.database, writer.set_id, 10_000)) == PROBLEMS_KEPT


def test_one_content_is_stored_once(context: Context) -> None:
    with context.database.write() as connection, SetWriter(connection, "x", "now") as writer:
        writer.begin_file("f", "same", 1)
        with pytest.raises((IntegrityError, sqlite3.IntegrityError)):
            writer.begin_file("g", "same", 1)


def test_scores_of_a_set(context: Context) -> None:
    store(context, published.read(deeppref()), name="other")
    set_id = store(context, published.read(deeppref()))
    found = scenarios.scores(context.database, set_id)
    assert (found.total, found.unscored, sum(found.bins)) == (4, 0, 4)
    assert scenarios.scores(context.database).total == 8


def test_blobs_are_whole_or_not_there(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    with (tmp_path / "source").open("rb") as file:
        staged = blobs.stage(file)
    blobs.keep(staged)
    assert blobs.intact(staged.digest)
    assert list(blobs.digests()) == [staged.digest]
    blobs.path(staged.digest).write_bytes(b"y")
    assert not blobs.intact(staged.digest)
    blobs.delete(staged.digest)
    assert not blobs.intact(staged.digest)


def test_a_broken_copy_leaves_nothing_behind(tmp_path: Path) -> None:
    class Breaks:
        def read(self, _size: int) -> bytes:
            raise OSError("gone")

    blobs = Blobs(tmp_path)
    with pytest.raises(OSError, match="gone"):
        blobs.stage(Breaks())  # type: ignore[arg-type]
    assert list((tmp_path / "incoming").iterdir()) == []


def test_json_of_foreign_records_is_kept_to_the_letter(context: Context) -> None:
    body = {"prompt": "p", "order": {"z": 1, "a": [1.5, None, "é 🙂"]}}
    set_id = store(context, Foreign("trl_prompt", body, "p"))
    (back,) = scenarios.records(context.database, set_id)
    assert isinstance(back, Foreign)
    assert json.dumps(back.body) == json.dumps(body)


def test_the_scenarios_of_records_come_without_their_trees(context: Context) -> None:
    set_id = store(context, published.read(deeppref()))
    (record,) = scenarios.records(context.database, set_id)
    assert isinstance(record, Tree)
    assert scenarios.of_records(context.database, set_id) == [record.scenario]
    assert scenarios.of_records(context.database, set_id + 1) == []
    (head,) = scenarios.heads(context.database, set_id)
    assert (
        head.record == Tree(record.scenario, ()) and scenarios.get(context.database, head.scenario_id or 0) is not None
    )
