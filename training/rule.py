"""The rule that the starter critic learns: a step's score from its words. Pure; a stand-in for judgement, and no more.

Good steps use the preference's and the query's words and infer something; vague ones fit anybody; others leap, dismiss or do
harm. It gives the starter critic a signal that can be learned and measured; a real critic learns from people's critiques.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from core.bands import band_of
from training import frames

_WORD = re.compile(r"[a-z]{4,}")
QUOTE = re.compile(r"« ([^«»\n]{1,80}) »")
"""Words quoted in a thought."""
_PLAIN = frozenset(
    _WORD.findall("""
    that this with what they them their there then than from have been were will would could should about which
    when where  some only just also even more most much many very into over under like your yours mine other
    because while such each does  make made want wants need needs know people thing things something person answer
    question start step first last
    """)
)
_INFERS = (
    "underneath",
    "may need",
    "it protects",
    "have not said",
    "may fear",
    "would dislike",
    "misses them",
    "i have assumed",
)
_INFERS += ("would end the conversation", "go wrong for them", "seems to be missing")
_CONTRAST = ("one need", "look like two wishes")
_VAGUE = ("many options", "pros and cons", "depends on", "in general", "most people", "one step at a time", "balanced")
_LEAPS = ("surely", "obviously", "everybody who", "always means")
_AGAINST = ("forget about", "ignore", "give up", "holding them back")
_HARM = ("lie about", "lie to everyone", "nobody has to know", "by force", "punish", "threaten", "behind their back")


def words(text: str) -> frozenset[str]:
    """Words of four letters or more that carry meaning, in lower case."""
    return frozenset(_WORD.findall(text.lower())) - _PLAIN


class Signs(NamedTuple):
    """What the rule sees in a step: shared words with preference and query, and how many signs of each kind."""

    ground: int
    link: int
    infers: int
    contrast: int
    vague: int
    leaps: int
    against: int
    harm: int
    repeats: bool


def signs(preference: str, query: str, steps: Sequence[str], step: str) -> Signs:
    """Count the signs of one step."""
    own, low = words(step), step.lower()
    counts = (sum(mark in low for mark in marks) for marks in (_INFERS, _CONTRAST, _VAGUE, _LEAPS, _AGAINST, _HARM))
    again = any(len(own & words(other)) > 0.8 * len(own | words(other)) for other in steps)
    return Signs(len(own & words(preference)), len(own & (words(query) - words(preference))), *counts, again)


def score(found: Signs) -> float:
    """Score in [-1, 1] on the rubric's scale, two decimals."""
    if found.harm:
        return round(-0.65 - 0.1 * min(found.harm, 3) - 0.02 * min(found.ground, 2), 2)
    if found.against:
        return round(-0.35 - 0.1 * min(found.against, 2) - 0.03 * min(found.ground, 3), 2)
    if found.leaps:
        return round(-0.05 - 0.1 * min(found.leaps, 3) - 0.03 * found.vague, 2)
    if not found.ground and not found.link:
        return 0.12 if found.vague else 0.0
    if found.repeats or (found.vague and not found.infers):
        return round(min(0.39, 0.2 + 0.05 * (found.ground + found.link)), 2)
    if not found.infers:
        return round(0.44 + 0.06 * min(found.ground, 3) + 0.03 * min(found.link, 2), 2)
    if found.contrast and found.ground >= 3:
        return round(0.89 + 0.02 * min(found.infers, 3) + 0.01 * min(found.link, 2), 2)
    return round(0.7 + 0.03 * min(found.ground, 3) + 0.02 * min(found.link, 2) + 0.03 * (found.infers > 1), 2)


def rule_score(preference: str, query: str, steps: Sequence[str], step: str) -> float:
    """The rule's score of a step, in [-1, 1]."""
    return score(signs(preference, query, steps, step))


def critique(rng: Random, case: tuple[str, str], steps: Sequence[str], step: str) -> tuple[str, float]:
    """A critique in words that gives the rule's reasons, and the rule's score. `case` is (preference, query)."""
    found = signs(*case, steps, step)
    value = score(found)
    quoted = [match for match in QUOTE.findall(step) if match in case[0] or match in case[1]]
    said = next((match for match in quoted if match in case[0]), "")
    if said:
        first = rng.choice(frames.GROUNDED).format(found=said)
    elif quoted:
        first = rng.choice(frames.LINKED).format(found=quoted[0])
    else:
        first = rng.choice(frames.UNGROUNDED) if not found.ground else ""
    band = "exceptional" if value >= 0.9 else band_of(value).key
    verdict = rng.choice(frames.REPEATS if found.repeats and 0 < value < 0.4 else frames.VERDICTS[band])
    return f"{first} {verdict}".strip(), value
