"""Tables of evaluations, private to `db`. `check` and `outcome` are places in core.evaluation.verdicts.COLUMNS and OUTCOMES."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class EvaluationRow(SQLModel, table=True):
    """One evaluation. `data` names the set, `judges` the judges in their order, `prompts` the digest of each prompt."""

    __tablename__: ClassVar[Any] = "evaluation"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    name: str
    job_folder: str = Field(unique=True)
    spec: Any = Field(sa_column=Column(JSON, nullable=False))
    data: Any = Field(sa_column=Column(JSON, nullable=False))
    judges: Any = Field(sa_column=Column(JSON, nullable=False))
    prompts: Any = Field(sa_column=Column(JSON, nullable=False))
    created_at: str
    finished_at: str | None


class EvaluationRowRow(SQLModel, table=True):
    """A row of the report: what answers, how it is asked. `task` is `answer` or `choice`."""

    __tablename__: ClassVar[Any] = "evaluation_row"
    __table_args__ = (UniqueConstraint("evaluation_id", "position"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    evaluation_id: int = Field(foreign_key="evaluation.id", ondelete="CASCADE")
    position: int
    task: str
    name: str
    model: str
    digest: str
    method: str
    turns: int
    preset: str


class EvaluationCaseRow(SQLModel, table=True):
    """What is answered. `shown` are the exchanges in which the preference shows itself; `choice` its options, if it has any."""

    __tablename__: ClassVar[Any] = "evaluation_case"
    __table_args__ = (UniqueConstraint("evaluation_id", "position"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    evaluation_id: int = Field(foreign_key="evaluation.id", ondelete="CASCADE")
    position: int
    scenario_id: int | None = Field(foreign_key="scenario.id", ondelete="SET NULL", index=True)
    cluster: str
    topic: str
    preference: str
    query: str
    shown: Any = Field(sa_column=Column(JSON, nullable=False))
    choice: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class EvaluationAnswerRow(SQLModel, table=True):
    """A reply, and what of it is judged: NULL where there is nothing to judge, and then `why`."""

    __tablename__: ClassVar[Any] = "evaluation_answer"
    __table_args__ = (UniqueConstraint("row_id", "case_id"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    row_id: int = Field(foreign_key="evaluation_row.id", ondelete="CASCADE")
    case_id: int = Field(foreign_key="evaluation_case.id", ondelete="CASCADE", index=True)
    reply: str
    judged: str | None
    why: str


class EvaluationVerdictRow(SQLModel, table=True):
    """What a judge said in a repeat about one check; an index holds all that a report reads."""

    __tablename__: ClassVar[Any] = "evaluation_verdict"
    __table_args__ = (Index("ix_evaluation_verdict_outcome", "answer_id", "check", "judge", "repeat", "outcome"),)
    answer_id: int = Field(foreign_key="evaluation_answer.id", ondelete="CASCADE", primary_key=True)
    check: int = Field(primary_key=True)
    judge: int = Field(primary_key=True)
    repeat: int = Field(primary_key=True)
    outcome: int
    explanation: str
    why: str
    reply: str
