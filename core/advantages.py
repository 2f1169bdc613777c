"""From the scores of steps to an advantage for every token (CDRA paper, Eq. 3; SPEC 4a fixes what it leaves open). numpy only.

One group is G responses to one prompt. `scores` (G, K) holds the score of each response's steps, in [-1, 1], NaN where a step is
missing or unscored; `index` (G, T) holds the step of each token, from 0, and -1 for tokens that are in no step: padding, text
before the first marker, every token of a truncated response. A token is *alive* when its step has a score. Only what is alive
enters a mean or a deviation, and everything else has the advantage 0. `training.loss` computes the same on tensors.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Level = Literal["position", "step", "group"]
LEVELS: tuple[Level, ...] = ("position", "step", "group")
FLAT = 1e-6
"""A deviation below this is one of equal values, whatever rounding made of it: the advantage is 0."""


@dataclass(frozen=True, slots=True)
class Normal:
    """How values are normalised: (value - mean) / (max(sigma, sigma_floor) + eps), sigma with ddof 1.

    With fewer than `min_alive` (>= 2) values alive all advantages are 0. `sigma_floor` 0 is the paper; with it, two nearly equal
    scores do not get the full advantage of +-0.7071 that two values always have.
    """

    eps: float = 1e-4
    sigma_floor: float = 0.0
    min_alive: int = 2


def normalised(values: Floats, axis: int, how: Normal) -> Floats:
    """Values normalised along an axis, NaN outside the statistics; 0 where there is no value or no spread. Same shape."""
    alive = ~np.isnan(values)
    count = alive.sum(axis, keepdims=True)
    filled = np.where(alive, values, 0.0)
    mean = filled.sum(axis, keepdims=True) / np.maximum(count, 1)
    away = np.where(alive, values - mean, 0.0)
    sigma = np.sqrt((away**2).sum(axis, keepdims=True) / np.maximum(count - 1, 1))
    usable = alive & (count >= max(2, how.min_alive)) & (sigma >= FLAT)
    scale = np.where(usable, np.maximum(sigma, how.sigma_floor) + how.eps, 1.0)
    return np.where(usable, away / scale, 0.0)


def rewards(scores: Floats, index: Ints) -> Floats:
    """r_{i,t}: the score of each token's step (G, T); NaN where the token is not alive."""
    whole = np.concatenate([np.asarray(scores, np.float64), np.full((len(scores), 1), np.nan)], axis=1)
    return np.take_along_axis(whole, index, axis=1)


def advantages(scores: Floats, index: Ints, level: Level = "position", how: Normal | None = None) -> Floats:
    """A(t, i), shape (G, T).

    `position`: a token is compared with those at its place in the other responses (Eq. 3). `step`: the j-th steps are compared.
    `group`: all steps of the group are. In the last two every (response, step) counts once, however long it is.
    """
    how = how or Normal()
    scores = np.asarray(scores, np.float64)
    match level:
        case "position":
            return normalised(rewards(scores, index), 0, how)
        case "step":
            found = normalised(scores, 0, how)
        case "group":
            found = normalised(scores.reshape(1, -1), 1, how).reshape(scores.shape)
    return np.nan_to_num(rewards(found, index))


def scalar_advantages(values: Floats, how: Normal | None = None) -> Floats:
    """Advantages of one value for each response (G,), as in GRPO; NaN is outside the statistics and gets 0."""
    return normalised(np.asarray(values, np.float64), 0, how or Normal())


class Signals(NamedTuple):
    """What a group teaches. `grpo` and `cdpa`: some advantage is not 0, with the mean step score of each response as its one
    reward, and with step scores. `turned` of `steps` scored steps have the other sign at their tokens' positions (on average)
    than when steps are compared with steps."""

    grpo: bool
    cdpa: bool
    steps: int
    turned: int


def signals(scores: Floats, index: Ints, how: Normal | None = None) -> Signals:
    """The signals of one group; the level of `cdpa` is `position`."""
    scores = np.asarray(scores, np.float64)
    alive = ~np.isnan(scores)
    counts = alive.sum(1)
    means = np.where(counts > 0, np.where(alive, scores, 0).sum(1) / np.maximum(counts, 1), np.nan)
    by_place = advantages(scores, index, "position", how)
    by_step = normalised(scores, 0, how or Normal())
    seen = turned = 0
    for response, step in zip(*np.nonzero(alive), strict=True):
        own = index[response] == step
        if own.any():
            seen += 1
            turned += bool(np.sign(by_place[response, own].mean()) * np.sign(by_step[response, step]) < 0)
    return Signals(bool(scalar_advantages(means, how).any()), bool(by_place.any()), seen, turned)
