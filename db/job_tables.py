"""Tables of background jobs, of kept replies and of registered models, private to `db`."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class ModelCallRow(SQLModel, table=True):
    """A model's reply under the digest of its question and parameters. The question itself is not kept."""

    __tablename__: ClassVar[Any] = "model_call"
    key: str = Field(primary_key=True)
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    model: str
    created_at: str


class JobRow(SQLModel, table=True):
    """A background job. The row is the truth; `handle` names the process behind it (with boot and start time), '' for none."""

    __tablename__: ClassVar[Any] = "job"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    kind: str
    spec: Any = Field(sa_column=Column(JSON, nullable=False))
    lane: str
    device: str
    status: str = Field(index=True)
    after_id: int | None = Field(default=None, foreign_key="job.id", ondelete="SET NULL", index=True)
    retry_of: int | None = Field(default=None, foreign_key="job.id", ondelete="SET NULL")
    created_at: str
    started_at: str | None
    ended_at: str | None
    worker: str
    handle: str
    attempt: int
    restarts: int
    progress_done: float
    progress_total: float
    rate: float | None
    message: str
    heartbeat_at: str | None
    folder: str
    result: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class JobMetricRow(SQLModel, table=True):
    """A number a job reported at a step; NULL where it was no finite number."""

    __tablename__: ClassVar[Any] = "job_metric"
    job_id: int = Field(foreign_key="job.id", ondelete="CASCADE", primary_key=True)
    step: int = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: float | None


class ModelRow(SQLModel, table=True):
    """A registered checkpoint. `path` is relative to the data folder where it lies in it. A forgotten model has `removed_at` and
    keeps its row: others may name it among their `parents` (ids)."""

    __tablename__: ClassVar[Any] = "model"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    name: str
    kind: str
    path: str = Field(unique=True)
    digest: str
    base: str
    base_digest: str
    data_hash: str
    data: Any = Field(sa_column=Column(JSON, nullable=False))
    metrics: Any = Field(sa_column=Column(JSON, nullable=False))
    parents: Any = Field(sa_column=Column(JSON, nullable=False))
    job_folder: str
    created_at: str
    note: str
    removed_at: str | None
