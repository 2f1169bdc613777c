"""What the trainings of a policy are asked to do (SPEC 4): reinforcement, supervised fine-tuning, tree preferences; and presets.

Knows the shape of the orders. Every row of SPEC 4's table that trains is a preset of one of the three kinds.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from core.advantages import Level
from core.batching import accumulation_problem, responses_problem
from core.job_spec import Device, JobSpec, Lane, Processes, Sharding, Tracker

Whole = Literal["response", "review", "rubric"]
Reward = Literal["steps", "steps+review", "response", "review", "rubric"]
REWARD_MEANING: Mapping[Reward, str] = MappingProxyType(
    {
        "steps": "critique and score for every step",
        "steps+review": "as steps, but the last one, the answer, by the review of the whole path: 0 to 100, as 2x/100 - 1",
        "response": "one score for the whole response, asked for as if it were one step; a stand-in for a scalar reward model",
        "review": "one judgement of the whole response, 0 to 100, as 2x/100 - 1",
        "rubric": "a checklist of yes/no questions; the score is the share of yes",
    }
)
"""What a critic is asked about a response, by the name in a spec."""

_Name = Annotated[str, Field(min_length=1, max_length=120)]
_Base = Annotated[str, Field(max_length=1000)]
_Set = Annotated[int, Field(ge=1, lt=1 << 62)]
_Rank = Annotated[int, Field(ge=0, le=512)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Rate = Annotated[float, Field(gt=0, le=1)]
_Few = Annotated[int, Field(ge=1, le=1024)]
_Updates = Annotated[int, Field(ge=1, le=1_000_000)]
_Seed = Annotated[int, Field(ge=0, lt=1 << 31)]


class PolicyJob(JobSpec):
    """What every training of a policy is told.

    `base` is a checkpoint as in `CriticSpec`: '' the starter model, a path, `model:ID`, `job:ID`, or `after`. Scenarios of
    the split `validation` or `test` are held out; where a set states no split, `held_out` is the share that is drawn. At the end
    base and trained policy answer at most `report_prompts` held-out prompts greedily, with `max_new` tokens at most, and the
    critic scores the steps (0: no report). `critic` is '' as the settings say, `starter`, `model:ID` or `server:PORT`.
    `processes` of one machine train together, sharing the model by `sharding`; what an update sees does not depend on them.
    """

    LANE: ClassVar[Lane] = "gpu"
    name: _Name
    set: _Set
    base: _Base = ""
    critic: str = Field(default="", max_length=40)
    critic_tokens: int = Field(default=512, ge=16, le=8000)
    critic_samples: int = Field(default=1, ge=1, le=32)
    side_by_side: int = Field(default=16, ge=1, le=1024)
    held_out: _Share = 0.1
    report_prompts: int = Field(default=50, ge=0, le=10_000)
    max_new: int = Field(default=512, ge=1, le=32_768)
    lora_rank: _Rank = 16
    lora_alpha: _Few = 32
    lora_dropout: _Share = 0.0
    save_every: _Updates = 50
    log_every: int = Field(default=1, ge=1, le=10_000)
    seed: _Seed = 1
    device: Device = "auto"
    report_to: list[Tracker] = Field(default=[], max_length=3)
    processes: Processes = 1
    sharding: Sharding = "none"


class PolicySpec(PolicyJob):
    """Reinforcement (SPEC 4, 4a): CDPA with `tokens`, GRPO with one advantage for a response without.

    `reward` says what the critic is asked; all but those on steps give one number for a response, so `tokens` must be off. With
    `reward_model`, a checkpoint chosen as a base is and whose head gives one number, `response` is what that says of it, and the
    critic only makes the report. `limit` > 0 takes the first so many prompts. The others are those of
    `training.policy.PolicyRecipe` and `training.cdpa.Credit`.
    """

    kind: Literal["policy"] = "policy"
    reward: Reward = "steps"
    reward_model: str = Field(default="", max_length=1000)
    tokens: bool = True
    level: Level = "position"
    eps: float = Field(default=1e-4, ge=0, le=1)
    sigma_floor: float = Field(default=0.0, ge=0, le=2)
    min_alive: int = Field(default=2, ge=2, le=1024)
    format_weight: float = Field(default=1.0, ge=0, le=100)
    max_unscored: float = Field(default=0.2, ge=0, le=1)
    keep_every: int = Field(default=1, ge=0, le=1_000_000)
    limit: int = Field(default=0, ge=0, le=1_000_000)
    group: int = Field(default=5, ge=2, le=1024)
    prompts: _Few = 4
    batch: _Few = 5
    updates: _Updates = 400
    learning_rate: _Rate = 1e-6
    warmup: _Share = 0.0
    beta: float = Field(default=0.04, ge=0, le=100)
    epsilon: float = Field(default=0.2, gt=0, lt=1)
    temperature: float = Field(default=1.0, gt=0, le=5)
    top_p: float = Field(default=1.0, gt=0, le=1)
    iterations: int = Field(default=1, ge=1, le=64)
    loss: Literal["dr_grpo", "grpo"] = "dr_grpo"
    vllm: Literal["", "colocate", "server"] = ""
    vllm_url: str = Field(default="", max_length=200, pattern=r"^(https?://[!-~]+)?$")

    def models(self) -> frozenset[str]:
        """Every model that is chosen, as it is named."""
        return super().models() | ({self.reward_model} - {""})

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.tokens and self.reward not in ("steps", "steps+review"):
            raise ValueError(
                f"The reward {self.reward!r} is one number for a whole response, so no token can have one of its own: set "
                "tokens to false, or the reward to steps."
            )
        if self.reward_model and self.reward != "response":
            raise ValueError(
                "A reward model gives one number for a whole response: set the reward to response, or leave reward_model empty."
            )
        if (self.vllm == "server") != bool(self.vllm_url):
            raise ValueError("vllm_url and vllm=server belong together: give both or none.")
        if problem := responses_problem(self.group, self.prompts, self.batch, self.processes):
            raise ValueError(problem)
        return self


class _Supervised(PolicyJob):
    """What both trainings on a fixed set of responses are told."""

    learning_rate: _Rate = 2e-5
    epochs: float = Field(default=3.0, gt=0, le=1000)
    updates: int = Field(default=0, ge=0, le=10_000_000)
    batch: _Few = 1
    accumulate: _Few = 16
    warmup: _Share = 0.03
    max_length: int = Field(default=4096, ge=64, le=131_072)

    @model_validator(mode="after")
    def _shared_out(self) -> Self:
        if problem := accumulation_problem(self.accumulate, self.processes):
            raise ValueError(problem)
        return self


class SFTSpec(_Supervised):
    """Supervised fine-tuning of a policy (SPEC 4). `data` `path` is RFT: D_RFT, the best path of every tree as numbered steps.

    `answer` is the baseline SFT: the plain question, and the answer at the end of the best path.
    """

    kind: Literal["sft"] = "sft"
    data: Literal["path", "answer"] = "path"


class TPOSpec(_Supervised):
    """Tree preference optimisation (SPEC 4a): the finished paths of a tree, ranked by R(tau), against each other.

    At most `paths` of a tree, spread over its ranking. `batch` counts trees. `beta` scales the implicit rewards; with `weigh`
    a step counts by how much it differs from the same step of the other path.
    """

    kind: Literal["tpo"] = "tpo"
    beta: float = Field(default=0.1, gt=0, le=100)
    paths: int = Field(default=5, ge=2, le=64)
    weigh: bool = True


_SIZES: Mapping[str, Mapping[str, Any]] = {
    "starter": {
        "base": "", "lora_rank": 0, "critic": "starter", "critic_tokens": 256, "max_new": 320, "report_prompts": 20,
        "save_every": 10,
    },
    "paper": {
        "base": "Qwen2.5-7B-Instruct", "lora_rank": 16, "lora_alpha": 32, "max_new": 1024, "report_prompts": 300,
        "save_every": 50,
    },
}  # fmt: skip
_LOOPS: Mapping[str, Mapping[str, Any]] = {
    "starter": {"group": 5, "prompts": 4, "batch": 10, "updates": 30, "learning_rate": 3e-5, "temperature": 1.0},
    "paper": {
        "group": 5, "prompts": 4, "batch": 5, "updates": 400, "learning_rate": 1e-6, "temperature": 1.0, "processes": 4,
    },
}  # fmt: skip
_SUPERVISED: Mapping[str, Mapping[str, Any]] = {
    "starter": {"learning_rate": 3e-4, "epochs": 2.0, "accumulate": 8, "max_length": 2048},
    "paper": {"learning_rate": 2e-5, "epochs": 3.0, "accumulate": 16, "max_length": 4096},
}


def _sized(kind: str, numbers: Mapping[str, Mapping[str, Any]], **own: Any) -> Mapping[str, Mapping[str, Any]]:
    return MappingProxyType(
        {size: MappingProxyType({"kind": kind, **_SIZES[size], **numbers[size], **own}) for size in _SIZES}
    )


POLICY_PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "rft": _sized("sft", _SUPERVISED, data="path"),
        "cdpa": _sized("policy", _LOOPS, reward="steps", tokens=True),
        "grpo_prm": _sized("policy", _LOOPS, reward="steps", tokens=False),
        "grpo_grm": _sized("policy", _LOOPS, reward="review", tokens=False),
        "grpo_rm": _sized("policy", _LOOPS, reward="response", tokens=False),
        "grpo_rubric": _sized("policy", _LOOPS, reward="rubric", tokens=False),
        "sft": _sized("sft", _SUPERVISED, data="answer"),
        "tpo": _sized("tpo", _SUPERVISED),
    }
)
"""Starting points, by name and size. `starter` trains the starter model in minutes on a CPU. `paper` is the setting of the CDRA
paper: Qwen2.5-7B-Instruct, G = 5, temperature 1.0, at most 400 updates, on 4 GPUs. The paper prints no learning rate, no number
of prompts an update and no size of a LoRA; ours are choices. Without a `reward_model` the critic stands in for one in `grpo_rm`:
it judges the whole response as one step and its critique is left out. The starter model cannot answer the checklist of
`grpo_rubric`."""

PRESET_MEANING: Mapping[str, str] = MappingProxyType(
    {
        "rft": "RFT: learn the best path of every tree by heart; where CDPA starts",
        "cdpa": "CDPA: every token has the score of its step",
        "grpo_prm": "GRPO + PRM: the mean of the step scores for the whole response",
        "grpo_grm": "GRPO + GRM: one judgement of the whole response, 0 to 100",
        "grpo_rm": "GRPO + RM: one score of the whole response, by a reward model or the critic in its place",
        "grpo_rubric": "GRPO + rubric: the share of yes in a checklist",
        "sft": "SFT: learn the answers at the end of the best paths",
        "tpo": "TPO: the paths of a tree, ranked, against each other",
    }
)
"""One line for people on every preset."""
