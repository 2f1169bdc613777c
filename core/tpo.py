"""Tree preference optimisation: the listwise loss over the ranked paths of one tree (SPEC 4a). numpy only.

The form is a reconstruction: the paper names a listwise preference loss over a tree's paths with shared steps weighted by how
much they differ, and prints no formula. One tree is N responses with values v_i (here R(tau)) and, for each of K steps, the log
ratio log pi - log pi_ref of the step's tokens. `training.tpo` computes the same on tensors.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.similarity import overlap

Floats = NDArray[np.float64]


def weights(values: Floats) -> Floats:
    """lambda (N, N): |2^v_i - 2^v_j| |1/log2(1 + rank_i) - 1/log2(1 + rank_j)| where v_i > v_j, else 0.

    The rank of the highest value is 1; equal values share the rank of the first of them.
    """
    values = np.asarray(values, np.float64)
    above = values[:, None] > values[None, :]
    ranks = 1 + above.sum(0)
    discounts = 1 / np.log2(1 + ranks)
    gains = np.exp2(values)
    found = np.abs(gains[:, None] - gains[None, :]) * np.abs(discounts[:, None] - discounts[None, :])
    return np.where(above, found, 0.0)


def differences(responses: Sequence[Sequence[str]]) -> Floats:
    """How much step k of response i differs from step k of response j, (N, N, K) in [0, 1]: 1 - their overlap in words.

    0 for a shared step, and 1 where only one of the two has a k-th step.
    """
    count, steps = len(responses), max(map(len, responses), default=0)
    found = np.ones((count, count, steps))
    for i in range(count):
        for j in range(count):
            for k in range(min(len(responses[i]), len(responses[j]))):
                found[i, j, k] = 1 - overlap(responses[i][k], responses[j][k])
    return found


def margins(ratios: Floats, differing: Floats, beta: float) -> Floats:
    """s_i - s_j (N, N) from log ratios of steps (N, K), 0 where there is no step: beta sum_k d_ijk (ratio_ik - ratio_jk).

    With differing = 1 everywhere s_i = beta (log pi - log pi_ref) of the whole response.
    """
    ratios = np.asarray(ratios, np.float64)
    return beta * (differing * (ratios[:, None, :] - ratios[None, :, :])).sum(-1)


def loss(values: Floats, margin: Floats) -> float:
    """Mean over the pairs v_i > v_j of -lambda_ij log sigmoid(s_i - s_j); 0 without such a pair. Two responses: lambda x DPO."""
    values = np.asarray(values, np.float64)
    pairs = values[:, None] > values[None, :]
    if not pairs.any():
        return 0.0
    return float((weights(values) * np.logaddexp(0.0, -margin))[pairs].mean())
