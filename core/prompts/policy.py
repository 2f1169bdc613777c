"""Prompts that answer: the policy's step-by-step response, and the prompting baselines of Table 1 (SPEC 4)."""

from collections.abc import Sequence
from typing import NamedTuple

from core.ports import Message
from core.prompts.template import FENCED, Template, fenced

POLICY = Template(
    name="policy",
    version=1,
    system=f"""\
You help a person whose preference says less than they need.
Think in steps before you answer.
Each step finds one thing the person needs, fears or would dislike and has not said, and builds on the step before.
The last step is the answer, addressed to the person. Be concrete, and say what you have assumed.
{FENCED}
Reply with numbered steps, each on a new line that begins like this:
Step 1: your first thought""",
    user="""\
{preference}
{query}
Your steps:""",
)

ZERO_SHOT = Template(
    name="zero_shot",
    version=1,
    system=f"""\
You are a helpful assistant.
{FENCED}""",
    user="""\
{preference}
{query}
Your answer:""",
)

FEW_SHOT = Template(
    name="few_shot",
    version=1,
    system=f"""\
You are a helpful assistant who answers so that the person's preference is respected.
{FENCED}
Some examples of good answers come first.""",
    user="""\
{examples}
Now the person you are to answer:
{preference}
{query}
Your answer:""",
)

CHAIN_OF_THOUGHT = Template(
    name="chain_of_thought",
    version=1,
    system=f"""\
You are a helpful assistant who first thinks about what the person prefers, then answers.
{FENCED}
Reply in this form:
Analysis: what the preference asks for, and what it leaves out
Answer: your answer to the person""",
    user="""\
{preference}
{query}
Your analysis and answer:""",
)

TEMPLATES = (POLICY, ZERO_SHOT, FEW_SHOT, CHAIN_OF_THOUGHT)


class Shot(NamedTuple):
    """One worked example for the few-shot baseline."""

    preference: str
    query: str
    answer: str


def policy(preference: str, query: str) -> tuple[Message, ...]:
    """Ask for the step-by-step response, whose last step is the answer. Read with `parsing.read_steps`."""
    return POLICY.fill(preference=fenced("preference", preference), query=fenced("query", query))


def zero_shot(preference: str, query: str) -> tuple[Message, ...]:
    """Ask for an answer and nothing more. Read with `parsing.read_answer`."""
    return ZERO_SHOT.fill(preference=fenced("preference", preference), query=fenced("query", query))


def few_shot(preference: str, query: str, shots: Sequence[Shot]) -> tuple[Message, ...]:
    """Ask for an answer after 1 to 10 examples. Read with `parsing.read_answer`."""
    if not 1 <= len(shots) <= 10:
        raise ValueError(f"few-shot takes 1 to 10 examples, not {len(shots)}")
    parts = [
        "\n".join(
            (
                fenced("preference", shot.preference),
                fenced("query", shot.query),
                fenced("good answer", shot.answer),
            )
        )
        for shot in shots
    ]
    return FEW_SHOT.fill(
        examples="\n".join(parts), preference=fenced("preference", preference), query=fenced("query", query)
    )


def chain_of_thought(preference: str, query: str) -> tuple[Message, ...]:
    """Ask for an analysis of the preference first, then the answer. Read with `parsing.read_answer`."""
    return CHAIN_OF_THOUGHT.fill(preference=fenced("preference", preference), query=fenced("query", query))
