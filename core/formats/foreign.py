"""Record shapes of the field that are kept as they came: PrefEval, ALOE, AlignX / P-Soups, TRL rows, ratings.

Each shape is a pydantic model that says what must be there; unknown fields are kept. What is read is what is written.
"""

from typing import Annotated, Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, ValidationError

from core.formats import ratings
from core.formats.reading import Unreadable
from core.types import Foreign, Json, Scenario, shorten

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Label = bool | StrictInt | StrictFloat


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class Message(_Shape):
    """One chat message."""

    role: StrictStr
    content: StrictStr


Prompt = StrictStr | list[Message]


class PrefEvalExplicit(_Shape):
    """PrefEval, explicit form: the preference is stated."""

    preference: StrictStr
    question: StrictStr
    explanation: StrictStr


class ChoiceTalk(_Shape):
    """The exchange in which the user shows the preference by choosing."""

    query: StrictStr
    assistant_options: StrictStr
    user_selection: StrictStr
    assistant_acknowledgment: StrictStr


class PrefEvalChoice(PrefEvalExplicit):
    """PrefEval, implicit form by a choice among options."""

    implicit_query: StrictStr
    options: list[StrictStr]
    conversation: ChoiceTalk
    aligned_op: StrictStr


class Exchange(_Shape):
    """One user message and its answer."""

    user: StrictStr
    assistant: StrictStr


class PrefEvalPersona(PrefEvalExplicit):
    """PrefEval, implicit form in a conversation driven by a persona; the keys of the conversation are turn numbers."""

    persona: StrictStr
    conversation: dict[str, Exchange]


class AloeReply(_Shape):
    """The preferred answer and one or several rejected ones."""

    preferred: StrictStr
    rejected: StrictStr | list[StrictStr]


class AloeTurn(_Shape):
    """One turn of an ALOE conversation with what could be inferred about the user by then."""

    user: StrictStr
    assistant: AloeReply
    chosen: Any = None
    inferred_profile: Any = None
    inferred_personality: Any = None


class AloeConversation(_Shape):
    """ALOE: a user's profile and personality, and the conversation."""

    profile: StrictStr
    personality: StrictStr
    conversations: list[AloeTurn]


class Comparison(_Shape):
    """A prompt with a chosen and a rejected answer."""

    prompt: Prompt
    chosen: Prompt
    rejected: Prompt


class AlignX(Comparison):
    """AlignX / P-Soups: a comparison with the behaviour from which the user's preference can be inferred."""

    feedback: list[Comparison] = Field(default=[], alias="Pair-wise Comparative Feedback")
    ground_truth_persona: StrictStr | None = None
    profile: StrictStr | None = None


class TrlPrompt(_Shape):
    """TRL prompt-only."""

    prompt: Prompt


class TrlCompletion(TrlPrompt):
    """TRL prompt-completion."""

    completion: Prompt


class TrlUnpaired(TrlCompletion):
    """TRL unpaired preference."""

    label: bool


class TrlStepwise(TrlPrompt):
    """TRL stepwise supervision: one label (true, false or a number) for each completion."""

    completions: list[StrictStr]
    labels: list[Label]


class TrlMessages(_Shape):
    """TRL language modelling, conversational."""

    messages: list[Message]


class Form(NamedTuple):
    """A shape: its name, its label for people, its model, and the keys by which it is recognised."""

    name: str
    label: str
    shape: type[BaseModel]
    keys: frozenset[str]


def _form(name: str, label: str, shape: type[BaseModel], keys: str) -> Form:
    return Form(name, label, shape, frozenset(keys.split("|")))


ALIGNX_HINTS = (
    "Pair-wise Comparative Feedback",
    "User-Generated Content",
    "Preference Direction",
    "Demographic Information",
)

FORMS: tuple[Form, ...] = (
    *(Form(form.name, form.label, form.shape, form.keys) for form in ratings.FORMS),
    _form("prefeval_choice", "PrefEval, choice-based", PrefEvalChoice, "preference|question|implicit_query|aligned_op"),
    _form("prefeval_persona", "PrefEval, persona-driven", PrefEvalPersona, "preference|question|persona|conversation"),
    _form("prefeval_explicit", "PrefEval, explicit", PrefEvalExplicit, "preference|question|explanation"),
    _form("aloe_conversation", "ALOE conversations", AloeConversation, "conversations|profile|personality"),
    _form("trl_stepwise", "TRL stepwise supervision", TrlStepwise, "prompt|completions|labels"),
    _form("trl_unpaired", "TRL unpaired preference", TrlUnpaired, "prompt|completion|label"),
    _form("trl_completion", "TRL prompt-completion", TrlCompletion, "prompt|completion"),
    _form("trl_preference", "TRL preference", Comparison, "prompt|chosen|rejected"),
    _form("trl_messages", "Chat messages", TrlMessages, "messages"),
    _form("trl_prompt", "TRL prompt-only", TrlPrompt, "prompt"),
)
ALIGNX = _form("alignx", "AlignX / P-Soups", AlignX, "prompt|chosen|rejected")
ALOE_TEXT = _form("aloe_text", "ALOE profiles or personalities", BaseModel, "")


def form_of(value: Any) -> Form | None:
    """The shape a JSON value looks like, or None."""
    if isinstance(value, str):
        return ALOE_TEXT
    if not isinstance(value, dict):
        return None
    keys = cast("Json", value).keys()
    if ALIGNX.keys <= keys and any(hint in keys for hint in ALIGNX_HINTS):
        return ALIGNX
    return next((form for form in FORMS if form.keys <= keys), None)


def read(value: Any, form: Form) -> Foreign:
    """The record of a value that looks like `form`. Raises Unreadable with the field and a sentence."""
    if form is ALOE_TEXT:
        if not isinstance(value, str):
            raise Unreadable("", "Every record of this file must be a text, as the first one is.")
        if not value.strip():
            raise Unreadable("", "The text is empty.")
        return Foreign(form.name, value, shorten(value, 160))
    body = cast("Json", value)
    try:
        form.shape.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Unreadable(field, f"The field {field} does not fit {form.label}: {first['msg']}.") from None
    if form.name == "trl_stepwise" and len(body["completions"]) != len(body["labels"]):
        count = f"{len(body['completions'])} completions but {len(body['labels'])} labels"
        raise Unreadable("labels", f"The row has {count}; each completion needs one.")
    return Foreign(form.name, body, shorten(_title(body), 160), _scenario(body))


def _scenario(body: Json) -> Scenario | None:
    preference, query, explanation = body.get("preference"), body.get("question"), body.get("explanation")
    if not isinstance(preference, str) or not isinstance(query, str):
        return None
    return Scenario(preference, query, explanation=explanation if isinstance(explanation, str) else "")


def _title(body: Json) -> str:
    for key in ("question", "prompt", "profile", "messages", "dialogue_id", "id"):
        found = body.get(key)
        if isinstance(found, str):
            return found
        if isinstance(found, list) and found:
            first = cast("list[Any]", found)[0]
            return str(cast("Json", first).get("content", "")) if isinstance(first, dict) else str(first)
    return ""


def turns(record: Foreign) -> list[tuple[str, str]]:
    """The (role, text) turns of a record's conversation; empty where it has none."""
    body = cast("Json", record.body)
    match record.form:
        case "prefeval_choice":
            talk = body["conversation"]
            return [
                ("user", talk["query"]),
                ("assistant", talk["assistant_options"]),
                ("user", talk["user_selection"]),
                ("assistant", talk["assistant_acknowledgment"]),
            ]
        case "prefeval_persona":
            return [(role, turn[role]) for turn in body["conversation"].values() for role in ("user", "assistant")]
        case "aloe_conversation":
            pairs = [(turn["user"], turn["assistant"]["preferred"]) for turn in body["conversations"]]
            return [(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]
        case "trl_messages":
            return [(message["role"], message["content"]) for message in body["messages"]]
        case _:
            return []
