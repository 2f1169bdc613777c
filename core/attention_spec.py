"""What a job that reads attention is asked to do. Knows the shape of the order; runs no model."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from core import form
from core.attention_question import Way
from core.form import FormField
from core.job_spec import AFTER, Device, JobSpec, Lane

MOST_MODELS = 8
MOST_SCENARIOS = 2_000

_Choice = Annotated[str, Field(max_length=1000)]


class AttentionSpec(JobSpec):
    """Attention of every model on the scenarios of a set (SPEC 7), and with `answers` the preference-use meter of its answers.

    `part` chooses the scenarios as in an evaluation, `limit` the first so many. `checkpoints` are chosen as a policy is;
    attention is read from weights, so a server counts only where its checkpoint is registered here. The others are compared
    with the first one. Of the first `heads` scenarios the weights of every head are kept, of the others their means and masses.
    `max_new` bounds an answer, which is greedy; `seed` draws intervals and controls.
    """

    LANE: ClassVar[Lane] = "gpu"
    kind: Literal["attention"] = "attention"
    name: str = Field(min_length=1, max_length=120)
    set: int = Field(ge=1, lt=1 << 62)
    checkpoints: list[_Choice] = Field(default=[""], min_length=1, max_length=MOST_MODELS)
    part: Literal["held_out", "all"] = "held_out"
    limit: int = Field(default=100, ge=1, le=MOST_SCENARIOS)
    method: Way = "step_by_step"
    answers: bool = False
    max_new: int = Field(default=256, ge=1, le=2048)
    heads: int = Field(default=20, ge=0, le=MOST_SCENARIOS)
    device: Device = "auto"
    seed: int = Field(default=1, ge=0, lt=1 << 31)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.checkpoints)) < len(self.checkpoints):
            raise ValueError("One model is named twice.")
        return self

    def names_before(self) -> bool:
        """Whether the model of the job before is meant somewhere."""
        return AFTER in self.checkpoints

    def behind(self, job_id: int) -> Self:
        """The same with that job's model in the place of `after`."""
        made = f"job:{job_id}"
        return self.model_copy(update={"checkpoints": [made if one == AFTER else one for one in self.checkpoints]})

    def models(self) -> frozenset[str]:
        """Every model that is chosen, as it is named."""
        return frozenset(self.checkpoints)


FIELDS: tuple[FormField, ...] = (
    FormField("name", "what", "Name", "What the job is called."),
    FormField("set", "what", "Scenarios", "A set whose scenarios state a preference and ask something."),
    FormField("part", "what", "Which of them", "held_out: those of the splits validation and test; all: every one."),
    FormField("limit", "what", "At most so many", "The first of them."),
    FormField("method", "what", "Way of prompting", "The prompt in which the preference stands."),
    FormField(
        "answers",
        "what",
        "Preference-use meter",
        "Every model answers, and what its answer owes to the preference is measured.",
    ),
    FormField("max_new", "machine", "Tokens an answer", "A longer one is cut there and read up to that place."),
    FormField(
        "heads", "machine", "Scenarios with every head", "Of the others means and masses are kept, which is far less."
    ),
    FormField("device", "machine", "Device", "auto takes a GPU where there is one."),
    FormField("seed", "machine", "Seed", "For intervals and for the spans of the control."),
)
"""In the order of the form; each field of the order but its kind and the models."""


def described() -> list[dict[str, Any]]:
    """The form as JSON values: each field with its default, bounds and choices, as the order states them."""
    return form.described(AttentionSpec, FIELDS)
