"""Prediction-powered inference for a mean: few labels by people, many by a judge, an interval that holds for the people's mean.

Angelopoulos, Bates, Fannjiang, Jordan, Zrnic, "Prediction-powered inference" (Science 2023), and for lambda: Angelopoulos,
Duchi, Zrnic, "PPI++" (arXiv 2311.01453, Eq. 6 and section 6). Knows numbers and clusters; not who labelled them. The
responses that people labelled must be a random sample of all of them: no estimate repairs a sample that was chosen by
looking at the verdicts.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval
from core.evaluation.intervals import LEVEL, UNKNOWN, certain, cluster_variance, student
from core.evaluation.metrics import METRICS, Metric, scores
from core.evaluation.table import Verdicts, settle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEW = 10
"""Labelled scenarios below which the estimate is said to rest on few."""


class Labels(NamedTuple):
    """Responses with what they count as, 0..1 for a share, and the scenario of each.

    `people`, `judge` and `scenario` (n,) are of the responses that people labelled, without NaN; `judge_only` and
    `scenario_only` (N,) of the others.
    """

    people: Floats
    judge: Floats
    scenario: Ints
    judge_only: Floats
    scenario_only: Ints


class Estimate(NamedTuple):
    """The mean that people would give to all responses.

    `value` with its 95 % `interval` and standard `error`; `trust` is lambda, how far the judge is followed, 0 to 1. `n`
    labels by people in `scenarios`, `judged` by the judge alone. `effective`: how many labels by people alone would give
    the same error. NaN with fewer than two labelled scenarios; `why` then says so.
    """

    value: float
    interval: Interval
    error: float
    trust: float
    n: int
    scenarios: int
    judged: int
    effective: float
    why: str


def labels_of(table: Verdicts, judges: Sequence[int], people: Sequence[int], row: int, metric: Metric) -> Labels:
    """The labels of one figure of one row: by the majority of `judges` and of `people` (places in `table.judges`).

    Responses without a figure by the judge are left out; those with one by people too are the labelled ones.
    """
    judge, human = (scores(table, settle(table, side)).value for side in (judges, people))
    return labels_in(table, judge, human, row, metric)


def labels_in(table: Verdicts, judge: Floats, people: Floats, row: int, metric: Metric) -> Labels:
    """As `labels_of`, from the figures of every response (I, M) by each side: for many rows and figures of one table."""
    column = METRICS.index(metric)
    judge, human = judge[:, column], people[:, column]
    judged = (table.row == row) & ~np.isnan(judge)
    both, only = judged & ~np.isnan(human), judged & np.isnan(human)
    return Labels(human[both], judge[both], table.scenario[both], judge[only], table.scenario[only])


class Estimates(NamedTuple):
    """People alone (lambda 0), PPI (lambda 1), PPI++ (lambda from the data); `judge` is the mean of all the judge's labels."""

    people: Estimate
    ppi: Estimate
    tuned: Estimate
    judge: float


def estimates(labels: Labels) -> Estimates:
    """The three estimates. Raises ValueError for arrays that do not fit together or hold NaN.

    theta = mean(people) - lambda (mean(judge on the labelled) - mean(judge on the others)). The variance is over whole
    scenarios, labelled and not, as both may share one: V(lambda) = C / (C - 1) sum_c (a_c - lambda b_c)^2 with a_c = sum
    (people - mean) / n and b_c = sum (judge - mean) / n - sum (judge_only - mean) / N. Its smallest value is at sum a b /
    sum b^2, cut to [0, 1]; where every response is a scenario this is cov / (var (1 + n / N)), the lambda of PPI++.
    Student's t with the labelled scenarios less one: few of them carry the estimate.
    """
    _check(labels)
    judged = np.concatenate([labels.judge, labels.judge_only])
    judge = float(judged.mean()) if judged.size else float("nan")
    a, b = _parts(labels)
    powered = labels.judge_only.size > 0 and float((b**2).sum()) > 0
    best = min(1.0, max(0.0, float((a * b).sum() / (b**2).sum()))) if powered else 0.0
    found = [_estimate(labels, (a, b), trust) for trust in (0.0, 1.0 if labels.judge_only.size else 0.0, best)]
    return Estimates(found[0], found[1], found[2], judge)


def caution(found: Estimates) -> str:
    """What has to be said of the estimate, as a sentence; '' where it rests on enough."""
    one = found.tuned
    if one.why:
        return one.why
    if one.scenarios < FEW:
        return f"People labelled responses of only {one.scenarios} scenarios: the interval rests on a t distribution of few."
    if not one.judged:
        return "People labelled every response, so the judge adds nothing."
    return ""


def _check(labels: Labels) -> None:
    if not labels.people.shape == labels.judge.shape == labels.scenario.shape == (labels.people.size,):
        raise ValueError("people, judge and scenario of the labelled responses have one length")
    if not labels.judge_only.shape == labels.scenario_only.shape == (labels.judge_only.size,):
        raise ValueError("judge and scenario of the other responses have one length")
    if any(bool(np.isnan(column).any()) for column in (labels.people, labels.judge, labels.judge_only)):
        raise ValueError("a label is missing: leave its response out")


def _parts(labels: Labels) -> tuple[Floats, Floats]:
    """a_c and b_c over all scenarios: (C,) each."""
    names, place = np.unique(np.concatenate([labels.scenario, labels.scenario_only]), return_inverse=True)
    mine, others = place[: labels.people.size], place[labels.people.size :]

    def spread(at: Ints, values: Floats) -> Floats:
        if not values.size:
            return np.zeros(names.size)
        return np.bincount(at, (values - values.mean()) / values.size, names.size).astype(np.float64)

    return spread(mine, labels.people), spread(mine, labels.judge) - spread(others, labels.judge_only)


def _estimate(labels: Labels, parts: tuple[Floats, Floats], trust: float) -> Estimate:
    n, scenarios = int(labels.people.size), int(np.unique(labels.scenario).size)
    nothing = float("nan")
    if scenarios < 2:
        why = f"People labelled responses of {scenarios} scenario{'' if scenarios == 1 else 's'}; it takes two."
        value = float(labels.people.mean()) if n else nothing
        return Estimate(value, UNKNOWN, nothing, trust, n, scenarios, int(labels.judge_only.size), nothing, why)
    value = float(labels.people.mean())
    if trust:
        value -= trust * float(labels.judge.mean() - labels.judge_only.mean())
    a, b = parts
    alone = a[np.isin(np.unique(np.concatenate([labels.scenario, labels.scenario_only])), labels.scenario)]
    plain = cluster_variance(alone)
    variance = cluster_variance(a - trust * b) if trust else plain
    error = math.sqrt(variance)
    half = student(LEVEL, scenarios - 1) * error
    effective = n * plain / variance if variance > 0 else nothing
    sure = not trust and value in (0.0, 1.0) and variance == 0
    interval = certain(value, scenarios) if sure else Interval(value - half, value + half)
    return Estimate(value, interval, error, trust, n, scenarios, int(labels.judge_only.size), effective, "")
