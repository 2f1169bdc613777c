"""All tables, private to `db`. One row per node; texts of nodes and scenarios are also in full-text tables (see 0001)."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel


class DataSetRow(SQLModel, table=True):
    """A named set of records; importing under a name that exists makes its next version."""

    __tablename__: ClassVar[Any] = "data_set"
    __table_args__ = (UniqueConstraint("name", "version"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    name: str
    version: int
    form: str
    sample: bool = False
    created_at: str
    records: int = 0
    trees: int = 0
    nodes: int = 0
    paths: int = 0
    problems: int = 0


class SourceFileRow(SQLModel, table=True):
    """A file a set was imported from; the digest is unique, so that no file is imported twice."""

    __tablename__: ClassVar[Any] = "source_file"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    set_id: int = Field(foreign_key="data_set.id", ondelete="CASCADE", index=True)
    name: str
    digest: str = Field(unique=True)
    size: int
    records: int = 0
    problems: int = 0


class ProblemRow(SQLModel, table=True):
    """A record that could not be read; the first ones of each file are kept."""

    __tablename__: ClassVar[Any] = "problem"
    id: int | None = Field(default=None, primary_key=True)
    file_id: int = Field(foreign_key="source_file.id", ondelete="CASCADE", index=True)
    place: str
    field: str
    sentence: str


class RecordRow(SQLModel, table=True):
    """One imported record in the order of its set. `body` is NULL for trees, whose content is in the tables below."""

    __tablename__: ClassVar[Any] = "record"
    __table_args__ = (UniqueConstraint("set_id", "position"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    set_id: int = Field(foreign_key="data_set.id", ondelete="CASCADE")
    file_id: int = Field(foreign_key="source_file.id", ondelete="CASCADE", index=True)
    position: int
    form: str
    title: str
    body: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class ScenarioRow(SQLModel, table=True):
    """A preference and a query, with what lists and facets need about its tree."""

    __tablename__: ClassVar[Any] = "scenario"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    set_id: int = Field(foreign_key="data_set.id", ondelete="CASCADE", index=True)
    record_id: int = Field(foreign_key="record.id", ondelete="CASCADE", index=True)
    preference: str
    query: str
    topic: str = Field(index=True)
    split: str
    explanation: str


class TreeRow(SQLModel, table=True):
    """A tree under a scenario and its summary. `low` and `high` are the range of its scores, NULL without any."""

    __tablename__: ClassVar[Any] = "tree"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    scenario_id: int = Field(foreign_key="scenario.id", ondelete="CASCADE", index=True)
    form: str
    nodes: int
    depth: int
    pruned: int
    unscored: int
    low: float | None
    high: float | None
    best: float | None
    best_leaf: str | None
    bands: int
    patch: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class TreeMarkRow(SQLModel, table=True):
    """How often a quality mark occurs in a tree; `own` is True where the mark is about the tree and not one node."""

    __tablename__: ClassVar[Any] = "tree_mark"
    tree_id: int = Field(foreign_key="tree.id", ondelete="CASCADE", primary_key=True)
    mark: str = Field(primary_key=True, index=True)
    count: int
    own: bool


class NodeRow(SQLModel, table=True):
    """One reasoning step. `marks` is NULL or the marks joined by spaces."""

    __tablename__: ClassVar[Any] = "node"
    __table_args__ = (UniqueConstraint("tree_id", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    tree_id: int = Field(foreign_key="tree.id", ondelete="CASCADE")
    position: int
    key: str
    parent: str | None
    kind: str
    depth: int
    thought: str
    critique: str
    score: float | None
    unscored: str
    persona: str
    pruned: str
    prune_detail: str
    marks: str | None
    reply: str | None
    patch: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class PathRow(SQLModel, table=True):
    """A finished root-to-leaf path. `leaf` is NULL where the file's steps are not in the tree."""

    __tablename__: ClassVar[Any] = "path"
    __table_args__ = (UniqueConstraint("tree_id", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    tree_id: int = Field(foreign_key="tree.id", ondelete="CASCADE")
    position: int
    leaf: str | None
    stated: float | None
    steps: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    review: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    patch: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class FactRow(SQLModel, table=True):
    """Small facts about this database, such as that the starter set was loaded once."""

    __tablename__: ClassVar[Any] = "fact"
    name: str = Field(primary_key=True)
    value: str
