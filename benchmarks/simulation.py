"""How often a study without a true difference is called significant at 5 %: crossed and paired by user profile, as Subtext
does it, beside the obvious alternatives on the same simulated ratings. `python -m benchmarks.simulation [STUDIES]`

Every study has 50 user profiles, two models and ten turns; raters differ in how kind they are, profiles in how hard.
"""

import sys

import numpy as np
from statsmodels.stats.weightstats import ttest_ind

from core.bootstrap import Dialogue, report
from tests.core.test_statistics import simulated


def independent(dialogues: list[Dialogue]) -> float:
    """The p of a t-test that takes every single rating as independent: the obvious alternative."""
    one, two = (
        np.concatenate([np.array(item.levels) for item in dialogues if item.model == model])
        for model in sorted({item.model for item in dialogues})
    )
    return float(ttest_ind(one[~np.isnan(one)], two[~np.isnan(two)])[1])


def rates(studies: int, draws: int = 500) -> dict[str, float]:
    """Share of studies called significant, by way of looking at them."""
    rng = np.random.default_rng(2026)
    hits = dict.fromkeys(
        ("crossed, paired by profile", "crossed, ratings as independent", "other raters for each model"), 0
    )
    for index in range(studies):
        crossed, apart = simulated(rng, 50), simulated(rng, 50, crossed=False)
        hits["crossed, paired by profile"] += report(crossed, index, draws).differences[0].p < 0.05
        hits["crossed, ratings as independent"] += independent(crossed) < 0.05
        hits["other raters for each model"] += report(apart, index, draws).differences[0].p < 0.05
    return {way: count / studies for way, count in hits.items()}


def main() -> None:
    """Print the shares."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for way, share in rates(studies).items():
        print(f"{way}: {100 * share:.1f} % of {studies} studies without a true difference called significant")


if __name__ == "__main__":
    main()
