"""What the CDRA paper prints: Tables 1 and 3, in percent, to stand beside our own rows. Facts only.

Not everything printed can be so: by Eq. 4 a response that is thoughtful is deeply aligned, so Acc_DA is at least each of
its three criteria, and two rows of the PrefEval half have less. `doubt` says so where it holds; the numbers stay as they
are printed.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from core.evaluation.metrics import Metric

COLUMNS: tuple[Metric, ...] = ("acc_pf", "acc_da", "acc_mis", "m_th", "m_dm", "m_ie")
"""The columns of both tables."""


class Printed(NamedTuple):
    """One printed row. `values` in percent, in the order of COLUMNS; `process` and `critique` supervision only in Table 3."""

    name: str
    values: tuple[float, ...]
    process: bool = False
    critique: bool = False
    group: str = ""


TABLE_1: Mapping[str, tuple[Printed, ...]] = {
    "DeepPref": (
        Printed("Zero-shot", (23.0, 6.7, 76.0, 4.7, 3.0, 0.0)),
        Printed("Few-shot", (49.7, 32.7, 61.3, 29.0, 10.7, 0.3)),
        Printed("CoT", (59.7, 49.3, 50.3, 39.0, 25.3, 0.7)),
        Printed("TPO", (55.3, 36.3, 56.3, 29.7, 15.7, 0.0)),
        Printed("SFT", (83.3, 75.0, 34.7, 46.7, 63.7, 40.3)),
        Printed("GRPO", (83.7, 70.3, 30.7, 46.3, 58.7, 34.0)),
        Printed("CDRA", (84.7, 76.3, 32.3, 47.0, 65.0, 42.7)),
    ),
    "PrefEval": (
        Printed("Zero-shot", (37.5, 10.7, 28.7, 8.9, 4.5, 0.9)),
        Printed("Few-shot", (56.3, 38.4, 23.3, 38.4, 2.7, 0.9)),
        Printed("CoT", (62.5, 61.6, 20.3, 54.5, 18.8, 0.9)),
        Printed("TPO", (62.5, 48.2, 20.7, 58.9, 19.6, 0.0)),
        Printed("SFT", (66.9, 58.0, 24.7, 21.4, 34.8, 10.7)),
        Printed("GRPO", (67.0, 51.8, 27.3, 53.6, 17.0, 1.8)),
        Printed("CDRA", (68.8, 62.5, 21.0, 27.7, 37.5, 15.2)),
    ),
}
"""CDRA paper, Table 1, by data set."""

TABLE_3: tuple[Printed, ...] = (
    Printed("Base", (59.7, 49.3, 50.3, 39.0, 25.3, 0.7)),
    Printed("GRPO (RM)", (83.7, 70.3, 30.7, 46.3, 58.7, 34.0), group="Other rewards"),
    Printed("GRPO (GRM)", (83.7, 74.7, 30.7, 45.7, 62.3, 37.0), critique=True, group="Other rewards"),
    Printed("GRPO (PRM)", (83.7, 73.0, 34.0, 51.0, 59.7, 38.3), process=True, group="Other rewards"),
    Printed("GRPO (rubric RM)", (84.0, 73.7, 35.3, 48.0, 61.7, 34.7), group="Simpler ways"),
    Printed("GRPO (test-time scaling)", (84.3, 73.0, 31.0, 47.7, 62.0, 34.7), group="Simpler ways"),
    Printed("CDRA", (84.7, 76.3, 32.3, 47.0, 65.0, 42.7), process=True, critique=True, group="Step critiques"),
)
"""CDRA paper, Table 3, on DeepPref. Its base row is the CoT row of Table 1."""

AGREEMENT = (0.96, 300)
"""CDRA paper, appendix B: the share of sampled verdicts on which people agree with the judge, and how many were sampled."""

PRESETS: Mapping[str, tuple[str, str]] = {
    "zero_shot": ("Zero-shot", ""),
    "few_shot": ("Few-shot", ""),
    "chain_of_thought": ("CoT", "Base"),
    "tpo": ("TPO", ""),
    "sft": ("SFT", ""),
    "grpo_rm": ("GRPO", "GRPO (RM)"),
    "grpo_grm": ("", "GRPO (GRM)"),
    "grpo_prm": ("", "GRPO (PRM)"),
    "grpo_rubric": ("", "GRPO (rubric RM)"),
    "best_of_n": ("", "GRPO (test-time scaling)"),
    "cdpa": ("CDRA", "CDRA"),
}
"""The printed row beside which a method or a preset of a training stands, in Table 1 and in Table 3; '' where there is none."""


def beside(presets: Mapping[int, str], which: Literal["table_1", "table_3"]) -> dict[int, str]:
    """The printed row that each of our rows stands with: from the method or preset (a key of PRESETS) at its place. Rows without
    one are left out."""
    at = 0 if which == "table_1" else 1
    named = {place: PRESETS.get(preset, ("", ""))[at] for place, preset in presets.items()}
    return {place: name for place, name in named.items() if name}


def doubt(values: tuple[float, ...]) -> str:
    """A sentence where a printed row contradicts Eq. 4, '' otherwise. Rounding to one decimal is allowed for."""
    deep, highest = values[1], max(values[3:])
    if deep + 0.1 >= highest:
        return ""
    return (
        f"The paper prints Acc_DA {deep:.1f} with a criterion at {highest:.1f}; "
        "by its Eq. 4 Acc_DA is at least as high as each criterion."
    )
