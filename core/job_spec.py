"""The base of every job's spec, and the names its fields share. Knows the shape of an order and its lane; no kind of job."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Lane = Literal["light", "gpu"]
Tracker = Literal["trackio", "tensorboard", "wandb"]
Device = Literal["auto", "cpu", "cuda"]
Sharding = Literal["none", "fsdp", "deepspeed"]
"""How several processes share a model: `none` keeps it whole in each (DDP), `fsdp` (FSDP2) and `deepspeed` (ZeRO-3) split it."""
MOST_PROCESSES = 64
Processes = Annotated[int, Field(ge=1, le=MOST_PROCESSES)]
"""Processes of a training on one machine; on GPUs each has one of its own."""
AFTER = "after"
"""A base that the job before makes; it becomes `job:ID` when the job is put into the queue behind that one."""


class JobSpec(BaseModel):
    """Base of every kind.

    `LANE`: many light jobs run side by side, gpu jobs one for each device. `RESTARTS`: how often a job whose process vanished
    (killed, out of memory, machine restarted) is queued again by itself; 0 for a kind that cannot go on where it was.
    """

    LANE: ClassVar[Lane] = "light"
    RESTARTS: ClassVar[int] = 3
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def names_before(self) -> bool:
        """Whether the model of the job before is meant somewhere."""
        return getattr(self, "base", "") == AFTER

    def behind(self, job_id: int) -> Self:
        """The same with that job's model in the place of `after`."""
        return self.model_copy(update={"base": f"job:{job_id}"})

    def models(self) -> frozenset[str]:
        """Every model that is chosen, as it is named."""
        return frozenset(str(found) for name in ("base", "critic") if (found := getattr(self, name, "")))
