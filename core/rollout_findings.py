"""What is odd about the responses of one group: automatic findings, each with the response and step it is about. Pure.

Knows `core.rollouts`; not where rollouts are kept. A finding is something to look at, not always a fault.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from core.advantages import FLAT, Floats, Ints, scalar_advantages, signals
from core.rollouts import Rollout, figures, mean, step_advantages

Kind = Literal[
    "no_gradient", "equal_means", "turned", "outside", "unscored", "empty_step", "truncated", "malformed", "same"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
TITLE: Mapping[Kind, str] = {
    "no_gradient": "group without a gradient",
    "equal_means": "only steps differ",
    "turned": "advantage against the score",
    "outside": "tokens in no step",
    "unscored": "step without a score",
    "empty_step": "step without a token",
    "truncated": "truncated response",
    "malformed": "malformed format",
    "same": "identical responses",
}
MEANING: Mapping[Kind, str] = {
    "no_gradient": "Every advantage of the group is 0, so the group teaches nothing in this update.",
    "equal_means": "The mean step scores of the responses are equal: with one reward for a response (GRPO) the group would teach "
    "nothing, with one for each step it does.",
    "turned": "The step scores above (below) the mean of its place in the group, but its tokens have on average a "
    "negative (positive) advantage. At the level of positions a token is compared with whatever steps happen to stand "
    "there, and the term for the format counts too.",
    "outside": "Tokens that belong to no step get no step score. Text before the first marker is such text.",
    "unscored": "No score means no advantage and no part in any mean; it is never counted as 0.",
    "empty_step": "No sampled token belongs to the step, so its score reaches nothing.",
    "truncated": "The response was cut at the longest length. It has no steps and no advantage.",
    "malformed": "The steps are not numbered 1 to N, or one is empty.",
    "same": "Responses with the same text say nothing about each other.",
}


class Finding(NamedTuple):
    """Something to look at: `response` is None where it is about the whole group, `step` counts from 0."""

    kind: Kind
    response: int | None
    step: int | None
    sentence: str


def findings(group: Sequence[Rollout]) -> list[Finding]:
    """Everything odd about one group of at least one response, in the order of KINDS."""
    found = [*_of_group(group), *_turned(group)]
    for one in group:
        found += _of_response(one)
    found += _same(group)
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.response or 0, one.step or 0))


def counted(found: Sequence[Finding]) -> dict[Kind, int]:
    """How many findings of each kind, in the order of KINDS, without kinds that do not occur."""
    return {kind: count for kind in KINDS if (count := sum(one.kind == kind for one in found))}


def _of_group(group: Sequence[Rollout]) -> list[Finding]:
    flat = not any((np.abs(np.nan_to_num(one.advantages)) > FLAT).any() for one in group)
    means = np.array([np.nan if (score := figures(one).score) is None else score for one in group], np.float64)
    if flat:
        return [Finding("no_gradient", None, None, _why_flat(means))]
    alive = means[~np.isnan(means)]
    if len(alive) > 1 and not scalar_advantages(means).any() and signals(*_arrays(group)).cdpa:
        return [Finding("equal_means", None, None, f"All {len(alive)} scored responses have the mean {alive[0]:.2f}.")]
    return []


def _arrays(group: Sequence[Rollout]) -> tuple[Floats, Ints]:
    """Scores (G, K), NaN where there is none, and the step of each token (G, T), -1 where there is none."""
    scores = np.full((len(group), max(1, *(len(one.steps) for one in group), 1)), np.nan)
    index = np.full((len(group), max(1, *(len(one.index) for one in group), 1)), -1, np.int64)
    for row, one in enumerate(group):
        scores[row, : len(one.steps)] = [np.nan if step.score is None else step.score for step in one.steps]
        index[row, : len(one.index)] = one.index
    return scores, index


def _why_flat(means: Floats) -> str:
    alive = means[~np.isnan(means)]
    if len(alive) < 2:
        return f"All advantages are 0: {len(alive)} of {len(means)} responses have a scored step, and two are needed."
    if not scalar_advantages(means).any():
        return f"All advantages are 0; the {len(alive)} scored responses have the same mean, {alive[0]:.2f}."
    return (
        "All advantages are 0 although the mean scores differ: too few scored steps stand where they can be compared."
    )


def _turned(group: Sequence[Rollout]) -> list[Finding]:
    """Steps whose advantage has the other sign than the step's score against the scored steps at its place."""
    places: dict[int, list[float]] = defaultdict(list)
    for one in group:
        for place, step in enumerate(one.steps):
            if step.score is not None:
                places[place].append(step.score)
    found: list[Finding] = []
    for one in group:
        for place, (step, advantage) in enumerate(zip(one.steps, step_advantages(one), strict=True)):
            middle = mean(places[place])
            if step.score is None or advantage is None or middle is None or len(places[place]) < 2:
                continue
            away = step.score - middle
            if abs(away) > FLAT and abs(advantage) > FLAT and (away > 0) != (advantage > 0):
                side = "above" if away > 0 else "below"
                sentence = (
                    f"Step {place + 1} scores {step.score:.2f}, {side} the group's {middle:.2f} for that step, "
                    f"but its mean advantage is {advantage:+.2f}."
                )
                found.append(Finding("turned", one.response, place, sentence.replace("-", "−")))
    return found


def _of_response(one: Rollout) -> list[Finding]:
    if one.truncated:
        return [Finding("truncated", one.response, None, f"Cut after {len(one.ends):,} tokens.")]
    found: list[Finding] = []
    outside = int((one.index < 0).sum())
    if outside:
        share = outside / len(one.index)
        words = f"{outside:,} of {len(one.index):,} tokens ({share:.0%}) belong to no step."
        found.append(Finding("outside", one.response, None, words))
    for place, step in enumerate(one.steps):
        if step.score is None:
            why = step.reason or "no reason was kept."
            found.append(Finding("unscored", one.response, place, f"Step {place + 1}: {why}"))
        if not (one.index == place).any():
            found.append(Finding("empty_step", one.response, place, f"Step {place + 1} holds no token."))
    if one.format == 0:
        what = "No line starts a step." if not one.steps else f"The {len(one.steps)} steps are not well numbered."
        found.append(Finding("malformed", one.response, None, what))
    return found


def _same(group: Sequence[Rollout]) -> list[Finding]:
    first: dict[str, int] = {}
    found: list[Finding] = []
    for one in group:
        if one.text in first:
            found.append(Finding("same", one.response, None, f"The same text as response {first[one.text] + 1}."))
        else:
            first[one.text] = one.response
    return found
