"""The council at work (SPEC 2; CDRA paper, section 2.3): five personas propose, a critic scores, weak branches are cut, the paths
that survive are answered and reviewed.

Knows the order of the work and what is kept of a reply; does not know which models answer or where a tree is stored. All calls of
a level run at once, and nothing depends on which reply comes first: with the same replies the tree is the same.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from core.parsing import Malformed, read_answer, read_critique, read_review, read_thought, write_reply
from core.ports import Ask, ChatModel, Failure, Message
from core.prompts import council, judging
from core.similarity import overlap
from core.tree import by_key, chain
from core.types import ROOT, Node, Path, Persona, Review, Scenario

T = TypeVar("T")

PERSONAS = tuple(Persona)
REPLY_KEPT = 4000
"""Characters of a raw reply that are kept where it is not the canonical form."""
CRITIC_PATTERN = r"Reasoning: [^\n]{20,900} SCORE: (-?0\.\d\d?|-?1\.0)"
REVIEW_PATTERN = r"Reasoning: [^\n]{20,900} PROCESS: \d{1,2} DISCOVERY: \d{1,2} ANSWER: \d{1,2} TOTAL: \d{1,3}"
"""What an engine that can constrain its output holds the replies to; the replies are parsed all the same."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a tree grows. `depth` levels of thoughts; `branching` personas propose at each surviving node from the second level
    on (all five at the first); a node is cut below `threshold`, beyond the best `beam` of its level, or where it shares the part
    `similarity` of its words with a better sibling. `temperature` is that of proposals; scores are greedy."""

    depth: int = 4
    beam: int = 3
    branching: int = 2
    threshold: float = 0.5
    similarity: float = 0.8
    temperature: float = 0.8
    max_tokens: int = 400
    seed: int = 1


class Models(NamedTuple):
    """Who does what: `council` proposes and answers, `critic` scores every step, `judge` reviews whole paths."""

    council: ChatModel
    critic: ChatModel
    judge: ChatModel


class Level(NamedTuple):
    """Nodes that are finished: proposed, scored, and cut or not. `lost` has a sentence for every proposal that failed."""

    nodes: tuple[Node, ...]
    lost: tuple[str, ...]


class Finish(NamedTuple):
    """The finished paths of a tree. `lost` has a sentence for every review that failed."""

    paths: tuple[Path, ...]
    lost: tuple[str, ...]


def root(scenario: Scenario) -> Node:
    """The node that every tree starts from."""
    return Node(ROOT, None, "root", 0, scenario.query)


def most_calls(growth: Growth) -> int:
    """The largest number of calls one tree takes without retries: proposals and scores of every level, answers, reviews."""
    later = max(0, growth.depth - 1) * growth.beam * growth.branching
    return 2 * (len(PERSONAS) + later) + 3 * growth.beam


async def grow_tree(scenario: Scenario, growth: Growth, models: Models) -> AsyncIterator[Level | Finish]:
    """Grow one tree, level by level. The last item is its Finish; a tree of which nothing survives has no paths.

    Raises nothing for a model that fails: a proposal without a reply is lost with a sentence; a step without a score is unscored
    with the reason and goes no further.
    """
    grower = _Grower(scenario, growth, models)
    grown = [root(scenario)]
    alive = grown
    for depth in range(1, growth.depth + 1):
        seats = [(parent, persona) for parent in alive for persona in _speakers(parent, growth, depth)]
        found = await _all(
            [grower.thought(chain(by_key(grown), parent.key), parent, persona) for parent, persona in seats]
        )
        level = _level(found, len(grown))
        level = level._replace(nodes=cut(level.nodes, growth))
        grown = [*grown, *level.nodes]
        yield level
        alive = [node for node in level.nodes if not node.pruned]
        if not alive:
            break
    tree = by_key(grown)
    answers = _level(await _all([grower.answer(chain(tree, leaf.key), leaf) for leaf in alive]), len(grown))
    if answers.nodes or answers.lost:
        yield answers
    chains = [(chain(tree, node.parent or ROOT), node) for node in answers.nodes]
    reviews = await _all([grower.review(steps, node) for steps, node in chains])
    pairs = zip(answers.nodes, reviews, strict=True)
    paths = tuple(Path(node.key, review=found if isinstance(found, Review) else None) for node, found in pairs)
    yield Finish(paths, tuple(found for found in reviews if isinstance(found, str)))


def cut(nodes: Sequence[Node], growth: Growth) -> tuple[Node, ...]:
    """The nodes of one level with those cut that go no further, each with its reason: unscored, below the threshold, nearly the
    same as a better sibling, beyond the beam. Ties go to the earlier node."""
    best_first = sorted(range(len(nodes)), key=lambda place: (-(_value(nodes[place])), place))
    found: dict[int, Node] = {}
    kept: list[Node] = []
    for place in best_first:
        node = nodes[place]
        reason, detail = _reason(node, kept, growth)
        found[place] = node._replace(pruned=reason, prune_detail=detail)
        if not reason:
            kept.append(node)
    return tuple(found[place] for place in range(len(nodes)))


def _value(node: Node) -> float:
    return -2.0 if node.score is None else node.score


def _reason(node: Node, better: Sequence[Node], growth: Growth) -> tuple[str, str]:
    if node.score is None:
        return "unscored", "A step without a score cannot be ranked."
    if node.score < growth.threshold:
        return "threshold", f"{node.score:.2f} is below {growth.threshold:.2f}."
    for other in better:
        share = overlap(node.thought, other.thought) if other.parent == node.parent else 0.0
        if share >= growth.similarity:
            return "duplicate", f"It shares {share:.0%} of its words with step {other.key}, which scored no less."
    if len(better) >= growth.beam:
        return "beam", f"{len(better)} steps of this level scored no less, and the beam keeps {growth.beam}."
    return "", ""


async def _twice(
    model: ChatModel, ask: Ask, read: Callable[[str], T | Malformed], raw: list[str] | None = None
) -> T | Malformed | Failure:
    """What a reply says; a reply that cannot be read is asked for once more. `raw` collects the texts of the replies."""
    found: T | Malformed = Malformed("")
    for repeat in (0, 1):
        seed = None if ask.seed is None else ask.seed + 1000 * repeat
        reply = await model.ask(replace(ask, repeat=repeat, seed=seed))
        if isinstance(reply, Failure):
            return reply
        if raw is not None:
            raw.append(reply.text)
        found = read(reply.text)
        if not isinstance(found, Malformed):
            break
    return found


def _speakers(parent: Node, growth: Growth, depth: int) -> list[Persona]:
    """All five at the first level; later a seeded choice for each node, in the council's order."""
    if depth == 1:
        return list(PERSONAS)
    rng = random.Random(f"{growth.seed} {parent.key}")
    return sorted(rng.sample(PERSONAS, min(growth.branching, len(PERSONAS))), key=PERSONAS.index)


def _level(found: Sequence[Node | str], numbered: int) -> Level:
    """Finished steps under keys that count on from those before; lost ones take no number."""
    nodes = [one for one in found if isinstance(one, Node)]
    keyed = tuple(node._replace(key=str(numbered + index)) for index, node in enumerate(nodes))
    return Level(keyed, tuple(one for one in found if isinstance(one, str)))


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


class _Grower:
    """The calls for one tree."""

    def __init__(self, scenario: Scenario, growth: Growth, models: Models) -> None:
        self.scenario, self.growth, self.models = scenario, growth, models
        self.texts = (scenario.preference, scenario.query)

    async def thought(self, before: Sequence[Node], parent: Node, persona: Persona) -> Node | str:
        """A persona's proposal with its score; a sentence where there is no proposal."""
        steps = [node.thought for node in before]
        messages = council.follow_up(*self.texts, steps, persona) if steps else council.hypothesis(*self.texts, persona)
        text = await _twice(self.models.council, self._asked(messages), read_thought)
        if isinstance(text, str):
            return await self._scored(Node("", parent.key, "thought", parent.depth + 1, text, persona=persona), steps)
        return f"The {persona} proposed nothing after step {parent.key}: {text.reason}"

    async def answer(self, before: Sequence[Node], leaf: Node) -> Node | str:
        """The answer of a path with its score, which is that of the path's last step."""
        steps = [node.thought for node in before]
        text = await _twice(self.models.council, self._asked(council.answer(*self.texts, steps)), read_answer)
        if isinstance(text, str):
            return await self._scored(Node("", leaf.key, "answer", leaf.depth + 1, text), steps)
        return f"There is no answer to the path of step {leaf.key}: {text.reason}"

    async def review(self, before: Sequence[Node], answer: Node) -> Review | str:
        """The review of a path; a sentence where it failed."""
        messages = judging.review(*self.texts, [node.thought for node in before], answer.thought)
        found = await _twice(self.models.judge, self._greedy(messages, REVIEW_PATTERN), read_review)
        return found if isinstance(found, Review) else f"The path of answer {answer.key} has no review: {found.reason}"

    async def _scored(self, node: Node, steps: Sequence[str]) -> Node:
        ask = self._greedy(judging.critic(*self.texts, steps, node.thought), CRITIC_PATTERN)
        raw: list[str] = []
        found = await _twice(self.models.critic, ask, read_critique, raw)
        if isinstance(found, Malformed | Failure):
            return node._replace(unscored=found.reason, reply=raw[-1][:REPLY_KEPT] if raw else None)
        canonical = write_reply(found.critique, found.score)
        reply = None if raw[-1].strip() == canonical else raw[-1][:REPLY_KEPT]
        return node._replace(critique=found.critique, score=found.score, reply=reply)

    def _asked(self, messages: tuple[Message, ...]) -> Ask:
        return Ask(messages, self.growth.max_tokens, self.growth.temperature, seed=self.growth.seed)

    def _greedy(self, messages: tuple[Message, ...], pattern: str) -> Ask:
        return Ask(messages, self.growth.max_tokens, seed=self.growth.seed, pattern=pattern)
