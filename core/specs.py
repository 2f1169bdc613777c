"""What a background job is asked to do: one frozen model for each kind, told apart by `kind`.

Knows the shape of an order and its lane; knows no queue, process or database. A new kind is a class here, its name in `Spec`,
an action, and one `case` in `app/run.py`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from core.attention_spec import AttentionSpec
from core.batching import accumulation_problem
from core.evaluation.spec import EvaluateSpec
from core.job_spec import JobSpec, Lane, Processes, Sharding, Tracker
from core.policy_specs import POLICY_PRESETS, PolicySpec, SFTSpec, TPOSpec
from core.simulation.spec import SimulateSpec


class DoctorSpec(JobSpec):
    """Check the installation; the findings are the result."""

    RESTARTS: ClassVar[int] = 0
    kind: Literal["doctor"] = "doctor"


class ExportSpec(JobSpec):
    """Write a set in a format into the job's folder."""

    kind: Literal["export"] = "export"
    set: int = Field(ge=1, lt=1 << 62)
    format: str = Field(default="subtext", min_length=1, max_length=40)


class BuildSpec(JobSpec):
    """Grow trees with the council (SPEC 2), from the scenarios of a set or from new ones on topics.

    `set` 0 means new scenarios: `per_topic` for each of `topics`. `limit` > 0 takes the first so many scenarios. The others are
    those of `core.council.Growth`; `side_by_side` trees grow at once. `critic` chooses what scores the steps: '' as the settings
    say, `starter`, `model:ID` or `server:PORT`.
    """

    kind: Literal["build"] = "build"
    name: str = Field(min_length=1, max_length=120)
    set: int = Field(default=0, ge=0, lt=1 << 62)
    topics: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=200)
    per_topic: int = Field(default=2, ge=1, le=1000)
    limit: int = Field(default=0, ge=0, le=100_000)
    depth: int = Field(default=4, ge=1, le=12)
    beam: int = Field(default=3, ge=1, le=50)
    branching: int = Field(default=2, ge=1, le=5)
    threshold: float = Field(default=0.5, ge=-1, le=1)
    similarity: float = Field(default=0.8, gt=0, le=1)
    temperature: float = Field(default=0.8, ge=0, le=2)
    max_tokens: int = Field(default=400, ge=16, le=8000)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    side_by_side: int = Field(default=8, ge=1, le=256)
    critic: str = Field(default="", max_length=40)


UNTRAINED = "starter-untrained"
"""A base that knows nothing, to compare with."""


class CriticSpec(JobSpec):
    """Train a critic on the scored steps of a set (SPEC 3), and report on held-out scenarios beside its base.

    `base` is a checkpoint: '' the starter model, an absolute path, a folder below `models` in the data folder, `model:ID`,
    `job:ID`, or `after` (the model of the job that this one comes after); `UNTRAINED` is the starter model's network with weights
    drawn by `seed`. With `corrections` people's checks that hold replace the labels of the steps they judged. `lora_rank` 0
    trains all weights. `held_out` is the share of scenarios drawn where a set states no split. `max_tokens` bounds a reply when
    held-out steps are scored, at most `report_steps` of them (0: no report). `report_to` names trackers that get the curves too.
    `processes` and `sharding` as in `core.policy_specs.PolicyJob`. The others are those of `training.sft.Recipe`.
    """

    LANE: ClassVar[Lane] = "gpu"
    kind: Literal["critic"] = "critic"
    name: str = Field(min_length=1, max_length=120)
    set: int = Field(ge=1, lt=1 << 62)
    base: str = Field(default="", max_length=1000)
    corrections: bool = False
    lora_rank: int = Field(default=16, ge=0, le=512)
    lora_alpha: int = Field(default=32, ge=1, le=1024)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    epochs: float = Field(default=3.0, gt=0, le=1000)
    updates: int = Field(default=0, ge=0, le=10_000_000)
    batch: int = Field(default=1, ge=1, le=1024)
    accumulate: int = Field(default=16, ge=1, le=1024)
    warmup: float = Field(default=0.03, ge=0, lt=1)
    max_length: int = Field(default=4096, ge=64, le=131_072)
    save_every: int = Field(default=100, ge=1, le=1_000_000)
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    held_out: float = Field(default=0.1, ge=0, lt=1)
    report_steps: int = Field(default=500, ge=0, le=100_000)
    max_tokens: int = Field(default=512, ge=16, le=8000)
    report_to: list[Tracker] = Field(default=[], max_length=3)
    processes: Processes = 1
    sharding: Sharding = "none"

    @model_validator(mode="after")
    def _shared_out(self) -> Self:
        if problem := accumulation_problem(self.accumulate, self.processes):
            raise ValueError(problem)
        return self


CRITIC_PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "starter": {
            "base": "", "lora_rank": 0, "learning_rate": 1e-3, "epochs": 6.0, "accumulate": 8, "max_length": 2048,
            "report_steps": 150, "max_tokens": 256,
        },
        "untrained": {
            "base": UNTRAINED, "lora_rank": 0, "learning_rate": 1e-3, "epochs": 6.0, "accumulate": 8, "max_length": 2048,
            "report_steps": 150, "max_tokens": 256,
        },
        "paper": {
            "base": "Qwen2.5-7B-Instruct", "lora_rank": 16, "lora_alpha": 32, "learning_rate": 2e-5, "epochs": 3.0,
            "max_length": 4096,
        },
    }
)  # fmt: skip
"""Starting points for a critic: `starter` trains the starter model on the starter set in minutes on a CPU, `untrained` does so
from weights that know nothing, `paper` is the setting of the CDRA paper.
The paper prints no batch size; ours of 16 examples an update is a choice."""


def critic_preset(preset: str, **own: Any) -> CriticSpec:
    """A critic's spec from a preset, with own values for some fields. Raises ValueError with a sentence for a person."""
    if preset not in CRITIC_PRESETS:
        raise ValueError(f"There is no preset {preset[:60]!r}. Presets: {', '.join(CRITIC_PRESETS)}.")
    spec = read_spec({"kind": "critic", **CRITIC_PRESETS[preset], **own})
    assert isinstance(spec, CriticSpec)
    return spec


Spec = Annotated[
    DoctorSpec
    | ExportSpec
    | BuildSpec
    | CriticSpec
    | PolicySpec
    | SFTSpec
    | TPOSpec
    | EvaluateSpec
    | SimulateSpec
    | AttentionSpec,
    Field(discriminator="kind"),
]
"""Every kind of job."""

KINDS: dict[str, type[JobSpec]] = {
    "doctor": DoctorSpec,
    "export": ExportSpec,
    "build": BuildSpec,
    "critic": CriticSpec,
    "sft": SFTSpec,
    "tpo": TPOSpec,
    "policy": PolicySpec,
    "evaluate": EvaluateSpec,
    "simulate": SimulateSpec,
    "attention": AttentionSpec,
}
_SPEC: TypeAdapter[Spec] = TypeAdapter(Spec)


def lane(spec: Spec) -> Lane:
    """The lane a job waits in."""
    return spec.LANE


def resumable(kind: str) -> bool:
    """True when a job of this kind can go on in its folder; False also for a kind this version does not know."""
    return kind in KINDS and KINDS[kind].RESTARTS > 0


def read_spec(value: object) -> Spec:
    """The spec in a JSON value. Raises ValueError with a sentence for a person."""
    if not isinstance(value, dict):
        raise ValueError("A job is a JSON object with a field 'kind'.")
    kind = value.get("kind")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(kind, str) or kind not in KINDS:
        said = "no kind" if kind is None else f"the kind {str(kind)[:60]!r}"  # pyright: ignore[reportUnknownArgumentType]
        raise ValueError(f"The job has {said}. Kinds: {', '.join(KINDS)}.")
    try:
        return _SPEC.validate_python(value)
    except ValidationError as error:
        raise ValueError(_sentence(kind, error)) from error


def policy_preset(preset: str, size: str = "starter", **own: Any) -> PolicySpec | SFTSpec | TPOSpec:
    """The spec of a policy's training from a preset in a size, with own values for some fields. Raises ValueError."""
    if preset not in POLICY_PRESETS:
        raise ValueError(f"There is no preset {preset[:60]!r}. Presets: {', '.join(POLICY_PRESETS)}.")
    if size not in POLICY_PRESETS[preset]:
        raise ValueError(f"There is no size {size[:60]!r}. Sizes: {', '.join(POLICY_PRESETS[preset])}.")
    spec = read_spec({**POLICY_PRESETS[preset][size], **own})
    assert isinstance(spec, PolicySpec | SFTSpec | TPOSpec)
    return spec


def _sentence(kind: str, error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"][1:])[:80]
    own = [name for name in KINDS[kind].model_fields if name != "kind"]
    fields = f"Its fields: {', '.join(own)}." if own else "It has no fields."
    match first["type"]:
        case "extra_forbidden":
            return f"There is no field {field!r} in a job of kind {kind}. {fields}"
        case "missing":
            return f"A job of kind {kind} needs the field {field!r}. {fields}"
        case "value_error":
            return f"{first['ctx']['error']}"
        case _:
            return f"The field {field!r} of a job of kind {kind} cannot be used: {first['msg'].lower()}."
