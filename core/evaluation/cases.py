"""Cases and questions from what was imported: scenarios with a stated preference, and PrefEval's three forms.

Knows the record shapes of `core.formats.foreign`; does not know where records are kept or which are chosen.
"""

from pydantic import ValidationError

from core.evaluation.choices import Choice, shuffled
from core.evaluation.methods import Case, Exchange
from core.formats.foreign import PrefEvalChoice, turns
from core.types import Record, Tree


def case_of(record: Record) -> Case | None:
    """The case of a record; None where it holds no preference and query.

    PrefEval choice: the user's query, the options, the selection and its acknowledgement are two exchanges; persona: the
    conversation. Anything else with a scenario states its preference.
    """
    scenario = record.scenario
    if scenario is None or not scenario.preference.strip() or not scenario.query.strip():
        return None
    if isinstance(record, Tree) or record.form not in ("prefeval_choice", "prefeval_persona"):
        return Case(scenario.preference, scenario.query)
    texts = [text for _, text in turns(record)]
    shown = tuple(Exchange(user, assistant) for user, assistant in zip(texts[::2], texts[1::2], strict=True))
    return Case(scenario.preference, scenario.query, shown) if shown else None


def choice_of(record: Record, seed: int) -> Choice | None:
    """The multiple-choice question of a PrefEval choice record; None for anything else, or where its options are no choice."""
    if isinstance(record, Tree) or record.form != "prefeval_choice":
        return None
    try:
        body = PrefEvalChoice.model_validate(record.body)
        return shuffled(body.preference, body.implicit_query, body.options, body.aligned_op, seed)
    except (ValidationError, ValueError):
        return None
