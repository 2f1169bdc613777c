"""The form of a critic's training: every field of `core.specs.CriticSpec` in a group, with a name and one plain sentence."""

from typing import Any

from core import form
from core.form import MACHINE, FormField
from core.specs import CRITIC_PRESETS, CriticSpec

FIELDS: tuple[FormField, ...] = (
    FormField("name", "what", "Name", "What the new critic is called in lists."),
    FormField("set", "what", "Set", "Its scored steps are what the critic learns from."),
    FormField(
        "base",
        "what",
        "Base",
        "The checkpoint it starts from: a folder, or model:12 for a registered one; empty is the starter model.",
    ),
    FormField(
        "corrections",
        "what",
        "Train with people's corrections",
        "What people said on the Checks page replaces the labels of the steps they checked.",
    ),
    FormField(
        "held_out",
        "data",
        "Held out",
        "Share of the scenarios kept for the report; used where the set states no split of its own.",
    ),
    FormField(
        "seed",
        "data",
        "Seed",
        "Decides which scenarios are held out and the order of the examples; the same seed gives the same critic.",
    ),
    FormField(
        "max_length",
        "data",
        "Longest example",
        "In tokens; a longer example would lose its score, so the training refuses it.",
    ),
    FormField(
        "lora_rank",
        "learning",
        "LoRA rank",
        "Size of the small matrices that are trained beside the frozen base; 0 trains all weights.",
    ),
    FormField(
        "lora_alpha",
        "learning",
        "LoRA alpha",
        "How strongly the small matrices count: they are scaled by alpha divided by rank.",
    ),
    FormField(
        "lora_dropout",
        "learning",
        "LoRA dropout",
        "Share of inputs of the small matrices dropped at random while training, against learning by heart.",
    ),
    FormField(
        "learning_rate",
        "learning",
        "Learning rate",
        "How far one update moves the weights; too high forgets, too low learns nothing.",
    ),
    FormField("epochs", "learning", "Epochs", "How often every example is seen."),
    FormField(
        "updates",
        "learning",
        "At most so many updates",
        "Ends earlier than the epochs would; 0 is no limit, a few are a trial.",
    ),
    FormField("batch", "learning", "Batch", "Examples computed at once; more need more memory."),
    FormField(
        "accumulate",
        "learning",
        "Batches an update",
        "Batches added up before the weights move; batch times this is what one update sees.",
    ),
    FormField(
        "warmup",
        "learning",
        "Warm-up",
        "Share of the updates in which the learning rate rises from 0 before it falls again.",
    ),
    FormField(
        "report_steps",
        "report",
        "Steps in the report",
        "So many held-out steps are scored by base and new critic side by side; 0 leaves the report out.",
    ),
    FormField(
        "max_tokens",
        "report",
        "Tokens a reply",
        "Longest critique that may be written in the report; a longer one counts as unscored.",
    ),
    *MACHINE,
    FormField(
        "save_every",
        "machine",
        "Checkpoint every",
        "Updates between two checkpoints; a killed training goes on from the newest one.",
    ),
    FormField(
        "report_to",
        "machine",
        "Also report to",
        "Trackers that get the curves too, beside the Jobs page; their package has to be installed.",
    ),
)
"""In the order of the form."""


def described() -> list[dict[str, Any]]:
    """The form as JSON values: each field with its default, its bounds and its choices, as the spec states them."""
    return form.described(CriticSpec, FIELDS)


def preset_values(preset: str) -> dict[str, Any]:
    """Every field that a preset decides: the spec's defaults with the preset's own values. Raises KeyError for another name."""
    defaults = {name: field.get_default() for name, field in CriticSpec.model_fields.items() if not field.is_required()}
    del defaults["kind"]
    return defaults | dict(CRITIC_PRESETS[preset])


def nearest(spec: CriticSpec) -> str:
    """The preset from which a spec differs in the fewest fields."""
    values = spec.model_dump()
    return min(CRITIC_PRESETS, key=lambda name: sum(values[key] != value for key, value in preset_values(name).items()))


def arguments(spec: CriticSpec) -> tuple[str, ...]:
    """The arguments of `subtext critic` that make exactly this spec: the nearest preset, and whatever differs from it."""
    preset = nearest(spec)
    made = ["train", str(spec.set), f"--name={spec.name}", f"--preset={preset}"]
    values = spec.model_dump()
    for name, stated in preset_values(preset).items():
        if values[name] != stated:
            made += _flag(f"--{name.replace('_', '-')}", values[name])
    return tuple(made)


def _flag(flag: str, value: Any) -> list[str]:
    match value:
        case bool():
            return [flag if value else flag.replace("--", "--no-", 1)]
        case list():
            return [f"{flag}={one}" for one in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return [f"{flag}={value}"]
