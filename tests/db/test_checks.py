"""Checks of critiques in the database: only ever added, never inherited by a changed step, kept when the tree is gone, restored."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.actions.prepare import prepare
from app.context import Context, open_context
from app.settings import Settings
from core.checks import Check, digest
from core.types import ROOT, Node, Scenario, Tree
from db import checks, sets
from db.checks import Event, Refusal, Restored
from db.importing import SetWriter

NOW = "2026-01-05T09:00:00+00:00"


def plant(context: Context, name: str, trees: int = 2, steps: int = 4, **more: Any) -> int:
    """A set of trees: each a chain of two and siblings below the first step. Returns the set's id."""
    with context.database.write() as connection, SetWriter(connection, name, NOW) as writer:
        writer.begin_file(f"{name}.json", digest_of(name), 1)
        for at in range(trees):
            nodes = [Node(ROOT, None, "root", 0, "q")]
            nodes += [
                Node(
                    str(key),
                    ROOT if key < 3 else "1",
                    "thought",
                    1 if key < 3 else 2,
                    f"Thought {key} of {at}.",
                    f"Critique {key}.",
                    min(key, 9) / 10,
                    persona="pragmatist",
                    **more,
                )
                for key in range(1, steps + 1)
            ]
            writer.add(Tree(Scenario(f"P{at}", f"Q{at}"), tuple(nodes)), "subtext")
        writer.end_file()
    return writer.set_id


def digest_of(name: str) -> str:
    return name.encode().hex().ljust(64, "0")[:64]


def first(context: Context, who: str = "Ada") -> checks.Target:
    """The first step that can be checked."""
    return min(checks.sample(context.database, 0, who, 1), key=lambda one: (one.tree_id, one.seen.judged.key))


def say(
    context: Context, one: checks.Target, check: Check, client_id: str, who: str = "Ada", now: str = NOW
) -> Event | Refusal:
    return checks.save(context.database, (one.tree_id, one.seen.judged.key, one.digest), check, who, client_id, now)


def test_a_check_is_kept_once_and_the_last_one_holds(context: Context) -> None:
    plant(context, "a")
    one = first(context)
    kept = say(context, one, Check("partly", 0.3, "Critique 1, but vague.", "It is."), "c1")
    assert isinstance(kept, Event) and kept.diff == (("same", "Critique"), ("gone", "1."), ("new", "1, but vague."))
    assert (
        say(
            context,
            one,
            Check("partly", 0.3, "Critique 1, but vague.", "It is."),
            "c1",
            now="2026-02-01T00:00:00+00:00",
        )
        == kept
    )
    assert isinstance(say(context, one, Check("agree"), "c1"), Refusal)
    say(context, one, Check("wrong", -0.5), "c2")
    say(context, one, Check("agree"), "c3", who="Ben")
    assert [(e.who, e.check.verdict) for e in checks.held(context.database)] == [("Ada", "wrong"), ("Ben", "agree")]
    say(context, one, Check(""), "c4")
    assert [e.who for e in checks.held(context.database)] == ["Ben"]
    assert len(list(checks.events(context.database))) == 4


def test_events_cannot_be_changed_or_removed(context: Context) -> None:
    plant(context, "a")
    say(context, first(context), Check("agree"), "c1")
    for act in ("UPDATE critique_check SET verdict = 'wrong'", "DELETE FROM critique_check"):
        with pytest.raises(IntegrityError, match="only ever added"), context.database.write() as connection:
            connection.execute(text(act))
    assert [e.check.verdict for e in checks.held(context.database)] == ["agree"]


def test_a_changed_step_does_not_inherit_and_a_check_of_an_old_text_is_refused(context: Context) -> None:
    plant(context, "a")
    one = first(context)
    say(context, one, Check("agree"), "c1")
    with context.database.write() as connection:
        connection.execute(
            text("UPDATE node SET critique = 'Other.' WHERE tree_id = :tree AND key = :key"),
            {"tree": one.tree_id, "key": one.seen.judged.key},
        )
    refusal = say(context, one, Check("agree"), "c2")
    assert isinstance(refusal, Refusal) and refusal.code == "changed"
    now, held = checks.one(context.database, one.tree_id, one.seen.judged.key)
    assert now is not None and now.digest != one.digest and held == []
    assert any(t.digest == now.digest for t in checks.sample(context.database, 0, "Ada", 1))
    rows, total = checks.listing(context.database, 0, 50)
    assert (total, rows[0].standing, rows[0].event.seen.judged.critique) == (1, "changed", one.seen.judged.critique)


def test_a_changed_step_before_changes_the_digest(context: Context) -> None:
    plant(context, "a", trees=1)
    below = next(t for t in checks.sample(context.database, 0, "Ada", 1) if t.seen.judged.depth == 2)
    with context.database.write() as connection:
        connection.execute(text("UPDATE node SET thought = 'Other.' WHERE key = '1'"))
    assert isinstance(say(context, below, Check("agree"), "c1"), Refusal)


def test_a_check_outlives_its_tree_with_its_texts(context: Context) -> None:
    owner = plant(context, "a")
    one = first(context)
    say(context, one, Check("wrong", -0.2, "No."), "c1")
    sets.delete_set(context.database, owner)
    rows, _ = checks.listing(context.database, 0, 50)
    assert rows[0].standing == "gone" and rows[0].event.seen == one.seen
    plant(context, "b")
    assert checks.listing(context.database, 0, 50)[0][0].standing == "gone"


@pytest.mark.parametrize(
    ("tree", "key", "code"),
    [
        (999, "1", "unknown"),
        (1, "999", "unknown"),
        (1, ROOT, "unknown"),
        (1, "' OR 1=1", "unknown"),
        (1, "\ud800", "invalid"),
    ],
)
def test_forged_steps_are_refused(context: Context, tree: int, key: str, code: str) -> None:
    plant(context, "a")
    answer = checks.save(context.database, (tree, key, "0" * 64), Check("agree"), "Ada", "c1", NOW)
    assert isinstance(answer, Refusal) and answer.code == code
    assert list(checks.events(context.database)) == []


def test_the_sample_is_bounded_seeded_and_leaves_out_what_one_has_checked(context: Context) -> None:
    plant(context, "many", trees=200)
    other = plant(context, "other", trees=3)
    one = checks.sample(context.database, 0, "Ada", 1)
    assert len({t.tree_id for t in one}) == checks.TREES_DRAWN and len(one) == 4 * checks.TREES_DRAWN
    assert checks.sample(context.database, 0, "Ada", 1) == one != checks.sample(context.database, 0, "Ada", 2)
    seen: set[int] = set()
    for seed in range(60):
        seen |= {t.tree_id for t in checks.sample(context.database, 0, "Ada", seed)}
    assert len(seen) > 195
    mine = checks.sample(context.database, other, "Ada", 1)
    assert len(mine) == 12
    say(context, mine[0], Check("agree"), "c1")
    assert len(checks.sample(context.database, other, "Ada", 1)) == 11
    assert len(checks.sample(context.database, other, "Ben", 1)) == 12


def test_a_huge_tree_is_read_in_part(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NODES_DRAWN", 50)
    plant(context, "a", trees=1, steps=400)
    assert 0 < len(checks.sample(context.database, 0, "Ada", 1)) < 50


def test_growing_trees_are_left_out(context: Context) -> None:
    plant(context, "a")
    with context.database.write() as connection:
        connection.execute(text("UPDATE tree SET growing = 1"))
    assert checks.sample(context.database, 0, "Ada", 1) == []


def test_restoring_finds_the_trees_by_what_was_judged(context: Context, tmp_path: Any) -> None:
    plant(context, "a")
    plant(context, "a copy")
    for at, one in enumerate(
        sorted(checks.sample(context.database, 0, "Ada", 1), key=lambda t: (t.tree_id, t.seen.judged.key))
    ):
        say(context, one, Check(("agree", "partly", "wrong")[at % 3], 0.1), f"c{at}")
    everything = list(checks.events(context.database))
    other = open_context(Settings(data=tmp_path / "other", starter_set=False))
    prepare(other)
    plant(other, "unlike", trees=5)
    sets.delete_set(other.database, 1)
    plant(other, "a")
    plant(other, "a copy")
    assert checks.restore(other.database, everything) == Restored(16, 0, 0)
    assert checks.restore(other.database, everything) == Restored(0, 16, 0)
    assert {row.standing for row in checks.listing(other.database, 0, 50)[0]} == {"same"}
    assert len({event.tree_id for event in checks.events(other.database)}) == 4
    strip = [event._replace(tree_id=None) for event in checks.held(context.database)]
    assert [event._replace(tree_id=None) for event in checks.held(other.database)] == strip
    assert checks.restore(other.database, [everything[0]._replace(client_id="n", node_key="77")]) == Restored(1, 0, 1)
    other.database.close()


def test_an_older_check_that_is_restored_later_does_not_hold(context: Context) -> None:
    plant(context, "a")
    one = first(context)
    say(context, one, Check("agree"), "new", now="2026-03-01T00:00:00+00:00")
    event = checks.held(context.database)[0]
    checks.restore(context.database, [event._replace(check=Check("wrong"), client_id="old", at=NOW)])
    assert [e.client_id for e in checks.held(context.database)] == ["new"]
    assert digest(event.seen.judged) == event.digest == one.digest
