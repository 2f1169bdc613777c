"""Registered models in the database: one row for a path, what is kept and what is replaced, lineage, forgetting."""

from app.context import Context
from db import models
from db.models import Entry

FULL = Entry(
    "Tone", "critic", "jobs/1/model", "d1", "starter", "b1", "h1", {"set": 1, "name": "s", "version": 1, "files": []},
    {"trained": {"mae": 0.2}}, (), "jobs/1", "a note",
)  # fmt: skip


def test_what_is_put_comes_back(context: Context) -> None:
    made = models.put(context.database, FULL, "2026-01-01T00:00:00+00:00")
    assert made == models.get(context.database, made.id)
    assert (made.data["name"], made.metrics["trained"]["mae"], made.parents) == ("s", 0.2, ())
    assert (made.created_at, made.removed_at, made.note) == ("2026-01-01T00:00:00+00:00", None, "a note")
    assert models.get(context.database, 99) is None
    assert models.at_path(context.database, "jobs/1/model") == made
    assert models.at_path(context.database, "jobs/2/model") is None


def test_the_same_path_is_the_same_model(context: Context) -> None:
    made = models.put(context.database, FULL, "t1")
    assert models.put(context.database, FULL, "t2") == made
    by_hand = models.put(context.database, Entry("Other", "critic", "jobs/1/model", "d1"), "t3")
    assert by_hand == made, "the same content keeps whatever is not told again"
    again = models.put(context.database, FULL._replace(metrics={"trained": {"mae": 0.1}}), "t4")
    assert again == made._replace(metrics={"trained": {"mae": 0.1}})
    changed = models.put(context.database, Entry("Other", "policy", "jobs/1/model", "d2"), "t5")
    assert (changed.id, changed.name, changed.note, changed.kind) == (made.id, "Tone", "a note", "policy")
    assert (changed.digest, changed.created_at, changed.metrics, changed.data, changed.base) == ("d2", "t5", {}, {}, "")


def test_a_forgotten_model_keeps_its_row_and_comes_back(context: Context) -> None:
    made = models.put(context.database, FULL, "t1")
    child = models.put(context.database, FULL._replace(path="jobs/2/model", parents=(made.id,)), "t1")
    assert [one.id for one in models.children(context.database, made.id)] == [child.id]
    assert models.forget(context.database, made.id, "t2")
    assert not models.forget(context.database, made.id, "t3")
    assert not models.describe(context.database, made.id, "New", "")
    assert [one.id for one in models.listing(context.database)] == [child.id]
    assert models.at_path(context.database, FULL.path) is None
    found = models.get(context.database, made.id)
    assert found is not None and found.removed_at == "t2"
    assert models.get(context.database, child.id) == child, "what was made of it still names it"
    back = models.put(context.database, FULL, "t4")
    assert back == made


def test_listing_is_newest_first_by_kind(context: Context) -> None:
    for number in range(5):
        kind = "policy" if number == 2 else "critic"
        models.put(context.database, FULL._replace(path=f"jobs/{number}/model", kind=kind), "t")
    assert [one.path[5] for one in models.listing(context.database, limit=3)] == ["4", "3", "2"]
    assert [one.path[5] for one in models.listing(context.database, "critic")] == ["4", "3", "1", "0"]
    assert models.describe(context.database, 1, "<b>Ünï</b> 🙂", "line\nline")
    found = models.get(context.database, 1)
    assert found is not None and (found.name, found.note) == ("<b>Ünï</b> 🙂", "line\nline")
