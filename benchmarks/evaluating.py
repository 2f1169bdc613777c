"""The report over 100,000 verdicts, beside the obvious ways. `python -m benchmarks.evaluating`

42 rows (models x methods) on 300 scenarios, eight checks, one judge. Ours: majority, eleven figures with all counts, bootstrap
intervals over scenarios, differences to the first row with sign flips and Holm. A plain Python loop makes the figures
alone; pandas makes them and draws the intervals, of which a few draws are timed and the rest is reckoned.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from core.evaluation.metrics import scores
from core.evaluation.report import Drawing, Report, report
from core.evaluation.slices import by_topic
from core.evaluation.table import Item, Row, Said, Verdicts, settle, verdicts_of
from core.evaluation.verdicts import CHECKS, OUTCOMES

ROWS, SCENARIOS, ROUNDS, FEW = 42, 300, 7, 20


def made(seed: int = 1) -> tuple[list[Row], list[Item], list[Said]]:
    """Rows, responses and what a judge said of them: about 100,000 outcomes, one in ten without an answer."""
    rng = np.random.default_rng(seed)
    rows = [Row(f"row {at}", "DeepPref") for at in range(ROWS)]
    items = [Item(row, f"s{at}", f"t{at % 20}", True, 800) for row in range(ROWS) for at in range(SCENARIOS)]
    drawn = rng.choice(len(OUTCOMES), len(items) * len(CHECKS), p=[0.4, 0.5, 0.04, 0.04, 0.02]).tolist()
    said = [Said(at // len(CHECKS), CHECKS[at % len(CHECKS)], OUTCOMES[one], "judge") for at, one in enumerate(drawn)]
    return rows, items, said


def looped(items: list[Item], said: list[Said]) -> list[float]:
    """Acc_PF, Acc_DA and Acc_Mis of every row, one verdict after the other."""
    answers: dict[int, dict[str, str]] = {}
    for one in said:
        answers.setdefault(one.item, {})[one.check] = one.outcome
    hits: dict[tuple[int, str], int] = {}
    counts: dict[tuple[int, str], int] = {}
    for place, item in enumerate(items):
        own = answers.get(place, {})
        for name, needed, holds in (
            ("pf", ("violate", "helpful"), own.get("helpful") == "yes" and own.get("violate") == "no"),
            (
                "da",
                ("deep_mining", "innovative", "thoughtful"),
                "yes" in (own.get("deep_mining"), own.get("innovative"), own.get("thoughtful")),
            ),
            ("mis", ("misleading",), own.get("misleading") == "yes"),
        ):
            if all(own.get(check) in ("yes", "no") for check in needed):
                counts[item.row, name] = counts.get((item.row, name), 0) + 1
                hits[item.row, name] = hits.get((item.row, name), 0) + holds
    return [hits[row, name] / counts[row, name] for row in range(ROWS) for name in ("pf", "da", "mis")]


def framed(frame: pd.DataFrame, draws: int, rng: np.random.Generator) -> list[float]:
    """The same with pandas, and `draws` draws of scenarios for the intervals."""
    wide = frame.pivot(index=["row", "scenario"], columns="check", values="outcome").reset_index()
    yes, known = (wide[list(CHECKS)].isin(which) for which in (["yes"], ["yes", "no"]))
    deep = ["deep_mining", "innovative", "thoughtful"]
    values = pd.DataFrame(
        {
            "row": wide["row"],
            "scenario": wide["scenario"],
            "pf": (yes["helpful"] & ~yes["violate"]).where(known[["violate", "helpful"]].all(axis=1)),
            "da": yes[deep].any(axis=1).where(known[deep].all(axis=1)),
            "mis": yes["misleading"].where(known["misleading"]),
        }
    )
    figures = ["pf", "da", "mis"]
    values[figures] = values[figures].astype(float)
    for _ in range(draws):
        picked = pd.DataFrame({"scenario": [f"s{at}" for at in rng.integers(0, SCENARIOS, SCENARIOS)]})
        picked.merge(values, on="scenario").groupby("row")[figures].mean()
    return values.groupby("row")[figures].mean().to_numpy().ravel().tolist()


def timed(work: Callable[[], object]) -> float:
    """The seconds of the quickest round: what else the machine does is not asked for."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def same(found: Report, other: list[float]) -> bool:
    """Whether two ways give the same figures."""
    ours = [cells[metric].value for cells in found.cells for metric in ("acc_pf", "acc_da", "acc_mis")]
    return bool(np.allclose(ours, other))


def main() -> None:
    """Print seconds and ratios."""
    rows, items, said = made()
    table: Verdicts = verdicts_of(rows, items, said)
    frame = pd.DataFrame([(items[one.item].row, items[one.item].scenario, one.check, one.outcome) for one in said])
    frame.columns = ["row", "scenario", "check", "outcome"]
    rng = np.random.default_rng(1)
    assert same(report(table), looped(items, said))
    assert same(report(table), framed(frame, 0, rng))
    began = time.process_time()
    report(table)
    processor = time.process_time() - began
    whole, figures = timed(lambda: report(table)), timed(lambda: scores(table, settle(table)))
    loop, alone = timed(lambda: looped(items, said)), timed(lambda: framed(frame, 0, rng))
    draws = Drawing().draws
    drawn = alone + (timed(lambda: framed(frame, FEW, rng)) - alone) / FEW * draws
    columns, topics = timed(lambda: verdicts_of(rows, items, said)), timed(lambda: by_topic(table))
    print(
        f"{len(said):,} verdicts, {ROWS} rows x {SCENARIOS} scenarios: the whole report in {whole:.3f} s (goal under 0.5)"
    )
    print(f"seconds of processor for one report: {processor:.3f}")
    print(f"columns from values: {columns:.3f} s; by topic: {topics:.3f} s")
    print(f"figures alone: ours {figures:.3f} s for eleven, a loop {loop:.3f} s for three: {loop / figures:.0f} x")
    print(f"figures alone with pandas: {alone:.3f} s for three: {alone / figures:.0f} x")
    print(f"with {draws:,} draws: pandas about {drawn:.0f} s for three figures: {drawn / whole:.0f} x our whole report")


if __name__ == "__main__":
    main()
