"""The form of a simulation: every field of its order in a group, with a name and one plain sentence."""

from collections.abc import Mapping
from typing import Any, Literal

from core import form
from core.form import FormField
from core.simulation.spec import SimulateSpec

Part = Literal["who", "models", "judging", "talk", "machine"]
PARTS: Mapping[Part, str] = {
    "who": "Who talks",
    "models": "Models under test",
    "judging": "Judging",
    "talk": "Messages and answers",
    "machine": "Machine",
}

FIELDS: tuple[FormField, ...] = (
    FormField("name", "who", "Name", "What the simulation, and the set of its dialogues, is called."),
    FormField("set", "who", "Profiles", "Whom the models talk with: texts of ALOE, or the users of dialogues."),
    FormField(
        "personalities",
        "who",
        "Personalities",
        "For profiles that are plain texts; without a choice those in the same set, or none.",
    ),
    FormField("each", "who", "Personalities a profile", "Each profile is played with so many; ALOE takes 5."),
    FormField("limit", "who", "At most so many people", "The first of the set; 0 takes all."),
    FormField("turns", "who", "Turns", "Exchanges of a dialogue; the profile is told part by part over them."),
    FormField("user", "who", "Who plays them", "The model that writes the messages of the people."),
    FormField("rows", "models", "Models", "Every model talks with every person, who tells the same at the same turns."),
    FormField(
        "judges",
        "judging",
        "Judges",
        "Rate every turn from 1 to 5, each once. Without a judge the dialogues are for people to rate.",
    ),
    FormField("judge_tokens", "judging", "Tokens a level", "The longest explanation with its level."),
    FormField("retries", "judging", "Asked again", "How often more, where a message or a level cannot be read."),
    FormField("max_new", "talk", "Tokens an answer", "A longer one is cut there."),
    FormField("temperature", "talk", "Temperature of answers", "0 takes the likeliest word."),
    FormField("person_tokens", "talk", "Tokens a message", "Of the person; a longer one is cut there."),
    FormField("person_temperature", "talk", "Temperature of messages", "0 takes the likeliest word."),
    FormField("seed", "machine", "Seed", "The same seed asks the same, so that replies come from the cache."),
    FormField("side_by_side", "machine", "Dialogues at once", "Turns follow each other; dialogues run side by side."),
)
"""In the order of the form; each field of the order but its kind."""


def described() -> list[dict[str, Any]]:
    """The form as JSON values: each field with its default, bounds and choices, as the order states them."""
    return form.described(SimulateSpec, FIELDS)
