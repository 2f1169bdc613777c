"""Tables of what people say of verdicts, private to `db`. `check` is a place in `core.evaluation.verdicts.COLUMNS`."""

from typing import Any, ClassVar

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class VerdictQueueRow(SQLModel, table=True):
    """A sample of verdicts that people are asked about; `uid` names it in files. `metric` is '' for single verdicts."""

    __tablename__: ClassVar[Any] = "verdict_queue"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    evaluation_id: int = Field(foreign_key="evaluation.id", ondelete="CASCADE", index=True)
    uid: str = Field(unique=True)
    kind: str
    metric: str
    size: int
    seed: int
    each: int
    who: str
    created_at: str
    closed_at: str | None


class VerdictTaskRow(SQLModel, table=True):
    """One verdict of a queue, with the digest of what was judged when it was drawn."""

    __tablename__: ClassVar[Any] = "verdict_task"
    __table_args__ = (
        UniqueConstraint("queue_id", "position"),
        UniqueConstraint("queue_id", "row_id", "case_id", "check"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    queue_id: int = Field(foreign_key="verdict_queue.id", ondelete="CASCADE")
    position: int
    row_id: int = Field(foreign_key="evaluation_row.id", ondelete="CASCADE")
    case_id: int = Field(foreign_key="evaluation_case.id", ondelete="CASCADE", index=True)
    check: int
    digest: str


class VerdictEventRow(SQLModel, table=True):
    """What somebody said of a check; rows are only ever added, and go with their evaluation alone. `answer` is yes, no, cannot,
    '' (taken back), or seen: from then on the judge's verdict was shown. What holds is in the view `verdict_event_held`."""

    __tablename__: ClassVar[Any] = "verdict_event"
    __table_args__ = (
        Index("ix_verdict_event_what", "row_id", "case_id", "check", "who", "at"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    evaluation_id: int = Field(foreign_key="evaluation.id", ondelete="CASCADE", index=True)
    row_id: int = Field(foreign_key="evaluation_row.id", ondelete="CASCADE")
    case_id: int = Field(foreign_key="evaluation_case.id", ondelete="CASCADE", index=True)
    check: int
    digest: str
    answer: str
    who: str
    at: str
    client_id: str = Field(unique=True)
