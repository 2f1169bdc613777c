"""How often the evaluation's 95 % intervals hold the truth, in seeded simulation. `python -m benchmarks.covering [STUDIES]`

Shares of yes in responses that come in scenarios: the bootstrap over scenarios and the formula, beside intervals that
forget the scenarios; then prediction-powered means from 100 labelled scenarios of 1,000, with judges that know much,
little and nothing. The goal for ours is 93 to 97 %. Last, differences between two rows that do not differ.
"""

import sys

import numpy as np

from core.evaluation.intervals import clustered
from core.evaluation.ppi import estimates
from core.evaluation.report import Drawing, report
from core.evaluation.table import Row, verdicts_of
from tests.core.test_evaluation_metrics import study
from tests.core.test_evaluation_statistics import bootstrapped, coverage, labelled, rare

JUDGES = {"knows 90 %": 0.9, "knows half": 0.5, "knows nothing": 0.0}


def shares(studies: int) -> None:
    """Print the coverage of intervals for shares, by number of scenarios."""
    for clusters in (10, 20, 60, 300):
        drawn = coverage(studies, 1, clusters, lambda values, scenario, rng: bootstrapped(values, scenario, rng, 1000))
        formula = coverage(studies, 2, clusters, lambda values, scenario, _: clustered(values, scenario)[1])
        naive = coverage(studies, 2, clusters, lambda values, scenario, _: clustered(values, np.arange(values.size))[1])
        print(
            f"{clusters} scenarios: bootstrap {drawn:.1%}, formula {formula:.1%}; "
            f"responses taken as independent {naive:.1%} ({studies} studies each)"
        )


def rares(studies: int) -> None:
    """Print the coverage for a share of 2 %, which the report has by formula."""
    for clusters, each in ((20, 1), (20, 3), (60, 3), (300, 1), (300, 3)):
        found = rare(studies, 3, clusters, each)
        print(
            f"2 % of yes, {clusters} scenarios with {each} response(s): formula for shares {found:.1%} ({studies} studies)"
        )


def powered(studies: int) -> None:
    """Print the coverage of prediction-powered intervals, and what a label by the judge is worth."""
    for name, good in JUDGES.items():
        for each in (1, 3):
            rng = np.random.default_rng(11)
            hits, worth, wrong = np.zeros(3), 0.0, 0
            for _ in range(studies):
                found = estimates(labelled(rng, 100, 1000, good, each))
                hits += [one.interval.low <= 0.4 <= one.interval.high for one in found[:3]]
                worth += found.tuned.effective / found.tuned.n
                wrong += abs(found.judge - 0.4) > 0.02
            people, plain, tuned = hits / studies
            print(
                f"judge that {name}, {each} response(s) a scenario: people alone {people:.1%}, PPI {plain:.1%}, "
                f"PPI++ {tuned:.1%}; effective sample {worth / studies:.2f} x; "
                f"the judge's own mean is off by 2 points in {wrong / studies:.0%}"
            )


def paired(studies: int) -> None:
    """Print how often a difference that is not there is called significant at 5 %, and how often its interval holds 0."""
    rows = (Row("a", "d"), Row("b", "d"))
    for scenarios in (10, 30, 100):
        rng = np.random.default_rng(15)
        hits, covered, apart = 0, 0, 0
        for _ in range(studies):
            table = verdicts_of(rows, *study(rng, 0.0, scenarios))
            found = report(table, drawing=Drawing(1000, 1000))
            one = next(item for item in found.differences if item.metric == "acc_mis")
            hits += one.p < 0.05
            covered += one.interval.low <= 0 <= one.interval.high
            both = [cells["acc_mis"].interval for cells in found.cells]
            apart += both[0].high < both[1].low or both[1].high < both[0].low
        print(
            f"{scenarios} scenarios, no difference: called significant {hits / studies:.1%}, "
            f"interval holds 0 {covered / studies:.1%}; single intervals "
            f"that do not overlap {apart / studies:.1%} ({studies} studies)"
        )


def main() -> None:
    """Print the shares."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    shares(studies)
    rares(studies)
    powered(studies)
    paired(max(1, studies // 4))


if __name__ == "__main__":
    main()
