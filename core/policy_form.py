"""The form of a policy's training: every field of the three kinds in a group, with a name and one plain sentence."""

from collections.abc import Mapping
from typing import Any, Literal

from core import form
from core.form import MACHINE, FormField
from core.policy_specs import POLICY_PRESETS, PRESET_MEANING, PolicySpec, SFTSpec, TPOSpec

PolicyKind = Literal["policy", "sft", "tpo"]
SPECS: Mapping[str, type[PolicySpec] | type[SFTSpec] | type[TPOSpec]] = {
    "policy": PolicySpec,
    "sft": SFTSpec,
    "tpo": TPOSpec,
}
Part = Literal["what", "credit", "sampling", "learning", "report", "machine"]
PARTS: Mapping[Part, str] = {
    "what": "What",
    "credit": "Reward and credit",
    "sampling": "Responses",
    "learning": "Learning",
    "report": "Held out and report",
    "machine": "Machine",
}


FIELDS: tuple[FormField, ...] = (
    FormField("name", "what", "Name", "What the new policy is called in lists."),
    FormField(
        "set", "what", "Set", "Its scenarios of the split train are the prompts; trees are needed for RFT, SFT and TPO."
    ),
    FormField(
        "base",
        "what",
        "Base",
        "Where it starts: a folder, model:12, or job:7 for what a job made; empty is the starter model.",
    ),
    FormField("critic", "what", "Critic", "Which critic scores the steps."),
    FormField(
        "data",
        "what",
        "Learn from",
        "path: the best path of every tree as numbered steps (RFT); answer: its last step only (SFT).",
    ),
    FormField(
        "reward",
        "credit",
        "Reward",
        "steps: each one; steps+review: the answer by a review; response, review and rubric: one number for the whole.",
    ),
    FormField(
        "reward_model",
        "credit",
        "Reward model",
        "A checkpoint that gives a response one number (a folder or model:12), for the reward response; empty: the critic.",
    ),
    FormField(
        "tokens",
        "credit",
        "An advantage for every token",
        "On is CDPA; off gives a whole response one number, as GRPO does.",
    ),
    FormField(
        "level",
        "credit",
        "Compare",
        "position: with the tokens at the same place (the paper); step: the j-th steps; group: all steps.",
    ),
    FormField(
        "format_weight",
        "credit",
        "Weight of the format",
        "How much well-numbered steps count; at 0 a policy learns to write no steps.",
    ),
    FormField(
        "sigma_floor",
        "credit",
        "Floor of the deviation",
        "Keeps two nearly equal scores from the full advantage; 0 is the paper.",
    ),
    FormField("min_alive", "credit", "Scores needed", "With fewer scores at a place nothing is learned there."),
    FormField("eps", "credit", "Epsilon of the deviation", "Added to the deviation before dividing."),
    FormField(
        "max_unscored",
        "credit",
        "Unscored steps allowed",
        "A larger share among the newest 200 steps stops the run with a sentence.",
    ),
    FormField("group", "sampling", "Responses a prompt (G)", "They are compared with each other; the paper takes 5."),
    FormField("prompts", "sampling", "Prompts an update", "Each with G responses."),
    FormField("temperature", "sampling", "Temperature", "Of the sampled responses; the paper takes 1."),
    FormField("top_p", "sampling", "Top p", "Samples only from the likeliest words that make up this share."),
    FormField("max_new", "sampling", "Tokens a response", "A longer one is cut and counts nothing."),
    FormField(
        "keep_every",
        "sampling",
        "Keep responses every",
        "Updates between two that the Rollouts page can show; 0 keeps none.",
    ),
    FormField("limit", "sampling", "At most so many prompts", "The first of the set; 0 takes all."),
    FormField("learning_rate", "learning", "Learning rate", "How far one update moves the weights."),
    FormField("updates", "learning", "Updates", "How many; 0 goes on for all epochs where there are epochs."),
    FormField("epochs", "learning", "Epochs", "How often every example is seen."),
    FormField(
        "batch",
        "learning",
        "Batch",
        "Responses (RL), examples (SFT) or trees (TPO) that are computed at once; less needs less memory.",
    ),
    FormField("accumulate", "learning", "Batches an update", "Gradients of so many batches are added up."),
    FormField(
        "beta",
        "learning",
        "Beta",
        "How strongly it is held to the base (KL), or the scale of TPO's implicit rewards; 0 runs no reference.",
    ),
    FormField(
        "epsilon", "learning", "Clip", "How far the probability of a token may move in one update and still count."
    ),
    FormField("iterations", "learning", "Updates with the same responses", "1 is on-policy."),
    FormField(
        "loss",
        "learning",
        "Loss",
        "dr_grpo: the sum over tokens (the paper); grpo: the mean of means (its published code).",
    ),
    FormField("paths", "learning", "Paths of a tree", "So many at most, spread over the ranking."),
    FormField("weigh", "learning", "Weigh steps", "A step counts by how much it differs from that of the other path."),
    FormField("warmup", "learning", "Warm-up", "Share of the updates in which the rate rises."),
    FormField(
        "lora_rank",
        "learning",
        "LoRA rank",
        "Size of the small matrices trained beside the frozen base; 0 trains all weights.",
    ),
    FormField("lora_alpha", "learning", "LoRA alpha", "How strongly the small matrices count: alpha divided by rank."),
    FormField("lora_dropout", "learning", "LoRA dropout", "Share of their inputs dropped at random."),
    FormField("max_length", "learning", "Longest example", "In tokens; a longer one is refused."),
    FormField(
        "held_out", "report", "Held out", "Share of the scenarios kept for the report, where the set states no split."
    ),
    FormField(
        "report_prompts",
        "report",
        "Prompts in the report",
        "Answered by base and new policy at the end; 0 leaves the report out.",
    ),
    FormField("critic_tokens", "report", "Tokens a critique", "The longest one that may be written."),
    FormField("critic_samples", "report", "Samples of the critic", "More than one are averaged for each step."),
    FormField("side_by_side", "machine", "Critic calls at once", "In flight at the same time."),
    *MACHINE,
    FormField(
        "vllm",
        "machine",
        "Responses by vLLM",
        "colocate: on the GPU of the training; server: at the address below; empty: by the trainer.",
    ),
    FormField("vllm_url", "machine", "Address of that server", "As in http://127.0.0.1:8000; only with server."),
    FormField(
        "save_every",
        "machine",
        "Checkpoint every",
        "Updates between two checkpoints; a killed run goes on from the newest.",
    ),
    FormField("log_every", "machine", "Log every", "Updates between two points of a curve."),
    FormField("seed", "machine", "Seed", "The same seed, data and critic give the same policy on the same machine."),
    FormField(
        "report_to", "machine", "Also report to", "Trackers that get the curves too; their package has to be installed."
    ),
)
"""In the order of the form; a kind has those that its spec has."""


def described(kind: str) -> list[dict[str, Any]]:
    """The form of a kind as JSON values: each field with its default, bounds and choices, as the spec states them."""
    spec = SPECS[kind]
    return form.described(spec, (field for field in FIELDS if field.name in spec.model_fields))


def preset_values(preset: str, size: str) -> dict[str, Any]:
    """Every field that a preset decides, its kind too. Raises KeyError for a name or a size that is not there."""
    own = dict(POLICY_PRESETS[preset][size])
    fields = SPECS[own["kind"]].model_fields
    return {name: field.get_default() for name, field in fields.items() if not field.is_required()} | own


def presets() -> list[dict[str, Any]]:
    """The presets as JSON values: name, meaning, kind, and the values of each size."""
    return [
        {
            "name": name,
            "meaning": PRESET_MEANING[name],
            "kind": next(iter(sizes.values()))["kind"],
            "sizes": {size: preset_values(name, size) for size in sizes},
        }
        for name, sizes in POLICY_PRESETS.items()
    ]
