"""Judge against people on the same responses: agreement, kappa, signed bias, by check (SPEC 5; the paper reports 96 % of 300).

A judge and a person have one shape, an answer to a check, so people are columns of a `Verdicts` table like any judge.
Knows answers; not who gave them. Only responses on which both say yes or no are compared; the rest is counted.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval, holm
from core.check_report import wilson
from core.evaluation.differences import sign_flips
from core.evaluation.intervals import UNKNOWN, certain, expanded, resample
from core.evaluation.metrics import METRICS, Metric, scores
from core.evaluation.table import CANNOT, YES, Ints, Verdicts, settle
from core.evaluation.verdicts import CHECKS, COLUMNS, Check

Floats = NDArray[np.float64]
SEED = 7
FLIPS = 10_000


class Pairs(NamedTuple):
    """What judge and people say about one check of the same responses, as codes of `table` (NO to ABSENT): (n,) each."""

    judge: Ints
    people: Ints
    scenario: Ints


class Against(NamedTuple):
    """Judge against people over some answers; NaN where undefined.

    `both`: responses on which both say yes or no, in `scenarios`. Of them `yes_yes`, `yes_no` (judge yes, people no), `no_yes`,
    `no_no`. `agree` is the share of equal answers, `wilson` its interval if responses were independent, `agree_drawn` over
    scenarios. `kappa` is Cohen's. `bias` is the judge's share of yes less the people's: positive, the judge says yes too often.
    `p` tests the bias by flipping the signs of the scenarios' differences, as answers of one scenario are alike; `p_holm`
    corrected over the checks. Both NaN for all checks together, which have no one bias. `judge_cannot` and `people_cannot`: the
    other one says yes or no, and this one cannot determine; `neither` counts what is left.
    """

    both: int
    scenarios: int
    yes_yes: int
    yes_no: int
    no_yes: int
    no_no: int
    agree: float
    wilson: Interval
    agree_drawn: Interval
    kappa: float
    kappa_drawn: Interval
    bias: float
    bias_drawn: Interval
    p: float
    p_holm: float
    judge_cannot: int
    people_cannot: int
    neither: int


Kind = Literal["yes_yes", "yes_no", "no_yes", "no_no", "judge_cannot", "people_cannot", "neither"]
"""What became of one answer beside the judge's: the counts of `Against`."""
FEW = 30
"""Answers below which a share is said to rest on few."""


def kind_of(judge: int, people: int) -> Kind:
    """The count of `Against` that a pair of codes falls into."""
    if judge <= YES and people <= YES:
        kinds: tuple[Kind, ...] = ("no_no", "no_yes", "yes_no", "yes_yes")
        return kinds[2 * (judge == YES) + (people == YES)]
    if judge == CANNOT and people <= YES:
        return "judge_cannot"
    return "people_cannot" if people == CANNOT and judge <= YES else "neither"


def pairs(table: Verdicts, judges: Sequence[int], people: Sequence[int]) -> list[tuple[Check, Ints, Pairs]]:
    """Every check about which somebody of `people` said something: the responses, and both sides by majority of each.

    `judges` and `people` are places in `table.judges`.
    """
    judge, human = (settle(table, side) for side in (judges, people))
    mine = np.isin(table.judge, list(people))
    found: list[tuple[Check, Ints, Pairs]] = []
    for check in CHECKS:
        at = COLUMNS.index(check)
        asked = np.unique(table.item[mine & (table.check == at)])
        if asked.size:
            found.append((check, asked, Pairs(judge[asked, at], human[asked, at], table.scenario[asked])))
    return found


def pairs_of(table: Verdicts, judges: Sequence[int], people: Sequence[int], check: Check) -> Pairs:
    """The pairs of one check; empty where nobody said anything."""
    nothing = np.zeros(0, dtype=np.int64)
    found = {name: own for name, _, own in pairs(table, judges, people)}
    return found.get(check, Pairs(nothing, nothing, nothing))


def sampled(table: Verdicts, judges: Sequence[int], size: int, seed: int) -> list[tuple[int, Check]]:
    """Verdicts for people to check: up to `size` pairs (response, check) with an answer by the judges, evenly over the checks.

    Drawn without looking at the answers, so that agreement by check on them is agreement on all. In the order in which to ask,
    checks mixed.
    """
    rng = np.random.default_rng(seed)
    settled = settle(table, judges)
    queues: list[list[tuple[int, Check]]] = [
        [(int(item), check) for item in rng.permutation(np.flatnonzero(settled[:, COLUMNS.index(check)] <= CANNOT))]
        for check in CHECKS
    ]
    turns = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return [turns[int(place)] for place in rng.permutation(min(size, len(turns)))]


def sampled_responses(
    table: Verdicts, judges: Sequence[int], row: int, metric: Metric, draw: tuple[int, int]
) -> list[int]:
    """Responses of one row for people to judge on every check of a figure, for `ppi.labels_of`: `draw` is (size, seed).

    A simple random sample of those that have the figure by the judges.
    """
    size, seed = draw
    known = scores(table, settle(table, judges)).state[:, METRICS.index(metric)] <= YES
    order = np.random.default_rng(seed).permutation(np.flatnonzero(known & (table.row == row)))
    return [int(item) for item in order[:size]]


def against_people(
    table: Verdicts, judges: Sequence[int], people: Sequence[int], draws: int = 2000
) -> dict[Check | None, Against]:
    """Every check that people answered, and None for all of them together. `p_holm` is over the checks."""
    return by_check([(check, own) for check, _, own in pairs(table, judges, people)], draws)


def too_few(one: Against) -> str:
    """Why the figures say little, as a sentence; '' where they do not rest on few answers."""
    if not one.both:
        return "There is no response yet on which both the judge and people say yes or no."
    if one.scenarios < 2:
        return "All of these answers are about one scenario, which says nothing about others: there is no interval."
    if one.both < FEW:
        return f"Only {one.both} answers can be compared: a few others would change these figures."
    return ""


def by_check(found: Sequence[tuple[Check, Pairs]], draws: int = 2000) -> dict[Check | None, Against]:
    """The figures of every check with answers, and None for all of them together."""
    found = [(check, pairs) for check, pairs in found if pairs.judge.size]
    by: dict[Check | None, Against] = {}
    if found:
        every = Pairs(*(np.concatenate([pairs[side] for _, pairs in found]) for side in range(3)))
        by[None] = against(every, draws)._replace(p=float("nan"))
    made = [against(pairs, draws) for _, pairs in found]
    corrected = holm([one.p for one in made])
    for (check, _), one, p in zip(found, made, corrected, strict=True):
        by[check] = one._replace(p_holm=p)
    return by


def against(pairs: Pairs, draws: int = 2000) -> Against:
    """The figures over these answers, the same at every call."""
    judged, said = pairs.judge <= YES, pairs.people <= YES
    both = judged & said
    one, two = (side[both] == YES for side in (pairs.judge, pairs.people))
    kinds = np.stack([one & two, one & ~two, ~one & two, ~one & ~two], axis=1).astype(np.float64)
    names, place = np.unique(pairs.scenario[both], return_inverse=True)
    sums = np.stack([np.bincount(place, kind, names.size) for kind in kinds.T], axis=1).astype(np.float64)
    total = kinds.sum(axis=0)
    agree, kappa, bias = (float(value) for value in figures(total[None, :])[:, 0])
    drawn = [UNKNOWN] * 3
    if names.size > 1:
        weights = resample(names.size, draws, np.random.default_rng(SEED))
        low, high = expanded(figures(weights @ sums).T, np.full(3, names.size))
        drawn = [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    if agree in (0.0, 1.0):
        drawn[0] = certain(agree, int(names.size))
    yes_yes, yes_no, no_yes, no_no = (int(count) for count in total)
    judge_cannot = int(((pairs.judge == CANNOT) & said).sum())
    people_cannot = int(((pairs.people == CANNOT) & judged).sum())
    n = int(both.sum())
    return Against(
        n, int(names.size), yes_yes, yes_no, no_yes, no_no,
        agree, wilson(yes_yes + no_no, n), drawn[0], kappa, drawn[1], bias, drawn[2],
        flipped(sums[:, 1] - sums[:, 2]), float("nan"),
        judge_cannot, people_cannot, int(both.size) - n - judge_cannot - people_cannot,
    )  # fmt: skip


def figures(counts: Floats) -> Floats:
    """Agreement, kappa and bias (3, n) of counts (n, 4): both yes, judge only, people only, both no.

    kappa = (p_o - p_e) / (1 - p_e) (Cohen 1960); NaN where both give one and the same answer throughout.
    """
    yes_yes, judge, people, no_no = counts.T
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        agree = (yes_yes + no_no) / total
        chance = ((yes_yes + judge) * (yes_yes + people) + (no_no + people) * (no_no + judge)) / total**2
        kappa = np.where(chance < 1 - 1e-12, (agree - chance) / (1 - chance), np.nan)
        return np.array([agree, kappa, (judge - people) / total])


def flipped(apart: Floats) -> float:
    """Two-sided p of the sum of differences by scenario (C,) under flips of their signs: answers of one scenario move together.

    Scenarios without a difference change nothing. Up to 12 others are flipped in every way, which is McNemar's exact test
    (1947) where each holds one response. 1 without any difference, NaN without a scenario.
    """
    if not apart.size:
        return float("nan")
    moved = apart[apart != 0]
    return float(sign_flips(moved[:, None], np.random.default_rng(SEED), FLIPS)[0]) if moved.size else 1.0
