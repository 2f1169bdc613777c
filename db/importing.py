"""Writing records in bulk: one set, its files, records, scenarios, trees, nodes, paths and their full text.

Everything happens inside the caller's transaction, with prepared statements on the driver, in batches of bounded size.
The full text of a finished batch is indexed by a second thread while the caller reads on: SQLite lets go of the
interpreter's lock inside that one statement, so the index costs almost no time of its own.
"""

import json
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from core.bands import BANDS, band_of
from core.tree import best_path, by_key, stats
from core.types import Counts, Foreign, Problem, Record, Scenario, Tree, shorten
from db.engine import raw

PROBLEMS_KEPT = 1000
"""Problems kept with their sentence per file; beyond that they are only counted."""

_BATCH_CHARACTERS = 6_000_000
_BATCH_ROWS = 20_000
_BAND_BIT = {band.key: 1 << index for index, band in enumerate(BANDS)}

_COLUMNS = {
    "record": "id, set_id, file_id, position, form, title, body",
    "scenario": "id, set_id, record_id, preference, query, topic, split, explanation",
    "tree": "id, scenario_id, form, nodes, depth, pruned, unscored, low, high, best, best_leaf, bands, patch",
    "tree_mark": "tree_id, mark, count, own",
    "node": "id, tree_id, position, key, parent, kind, depth, thought, critique, score, unscored, persona, pruned,"
    " prune_detail, marks, reply, patch",
    "path": "tree_id, position, leaf, stated, steps, review, patch",
}
_INSERT = {
    name: f"INSERT INTO {name} ({columns}) VALUES ({', '.join('?' * (columns.count(',') + 1))})"
    for name, columns in _COLUMNS.items()
}
_INDEX_NODES = (
    "INSERT INTO node_text (rowid, thought, critique) SELECT id, thought, critique FROM node WHERE id BETWEEN ? AND ?"
)
_INDEX_SCENARIOS = (
    "INSERT INTO scenario_text (rowid, preference, query)"
    " SELECT id, preference, query FROM scenario WHERE id BETWEEN ? AND ?"
)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class SetWriter:
    """Writes one new version of a set. Use as a context manager inside `Database.write()`."""

    def __init__(self, connection: Connection, name: str, created_at: str, sample: bool = False) -> None:
        self._db = raw(connection)
        self.counts = Counts()
        self._file_counts = Counts()
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERT}
        self._characters = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="full-text")
        self._indexing: Future[None] | None = None
        (version,) = self._one("SELECT coalesce(max(version), 0) + 1 FROM data_set WHERE name = ?", name)
        self.set_id = self._insert_set(name, version, created_at, sample)
        self.version: int = version
        self._file_id = 0
        self._ids = {table: self._last_id(table) for table in ("record", "scenario", "tree", "node")}
        self._config("automerge", 0)
        self._config("hashsize", 1 << 26)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif self._indexing is not None:
                self._indexing.exception()
        finally:
            self._worker.shutdown(wait=True)

    def begin_file(self, name: str, digest: str, size: int) -> None:
        """The next records come from this file. Raises sqlite3.IntegrityError when its content is already there."""
        self._wait()
        insert = "INSERT INTO source_file (set_id, name, digest, size, records, problems) VALUES (?, ?, ?, ?, 0, 0)"
        self._file_id = self._db.execute(insert, (self.set_id, name, digest, size)).lastrowid or 0
        self._file_counts = Counts()

    def end_file(self) -> None:
        """The file has been read to its end."""
        self._wait()
        counts = (self._file_counts.records, self._file_counts.problems, self._file_id)
        self._db.execute("UPDATE source_file SET records = ?, problems = ? WHERE id = ?", counts)

    def problem(self, problem: Problem) -> None:
        """Note a record that could not be read."""
        self.counts.problems += 1
        self._file_counts.problems += 1
        if self._file_counts.problems <= PROBLEMS_KEPT:
            self._wait()
            insert = "INSERT INTO problem (file_id, place, field, sentence) VALUES (?, ?, ?, ?)"
            self._db.execute(insert, (self._file_id, *problem))

    def add(self, record: Record, form: str, topic: str = "", split: str = "") -> None:
        """Write one record. `topic` and `split` are used where the record does not say its own."""
        self.counts.records += 1
        self._file_counts.records += 1
        record_id = self._next("record")
        scenario = record.scenario
        if isinstance(record, Foreign):
            form, title, body = record.form, record.title, _json(record.body)
        else:
            title, body = shorten(record.scenario.query, 160), None
        self._rows["record"].append((record_id, self.set_id, self._file_id, self.counts.records, form, title, body))
        self._characters += len(body or "")
        if scenario is not None:
            scenario_id = self._scenario(record_id, scenario, topic, split)
            if isinstance(record, Tree):
                self._tree(scenario_id, record)
        if self._characters > _BATCH_CHARACTERS or len(self._rows["node"]) + len(self._rows["record"]) > _BATCH_ROWS:
            self._flush()

    def _scenario(self, record_id: int, scenario: Scenario, topic: str, split: str) -> int:
        scenario_id = self._next("scenario")
        self.counts.scenarios += 1
        texts = (
            scenario.preference,
            scenario.query,
            scenario.topic or topic,
            scenario.split or split,
            scenario.explanation,
        )
        self._rows["scenario"].append((scenario_id, self.set_id, record_id, *texts))
        self._characters += sum(map(len, texts))
        return scenario_id

    def _tree(self, scenario_id: int, tree: Tree) -> None:
        tree_id = self._next("tree")
        self.counts.trees += 1
        self.counts.nodes += len(tree.nodes)
        self.counts.paths += len(tree.paths)
        summary, best, bands = stats(tree.nodes), best_path(by_key(tree.nodes), tree.paths), 0
        marks: dict[str, int] = dict.fromkeys(tree.marks, 0)
        nodes, first = self._rows["node"], self._ids["node"] + 1
        for position, node in enumerate(tree.nodes):
            (key, parent, kind, depth, thought, critique, score, *rest, node_marks, reply, patch) = node
            nodes.append(
                (first + position, tree_id, position, key, parent, kind, depth, thought, critique, score, *rest,
                 " ".join(node_marks) or None, reply, None if patch is None else _json(patch))
            )  # fmt: skip
            self._characters += len(thought) + len(critique) + len(reply or "") + len(nodes[-1][-1] or "")
            if score is not None:
                bands |= _BAND_BIT[band_of(score).key]
            for mark in node_marks:
                marks[mark] = marks.get(mark, 0) + 1
        self._ids["node"] += len(tree.nodes)
        total, leaf = (best.score.total, best.leaf) if best else (None, None)
        patch_text = _json(tree.patch)
        self._characters += len(patch_text or "")
        self._rows["tree"].append((tree_id, scenario_id, tree.form, *summary, total, leaf, bands, patch_text))
        for mark, count in marks.items():
            self._rows["tree_mark"].append((tree_id, mark, max(count, 1), count == 0))
            self.counts.marks[mark] = self.counts.marks.get(mark, 0) + max(count, 1)
        for position, path in enumerate(tree.paths):
            review = path.review and {name: getattr(path.review, name) for name in type(path.review).__slots__}
            steps = None if path.steps is None else list(path.steps)
            row = (tree_id, position, path.leaf, path.stated, _json(steps), _json(review), _json(path.patch))
            self._rows["path"].append(row)
            self._characters += sum(len(text) for text in row[4:] if text)

    def _flush(self) -> None:
        """Write the batch and let the second thread index its text."""
        self._wait()
        spans = {name: (rows[0][0], rows[-1][0]) for name, rows in self._rows.items() if rows}
        for table, rows in self._rows.items():
            if rows:
                self._db.executemany(_INSERT[table], rows)
                rows.clear()
        self._characters = 0
        self._indexing = self._worker.submit(self._index, spans)

    def _index(self, spans: dict[str, tuple[int, int]]) -> None:
        if "node" in spans:
            self._db.execute(_INDEX_NODES, spans["node"])
        if "scenario" in spans:
            self._db.execute(_INDEX_SCENARIOS, spans["scenario"])

    def _wait(self) -> None:
        """The connection belongs to one thread at a time; wait for the index and raise what went wrong there."""
        if self._indexing is not None:
            pending, self._indexing = self._indexing, None
            pending.result()

    def _finish(self) -> None:
        self._flush()
        self._wait()
        self._config("automerge", 4)
        self._config("hashsize", 1 << 20)
        counts = self.counts
        (form,) = self._one(
            "SELECT CASE count(DISTINCT form) WHEN 0 THEN '' WHEN 1 THEN max(form) ELSE 'mixed' END FROM record WHERE set_id = ?",
            self.set_id,
        )
        update = "UPDATE data_set SET form = ?, records = ?, trees = ?, nodes = ?, paths = ?, problems = ? WHERE id = ?"
        totals = (counts.records, counts.trees, counts.nodes, counts.paths, counts.problems, self.set_id)
        self._db.execute(update, (form, *totals))

    def _insert_set(self, name: str, version: int, created_at: str, sample: bool) -> int:
        insert = (
            "INSERT INTO data_set (name, version, form, sample, created_at, records, trees, nodes, paths, problems)"
            " VALUES (?, ?, '', ?, ?, 0, 0, 0, 0, 0)"
        )
        return self._db.execute(insert, (name, version, sample, created_at)).lastrowid or 0

    def _last_id(self, table: str) -> int:
        if table == "node":
            return self._one("SELECT coalesce(max(id), 0) FROM node")[0]
        found = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return 0 if found is None else found[0]

    def _next(self, table: str) -> int:
        self._ids[table] += 1
        return self._ids[table]

    def _config(self, name: str, value: int) -> None:
        self._db.execute("INSERT INTO node_text (node_text, rank) VALUES (?, ?)", (name, value))

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        found = self._db.execute(query, values).fetchone()
        if found is None:
            raise sqlite3.DatabaseError("a counting query gave no row")
        return found
