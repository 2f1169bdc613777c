"""People's answers to checks of an evaluation as JSON lines: queues, the verdicts in them, every answer. Read back by field.

Rows and cases are places in the evaluation (from 0), so that a file fits the same evaluation in another database. Texts and what
judges said stand beside for whoever reads the file; they are not read back. Pure.
"""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.evaluation.asking_people import Kind
from core.evaluation.metrics import METRICS
from core.prompts.verdicts import Check

LONGEST_LINE = 1 << 20
"""Bytes; every line that we write is shorter, whatever its characters."""
LONGEST_TEXT, LONGEST_REASON = 20_000, 1_000
"""Characters of a text, and of a judge's explanation, that stand beside a verdict."""

_Place = Annotated[int, Field(ge=0, lt=1 << 31)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Uid = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_When = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
_Who = Annotated[str, Field(min_length=1, max_length=80)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class QueueLine(_Line):
    """A queue: how it was drawn, and when it was."""

    form: Literal["subtext.verdict_queue.1"] = "subtext.verdict_queue.1"
    uid: _Uid
    kind: Kind
    metric: str = Field(max_length=40)
    size: int = Field(ge=1, le=1_000_000)
    seed: int = Field(ge=0, lt=1 << 62)
    each: int = Field(ge=1, le=100)
    who: _Who
    at: _When


class TaskLine(_Line):
    """A verdict of a queue. `beside` has the texts and what judges said."""

    form: Literal["subtext.verdict_task.1"] = "subtext.verdict_task.1"
    queue: _Uid
    row: _Place
    case: _Place
    check: Check
    digest: _Digest
    beside: dict[str, Any] = Field(default={}, max_length=20)


class AnswerLine(_Line):
    """One event. `answer` '' takes an earlier one back, `seen` says that the judge's verdict was shown from then on."""

    form: Literal["subtext.verdict_answer.1"] = "subtext.verdict_answer.1"
    row: _Place
    case: _Place
    check: Check
    digest: _Digest
    answer: Literal["yes", "no", "cannot", "", "seen"]
    who: _Who
    at: _When
    client_id: str = Field(min_length=1, max_length=100, pattern=r"^[\x20-\x7e]*$")


AnyLine = QueueLine | TaskLine | AnswerLine
_LINE: TypeAdapter[AnyLine] = TypeAdapter(Annotated[AnyLine, Field(discriminator="form")])


class File(NamedTuple):
    """A whole file, in its order."""

    queues: list[QueueLine]
    tasks: list[TaskLine]
    answers: list[AnswerLine]


def read_line(line: bytes) -> AnyLine | str:
    """A line of our own file, or what is wrong with it."""
    if len(line) > LONGEST_LINE:
        return f"it has more than {LONGEST_LINE:,} bytes"
    try:
        found = _LINE.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        return f"{where or 'the line'}: {first['msg'][:200]}"
    if isinstance(found, QueueLine) and found.metric not in ("", *METRICS):
        return "metric: there is no such number"
    return found
