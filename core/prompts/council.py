"""Prompts of the council that grows a tree: scenarios, first-level hypotheses, follow-up thoughts, final answers (SPEC 2)."""

from collections.abc import Mapping, Sequence

from core.ports import Message
from core.prompts.template import FENCED, Template, fenced, fenced_steps
from core.types import Persona

VOICES: Mapping[Persona, str] = {
    Persona.SOCIOLOGIST: "You are the Sociologist. You ask whose norms are at work, who else is touched, and what is fair.",
    Persona.PSYCHOLOGIST: "You are the Psychologist. You listen for the feeling, the bias and the need that the words pass over.",
    Persona.PRAGMATIST: "You are the Pragmatist. You ask what this time, money and strength allow.",
    Persona.PEDAGOGUE: "You are the Pedagogue. You ask what the person must understand to decide alone.",
    Persona.CONTRARIAN: "You are the Contrarian. You doubt the obvious reading and look for the one that nobody has thought of.",
}
"""How each member of the council is told who they are (CDRA paper, appendix E, in our words)."""

SCENARIO = Template(
    name="scenario",
    version=1,
    system=f"""\
You write scenarios that show whether an assistant understands people.
A scenario is a preference and a query. The preference is in the first person.
It has two sides that pull against each other, and hints at a goal without naming it.
The query is short, open, and such that a general answer would probably offend against the preference.
Make the people differ in age, work, means and temper. Do not explain the scenarios.
{FENCED}
Write each scenario as two lines, number it, and leave an empty line between scenarios:
1. Preference: what the person says about themselves
Query: what the person asks""",
    user="""\
{topic}
Number of scenarios to write: {count}""",
)

HYPOTHESIS = Template(
    name="hypothesis",
    version=1,
    system=f"""\
You sit on a council of five that works out what a person needs and has not said.
{{voice}}
State one hypothesis about the need behind the preference: what the person protects, fears or leaves out.
Lean on particular words of the preference and the query, and go one step further than they do. Do not answer the query yet.
{FENCED}
Reply with the hypothesis alone, in two to four sentences, without a heading.""",
    user="""\
{preference}
{query}
Your hypothesis:""",
)

FOLLOW_UP = Template(
    name="follow_up",
    version=1,
    system=f"""\
You sit on a council of five that works out what a person needs and has not said.
{{voice}}
The council has come some steps. Add the one thought that takes them deeper.
It follows from the steps and repeats none of them. It finds something new: a preference not said,
what the person would dislike, or what the steps would get wrong.
Infer only what the texts make likely. Do not answer the query yet.
{FENCED}
Reply with the thought alone, in two to four sentences, without a heading.""",
    user="""\
{preference}
{query}
{steps}
Your next thought:""",
)

ANSWER = Template(
    name="answer",
    version=1,
    system=f"""\
You answer a person on behalf of a council that has worked out what they need.
Use what the steps found, and let the person feel understood without reciting it to them.
Be concrete. Keep clear of what they would dislike. Say where you have assumed something, and what would follow if you are wrong.
{FENCED}
Reply with the answer alone, addressed to the person.""",
    user="""\
{preference}
{query}
{steps}
Your answer:""",
)

TEMPLATES = (SCENARIO, HYPOTHESIS, FOLLOW_UP, ANSWER)


def scenario(topic: str, count: int) -> tuple[Message, ...]:
    """Ask for `count` (1 to 20) new scenarios on a topic. Read with `parsing.read_scenarios`."""
    if not 1 <= count <= 20:
        raise ValueError(f"between 1 and 20 scenarios can be asked for in one call, not {count}")
    return SCENARIO.fill(topic=fenced("topic", topic, 200), count=str(count))


def hypothesis(preference: str, query: str, persona: Persona) -> tuple[Message, ...]:
    """Ask one member for a first-level hypothesis. Read with `parsing.read_thought`."""
    return HYPOTHESIS.fill(
        voice=VOICES[persona], preference=fenced("preference", preference), query=fenced("query", query)
    )


def follow_up(preference: str, query: str, steps: Sequence[str], persona: Persona) -> tuple[Message, ...]:
    """Ask one member for the next thought after `steps` (root to here). Read with `parsing.read_thought`."""
    return FOLLOW_UP.fill(
        voice=VOICES[persona],
        preference=fenced("preference", preference),
        query=fenced("query", query),
        steps=fenced_steps(steps),
    )


def answer(preference: str, query: str, steps: Sequence[str]) -> tuple[Message, ...]:
    """Ask for the final answer of a path. Read with `parsing.read_answer`."""
    return ANSWER.fill(
        preference=fenced("preference", preference), query=fenced("query", query), steps=fenced_steps(steps)
    )
