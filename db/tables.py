"""All tables, private to `db`. One row per node; texts of nodes and scenarios are also in full-text tables (see 0001).

Jobs, calls and registered models stand in `db.job_tables`, evaluations in `db.evaluation_tables`,
what people say of their verdicts in `db.verdict_tables`, simulated dialogues in `db.simulation_tables`.
"""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from db import evaluation_tables as evaluation_tables  # its tables are part of the schema
from db import job_tables as job_tables  # its tables are part of the schema
from db import simulation_tables as simulation_tables  # its tables are part of the schema
from db import verdict_tables as verdict_tables  # its tables are part of the schema


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
    """A tree under a scenario and its summary. `low` and `high` are the range of its scores, NULL without any; `growing` while a
    job is at work on it."""

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
    growing: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})


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


class StudyRow(SQLModel, table=True):
    """A rating study. `status` goes draft -> running -> frozen -> unblinded and never back."""

    __tablename__: ClassVar[Any] = "study"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    status: str
    guideline: str
    guideline_version: str
    consent: str
    seed: int
    overlap: int
    retest: float
    progressive: bool
    created_at: str
    withdrawal: str = Field(default="removed", sa_column_kwargs={"server_default": "removed"})
    checks: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class StudyItemRow(SQLModel, table=True):
    """One dialogue in a study: a copy of its turns as the raters see them, and the model they must not see."""

    __tablename__: ClassVar[Any] = "study_item"
    __table_args__ = (UniqueConstraint("study_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE")
    key: str
    model: str
    profile_key: str
    profile: str
    turns: Any = Field(sa_column=Column(JSON, nullable=False))
    check_turn: int | None
    check_level: int | None


class RaterRow(SQLModel, table=True):
    """A rater in a study. Only a digest of the link's secret is kept; `person_id` is the account of the same name, if any.
    `blind_id` is what the rater's browser knows the rater by, whatever the link or the account."""

    __tablename__: ClassVar[Any] = "rater"
    __table_args__ = (
        UniqueConstraint("study_id", "name"),
        Index("ix_rater_study_person", "study_id", "person_id", unique=True),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE")
    name: str
    secret_digest: str = Field(unique=True)
    consented_at: str | None
    withdrawn_at: str | None
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    blind_id: str = Field(default="", sa_column_kwargs={"server_default": ""})


class AssignmentRow(SQLModel, table=True):
    """One dialogue on a rater's list. `token` is all that the rater's browser learns of it; `holder` is the tab that has it.
    Reclaimed work belongs to another rater now; its ratings stay stored and count no more."""

    __tablename__: ClassVar[Any] = "assignment"
    __table_args__ = (UniqueConstraint("rater_id", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    rater_id: int = Field(foreign_key="rater.id", ondelete="CASCADE")
    item_id: int = Field(foreign_key="study_item.id", ondelete="CASCADE", index=True)
    position: int
    retest: bool
    token: str = Field(unique=True)
    holder: str
    held_until: str
    submitted_at: str | None
    reclaimed_at: str | None = None


class RatingEventRow(SQLModel, table=True):
    """One act on one turn; rows are only ever added. The value that holds is the last of a turn (view `rating`)."""

    __tablename__: ClassVar[Any] = "rating_event"
    __table_args__ = (UniqueConstraint("assignment_id", "turn", "dimension", "sequence"),)
    id: int | None = Field(default=None, primary_key=True)
    assignment_id: int = Field(foreign_key="assignment.id", ondelete="CASCADE")
    turn: int
    dimension: str
    sequence: int
    value: int | None
    flagged: bool
    note: str
    active_ms: int
    guideline_version: str
    client_id: str = Field(unique=True)
    at: str


class StudyActRow(SQLModel, table=True):
    """What was done to a study and when: start, freeze, unblind, withdrawal. Rows are only ever added."""

    __tablename__: ClassVar[Any] = "study_act"
    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE", index=True)
    at: str
    what: str
    who: str = Field(default="", sa_column_kwargs={"server_default": ""})


class GuidelineRow(SQLModel, table=True):
    """A version of a study's guideline and when it began to hold; `version` is the start of the text's digest."""

    __tablename__: ClassVar[Any] = "guideline"
    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(foreign_key="study.id", ondelete="CASCADE", index=True)
    version: str
    text: str
    at: str


class PersonRow(SQLModel, table=True):
    """An account. `password` is an Argon2 hash; `name_key` the name without case, so that two names cannot look alike."""

    __tablename__: ClassVar[Any] = "person"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    name: str
    name_key: str = Field(unique=True)
    password: str
    role: str
    created_at: str
    disabled: bool
    failures: int
    locked_until: str


class SessionRow(SQLModel, table=True):
    """A signed-in browser, by the digest of its cookie."""

    __tablename__: ClassVar[Any] = "session"
    digest: str = Field(primary_key=True)
    person_id: int = Field(foreign_key="person.id", ondelete="CASCADE", index=True)
    created_at: str
    expires_at: str


class InvitationRow(SQLModel, table=True):
    """A link that makes one account; deleted when it is used."""

    __tablename__: ClassVar[Any] = "invitation"
    digest: str = Field(primary_key=True)
    role: str
    name: str
    invited_by: str
    created_at: str
    expires_at: str


class CritiqueCheckRow(SQLModel, table=True):
    """What somebody said of a critique; rows are only ever added. `judged` keeps what was judged, so a check outlives its tree:
    hence no foreign key. Tree ids are never used again. The check that holds is in the view `critique_check_held`."""

    __tablename__: ClassVar[Any] = "critique_check"
    __table_args__ = (
        Index("ix_critique_check_step", "digest", "node_key", "tree_id", "who", "source", "at"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    tree_id: int | None = Field(default=None, index=True)
    node_key: str
    digest: str
    verdict: str
    score: float | None
    critique: str | None
    reason: str
    diff: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    judged: Any = Field(sa_column=Column(JSON, nullable=False))
    who: str
    source: str
    at: str
    client_id: str = Field(unique=True)
