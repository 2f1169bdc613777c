"""The held-out report of a critic, read back from a file: base beside trained, with the steps behind the numbers.

A file is untrusted: sizes and ranges are checked, what is not known is left aside, and a broken file is a sentence.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LARGEST = 64 << 20
"""Bytes of a file that is read at most; 100,000 steps take about half of it."""
GROUPS = 500
_EDGE = 1 + 1e-6

Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Correlation = Annotated[float, Field(ge=-_EDGE, le=_EDGE, allow_inf_nan=False)]
Error = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Label = Annotated[str, Field(max_length=600)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Quality(_Read):
    """Measures over some steps, as in `core.critic_report.Quality`."""

    steps: Count
    unscored: Share | None
    mae: Error | None
    spearman: Correlation | None
    band: Share | None


class Bin(_Read):
    """One calibration bin, as in `core.critic_report.Bin`."""

    low: Score
    steps: Count
    said: Score | None
    stated: Score | None


class Point(_Read):
    """One held-out step. `scenario` and `tree` are ids of the database, `node` the step's key in its tree."""

    scenario: Count
    tree: Count
    node: Annotated[str, Field(max_length=300)]
    step: Count
    persona: Label
    stated: Score
    said: Score | None
    why: Label


class Own(_Read):
    """The report of one critic. Older reports hold no points."""

    all: Quality
    bins: Annotated[tuple[Bin, ...], Field(max_length=100, strict=False)]
    by_step: Annotated[dict[Label, Quality], Field(max_length=GROUPS)]
    by_persona: Annotated[dict[Label, Quality], Field(max_length=GROUPS)]
    reasons: Annotated[dict[Label, Count], Field(max_length=200_000)]
    model: Label = ""
    points: Annotated[tuple[Point, ...], Field(max_length=100_000, strict=False)] = ()


class HeldOut(_Read):
    """The report of a trained critic beside that of its base."""

    base: Own
    trained: Own


def read_report(content: bytes) -> HeldOut:
    """The report in a file. Raises ValueError with a sentence for a person."""
    try:
        return HeldOut.model_validate_json(content)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:120]
        raise ValueError(
            f"The held-out report cannot be read{f' at {place!r}' if place else ''}: {first['msg'].lower()[:200]}."
        ) from error
