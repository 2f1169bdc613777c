"""What an evaluation is asked to do: rows of a report (a model with a method), the cases they answer, and who judges.

Knows the shape of the order; calls no model.
"""

import math
import random
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.best_of import By
from core.evaluation.methods import Judged, MethodName
from core.evaluation.verdicts import CHECKS, Judging
from core.job_spec import AFTER, JobSpec, Lane
from core.prompts.verdicts import Check, Order

MOST_ROWS = 60

_Choice = Annotated[str, Field(max_length=1000)]


class RowSpec(BaseModel):
    """One row of the report. `model` is chosen as a policy is ('', `starter`, `model:ID`, `server:PORT`), or `job:ID` or `after`.

    `turns` exchanges about something else stand before the query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: _Choice = ""
    method: MethodName = "zero_shot"
    turns: int = Field(default=0, ge=0, le=10)


class EvaluateSpec(JobSpec):
    """Answers of every row to the cases of a set, and the verdicts of every judge on them (SPEC 5).

    `part` chooses the scenarios: `held_out` those of the splits validation and test, `all` every one; `limit` > 0 the first so
    many. `choices` adds PrefEval's multiple choice for records that have options; without checks nothing else is asked. `shots`
    examples for few-shot come from the finished trees of the set that are not asked. `samples` answers for best of N are
    compared by `critic`, by `by`. `judged` is what a judge reads. `judges` are chosen as models are; each is asked `repeats`
    times, more than once at `judge_temperature`. A reply without a verdict is asked for `retries` times more. A share of the
    cases, `order_audit`, is judged again with the material in the other order, and chosen again with the options turned round; no
    number uses these verdicts.
    """

    LANE: ClassVar[Lane] = "gpu"
    kind: Literal["evaluate"] = "evaluate"
    name: str = Field(min_length=1, max_length=120)
    set: int = Field(ge=1, lt=1 << 62)
    rows: list[RowSpec] = Field(min_length=1, max_length=MOST_ROWS)
    part: Literal["held_out", "all"] = "held_out"
    limit: int = Field(default=0, ge=0, le=100_000)
    checks: list[Check] = Field(default_factory=lambda: list(CHECKS), max_length=8)
    choices: bool = False
    judges: list[_Choice] = Field(default=[""], max_length=9)
    repeats: int = Field(default=1, ge=1, le=15)
    judge_temperature: float = Field(default=0.7, gt=0, le=2)
    judge_tokens: int = Field(default=400, ge=32, le=8000)
    order: Order = "preference_first"
    order_audit: float = Field(default=0.0, ge=0, le=1)
    retries: int = Field(default=1, ge=0, le=5)
    judged: Judged = "answer"
    max_new: int = Field(default=512, ge=1, le=32_768)
    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    samples: int = Field(default=4, ge=2, le=64)
    by: By = "mean"
    critic: str = Field(default="", max_length=40)
    shots: int = Field(default=2, ge=1, le=10)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    side_by_side: int = Field(default=32, ge=1, le=1024)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.rows)) < len(self.rows):
            raise ValueError("Two rows are the same: each model, method and number of turns once.")
        for name, found in (("check", self.checks), ("judge", self.judges)):
            if len(set(found)) < len(found):
                raise ValueError(f"One {name} is named twice.")
        if bool(self.checks) != bool(self.judges):
            raise ValueError("Checks and judges belong together: give both, or none for multiple choice alone.")
        if self.order_audit and self.order_audit < 1e-4:
            raise ValueError("order_audit is a share of the cases: 0, or at least 0.0001.")
        if not self.checks and not self.choices:
            raise ValueError("There is nothing to find out: name checks, or switch choices on.")
        if self.temperature == 0 and any(row.method == "best_of_n" for row in self.rows):
            raise ValueError("best_of_n needs a temperature above 0: greedy samples are all the same.")
        return self

    def names_before(self) -> bool:
        """Whether the model of the job before is meant somewhere."""
        return any(row.model == AFTER for row in self.rows)

    def behind(self, job_id: int) -> Self:
        """The same with that job's model in the place of `after`."""
        made = f"job:{job_id}"
        rows = [row.model_copy(update={"model": made}) if row.model == AFTER else row for row in self.rows]
        return self.model_copy(update={"rows": rows})

    def judging(self) -> Judging:
        """How each judge is asked: greedily once, else warm enough to differ."""
        warmth = self.judge_temperature if self.repeats > 1 else 0.0
        return Judging(self.judge_tokens, warmth, self.seed, self.repeats, self.order)

    def models(self) -> frozenset[str]:
        """Everything that is chosen, as it is named."""
        return frozenset({row.model for row in self.rows} | {*self.judges, self.critic})


class Counts(NamedTuple):
    """How large an evaluation is: planned responses, and model calls without retries (of which verdicts)."""

    responses: int
    calls: int
    verdicts: int


def planned(spec: EvaluateSpec, cases: int, choices: int) -> Counts:
    """The size of an evaluation with so many cases, so many of which have options."""
    rows = spec.rows if spec.checks else []
    answers = sum(spec.samples if row.method == "best_of_n" else 1 for row in rows) * cases
    judged = cases + len(audited(spec, cases))
    verdicts = len(rows) * judged * len(spec.checks) * len(spec.judges) * spec.repeats
    models = len({(row.model, row.turns) for row in spec.rows}) if spec.choices else 0
    chosen = models * choices
    turned = models * len(audited(spec, choices))
    return Counts(len(rows) * cases + chosen, answers + verdicts + chosen + turned, verdicts)


def audited(spec: EvaluateSpec, cases: int) -> frozenset[int]:
    """Which of so many cases (places) are judged in both orders: the same ones for every row, drawn from the seed."""
    drawn = random.Random(f"order {spec.seed}").sample(range(cases), math.ceil(spec.order_audit * cases))
    return frozenset(drawn)
