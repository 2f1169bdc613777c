"""What the starter model is taught: for every prompt of the product, examples of a prompt and a well-formed reply.

A lesson is a pure function of a seeded random source and the material; a new prompt gets its lesson here, in LESSONS.
Nothing here knows torch, files or the database: the records of the starter set are handed in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from core.parsing import write_reply
from core.ports import Message
from core.prompts import council, judging, policy
from core.tree import by_key, chain
from core.types import Persona, Tree
from training import cases, frames
from training.cases import Case, Kind
from training.rule import critique, rule_score


class Example(NamedTuple):
    """One lesson: the prompt, and the reply that is learned."""

    lesson: str
    messages: tuple[Message, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Material:
    """Starter trees to learn from, and sentences for odd cases. Held-out trees are left out by the caller.

    `share` of the cases come from the trees.
    """

    trees: tuple[Tree, ...] = ()
    sentences: tuple[str, ...] = ()
    share: float = 0.1


Lesson = Callable[[Random, Material], Example]

_FIRST: Mapping[Kind, float] = {
    "exceptional": 0.2,
    "strong": 0.42,
    "surface": 0.18,
    "vague": 0.1,
    "leap": 0.05,
    "against": 0.03,
    "harm": 0.02,
}
"""How the council's and the policy's thoughts are spread over the kinds: mostly good, so that there is something to prune."""
_JUDGED: Mapping[Kind, float] = {
    "exceptional": 0.17,
    "strong": 0.2,
    "surface": 0.16,
    "vague": 0.13,
    "leap": 0.11,
    "against": 0.09,
    "harm": 0.08,
    "other": 0.06,
}
"""How the steps that the critic sees are spread: over the whole scale."""
REAL = 0.01
"""Share of examples whose reply is a text of the starter set itself. Small: such a text holds ten times the surprise of a lesson
from the lists, and at 6 % most of what the model learned was those few texts by heart."""


def _kind(rng: Random, weights: Mapping[Kind, float]) -> Kind:
    return rng.choices(list(weights), list(weights.values()))[0]


def case(rng: Random, material: Material) -> Case:
    """A case: from the word lists, from a starter tree, or out of stray sentences."""
    draw = rng.random()
    if material.trees and draw < material.share:
        scenario = rng.choice(material.trees).scenario
        return cases.read(rng, scenario.preference, scenario.query, scenario.topic)
    if len(material.sentences) > 3 and draw < material.share + 0.35:
        return cases.mixed(rng, material.sentences)
    return cases.made(rng)


def _path(rng: Random, found: Case, longest: int = 4) -> list[str]:
    return cases.steps(rng, found, [_kind(rng, _FIRST) for _ in range(rng.randint(1, longest))])


def _real(rng: Random, material: Material, kind: str) -> tuple[Tree, list[str], int] | None:
    """A node of a starter tree of this kind with the texts from the root to it, now and then."""
    if not material.trees or rng.random() >= REAL:
        return None
    tree = rng.choice(material.trees)
    places = [
        place
        for place, node in enumerate(tree.nodes)
        if node.kind == kind and node.score is not None and node.score > 0.4
    ]
    if not places:
        return None
    place = rng.choice(places)
    return tree, [node.thought for node in chain(by_key(tree.nodes), tree.nodes[place].key)], place


def scenario(rng: Random, material: Material) -> Example:
    """Blocks of `Preference:` and `Query:` on a topic, as many as were asked for."""
    del material
    draw = rng.random()
    made_up = f"{rng.choice(('old', 'small', 'new', 'shared', 'first'))} {cases.invented(rng)}s"
    topic = made_up if draw < 0.3 else cases.made(rng).topic
    count = rng.choices(range(1, 9), (4, 3, 4, 3, 4, 1, 1, 1))[0]
    found = [cases.made(rng, topic) for _ in range(count)]
    blocks = [f"{number}. Preference: {item.preference}\nQuery: {item.query}" for number, item in enumerate(found, 1)]
    return Example("scenario", council.scenario(topic, count), "\n\n".join(blocks))


def hypothesis(rng: Random, material: Material) -> Example:
    """A first-level hypothesis in a persona's manner."""
    persona = rng.choice(list(Persona))
    real = _real(rng, material, "thought")
    if real and len(real[1]) == 1:
        given = real[0].scenario
        persona = Persona(real[0].nodes[real[2]].persona or persona)
        return Example("hypothesis", council.hypothesis(given.preference, given.query, persona), real[1][-1])
    found = case(rng, material)
    text = cases.thought(rng, found, _kind(rng, _FIRST), persona)
    return Example("hypothesis", council.hypothesis(found.preference, found.query, persona), text)


def follow_up(rng: Random, material: Material) -> Example:
    """The next thought after one to three steps."""
    persona = rng.choice(list(Persona))
    real = _real(rng, material, "thought")
    if real and len(real[1]) > 1:
        given, steps = real[0].scenario, real[1]
        return Example("follow_up", council.follow_up(given.preference, given.query, steps[:-1], persona), steps[-1])
    found = case(rng, material)
    text = cases.thought(rng, found, _kind(rng, _FIRST), persona, deeper=True)
    steps = _path(rng, found, 3)
    return Example("follow_up", council.follow_up(found.preference, found.query, steps, persona), text)


def answer(rng: Random, material: Material) -> Example:
    """The final answer of a path."""
    real = _real(rng, material, "answer")
    if real:
        given, steps = real[0].scenario, real[1]
        return Example("answer", council.answer(given.preference, given.query, steps[:-1]), steps[-1])
    found = case(rng, material)
    text = cases.answer(rng, found, _kind(rng, _FIRST))
    return Example("answer", council.answer(found.preference, found.query, _path(rng, found)), text)


def critic(rng: Random, material: Material) -> Example:
    """Critique and score of a step: by the rule, or as the starter set has it."""
    if material.trees and rng.random() < 2 * REAL:
        tree = rng.choice(material.trees)
        node = rng.choice([node for node in tree.nodes if node.score is not None])
        steps = [step.thought for step in chain(by_key(tree.nodes), node.key)]
        given = tree.scenario
        messages = judging.critic(given.preference, given.query, steps[:-1], steps[-1])
        return Example("critic", messages, write_reply(node.critique, node.score))
    found = case(rng, material)
    before = _path(rng, found, 4) if rng.random() < 0.6 else []
    kind = _kind(rng, _JUDGED)
    if before and rng.random() < 0.05:
        step = rng.choice(before)
    elif before and rng.random() < 0.25:
        step = cases.answer(rng, found, kind)
    else:
        step = cases.thought(rng, found, kind, rng.choice(list(Persona)), deeper=bool(before))
    text, value = critique(rng, (found.preference, found.query), before, step)
    return Example("critic", judging.critic(found.preference, found.query, before, step), write_reply(text, value))


def levels(scores: Sequence[float], final: float) -> tuple[int, int]:
    """How good a path (by its mean score) and its answer are: 0, 1 or 2."""
    mean = sum(scores) / len(scores)
    return sum(mean > limit for limit in (0.45, 0.75)), sum(final > limit for limit in (0.3, 0.75))


POINTS = ((10, 10), (20, 20), (30, 40))
"""Process and discovery points of a path's level; an answer has 10, 20 or 30."""


def review(rng: Random, material: Material) -> Example:
    """The review of a path: words, three parts, and their sum."""
    found = case(rng, material)
    steps = _path(rng, found)
    final = cases.answer(rng, found, _kind(rng, _JUDGED))
    scores = [rule_score(found.preference, found.query, steps[:at], step) for at, step in enumerate(steps)]
    path, end = levels(scores, rule_score(found.preference, found.query, steps, final))
    parts = (*POINTS[path], 10 * (end + 1))
    words = f"{frames.PATHS[path]} {frames.FINALS[end]}"
    text = f"Reasoning: {words} PROCESS: {parts[0]} DISCOVERY: {parts[1]} ANSWER: {parts[2]} TOTAL: {sum(parts)}"
    return Example("review", judging.review(found.preference, found.query, steps, final), text)


def steps_reply(rng: Random, material: Material) -> Example:
    """A step-by-step response: two or three thoughts, then the answer."""
    found = case(rng, material)
    parts = cases.steps(rng, found, [_kind(rng, _FIRST) for _ in range(rng.choice((2, 2, 3)))])
    parts.append(cases.answer(rng, found, _kind(rng, _FIRST)))
    text = "\n".join(f"Step {number}: {part}" for number, part in enumerate(parts, 1))
    return Example("policy", policy.policy(found.preference, found.query), text)


def zero_shot(rng: Random, material: Material) -> Example:
    """A plain answer, often a general one."""
    found = case(rng, material)
    text = cases.answer(rng, found, rng.choice(("surface", "vague", "strong")))
    return Example("zero_shot", policy.zero_shot(found.preference, found.query), text)


def few_shot(rng: Random, material: Material) -> Example:
    """An answer after one to three examples."""
    found = case(rng, material)
    shown = [cases.made(rng) for _ in range(rng.randint(1, 3))]
    shots = [policy.Shot(item.preference, item.query, cases.answer(rng, item, "strong")) for item in shown]
    text = cases.answer(rng, found, rng.choice(("strong", "strong", "surface")))
    return Example("few_shot", policy.few_shot(found.preference, found.query, shots), text)


def chain_of_thought(rng: Random, material: Material) -> Example:
    """An analysis, then the answer."""
    found = case(rng, material)
    analysis = cases.thought(rng, found, rng.choice(("strong", "surface")), Persona.PEDAGOGUE)
    text = f"Analysis: {analysis}\nAnswer: {cases.answer(rng, found, rng.choice(('strong', 'surface')))}"
    return Example("chain_of_thought", policy.chain_of_thought(found.preference, found.query), text)


LESSONS: Mapping[str, tuple[Lesson, float]] = {
    "scenario": (scenario, 0.9),
    "hypothesis": (hypothesis, 1.4),
    "follow_up": (follow_up, 1.0),
    "answer": (answer, 1.0),
    "critic": (critic, 3.6),
    "review": (review, 1.5),
    "policy": (steps_reply, 1.4),
    "zero_shot": (zero_shot, 0.4),
    "few_shot": (few_shot, 0.3),
    "chain_of_thought": (chain_of_thought, 0.8),
}
"""Every lesson by the name of its prompt, with its weight in the mixture."""


def examples(seed: int, material: Material) -> Iterator[Example]:
    """Examples without end, in the mixture of LESSONS; the same seed and material give the same examples."""
    rng = Random(seed)
    lessons, weights = zip(*LESSONS.values(), strict=True)
    while True:
        yield rng.choices(lessons, weights)[0](rng, material)
