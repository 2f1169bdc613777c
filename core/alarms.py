"""Signs that a policy's training goes wrong, out of the curves it reports. Pure; knows names of metrics only.

A rule looks at the mean of the newest WINDOW points beside that of the first ones, and names the update from which on it held.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WINDOW = 5
"""Points that are averaged, so that one odd batch is no alarm."""
STALL = 40
"""Points without any rise of the mean step score after which a run stalls."""
Series = Sequence[tuple[int, float | None]]


class Alarm(NamedTuple):
    """What goes wrong, since which update, and what people usually do about it."""

    name: str
    update: int
    sentence: str


class _Rule(NamedTuple):
    """Wrong: the mean now lies above `above`; or below `below` and below the part `share` of the first mean."""

    name: str
    metric: str
    sentence: str
    above: float = math.inf
    below: float = -math.inf
    share: float = 1.0

    def wrong(self, now: float, first: float) -> bool:
        """True when the mean now, beside the first one, is a sign of trouble."""
        return now > self.above or (now < self.below and now < self.share * first)


_RULES: tuple[_Rule, ...] = (
    _Rule(
        "format",
        "rewards/format/mean",
        "Fewer than half of the responses end in time with well-numbered steps. Raise the weight of the format; if many are cut "
        "off, allow more tokens too.",
        below=0.5,
        share=0.75,
    ),
    _Rule(
        "steps",
        "steps",
        "Responses shrink to a single step: one good step beats several fair ones. Raise the weight of the format.",
        below=1.5,
        share=0.6,
    ),
    _Rule(
        "truncated",
        "completions/clipped_ratio",
        "More than half of the responses are cut at their longest length and teach nothing. Allow more tokens.",
        above=0.5,
    ),
    _Rule(
        "entropy",
        "entropy",
        "The policy hardly varies its responses any more. Lower the learning rate, or raise temperature or beta.",
        below=math.inf,
        share=0.2,
    ),
    _Rule("kl", "kl", "The policy is far from its base. Raise beta or lower the learning rate.", above=1.0),
    _Rule(
        "unscored",
        "unscored",
        "More than a tenth of the steps come back without a score. Look at the critic.",
        above=0.1,
    ),
    _Rule(
        "no_signal",
        "zero_cdpa",
        "More than four fifths of the groups teach nothing: their scores are alike. Sample more, or sharpen the critic.",
        above=0.8,
    ),
)


def alarms(curves: Mapping[str, Series]) -> list[Alarm]:
    """Every rule that holds now, with the update since which it held without a break; then a stall, if there is one."""
    found: list[Alarm] = []
    for rule in _RULES:
        points = _known(curves.get(rule.metric, ()))
        since = _since(points, rule)
        if since is not None:
            found.append(Alarm(rule.name, since, rule.sentence))
    stalled = _stalled(_known(curves.get("step_score", ())))
    if stalled is not None:
        sentence = (
            f"The mean step score has not risen for {STALL} logged updates. More updates of this kind will hardly help."
        )
        found.append(Alarm("stall", stalled, sentence))
    return found


def _known(points: Series) -> list[tuple[int, float]]:
    return [(step, value) for step, value in points if value is not None and math.isfinite(value)]


def _means(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The mean of every WINDOW neighbouring points, at the last of their updates."""
    return [
        (points[end - 1][0], sum(value for _, value in points[end - WINDOW : end]) / WINDOW)
        for end in range(WINDOW, len(points) + 1)
    ]


def _since(points: Sequence[tuple[int, float]], rule: _Rule) -> int | None:
    means = _means(points)
    since: int | None = None
    for step, mean in reversed(means):
        if not rule.wrong(mean, means[0][1]):
            break
        since = step
    return since


def _stalled(points: Sequence[tuple[int, float]]) -> int | None:
    means = _means(points)
    if len(means) <= STALL:
        return None
    best = max(range(len(means)), key=lambda place: (means[place][1], -place))
    return means[best][0] if len(means) - 1 - best >= STALL else None
