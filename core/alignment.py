"""Alignment level over the turns of a dialogue (SPEC 6; ALOE, arXiv 2410.03642): AL(k), AVG, IR, N-IR, R^2.

Knows rating levels by turn; does not know raters, studies or where ratings come from. Uncertainty is in `core.bootstrap`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Alignment(NamedTuple):
    """The figures of one model.

    `al`: AL(k), shape (K,), levels 1-5, NaN where no dialogue has a rating. `avg`: mean of AL(k). `ir`: slope of AL(k) on k.
    `n_ir`: IR / (max AL - min AL), NaN where all AL(k) are equal; |n_ir| is at most 0.1515 for K = 10. `r2`: fit of the line,
    NaN where all AL(k) are equal (N-R^2 is the same number and not given apart).
    """

    al: Floats
    avg: float
    ir: float
    n_ir: float
    r2: float


def alignment(al: ArrayLike) -> Alignment:
    """AVG, IR, N-IR and R^2 of a curve AL(1..K). Turns that are NaN are left out; needs two turns, else IR is NaN."""
    curve = np.asarray(al, dtype=np.float64)
    avg, ir, n_ir, r2 = (float(value[0]) for value in curves(curve[None, :]))
    return Alignment(curve, avg, ir, n_ir, r2)


def curves(al: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """AVG, IR, N-IR and R^2 of many curves at once: shape (B, K) in, four times (B,) out. NaN turns are left out.

    IR = sum (k - kbar)(AL(k) - ALbar) / sum (k - kbar)^2; the denominator is 82.5 for K = 10.
    """
    known = ~np.isnan(al)
    count = known.sum(axis=1)
    turns = np.where(known, np.arange(1, al.shape[1] + 1, dtype=np.float64), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        avg = np.where(known, al, 0.0).sum(axis=1) / np.where(count, count, np.nan)
        middle = np.where(known, turns, 0.0).sum(axis=1) / np.where(count, count, np.nan)
        across = np.where(known, turns - middle[:, None], 0.0)
        up = np.where(known, al - avg[:, None], 0.0)
        spread, total = (across**2).sum(axis=1), (up**2).sum(axis=1)
        ir = (across * up).sum(axis=1) / np.where(spread > 0, spread, np.nan)
        high = np.where(known, al, -np.inf).max(axis=1)
        low = np.where(known, al, np.inf).min(axis=1)
        span = np.where((count > 0) & (high - low > 1e-12), high - low, np.nan)
        n_ir = ir / span
        r2 = np.where(np.isnan(span), np.nan, ir**2 * spread / np.where(total > 0, total, np.nan))
    return avg, ir, n_ir, r2


PAPER_TABLE_2: dict[str, tuple[tuple[float, ...], float]] = {
    "CoT": ((2.0, 3.2, 3.8, 4.0, 4.2, 4.4, 4.2, 3.8, 3.8, 3.8), 3.72),
    "SFT": ((2.4, 3.0, 3.8, 3.8, 3.8, 4.0, 4.0, 4.2, 3.6, 4.2), 3.68),
    "TPO": ((2.4, 3.4, 4.2, 3.8, 4.2, 4.2, 4.2, 4.0, 4.2, 4.0), 3.86),
    "GRPO": ((2.0, 3.4, 3.0, 3.4, 3.6, 3.2, 3.4, 3.4, 3.0, 3.4), 3.18),
    "CDRA": ((2.0, 3.4, 4.0, 4.2, 4.4, 4.4, 4.6, 4.2, 4.0, 4.0), 3.92),
}
"""CDRA paper, table 2: AL(1..10) and the printed average, by model; shown beside a study's own rows."""
