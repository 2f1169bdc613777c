"""Prompts for a query that comes late in a conversation, where the preference was shown earlier on (SPEC 5, PrefEval).

The conversation itself is handed in as messages; here are the system message and the last turn of each way of prompting. Knows no
data set and no filler turns (`core.evaluation.methods`).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from core.ports import Message
from core.prompts.policy import Shot
from core.prompts.template import FENCED, Template, defused, fenced
from core.prompts.verdicts import lettered

Way = Literal["zero_shot", "few_shot", "chain_of_thought", "step_by_step", "reminder"]

ACKNOWLEDGED = "Thank you for telling me. I will keep it in mind."
"""The assistant's turn after a preference that was stated outright."""

_REMINDER = "Think of what I told or showed you about my preferences, and answer in keeping with it."

REMINDER = Template(
    name="reminder",
    version=1,
    system=f"""\
You are a helpful assistant.
{FENCED}""",
    user="""\
{preference}
{query}
Remember the preference above, and answer in keeping with it.
Your answer:""",
)

_TURNS: Mapping[Way, Template] = {
    "zero_shot": Template(
        name="late_zero_shot",
        version=1,
        system=f"You are a helpful assistant.\n{FENCED}",
        user="{query}",
    ),
    "few_shot": Template(
        name="late_few_shot",
        version=1,
        system=f"""\
You are a helpful assistant who answers so that what the person told or showed of their preferences is respected.
{FENCED}
Some examples of good answers to other people come with the last query.""",
        user="""\
Examples of other people:
{examples}
My query:
{query}""",
    ),
    "chain_of_thought": Template(
        name="late_chain_of_thought",
        version=1,
        system=f"""\
You are a helpful assistant who first thinks about what the person prefers, then answers.
{FENCED}
Reply to the last query in this form:
Analysis: what the person told or showed of their preferences, and what bears on the query
Answer: your answer to the person""",
        user="{query}",
    ),
    "step_by_step": Template(
        name="late_step_by_step",
        version=1,
        system=f"""\
You help a person whose preference, told or shown in the conversation, says less than they need.
Think in steps before you answer the last query.
Each step finds one thing the person needs, fears or would dislike and has not said, and builds on the step before.
The last step is the answer, addressed to the person. Be concrete, and say what you have assumed.
{FENCED}
Reply with numbered steps, each on a new line that begins like this:
Step 1: your first thought""",
        user="{query}",
    ),
    "reminder": Template(
        name="late_reminder",
        version=1,
        system=f"You are a helpful assistant.\n{FENCED}",
        user="{query}\n" + _REMINDER,
    ),
}

LATE_CHOOSE = Template(
    name="late_choose",
    version=1,
    system=f"""\
You are a helpful assistant who chooses for a person, as they would choose themselves.
Exactly one of the options suits what the person told or showed of their preferences.
{FENCED}
Reply to the last query with the letter of that option, in this form:
CHOICE: A""",
    user="""\
{query}
{options}
Your choice among {letters}:""",
)

TEMPLATES = (REMINDER, *_TURNS.values(), LATE_CHOOSE)


def reminder(preference: str, query: str) -> tuple[Message, ...]:
    """Ask for an answer with a reminder of the preference after the query. Read with `parsing.read_answer`."""
    return REMINDER.fill(preference=fenced("preference", preference), query=fenced("query", query))


def late(way: Way, turns: Sequence[Message], query: str, shots: Sequence[Shot] = ()) -> tuple[Message, ...]:
    """Ask `query` at the end of a conversation: the system message, the turns as they were, the last turn.

    `turns` go from user to assistant and back, at least one exchange; `few_shot` takes 1 to 10 `shots`. Texts of turns lose what
    looks like a fence or a control token. Raises ValueError for turns out of order or shots out of number.
    """
    if way == "few_shot" and not 1 <= len(shots) <= 10:
        raise ValueError(f"few-shot takes 1 to 10 examples, not {len(shots)}")
    slots = {"query": fenced("query", query)}
    if way == "few_shot":
        slots["examples"] = "\n".join(
            f"{fenced('preference', shot.preference)}\n{fenced('query', shot.query)}\n{fenced('good answer', shot.answer)}"
            for shot in shots
        )
    return _between(_TURNS[way].fill(**slots), turns)


def late_choose(turns: Sequence[Message], query: str, options: Sequence[str]) -> tuple[Message, ...]:
    """Ask for one of 2 to 26 options at the end of a conversation, turns as for `late`. Read with `parsing.read_choice`."""
    shown, letters = lettered(options)
    return _between(LATE_CHOOSE.fill(query=fenced("query", query), options=shown, letters=letters), turns)


def _between(asked: tuple[Message, ...], turns: Sequence[Message]) -> tuple[Message, ...]:
    """System message, turns, last message."""
    if not turns or len(turns) % 2 or any(turn.role != ("user", "assistant")[at % 2] for at, turn in enumerate(turns)):
        raise ValueError("a conversation goes from user to assistant and back, and ends with the assistant")
    first, last = asked
    return (first, *(Message(turn.role, defused(turn.content)) for turn in turns), last)
