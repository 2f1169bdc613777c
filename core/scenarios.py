"""Choosing scenarios for a build: new ones that a model wrote, without near-duplicates. Pure; knows no model."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.similarity import overlap
from core.types import Scenario

NEAR = 0.6
"""Share of words that two scenarios of one topic may have in common at most."""

SAME = 0.9
"""The same for two scenarios of different topics."""


class Chosen(NamedTuple):
    """Scenarios that were taken, and how many were rejected as near-duplicates."""

    taken: tuple[Scenario, ...]
    near: int


def choose(written: Iterable[Scenario], taken: Sequence[Scenario], wanted: int, near: float = NEAR) -> Chosen:
    """Take written scenarios, in order, until `wanted` are there; one too near to another is rejected.

    Near: preference and query together share the part `near` of their words (Jaccard), or more, with one of the same topic, or
    the part SAME with one of any topic. `taken` are there already.
    """
    found = list(taken)
    rejected = 0
    for scenario in written:
        if len(found) >= wanted:
            break
        if any(alike(other, scenario) >= (near if other.topic == scenario.topic else SAME) for other in found):
            rejected += 1
        else:
            found.append(scenario)
    return Chosen(tuple(found), rejected)


def alike(one: Scenario, two: Scenario) -> float:
    """How much of their words two scenarios share, 0 to 1."""
    return overlap(f"{one.preference} {one.query}", f"{two.preference} {two.query}")
