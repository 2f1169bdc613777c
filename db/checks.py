"""Checks of critiques: added one by one, the ones that hold, a sample of steps to check, and restoring checks from a file.

An event names tree, node and the digest of everything judged, and keeps the judged texts: it outlives its tree, and a changed
step does not inherit it. Knows nothing of the order in which steps are checked.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from core.checks import Check, Judged, Seen, Source, digest, problem_of, seen_in, storable, word_diff
from core.types import Node, Scenario
from db.engine import Database

TREES_DRAWN = 60
NODES_DRAWN = 3000
"""At most so many trees and nodes are read for one look at the queue, whatever the number of nodes."""
TREE_CHECKS = 1000
"""Checks of one tree that are shown beside its steps."""
_COLUMNS = "id, tree_id, node_key, digest, verdict, score, critique, reason, diff, judged, who, source, at, client_id"


class Refusal(NamedTuple):
    """Why nothing was stored, in words. `changed`: the step is not what the person saw."""

    code: Literal["unknown", "changed", "invalid"]
    text: str


class Target(NamedTuple):
    """A step that can be checked: where it is, the digest of what is judged, and what is judged."""

    tree_id: int
    scenario_id: int
    digest: str
    seen: Seen


class Event(NamedTuple):
    """One check as it was made. `tree_id` is None for a check restored where its tree is not. `diff` is (what, words) pieces."""

    tree_id: int | None
    node_key: str
    digest: str
    check: Check
    diff: tuple[tuple[str, str], ...]
    seen: Seen
    who: str
    source: Source
    at: str
    client_id: str


def target(connection: Connection, tree_id: int, key: str) -> Target | None:
    """The step as it is now; None where it is not there or cannot be checked."""
    return next(iter(_targets(connection, tree_id, NODES_DRAWN * 10, [key])), None)


def one(database: Database, tree_id: int, key: str) -> tuple[Target | None, list[Event]]:
    """A step as it is now, and every check that holds for it as it is now, oldest first."""
    with database.read() as connection:
        found = target(connection, tree_id, key)
        if found is None:
            return None, []
        where = "WHERE digest = :digest AND node_key = :key AND tree_id = :tree ORDER BY at, id"
        values = {"digest": found.digest, "key": key, "tree": tree_id}
        return found, _events(connection, f"critique_check_held {where}", values)


def save(
    database: Database, wanted: tuple[int, str, str], check: Check, who: str, client_id: str, now: str
) -> Event | Refusal:
    """Add a check of `wanted` (tree id, node key, digest that the person saw). The same client id again changes nothing."""
    tree_id, key, seen_digest = wanted
    problem = problem_of(check) or ("" if 1 <= len(client_id) <= 100 else "A check has an id of 1 to 100 characters.")
    if problem or not all(map(storable, (key, client_id, who))):
        return Refusal("invalid", problem or "The text holds half a character (a lone surrogate) and cannot be kept.")
    with database.write() as connection:
        same = _events(connection, "critique_check WHERE client_id = :id", {"id": client_id})
        if same:
            before = same[0]
            if (before.tree_id, before.node_key, before.digest, before.check, before.who) != (*wanted, check, who):
                return Refusal("invalid", "This id belongs to another check.")
            return before
        found = target(connection, tree_id, key)
        if found is None:
            return Refusal("unknown", "This step is not here or has no critique; its set may have been deleted.")
        if found.digest != seen_digest:
            return Refusal(
                "changed", "This step was changed since you opened it. Load it again and judge what it says now."
            )
        event = Event(
            tree_id, key, found.digest, check, diff_of(found.seen, check), found.seen, who, "person", now, client_id
        )
        _add(connection, event)
    return event


def diff_of(seen: Seen, check: Check) -> tuple[tuple[str, str], ...]:
    """The word diff from the critic's text to the corrected one; empty where the text was not corrected."""
    pieces = [] if check.critique is None else word_diff(seen.judged.critique, check.critique)
    return tuple((piece.what, piece.text) for piece in pieces)


def held(database: Database, source: Source = "person", limit: int = -1) -> list[Event]:
    """The checks that hold, oldest first; with a limit the newest ones."""
    with database.read() as connection:
        where = "critique_check_held WHERE source = :source ORDER BY at DESC, id DESC LIMIT :limit"
        return _events(connection, where, {"source": source, "limit": limit})[::-1]


def newest(database: Database) -> int:
    """A number that grows with every event; 0 without any."""
    with database.read() as connection:
        return connection.execute(text("SELECT coalesce(max(id), 0) FROM critique_check")).scalar_one()


class Listed(NamedTuple):
    """A check in the list. `standing`: the step is as it was judged, was changed since, or is gone."""

    event: Event
    standing: Literal["same", "changed", "gone"]
    scenario_id: int | None


def listing(database: Database, offset: int, limit: int) -> tuple[list[Listed], int]:
    """The checks that hold, newest first, with their number in all."""
    with database.read() as connection:
        total = connection.execute(text("SELECT count(*) FROM critique_check_held")).scalar_one()
        where = "critique_check_held ORDER BY at DESC, id DESC LIMIT :limit OFFSET :offset"
        rows = _events(connection, where, {"limit": limit, "offset": offset})
        return [_listed(connection, event) for event in rows], total


def _listed(connection: Connection, event: Event) -> Listed:
    found = None if event.tree_id is None else target(connection, event.tree_id, event.node_key)
    now, scenario = (found.digest, found.scenario_id) if found else (None, None)
    return Listed(event, _standing(now, event.digest), scenario)


def of_scenario(database: Database, scenario_id: int) -> list[Listed]:
    """The checks that hold for steps of a scenario's newest tree, oldest first; at most TREE_CHECKS, the newest."""
    where = """critique_check_held WHERE tree_id = (SELECT max(id) FROM tree WHERE scenario_id = :scenario)
    ORDER BY at DESC, id DESC LIMIT :limit"""
    with database.read() as connection:
        found = _events(connection, where, {"scenario": scenario_id, "limit": TREE_CHECKS})[::-1]
        if not found or found[0].tree_id is None:
            return []
        keys = list({event.node_key for event in found})
        now = {
            one.seen.judged.key: one.digest for one in _targets(connection, found[0].tree_id, NODES_DRAWN * 10, keys)
        }
        return [Listed(event, _standing(now.get(event.node_key), event.digest), scenario_id) for event in found]


def _standing(now: str | None, judged: str) -> Literal["same", "changed", "gone"]:
    return "gone" if now is None else "same" if now == judged else "changed"


def events(database: Database) -> Iterator[Event]:
    """Every event in the order it was added, as a stream."""
    with database.read() as connection:
        rows = connection.execution_options(yield_per=200).execute(
            text(f"SELECT {_COLUMNS} FROM critique_check ORDER BY id")
        )
        for row in rows:
            yield _event(row)


def sample(database: Database, set_id: int, who: str, seed: int) -> list[Target]:
    """Steps that `who` has not checked, from trees drawn by `seed`; of one set, or of all (0). Bounded, see `NODES_DRAWN`."""
    drawn = """
    SELECT t.id FROM tree t JOIN scenario s ON s.id = t.scenario_id
    WHERE NOT t.growing AND (:set_id = 0 OR s.set_id = :set_id)
    ORDER BY ((t.id + :seed) * 2654435761 + (t.id * :odd)) % 4294967291 LIMIT :limit
    """
    values = {"set_id": set_id, "seed": seed % 65_521, "odd": seed * 7919 % 65_521, "limit": TREES_DRAWN}
    found: list[Target] = []
    with database.read() as connection:
        left = NODES_DRAWN
        for tree_id in connection.execute(text(drawn), values).scalars().all():
            if left <= 0:
                break
            query = "SELECT node_key, digest FROM critique_check_held WHERE tree_id = :tree AND who = :who"
            done = {tuple(row) for row in connection.execute(text(query), {"tree": tree_id, "who": who})}
            targets = _targets(connection, tree_id, left)
            found += [one for one in targets if (one.seen.judged.key, one.digest) not in done]
            left -= max(1, len(targets))
    return found


class Restored(NamedTuple):
    """What came of a file: events added, events that were there already, and how many of the added ones found no tree."""

    added: int
    known: int
    homeless: int


def restore(database: Database, given: Sequence[Event]) -> Restored:
    """Add events of another database, each to the tree here that holds what was judged, in one transaction.

    Trees are recognised by what was judged, not by their number; two trees of the file stay two trees where there are two here.
    """
    added = known = homeless = 0
    homes: dict[int | None, int] = {}
    cache: dict[tuple[str, str], list[tuple[int, set[tuple[str, str]]]]] = {}
    with database.write() as connection:
        for event in given:
            query = text("SELECT 1 FROM critique_check WHERE client_id = :id")
            if connection.execute(query, {"id": event.client_id}).first():
                known += 1
                continue
            tree_id = _home(connection, event, homes, cache)
            _add(connection, event._replace(tree_id=tree_id))
            added += 1
            homeless += tree_id is None
    return Restored(added, known, homeless)


def _home(
    connection: Connection,
    event: Event,
    homes: dict[int | None, int],
    cache: dict[tuple[str, str], list[tuple[int, set[tuple[str, str]]]]],
) -> int | None:
    """The tree here that holds what was judged: the one its tree went to before, else one that no other tree of the file has."""
    case = (event.seen.judged.preference, event.seen.judged.query)
    if case not in cache:
        query = text(
            "SELECT t.id FROM tree t JOIN scenario s ON s.id = t.scenario_id WHERE s.preference = :one AND s.query = :two"
            " ORDER BY t.id LIMIT 20"
        )
        ids = connection.execute(query, {"one": case[0], "two": case[1]}).scalars().all()
        cache[case] = [
            (tree_id, {(one.seen.judged.key, one.digest) for one in _targets(connection, tree_id, NODES_DRAWN * 10)})
            for tree_id in ids
        ]
    fitting = [tree_id for tree_id, held_here in cache[case] if (event.node_key, event.digest) in held_here]
    if not fitting:
        return None
    if homes.get(event.tree_id) in fitting:
        return homes[event.tree_id]
    free = [tree_id for tree_id in fitting if tree_id not in homes.values()]
    return homes.setdefault(event.tree_id, (free or fitting)[0])


def _targets(connection: Connection, tree_id: int, limit: int, keys: Sequence[str] | None = None) -> list[Target]:
    """The steps of a tree that can be checked, among its first `limit` nodes; of all of them or of these keys."""
    query = "SELECT s.id, s.preference, s.query, s.topic FROM tree t JOIN scenario s ON s.id = t.scenario_id WHERE t.id = :id"
    owner = connection.execute(text(query), {"id": tree_id}).first()
    if owner is None:
        return []
    rows = connection.exec_driver_sql(
        "SELECT key, parent, kind, depth, thought, critique, score, unscored, persona, pruned, prune_detail, marks"
        " FROM node WHERE tree_id = ? ORDER BY position LIMIT ?",
        (tree_id, limit),
    )
    nodes = {row[0]: Node._make([*row[:11], tuple((row[11] or "").split()), None, None]) for row in rows}
    scenario = Scenario(*owner[1:])
    found = seen_in(scenario, nodes, nodes if keys is None else keys)
    return [Target(tree_id, owner[0], digest(seen.judged), seen) for seen in found]


def _add(connection: Connection, event: Event) -> None:
    names = _COLUMNS.removeprefix("id, ")
    query = f"INSERT INTO critique_check ({names}) VALUES ({', '.join(f':{name}' for name in names.split(', '))})"
    judged = event.seen.judged._asdict() | {"siblings": event.seen.siblings, "marks": event.seen.marks}
    values = event._asdict() | event.check._asdict()
    values |= {"diff": json.dumps(event.diff) if event.diff else None, "judged": json.dumps(judged, ensure_ascii=False)}
    connection.execute(text(query), {name: values[name] for name in names.split(", ")})


def _events(connection: Connection, where: str, values: dict[str, Any]) -> list[Event]:
    return [_event(row) for row in connection.execute(text(f"SELECT {_COLUMNS} FROM {where}"), values)]


def _event(row: Any) -> Event:
    judged: dict[str, Any] = json.loads(row.judged)
    siblings, marks = tuple(judged.pop("siblings")), judged.pop("marks")
    judged["before"] = tuple((key, thought) for key, thought in judged["before"])
    diff = tuple((what, words) for what, words in json.loads(row.diff or "[]"))
    check = Check(row.verdict, row.score, row.critique, row.reason)
    seen = Seen(Judged(**judged), siblings, marks)
    return Event(row.tree_id, row.node_key, row.digest, check, diff, seen, row.who, row.source, row.at, row.client_id)
