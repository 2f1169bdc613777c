"""Scenarios and their trees: one tree with everything, the filtered list, facets, score histogram, and streaming a set."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from core.bands import BANDS, Histogram, histogram
from core.types import Foreign, Node, Path, Record, Review, Scenario, Tree
from db.engine import Database

_NODE = (
    "key, parent, kind, depth, thought, critique, score, unscored, persona, pruned, prune_detail, marks, reply, patch"
)


class Summary(NamedTuple):
    """A scenario in a list. Tree columns are None where it has no tree."""

    id: int
    set_id: int
    preference: str
    query: str
    topic: str
    split: str
    tree_id: int | None
    nodes: int | None
    depth: int | None
    pruned: int | None
    unscored: int | None
    low: float | None
    high: float | None
    best: float | None


class Stored(NamedTuple):
    """A stored scenario: its ids, the set it belongs to, and what is known of it. `tree` is None without a tree."""

    id: int
    set_id: int
    set_name: str
    set_version: int
    sample: bool
    position: int
    form: str
    scenario: Scenario
    tree: Tree | None
    foreign: Foreign | None
    file: str
    growing: bool


def get(database: Database, scenario_id: int) -> Stored | None:
    """One scenario with its newest tree, or None."""
    query = """
    SELECT s.id, s.set_id, d.name, d.version, d.sample, r.position, r.form, r.title, r.body, f.name AS file,
           s.preference, s.query, s.topic, s.split, s.explanation,
           EXISTS (SELECT 1 FROM tree t WHERE t.scenario_id = s.id AND t.growing) AS growing
    FROM scenario s JOIN data_set d ON d.id = s.set_id JOIN record r ON r.id = s.record_id
    JOIN source_file f ON f.id = r.file_id WHERE s.id = :id
    """
    with database.read() as connection:
        row = connection.execute(text(query), {"id": scenario_id}).first()
        if row is None:
            return None
        scenario = Scenario(row.preference, row.query, row.topic, row.split, row.explanation)
        kept = _tree(connection, row.id, scenario)
        tree = kept.tree if kept else None
    foreign = None if row.body is None else Foreign(row.form, json.loads(row.body), row.title, scenario)
    ids = (row.id, row.set_id, row.name, row.version, bool(row.sample), row.position, row.form)
    return Stored(*ids, scenario, tree, foreign, row.file, bool(row.growing))


class Kept(NamedTuple):
    """A tree with the ids it is kept under."""

    scenario_id: int
    tree_id: int
    tree: Tree


def _tree(connection: Connection, scenario_id: int, scenario: Scenario) -> Kept | None:
    query = "SELECT id, form, patch FROM tree WHERE scenario_id = :id ORDER BY id DESC LIMIT 1"
    found: Any = connection.execute(text(query), {"id": scenario_id}).first()
    if found is None:
        return None
    nodes = connection.exec_driver_sql(f"SELECT {_NODE} FROM node WHERE tree_id = ? ORDER BY position", (found.id,))
    paths = connection.exec_driver_sql(
        "SELECT leaf, stated, steps, review, patch FROM path WHERE tree_id = ? ORDER BY position", (found.id,)
    )
    made = tuple(_node(tuple(row)) for row in nodes)
    marks = connection.exec_driver_sql("SELECT mark FROM tree_mark WHERE tree_id = ? ORDER BY mark", (found.id,))
    drawn = tuple(_path(tuple(row)) for row in paths)
    tree = Tree(scenario, made, drawn, tuple(marks.scalars()), found.form, _load(found.patch))
    return Kept(scenario_id, found.id, tree)


def _load(value: str | None) -> Any:
    return None if value is None else json.loads(value)


def _node(row: Sequence[Any]) -> Node:
    marks: str | None = row[11]
    return Node._make([*row[:11], tuple(marks.split()) if marks else (), row[12], _load(row[13])])


def _path(row: Sequence[Any]) -> Path:
    steps, review = _load(row[2]), _load(row[3])
    given = None if review is None else Review(**review)
    return Path(row[0], row[1], None if steps is None else tuple(steps), given, _load(row[4]))


class Filter(NamedTuple):
    """What a list of scenarios is narrowed to; empty values do not narrow. `band` and `mark` are keys."""

    set_id: int = 0
    topic: str = ""
    split: str = ""
    band: str = ""
    depth: int = 0
    pruned: str = ""
    mark: str = ""
    trees_only: bool = True


def where(filters: Filter) -> tuple[str, dict[str, Any]]:
    """The SQL condition of a filter over `scenario s LEFT JOIN tree t`, and its values."""
    values: dict[str, Any] = filters._asdict()
    parts = ["t.id IS NOT NULL" if filters.trees_only else "1"]
    parts += ["s.set_id = :set_id"] if filters.set_id else []
    parts += ["s.topic = :topic"] if filters.topic else []
    parts += ["s.split = :split"] if filters.split else []
    parts += ["t.depth = :depth"] if filters.depth else []
    parts += [{"yes": "t.pruned > 0", "no": "t.pruned = 0"}[filters.pruned]] if filters.pruned in ("yes", "no") else []
    if filters.mark:
        parts.append("t.id IN (SELECT tree_id FROM tree_mark WHERE mark = :mark)")
    bits = [1 << index for index, band in enumerate(BANDS) if band.key == filters.band]
    if bits:
        parts.append("t.bands & :bit")
        values["bit"] = bits[0]
    return " AND ".join(parts), values


class Listing(NamedTuple):
    """A page of scenarios and how many there are in all."""

    rows: list[Summary]
    total: int


SUMMARY = (
    "s.id, s.set_id, s.preference, s.query, s.topic, s.split, t.id AS tree_id, t.nodes, t.depth, t.pruned, t.unscored,"
    " t.low, t.high, t.best"
)


def listing(database: Database, filters: Filter, offset: int = 0, limit: int = 50) -> Listing:
    """Scenarios in the order of their sets."""
    condition, values = where(filters)
    source = f"FROM scenario s LEFT JOIN tree t ON t.scenario_id = s.id WHERE {condition}"
    with database.read() as connection:
        total = connection.execute(text(f"SELECT count(*) {source}"), values).scalar_one()
        query = f"SELECT {SUMMARY} {source} ORDER BY s.id LIMIT :limit OFFSET :offset"
        rows = connection.execute(text(query), values | {"limit": limit, "offset": offset})
        return Listing([Summary(*row) for row in rows], total)


def neighbours(database: Database, scenario_id: int, filters: Filter) -> tuple[int | None, int | None]:
    """The scenario before and the one after, within a filter."""
    condition, values = where(filters)
    source = f"FROM scenario s LEFT JOIN tree t ON t.scenario_id = s.id WHERE {condition}"
    with database.read() as connection:
        values |= {"id": scenario_id}
        before = connection.execute(text(f"SELECT max(s.id) {source} AND s.id < :id"), values).scalar()
        after = connection.execute(text(f"SELECT min(s.id) {source} AND s.id > :id"), values).scalar()
    return before, after


class Facets(NamedTuple):
    """Values to choose from with how often each occurs, over the scenarios with a tree (all sets)."""

    topics: list[tuple[str, int]]
    sets: list[tuple[int, str, int]]
    splits: list[tuple[str, int]]
    depths: list[tuple[int, int]]
    marks: list[tuple[str, int]]
    bands: list[tuple[str, int]]
    pruned: int


def facets(database: Database) -> Facets:
    """What the list can be narrowed by."""
    base = "FROM tree t JOIN scenario s ON s.id = t.scenario_id"
    with database.read() as connection:

        def pairs(query: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(text(query))]

        counted = [f"sum(t.bands & {1 << index} > 0)" for index in range(len(BANDS))]
        sums = connection.execute(text(f"SELECT sum(t.pruned > 0), {', '.join(counted)} FROM tree t")).one()
        return Facets(
            topics=pairs(f"SELECT s.topic, count(*) {base} WHERE s.topic <> '' GROUP BY 1 ORDER BY 1"),
            sets=pairs(
                f"SELECT d.id, d.name || ' v' || d.version, count(*) {base} JOIN data_set d ON d.id = s.set_id"
                " GROUP BY 1 ORDER BY 1"
            ),
            splits=pairs(f"SELECT s.split, count(*) {base} WHERE s.split <> '' GROUP BY 1 ORDER BY 1"),
            depths=pairs("SELECT depth, count(*) FROM tree GROUP BY 1 ORDER BY 1"),
            marks=pairs("SELECT mark, count(*) FROM tree_mark GROUP BY 1 ORDER BY 1"),
            bands=[(band.key, count or 0) for band, count in zip(BANDS, sums[1:], strict=True)],
            pruned=sums[0] or 0,
        )


def scores(database: Database, set_id: int = 0) -> Histogram:
    """Histogram of the step scores of a set, or of everything."""
    query = "SELECT n.score, count(*) FROM node n"
    if set_id:
        query += " JOIN tree t ON t.id = n.tree_id JOIN scenario s ON s.id = t.scenario_id AND s.set_id = :set_id"
    with database.read() as connection:
        rows = connection.execute(text(f"{query} WHERE n.kind <> 'root' GROUP BY 1"), {"set_id": set_id})
        return histogram((row[0], row[1]) for row in rows)


def one_record(database: Database, set_id: int, position: int) -> Record | None:
    """The record at a position (from 1) of a set, or None."""
    return next(records(database, set_id, position - 1, 1), None) if position >= 1 else None


def records(database: Database, set_id: int, offset: int = 0, limit: int = -1) -> Iterator[Record]:
    """The records of a set in their order, as a stream in bounded memory and one consistent state."""
    for found in _records(database, set_id, offset, limit):
        yield found.tree if isinstance(found, Kept) else found


def of_records(database: Database, set_id: int) -> list[Scenario | None]:
    """The scenario of every record of a set, in their order, without its tree; None for a record that has none."""
    query = """
    SELECT s.id, s.preference, s.query, s.topic, s.split, s.explanation
    FROM record r LEFT JOIN scenario s ON s.record_id = r.id WHERE r.set_id = :id ORDER BY r.position
    """
    with database.read() as connection:
        return [
            None if row[0] is None else Scenario(*row[1:]) for row in connection.execute(text(query), {"id": set_id})
        ]


def trees(database: Database, set_id: int) -> Iterator[Kept]:
    """The trees of a set with their ids, streamed in the order of their records."""
    return (found for found in _records(database, set_id, 0, -1) if isinstance(found, Kept))


class Head(NamedTuple):
    """A record without what grew from it: a tree has its scenario and no node. `scenario_id` is None without a scenario."""

    record: Record
    scenario_id: int | None


def heads(database: Database, set_id: int) -> Iterator[Head]:
    """The heads of all records of a set, in their order, by one query."""
    query = """
    SELECT r.form, r.title, r.body, s.id, s.preference, s.query, s.topic, s.split, s.explanation
    FROM record r LEFT JOIN scenario s ON s.record_id = r.id WHERE r.set_id = :id ORDER BY r.position
    """
    with database.read() as connection:
        for row in connection.execution_options(yield_per=200).execute(text(query), {"id": set_id}):
            scenario = None if row[3] is None else Scenario(*row[4:])
            if row[2] is not None:
                yield Head(Foreign(row[0], json.loads(row[2]), row[1], scenario), row[3])
            elif scenario is not None:
                yield Head(Tree(scenario, ()), row[3])


def lone_texts(database: Database, set_id: int) -> list[tuple[str, str]]:
    """The records of a set that are a text by itself (ALOE's profiles and personalities), in order: name of the file, text."""
    query = """
    SELECT f.name, r.body FROM record r JOIN source_file f ON f.id = r.file_id
    WHERE r.set_id = :id AND r.form = 'aloe_text' ORDER BY r.position
    """
    with database.read() as connection:
        return [(row[0], str(json.loads(row[1]))) for row in connection.execute(text(query), {"id": set_id})]


def _records(database: Database, set_id: int, offset: int, limit: int) -> Iterator[Kept | Foreign]:
    query = """
    SELECT r.form, r.title, r.body, s.id AS scenario_id, s.preference, s.query, s.topic, s.split, s.explanation
    FROM record r LEFT JOIN scenario s ON s.record_id = r.id
    WHERE r.set_id = :id ORDER BY r.position LIMIT :limit OFFSET :offset
    """
    with database.read() as connection:
        values = {"id": set_id, "limit": limit, "offset": offset}
        row: Any
        for row in connection.execution_options(yield_per=200).execute(text(query), values):
            scenario = None
            if row.scenario_id is not None:
                scenario = Scenario(row.preference, row.query, row.topic, row.split, row.explanation)
            scenario_id: int | None = row.scenario_id
            if row.body is not None:
                yield Foreign(row.form, json.loads(row.body), row.title, scenario)
            elif scenario is not None and scenario_id is not None:
                kept = _tree(connection, scenario_id, scenario)
                if kept is not None:
                    yield kept
