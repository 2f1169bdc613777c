"""What a planned comparison can find, from variances of a pilot or from shares of disagreement: power by size, the size that is
needed, the difference that can be seen, and in plain sentences what is assumed.

Knows variances and sizes; does not know which models are compared. The formulas are in `planner`.
"""

from typing import NamedTuple

from core.evaluation.planner import Components, Plan, detectable, needed, plan, plans

POINTS = 41
WIDEST = 100_000
"""Scenarios to which a curve goes at most."""
FEW = 30
MOST_COMPARISONS = 1000


class Wanted(NamedTuple):
    """What is planned: to find a true difference of `effect` (0..1) with this `power`, `scenarios` answered `each` times by both
    rows, among `comparisons` that are corrected together."""

    effect: float
    power: float = 0.8
    scenarios: int = 100
    each: int = 1
    comparisons: int = 1


class Outlook(NamedTuple):
    """`curve`: designs by size. `needed`: the smallest with the power, None where a million scenarios are too few. `chosen`: the
    design as it was given, and `detectable` the smallest difference that it finds (infinite where there is none)."""

    curve: list[Plan]
    needed: Plan | None
    chosen: Plan
    detectable: float
    assumed: list[str]


def problem_of(found: Components, wanted: Wanted) -> str:
    """Why nothing can be planned, as a sentence; '' where it can."""
    if not 0 < wanted.effect <= 1:
        return "The difference to find lies above 0 and is at most 1, that is 100 points."
    if not 0.05 < wanted.power < 1:
        return "The power lies between 0.05 and 1."
    if not (2 <= wanted.scenarios <= 1_000_000 and 1 <= wanted.each <= 100):
        return "A design has 2 to 1,000,000 scenarios, each answered 1 to 100 times."
    if not 1 <= wanted.comparisons <= MOST_COMPARISONS:
        return f"1 to {MOST_COMPARISONS:,} comparisons can be corrected together."
    if found.between + found.within <= 0:
        return "All scenarios differ alike here, so nothing is known of how much others differ: give shares by hand."
    return ""


def outlook(found: Components, wanted: Wanted) -> Outlook:
    """The outlook. Raises ValueError with the sentence of `problem_of`."""
    if problem := problem_of(found, wanted):
        raise ValueError(problem)
    effect, power, scenarios, each, comparisons = wanted
    least = needed(found, effect, power, each, comparisons)
    end = max(20, scenarios + scenarios // 4, 10_000 if least is None else 2 * least.scenarios)
    end = min(end, WIDEST)
    sizes = sorted({max(2, round(2 + (end - 2) * step / (POINTS - 1))) for step in range(POINTS)})
    return Outlook(
        plans(found, effect, sizes, (each,), comparisons),
        least,
        plan(found, effect, scenarios, each, comparisons),
        detectable(found, scenarios, power, each, comparisons),
        assumed(found, wanted),
    )


def assumed(found: Components, wanted: Wanted) -> list[str]:
    """What the numbers rest on, in plain sentences."""
    spread = (found.between + found.within / wanted.each) ** 0.5
    said = [
        "Both rows answer the same scenarios, and a scenario counts once.",
        f"The difference of a scenario spreads with a standard deviation of {100 * spread:.1f} points.",
        "Power is of a two-sided paired t test at 5 %; the report flips signs instead, which comes to nearly the same.",
    ]
    if wanted.comparisons > 1:
        said.append(
            f"With {wanted.comparisons} comparisons each is tested at 5 % / {wanted.comparisons}: Holm's correction never "
            "asks for more, and for less once others are found."
        )
    if not found.scenarios:
        said.append("The shares are yours: power is only as right as they are.")
        return said
    said.append(f"The spread is that of {found.scenarios} scenarios of the pilot; new ones must be like them.")
    if found.scenarios < FEW:
        said.append(f"From {found.scenarios} scenarios the spread is known roughly only: plan for more than this says.")
    if found.pairs == found.scenarios and wanted.each > 1:
        said.append(
            "The pilot has one pair of answers for each scenario, so what more answers would even out is not known."
        )
    return said
