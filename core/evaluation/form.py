"""The form of an evaluation: every field of its order in a group, with a name and one plain sentence."""

from collections.abc import Mapping
from typing import Any, Literal

from core import form
from core.evaluation.spec import EvaluateSpec
from core.form import FormField

Part = Literal["what", "rows", "judging", "answers", "machine"]
PARTS: Mapping[Part, str] = {
    "what": "What is answered",
    "rows": "Rows of the report",
    "judging": "Judging",
    "answers": "Answers",
    "machine": "Machine",
}

FIELDS: tuple[FormField, ...] = (
    FormField("name", "what", "Name", "What the evaluation is called in lists and exports."),
    FormField("set", "what", "Set", "Its scenarios are the cases: a preference and a query each."),
    FormField(
        "part",
        "what",
        "Part",
        "held_out: the scenarios of the splits validation and test; all: every one, also those that were trained on.",
    ),
    FormField("limit", "what", "At most so many cases", "The first of the part; 0 takes all."),
    FormField("rows", "rows", "Rows", "A row is a model and a way of prompting it; every row answers every case."),
    FormField(
        "checks",
        "judging",
        "Checks",
        "What a judge is asked about every answer, one at a time; a number needs its checks.",
    ),
    FormField("judges", "judging", "Judges", "Who reads the answers; of several the majority counts."),
    FormField(
        "choices",
        "judging",
        "Multiple choice too",
        "PrefEval's task beside it: which of the shown options fits the preference. It needs no judge.",
    ),
    FormField("repeats", "judging", "Times each judge is asked", "More than one count as one vote by majority."),
    FormField(
        "judge_temperature", "judging", "Temperature of repeats", "Used only where a judge is asked more than once."
    ),
    FormField("judge_tokens", "judging", "Tokens a verdict", "The longest explanation with its verdict."),
    FormField(
        "order",
        "judging",
        "Order in a judge's prompt",
        "What a judge reads first.",
    ),
    FormField(
        "order_audit",
        "judging",
        "Share judged in both orders",
        "0.1 judges a tenth of the cases once more in the other order, which shows whether the order moves a judge; no number of "
        "the report uses these verdicts.",
    ),
    FormField("retries", "judging", "Asked again", "How often more a judge is asked whose reply holds no verdict."),
    FormField(
        "judged",
        "judging",
        "What is judged",
        "answer: what a person would be given; response: the whole text with its thinking.",
    ),
    FormField("max_new", "answers", "Tokens an answer", "A longer one is cut there."),
    FormField(
        "temperature", "answers", "Temperature", "Of the answers; 0 takes the likeliest word, best of N needs more."
    ),
    FormField("top_p", "answers", "Top p", "Samples only from the likeliest words that make up this share."),
    FormField("samples", "answers", "Samples for best of N", "So many answers, of which the critic keeps one."),
    FormField("by", "answers", "Best by", "How the scores of a response's steps become one number to compare by."),
    FormField("critic", "answers", "Critic for best of N", "Scores the steps of the samples; no other way needs it."),
    FormField("shots", "answers", "Examples for few-shot", "From finished trees of the set that are not asked."),
    FormField("seed", "machine", "Seed", "The same seed asks the same, so that replies come from the cache."),
    FormField("side_by_side", "machine", "Calls at once", "In flight at the same time."),
)
"""In the order of the form; each field of the order but its kind."""


def described() -> list[dict[str, Any]]:
    """The form as JSON values: each field with its default, bounds and choices, as the order states them."""
    return form.described(EvaluateSpec, FIELDS)
