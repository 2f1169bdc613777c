"""What a simulation is asked to do: who is played over how many turns, with which models, and who judges the turns.

Knows the shape of the order and its size; calls no model.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.job_spec import AFTER, JobSpec, Lane
from core.prompts.simulation import LONGEST_MESSAGE, LONGEST_TALK, Manner
from core.simulation.people import MOST_TURNS

MOST_ROWS = 20

_Choice = Annotated[str, Field(max_length=1000)]


class ModelRow(BaseModel):
    """A model under test and how it is asked. `model` is chosen as in an evaluation ('', `starter`, `model:ID`, `server:PORT`,
    `job:ID`, `after`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: _Choice = ""
    manner: Manner = "zero_shot"


class SimulateSpec(JobSpec):
    """Dialogues of every model with every person, and every judge's level of each turn (SPEC 6).

    `set` holds the profiles: texts of ALOE, or dialogues with a profile; 0 means those of the starter dialogues. Texts are
    paired with `each` personalities of `personalities`, or of the set itself where that is 0. `limit` > 0 takes the first so
    many people. `user` chooses who plays them. Judges may be none: then the dialogues are for people to rate. A message or a
    level that cannot be read is asked for `retries` times more.
    """

    LANE: ClassVar[Lane] = "gpu"
    kind: Literal["simulate"] = "simulate"
    name: str = Field(min_length=1, max_length=120)
    set: int = Field(default=0, ge=0, lt=1 << 62)
    personalities: int = Field(default=0, ge=0, lt=1 << 62)
    each: int = Field(default=1, ge=1, le=20)
    limit: int = Field(default=0, ge=0, le=10_000)
    turns: int = Field(default=10, ge=1, le=MOST_TURNS)
    rows: list[ModelRow] = Field(min_length=1, max_length=MOST_ROWS)
    user: _Choice = ""
    judges: list[_Choice] = Field(default=[], max_length=9)
    judge_tokens: int = Field(default=300, ge=32, le=8000)
    retries: int = Field(default=1, ge=0, le=5)
    max_new: int = Field(default=400, ge=1, le=32_768)
    temperature: float = Field(default=0.7, ge=0, le=2)
    person_tokens: int = Field(default=160, ge=16, le=2000)
    person_temperature: float = Field(default=0.7, ge=0, le=2)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    side_by_side: int = Field(default=16, ge=1, le=1024)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.rows)) < len(self.rows):
            raise ValueError("Two models are the same: each model with each way of prompting once.")
        if len(set(self.judges)) < len(self.judges):
            raise ValueError("One judge is named twice.")
        return self

    def names_before(self) -> bool:
        """Whether the model of the job before is meant somewhere."""
        return any(one.model == AFTER for one in self.rows)

    def behind(self, job_id: int) -> Self:
        """The same with that job's model in the place of `after`."""
        made = f"job:{job_id}"
        rows = [one.model_copy(update={"model": made}) if one.model == AFTER else one for one in self.rows]
        return self.model_copy(update={"rows": rows})

    def models(self) -> frozenset[str]:
        """Everything that is chosen, as it is named."""
        return frozenset({one.model for one in self.rows} | {self.user, *self.judges})


class Size(NamedTuple):
    """How large a simulation is at most: calls without retries (the first message of a person is asked for once, for all
    models), levels among them, and tokens read and written if every reply is as long as it may be."""

    dialogues: int
    turns: int
    calls: int
    levels: int
    read: int
    written: int


_INSTRUCTIONS = 450
"""Tokens of the fixed text of a prompt, roughly and at most."""
_CHARACTERS = 4
"""Characters of a token in English text."""


def planned(spec: SimulateSpec, people: int, characters: int) -> Size:
    """The size of a simulation with so many people, whose profiles and personalities have so many characters on average."""
    models, judges, turns = len(spec.rows), len(spec.judges), spec.turns
    dialogues = people * models
    about = min(2 * LONGEST_MESSAGE, characters) // _CHARACTERS
    exchange = spec.person_tokens + spec.max_new
    talks = sum(min(LONGEST_TALK // _CHARACTERS, exchange * turn) for turn in range(turns))
    chats = sum(exchange * turn + spec.person_tokens for turn in range(turns))
    shared = people * (models - 1)
    first = _INSTRUCTIONS + 2 * about
    judged = judges * turns * (first + exchange)
    read = dialogues * (turns * (first + _INSTRUCTIONS // 4) + talks + chats + judged) - shared * first
    written = dialogues * turns * (exchange + judges * spec.judge_tokens) - shared * spec.person_tokens
    calls = dialogues * turns * (2 + judges) - shared
    return Size(dialogues, dialogues * turns, calls, dialogues * turns * judges, read, written)
