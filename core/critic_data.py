"""What a critic is trained on: examples out of trees, their split by scenario, and a lint before any training.

Pure; knows trees and the critic's prompt, no tokenizer. An example is one row of D_Rea (SPEC 2.8, 3); the steps that D_Rea leaves
out are named by the lint, so nothing goes missing without a word.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from core.bands import Histogram, histogram
from core.datasets import d_rea
from core.parsing import Malformed, read_critique
from core.ports import Message
from core.types import Node, Scenario, Tree, shorten

Kind = Literal[
    "nothing", "no_score", "out_of_range", "no_critique", "unreadable", "same_critique", "tone", "histogram", "split"
]
PRAISE = frozenset(
    [
        "accurate",
        "brilliant",
        "compelling",
        "convincing",
        "deep",
        "exceptional",
        "excellent",
        "insightful",
        "original",
        "perceptive",
        "plausible",
        "precise",
        "profound",
        "sharp",
        "sound",
        "strong",
        "subtle",
        "thoughtful",
        "useful",
        "valuable",
        "well",
    ]
)
BLAME = frozenset(
    [
        "bland",
        "contradicts",
        "contradictory",
        "dismissive",
        "fails",
        "generic",
        "harmful",
        "ignores",
        "inaccurate",
        "irrelevant",
        "misaligned",
        "misreads",
        "misses",
        "repeats",
        "restates",
        "shallow",
        "superficial",
        "unfounded",
        "unsupported",
        "vague",
        "weak",
        "wrong",
    ]
)
_NEGATIONS = frozenset(["not", "no", "never", "without", "hardly", "neither", "nor", "isn", "doesn", "don"])
_WORDS = re.compile(r"[a-z]++")
_HIGH, _LOW, _ENOUGH = 0.7, -0.1, 2
LONGEST_LIST = 20
"""Findings that a refusal spells out; the rest are counted."""


class Example(NamedTuple):
    """One step to judge: `prompt` asks the critic, `completion` is `Reasoning: critique SCORE: score`.

    `scenario` is the place of the tree among those given, from 1; `group` names (preference, query): examples of one group are
    never on both sides of a split. `step` is 1 for a step right below the query. `scenario_id` and `tree_id` are numbers that
    the caller knows the tree by, handed through; 0 where there are none.
    """

    scenario: int
    group: str
    split: str
    node: str
    step: int
    kind: str
    persona: str
    score: float
    prompt: tuple[Message, ...]
    completion: str
    scenario_id: int = 0
    tree_id: int = 0


class Finding(NamedTuple):
    """Something odd in the data. `scenario` (from 1) and `node` say where, 0 and '' where it concerns all of it."""

    kind: Kind
    sentence: str
    scenario: int
    node: str
    blocking: bool


class Lint(NamedTuple):
    """Every finding, blocking ones first, and the scores against the bands of the rubric."""

    findings: tuple[Finding, ...]
    histogram: Histogram

    def blocking(self) -> tuple[Finding, ...]:
        """The findings that a run must not start with."""
        return tuple(one for one in self.findings if one.blocking)


class Parts(NamedTuple):
    """Two sides of a split. `drawn` counts the scenarios whose side was drawn instead of stated by themselves."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    drawn: int


def group_of(scenario: Scenario) -> str:
    """A name for (preference, query), the same wherever the two stand, white space aside."""
    words = "\0".join(" ".join(text.split()) for text in (scenario.preference, scenario.query))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def examples(trees: Iterable[Tree], ids: Sequence[tuple[int, int]] = ()) -> Iterator[Example]:
    """The rows of D_Rea as examples, in the order of the trees and their nodes; `ids` are (scenario id, tree id) by tree."""
    for place, tree in enumerate(trees, 1):
        group = group_of(tree.scenario)
        known = ids[place - 1] if ids else (0, 0)
        for row in d_rea(tree):
            yield Example(
                place,
                group,
                tree.scenario.split,
                row["node"],
                row["step"],
                row["kind"],
                row["persona"],
                row["score"],
                tuple(Message(**message) for message in row["prompt"]),
                row["completion"][0]["content"],
                *known,
            )


def split(found: Sequence[Example], share: float, seed: int) -> Parts:
    """Split by scenario, never by step: about `share` in [0, 1) of the scenarios are held out.

    A scenario's own split stands: `train` is trained on, `validation` and `test` are held out; where one scenario stands in both,
    it is held out. The others are drawn by a hash of seed and text, so their order does not matter. Where the stated splits
    hold nothing out and nothing is left to draw from, a share of the `train` scenarios is drawn. With two scenarios or more and
    share > 0 at least one is held out and at least one drawn one stays. Raises ValueError for a share outside [0, 1).
    """
    held, drawn = sides([(one.group, one.split) for one in found], share, seed)
    return Parts(
        tuple(one for one in found if one.group not in held), tuple(one for one in found if one.group in held), drawn
    )


def sides(found: Iterable[tuple[str, str]], share: float, seed: int) -> tuple[frozenset[str], int]:
    """The groups that are held out, by the rule of `split`, from (group, split); and of how many the side was drawn."""
    if not 0 <= share < 1:
        raise ValueError(f"the share held out lies in [0, 1), not at {share!r}")
    stated: dict[str, set[str]] = {}
    for group, name in found:
        stated.setdefault(group, set()).add(name)
    held = {group for group, names in stated.items() if names & {"validation", "test"}}
    free = [group for group, names in stated.items() if group not in held and "train" not in names]
    if not held and not free:
        free = list(stated)
    drawn = _draw(free, share, seed, keep=len(free) + len(held) == len(stated)) if free else []
    return frozenset(held | set(drawn)), len(free)


def _draw(groups: Sequence[str], share: float, seed: int, keep: bool) -> list[str]:
    """About `share` of the groups, at least one where there are two; `keep`: never all of them."""
    if share == 0 or len(groups) < 2:
        return []
    ordered = sorted(groups, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    wanted = max(1, round(share * len(groups)))
    return ordered[: min(wanted, len(groups) - 1) if keep else wanted]


def lint(trees: Sequence[Tree]) -> Lint:
    """Look at every step before training. Blocking is what would teach something wrong; a warning is what a person should see."""
    found: list[Finding] = []
    seen: dict[str, list[tuple[int, Node]]] = {}
    scores: list[tuple[float | None, int]] = []
    usable = 0
    for place, tree in enumerate(trees, 1):
        for node in tree.nodes:
            if node.kind == "root":
                continue
            own = list(_step(place, node))
            found += own
            inside = node.score is not None and -1 <= node.score <= 1
            scores.append((node.score if inside else None, 1))
            usable += node.score is not None and bool(node.critique) and not any(one.blocking for one in own)
            if node.critique:
                seen.setdefault(" ".join(node.critique.lower().split()), []).append((place, node))
    for group in seen.values():
        found += _same(group)
    bins = histogram(scores)
    if bins.warning:
        found.append(Finding("histogram", bins.warning, 0, "", False))
    if not usable:
        found.append(Finding("nothing", "No step has both a score and a critique that can be read back.", 0, "", True))
    return Lint(tuple(sorted(found, key=lambda one: not one.blocking)), bins)


def _step(place: int, node: Node) -> Iterator[Finding]:
    if node.score is None:
        marked = "its score lies outside -1 to 1" if "score_out_of_range" in node.marks else node.unscored
        yield Finding("no_score", f"The step has no score and is left out{_because(marked)}.", place, node.key, False)
        return
    if not -1 <= node.score <= 1:
        yield Finding("out_of_range", f"The score {node.score!r} lies outside -1 to 1.", place, node.key, True)
        return
    if not node.critique:
        yield Finding("no_critique", "The step has a score without a critique and is left out.", place, node.key, False)
        return
    yield from _reply(place, node, node.score)
    against = against_tone(node.critique, node.score)
    if against:
        yield Finding("tone", against, place, node.key, False)


def _because(reason: str) -> str:
    return f": {shorten(reason, 120).rstrip('.')}" if reason else ""


def _reply(place: int, node: Node, score: float) -> Iterator[Finding]:
    """What would be taught must be read back as what it says: a critique with a frame of its own may not."""
    back = read_critique(f"Reasoning: {node.critique} SCORE: {float(score)!r}")
    if isinstance(back, Malformed):
        yield Finding("unreadable", f"The critic's reply could not be read back: {back.reason}", place, node.key, True)
    elif back.score != score:
        said = f"The critic's reply would be read as {back.score!r}, not as {score!r}."
        yield Finding("unreadable", said, place, node.key, True)


def _same(group: Sequence[tuple[int, Node]]) -> Iterator[Finding]:
    """One critique for different steps: blocking where the scores differ too, for then the words teach nothing of the score."""
    first_place, first = group[0]
    for place, node in group[1:]:
        if " ".join(node.thought.lower().split()) == " ".join(first.thought.lower().split()):
            continue
        differ = node.score is not None and first.score is not None and node.score != first.score
        told = f" but another score ({node.score:g}, there {first.score:g})" if differ else ""
        where = f"step {first.key} of scenario {first_place}"
        yield Finding(
            "same_critique", f"The step has the same critique as {where}, a different step,{told}.".replace(",.", "."),
            place, node.key, differ,
        )  # fmt: skip


def against_tone(critique: str, score: float) -> str:
    """A sentence where a critique's words speak against its score, else ''.

    A simple rule, so only a warning: words of PRAISE and of BLAME are counted, one with a negation among the two words before
    it on the other side. Speaks against: a score from 0.7 with at least two words of blame and none of praise, or a score up to
    -0.1 with at least two of praise and none of blame.
    """
    praise, blame = tone(critique)
    if score >= _HIGH and blame >= _ENOUGH and not praise:
        return f"The score is {score:g}, but the critique has {blame} words of blame and none of praise."
    if score <= _LOW and praise >= _ENOUGH and not blame:
        return f"The score is {score:g}, but the critique has {praise} words of praise and none of blame."
    return ""


def tone(critique: str) -> tuple[int, int]:
    """Words of praise and words of blame in a text."""
    words = _WORDS.findall(critique.lower())
    praise = blame = 0
    for place, word in enumerate(words):
        if word not in PRAISE and word not in BLAME:
            continue
        turned = bool(_NEGATIONS & set(words[max(0, place - 2) : place]))
        if (word in PRAISE) != turned:
            praise += 1
        else:
            blame += 1
    return praise, blame


def refusal(found: Lint) -> str:
    """Why a run on this data does not start, with the list; '' where nothing blocks."""
    blocking = found.blocking()
    if not blocking:
        return ""
    lines = [where(one) + one.sentence for one in blocking[:LONGEST_LIST]]
    more = f" And {len(blocking) - LONGEST_LIST:,} more." if len(blocking) > LONGEST_LIST else ""
    word = "finding blocks" if len(blocking) == 1 else "findings block"
    return f"{len(blocking):,} {word} the training. {' '.join(lines)}{more}"


def where(finding: Finding) -> str:
    """`Scenario 3, step 0-1: `, or '' for a finding about all of the data."""
    return f"Scenario {finding.scenario}, step {finding.node}: " if finding.scenario else ""


def counts(found: Lint) -> Mapping[str, int]:
    """How many findings there are of each kind."""
    kinds = [one.kind for one in found.findings]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
