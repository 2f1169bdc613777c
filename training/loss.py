"""Advantages and the clipped loss as tensors: what `core.advantages` says, for whole batches of groups. Knows torch only.

Shapes: B = groups x G responses, their rows of one group next to each other; K steps, T tokens. NaN stands for *not alive*.
"""

import torch
from torch import Tensor

from core.advantages import FLAT, Level, Normal


def normalised(values: Tensor, dim: int, how: Normal) -> Tensor:
    """(value - mean) / (max(sigma, floor) + eps) along a dimension, sigma with ddof 1; 0 where not alive or without spread."""
    alive = ~values.isnan()
    count = alive.sum(dim, keepdim=True)
    filled = torch.where(alive, values, 0.0)
    away = torch.where(alive, values - filled.sum(dim, keepdim=True) / count.clamp(min=1), 0.0)
    sigma = (away.square().sum(dim, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    usable = alive & (count >= max(2, how.min_alive)) & (sigma >= FLAT)
    scale = torch.where(usable, sigma.clamp(min=how.sigma_floor) + how.eps, 1.0)
    return torch.where(usable, away / scale, 0.0)


def rewards(scores: Tensor, index: Tensor) -> Tensor:
    """r_{i,t} (B, T) from scores (B, K) and the step of each token (B, T); NaN for -1 and for an unscored step."""
    whole = torch.cat([scores, torch.full_like(scores[:, :1], torch.nan)], dim=1)
    return whole.gather(1, torch.where(index < 0, scores.shape[1], index))


def advantages(scores: Tensor, index: Tensor, group: int, level: Level, how: Normal) -> Tensor:
    """A(t, i) (B, T) in float64, as `core.advantages.advantages` for each group of `group` rows."""
    scores = scores.double()
    if not scores.shape[1]:
        scores = torch.full((scores.shape[0], 1), torch.nan, dtype=torch.float64, device=scores.device)
    width = scores.shape[1]
    match level:
        case "position":
            own = rewards(scores, index)
            return normalised(own.view(-1, group, own.shape[1]), 1, how).view_as(own)
        case "step":
            found = normalised(scores.view(-1, group, width), 1, how).view_as(scores)
        case "group":
            found = normalised(scores.view(-1, group * width), 1, how).view_as(scores)
    return rewards(found, index).nan_to_num(0.0)


def scalar_advantages(values: Tensor, group: int, how: Normal) -> Tensor:
    """One advantage for each response (B,), as in GRPO; NaN is outside the statistics and gets 0."""
    return normalised(values.double().view(-1, group), 1, how).view(-1)


def token_loss(log_probs: Tensor, old: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """-min(rho A, clip(rho, 1 - epsilon, 1 + epsilon) A) for every token (B, T), rho = exp(log_probs - old) (SPEC 4)."""
    rho = (log_probs - old).exp()
    return -torch.minimum(rho * advantage, rho.clamp(1 - epsilon, 1 + epsilon) * advantage)


def token_kl(log_probs: Tensor, reference: Tensor) -> Tensor:
    """exp(d) - d - 1 with d = reference - log_probs, for every token: >= 0, and on average KL(policy || reference)."""
    away = reference - log_probs
    return away.exp() - away - 1
