"""Prediction-powered inference for a mean: few labels by people, many by a judge, an interval that holds for the people's mean.

Angelopoulos, Bates, Fannjiang, Jordan, Zrnic, "Prediction-powered inference" (Science 2023), and for lambda: Angelopoulos,
Duchi, Zrnic, "PPI++" (arXiv 2311.01453, Eq. 6 and section 6). Knows numbers and clusters; not who labelled them. The
responses that people labelled must be a random sample of all of them: no estimate repairs a sample that was chosen by
looking at the verdicts. The mean is over the responses that people can decide; those that they were asked about and could
not decide stay on the judge's side of the contrast, or the easy ones would be compared with all.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.bootstrap import Interval
from core.evaluation.intervals import LEVEL, UNKNOWN, certain, cluster_variance, student
from core.evaluation.metrics import METRICS, Metric, Scores, scores
from core.evaluation.table import TIED, Verdicts, settle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEW = 10
"""Labelled scenarios below which the estimate is said to rest on few."""


class Labels(NamedTuple):
    """Responses with what they count as, 0..1 for a share, and the scenario of each.

    `people`, `judge` and `scenario` (n,) are of the responses that people decided, without NaN; `judge_undecided` and
    `scenario_undecided` (u,) of those whose every part people answered without a yes or no (cannot determine, or tied);
    `judge_only` and `scenario_only` (N,) of those that people did not answer in full.
    """

    people: Floats
    judge: Floats
    scenario: Ints
    judge_only: Floats
    scenario_only: Ints
    judge_undecided: Floats = np.zeros(0)
    scenario_undecided: Ints = np.zeros(0, dtype=np.int64)


class Estimate(NamedTuple):
    """The mean that people would give to all responses that they can decide.

    `value` with its 95 % `interval` and standard `error`; `trust` is lambda, how far the judge is followed, 0 to 1. `n`
    labels by people in `scenarios`, `judged` by the judge alone, `undecided` answered by people without a yes or no.
    `effective`: how many labels by people alone would give the same error. NaN with fewer
    than two labelled scenarios; `why` then says so.
    """

    value: float
    interval: Interval
    error: float
    trust: float
    n: int
    scenarios: int
    judged: int
    undecided: int
    effective: float
    why: str


def labels_of(table: Verdicts, judges: Sequence[int], people: Sequence[int], row: int, metric: Metric) -> Labels:
    """The labels of one figure of one row: by the majority of `judges` and of `people` (places in `table.judges`).

    Responses without a figure by the judge are left out; those with one by people too are the labelled ones.
    """
    judge, human = (scores(table, settle(table, side)) for side in (judges, people))
    return labels_in(table, judge, human, row, metric)


def labels_in(table: Verdicts, judge: Scores, people: Scores, row: int, metric: Metric) -> Labels:
    """As `labels_of`, from the figures of every response by each side: for many rows and figures of one table."""
    column = METRICS.index(metric)
    own, human, state = judge.value[:, column], people.value[:, column], people.state[:, column]
    judged = (table.row == row) & ~np.isnan(own)
    both, only = judged & ~np.isnan(human), judged & (state > TIED)
    vague = judged & np.isnan(human) & (state <= TIED)
    at = table.scenario
    return Labels(human[both], own[both], at[both], own[only], at[only], own[vague], at[vague])


class Estimates(NamedTuple):
    """People alone (lambda 0), PPI (lambda 1), PPI++ (lambda from the data); `judge` is the mean of all the judge's labels."""

    people: Estimate
    ppi: Estimate
    tuned: Estimate
    judge: float


def estimates(labels: Labels) -> Estimates:
    """The three estimates. Raises ValueError for arrays that do not fit together or hold NaN.

    theta = mean(people) - lambda (mean(judge on the asked) - mean(judge on the others)); the asked are the labelled ones and
    the undecided, m of them, so that the contrast is zero on average for every lambda. The variance is over whole
    scenarios, asked and not, as both may share one: V(lambda) = C / (C - 1) sum_c (a_c - lambda b_c)^2 with a_c = sum
    (people - mean) / n and b_c = sum (judge - mean) / m - sum (judge_only - mean) / N. Its smallest value is at sum a b /
    sum b^2, cut to [0, 1]; where every response is a scenario and decided this is cov / (var (1 + n / N)), the lambda of PPI++.
    Student's t with the labelled scenarios less one: few of them carry the estimate.
    """
    _check(labels)
    judged = np.concatenate([labels.judge, labels.judge_undecided, labels.judge_only])
    judge = float(judged.mean()) if judged.size else float("nan")
    a, b = _parts(labels)
    powered = labels.judge_only.size > 0 and float((b**2).sum()) > 0
    best = min(1.0, max(0.0, float((a * b).sum() / (b**2).sum()))) if powered else 0.0
    found = [_estimate(labels, (a, b), trust) for trust in (0.0, 1.0 if labels.judge_only.size else 0.0, best)]
    return Estimates(found[0], found[1], found[2], judge)


def caution(found: Estimates) -> str:
    """What has to be said of the estimate, as a sentence; '' where it rests on enough."""
    one = found.tuned
    said: list[str] = []
    if one.why:
        said.append(one.why)
    elif one.scenarios < FEW:
        said.append(
            f"People labelled responses of only {one.scenarios} scenarios: the interval rests on a t distribution of few."
        )
    elif not one.judged:
        said.append("People answered every response, so the judge adds nothing.")
    if one.undecided:
        said.append(
            f"Of {one.n + one.undecided} responses that people answered, {one.undecided} "
            f"{'has' if one.undecided == 1 else 'have'} no yes or no (cannot determine, or tied): "
            "the means by people are of responses that people can decide."
        )
    return " ".join(said)


def _check(labels: Labels) -> None:
    if not labels.people.shape == labels.judge.shape == labels.scenario.shape == (labels.people.size,):
        raise ValueError("people, judge and scenario of the labelled responses have one length")
    if not labels.judge_only.shape == labels.scenario_only.shape == (labels.judge_only.size,):
        raise ValueError("judge and scenario of the other responses have one length")
    if not labels.judge_undecided.shape == labels.scenario_undecided.shape == (labels.judge_undecided.size,):
        raise ValueError("judge and scenario of the undecided responses have one length")
    numbers = (labels.people, labels.judge, labels.judge_only, labels.judge_undecided)
    if any(bool(np.isnan(column).any()) for column in numbers):
        raise ValueError("a label is missing: leave its response out")


def _asked(labels: Labels) -> tuple[Floats, Ints]:
    """What the judge says of all responses that people answered, and their scenarios, the decided ones first."""
    return np.append(labels.judge, labels.judge_undecided), np.append(labels.scenario, labels.scenario_undecided)


def _parts(labels: Labels) -> tuple[Floats, Floats]:
    """a_c and b_c over all scenarios: (C,) each."""
    judge, scenario = _asked(labels)
    names, place = np.unique(np.concatenate([scenario, labels.scenario_only]), return_inverse=True)
    mine, others = place[: judge.size], place[judge.size :]

    def spread(at: Ints, values: Floats) -> Floats:
        if not values.size:
            return np.zeros(names.size)
        return np.bincount(at, (values - values.mean()) / values.size, names.size).astype(np.float64)

    decided = mine[: labels.people.size]
    return spread(decided, labels.people), spread(mine, judge) - spread(others, labels.judge_only)


def _estimate(labels: Labels, parts: tuple[Floats, Floats], trust: float) -> Estimate:
    n, scenarios = int(labels.people.size), int(np.unique(labels.scenario).size)
    judged, undecided = int(labels.judge_only.size), int(labels.judge_undecided.size)
    nothing = float("nan")
    if scenarios < 2:
        why = f"People labelled responses of {scenarios} scenario{'' if scenarios == 1 else 's'}; it takes two."
        value = float(labels.people.mean()) if n else nothing
        return Estimate(value, UNKNOWN, nothing, trust, n, scenarios, judged, undecided, nothing, why)
    value = float(labels.people.mean())
    judge, scenario = _asked(labels)
    if trust:
        value -= trust * float(judge.mean() - labels.judge_only.mean())
    a, b = parts
    alone = a[np.isin(np.unique(np.concatenate([scenario, labels.scenario_only])), labels.scenario)]
    plain = cluster_variance(alone)
    variance = cluster_variance(a - trust * b) if trust else plain
    error = math.sqrt(variance)
    half = student(LEVEL, scenarios - 1) * error
    effective = n * plain / variance if variance > 0 else nothing
    sure = not trust and value in (0.0, 1.0) and variance == 0
    interval = certain(value, scenarios) if sure else Interval(value - half, value + half)
    return Estimate(value, interval, error, trust, n, scenarios, judged, undecided, effective, "")
