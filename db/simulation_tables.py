"""Tables of simulated dialogues, private to `db`."""

from typing import Any, ClassVar

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel


class SimulationRow(SQLModel, table=True):
    """One simulation. `data` names where the people come from, `player` who plays them, `judges` the judges in their order,
    `prompts` the digest of each prompt; `set_id` is the set of its dialogues once they are stored."""

    __tablename__: ClassVar[Any] = "simulation"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = Field(default=None, primary_key=True)
    name: str
    job_folder: str = Field(unique=True)
    spec: Any = Field(sa_column=Column(JSON, nullable=False))
    data: Any = Field(sa_column=Column(JSON, nullable=False))
    player: Any = Field(sa_column=Column(JSON, nullable=False))
    judges: Any = Field(sa_column=Column(JSON, nullable=False))
    prompts: Any = Field(sa_column=Column(JSON, nullable=False))
    set_id: int | None = Field(foreign_key="data_set.id", ondelete="SET NULL", index=True)
    created_at: str
    finished_at: str | None


class SimulationModelRow(SQLModel, table=True):
    """A model under test and how it is asked."""

    __tablename__: ClassVar[Any] = "simulation_model"
    __table_args__ = (UniqueConstraint("simulation_id", "position"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    simulation_id: int = Field(foreign_key="simulation.id", ondelete="CASCADE")
    position: int
    name: str
    model: str
    digest: str
    manner: str


class SimulationPersonRow(SQLModel, table=True):
    """Whom the models talk with: the profile, its parts, and which of them are told at which turn."""

    __tablename__: ClassVar[Any] = "simulation_person"
    __table_args__ = (UniqueConstraint("simulation_id", "position"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    simulation_id: int = Field(foreign_key="simulation.id", ondelete="CASCADE")
    position: int
    profile: str
    personality: str
    parts: Any = Field(sa_column=Column(JSON, nullable=False))
    schedule: Any = Field(sa_column=Column(JSON, nullable=False))


class SimulationTurnRow(SQLModel, table=True):
    """One turn that was asked for. `message` or `answer` is NULL where it is missing; the `_why` beside it says why, or what is
    odd about it, and the `_reply` is the raw text."""

    __tablename__: ClassVar[Any] = "simulation_turn"
    __table_args__ = (UniqueConstraint("model_id", "person_id", "turn"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    model_id: int = Field(foreign_key="simulation_model.id", ondelete="CASCADE")
    person_id: int = Field(foreign_key="simulation_person.id", ondelete="CASCADE", index=True)
    turn: int
    message: str | None
    message_why: str
    message_reply: str
    answer: str | None
    answer_why: str
    answer_reply: str


class SimulationLevelRow(SQLModel, table=True):
    """What a judge said of a turn: a level from 1 to 5, or NULL and why."""

    __tablename__: ClassVar[Any] = "simulation_level"
    turn_id: int = Field(foreign_key="simulation_turn.id", ondelete="CASCADE", primary_key=True)
    judge: int = Field(primary_key=True)
    level: int | None
    explanation: str
    why: str
    reply: str
