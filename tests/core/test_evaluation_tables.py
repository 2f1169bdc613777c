"""Evaluation, what is shown and written: layouts beside the paper, slices, radar, frontier, CSV, JSON, LaTeX, HTML, a paragraph."""

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from core.bootstrap import Interval
from core.evaluation import export, figures, layout, pairing, paper, slices, web, writing
from core.evaluation.intervals import share_intervals
from core.evaluation.metrics import METRICS, Metric
from core.evaluation.people import Pairs, against
from core.evaluation.report import Cell, Drawing, Report, report
from core.evaluation.table import NO, YES, Item, Row, Said, Verdicts, settle, verdicts_of
from core.evaluation.verdicts import CHECKS, Judging, Outcome
from core.policy_specs import POLICY_PRESETS
from core.prompts.verdicts import VERDICTS

QUICK = Drawing(draws=200, flips=500)
HOSTILE = "=<script>alert(1)</script> & \\input{x} 50% _#{}$~^"
ROWS = (
    Row("ours zero-shot", "DeepPref", "starter", "zero_shot"),
    Row("ours CDPA", "DeepPref", "model:12", "step_by_step"),
    Row("ours CDPA late", "PrefEval", "model:12", "step_by_step", 10),
    Row(HOSTILE, "own <set>"),
)
BESIDE = {0: "Zero-shot", 1: "CDRA", 2: "CDRA"}


def table(rows: tuple[Row, ...] = ROWS, scenarios: int = 24) -> Verdicts:
    """Every row on its scenarios; the second row is better, the last was never judged, and every sixth call says nothing."""
    rng = np.random.default_rng(7)
    items: list[Item] = []
    said: list[Said] = []
    for row in range(len(rows)):
        for scenario in range(scenarios):
            place = len(items)
            items.append(
                Item(
                    row, f"s{scenario}", f"topic {scenario % 3}", scenario % 12 != 11, 400 if scenario % 12 != 11 else 0
                )
            )
            if row == len(rows) - 1 or scenario % 12 == 11:
                continue
            for check in CHECKS:
                wanted = check in ("acknowledge", "helpful", "deep_mining", "innovative", "thoughtful")
                share = 0.8 if wanted == (row > 0) else 0.3
                outcome: Outcome = "cannot" if rng.random() < 1 / 6 else "yes" if rng.random() < share else "no"
                said.append(Said(place, check, outcome, "judge"))
    return verdicts_of(rows, items, said)


@pytest.fixture(scope="module")
def found() -> Report:
    return report(table(), drawing=QUICK)


def test_the_papers_rows_are_the_ones_that_are_printed() -> None:
    assert [row.name for row in paper.TABLE_1["DeepPref"]] == [
        "Zero-shot",
        "Few-shot",
        "CoT",
        "TPO",
        "SFT",
        "GRPO",
        "CDRA",
    ]
    assert paper.TABLE_1["DeepPref"][6].values == (84.7, 76.3, 32.3, 47.0, 65.0, 42.7)
    assert paper.TABLE_1["PrefEval"][6].values == (68.8, 62.5, 21.0, 27.7, 37.5, 15.2)
    assert paper.TABLE_3[-1].values == paper.TABLE_1["DeepPref"][6].values
    assert paper.TABLE_3[0].values == paper.TABLE_1["DeepPref"][2].values
    assert all(
        len(row.values) == len(paper.COLUMNS) for rows in (*paper.TABLE_1.values(), paper.TABLE_3) for row in rows
    )
    doubted = [row.name for rows in paper.TABLE_1.values() for row in rows if paper.doubt(row.values)]
    assert doubted == ["TPO", "GRPO"], "both of the PrefEval half"
    names = {row.name for rows in paper.TABLE_1.values() for row in rows}, {row.name for row in paper.TABLE_3}
    for place in (0, 1):
        assert {pair[place] for pair in paper.PRESETS.values()} - {""} == names[place]
    assert paper.beside({0: "zero_shot", 1: "cdpa", 4: "rft", 5: "grpo_prm"}, "table_1") == {0: "Zero-shot", 1: "CDRA"}
    assert paper.beside({0: "zero_shot", 1: "cdpa", 5: "grpo_prm"}, "table_3") == {1: "CDRA", 5: "GRPO (PRM)"}
    assert set(POLICY_PRESETS) - set(paper.PRESETS) == {"rft"}, "RFT is where CDPA starts and has no printed row"


def test_table_1_puts_our_rows_below_the_papers(found: Report) -> None:
    made = layout.table_1(found, BESIDE)
    names = [(line.group, line.name, line.row) for line in made.lines]
    assert names[:3] == [
        ("DeepPref", "Zero-shot", None),
        ("DeepPref", "ours zero-shot", 0),
        ("DeepPref", "Few-shot", None),
    ]
    assert names[7:9] == [("DeepPref", "CDRA", None), ("DeepPref", "ours CDPA", 1)]
    assert names[-2:] == [("PrefEval", "ours CDPA late", 2), ("own <set>", HOSTILE, 3)]
    assert len(names) == 7 + 7 + 4
    zero = made.lines[0].shown
    assert [one.percent for one in zero] == [23.0, 6.7, 76.0, 4.7, 3.0, 0.0]
    cell = found.cells[0]["acc_mis"]
    ours = made.lines[1].shown[2]
    assert (ours.percent, ours.n) == (100 * cell.value, cell.n)
    assert ours.low < ours.percent < ours.high
    empty = made.lines[-1].shown[0]
    assert math.isnan(empty.percent)
    assert empty.why.startswith("No result")
    assert [head.lower for head in made.columns] == [False, False, True, False, False, False]
    assert len(made.notes) == 2


def test_the_best_of_ours_is_marked_and_never_the_papers(found: Report) -> None:
    made = layout.table_1(found, BESIDE)
    best = {line.name for line in made.lines for one in line.shown if one.best}
    assert best <= {"ours zero-shot", "ours CDPA"}, "a single row is not the best of anything"
    risks = {line.name: line.shown[2] for line in made.lines if line.row in (0, 1)}
    lower = min(risks.values(), key=lambda one: one.percent)
    assert [one.best for one in risks.values()] == [one == lower for one in risks.values()]


def test_both_rules_side_by_side(found: Report) -> None:
    made = layout.table_1(found, BESIDE, both=True)
    assert [(head.metric, head.rule) for head in made.columns][:4] == [
        ("acc_pf", "corrected"), ("acc_pf", "published"), ("acc_da", "corrected"), ("acc_da", "published"),
    ]  # fmt: skip
    dead = made.lines[-1].shown
    assert math.isnan(dead[0].percent)
    assert dead[1].percent == 100.0, "what the published rule makes of a judge that never answered"
    printed = made.lines[0].shown
    assert math.isnan(printed[0].percent)
    assert printed[0].why
    assert printed[1].percent == 23.0
    errors = layout.error_types(found, both=True)
    assert len(errors.columns) == 8
    assert len(errors.lines) == len(ROWS)


def test_table_3_has_its_marks(found: Report) -> None:
    made = layout.table_3(found, {0: "Base", 1: "CDRA"})
    assert [line.name for line in made.lines if line.row is not None] == ["ours zero-shot", "ours CDPA"]
    assert made.lines[-1].marks == made.lines[-2].marks == (True, True)
    assert made.marks == ("Process", "Critique")
    assert len(made.lines) == 7 + 2


def test_csv_and_json_hold_every_cell_and_no_invented_zero(found: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(export.to_csv(found))))
    assert len(rows) == len(ROWS) * len(METRICS)
    assert tuple(rows[0]) == export.FIELDS
    dead = next(row for row in rows if row["dataset"] == "own <set>" and row["metric"] == "acc_pf")
    assert (dead["value"], dead["low"], dead["n"], dead["judged"]) == ("", "", "0", "0")
    assert dead["row"] == "'" + HOSTILE, "no spreadsheet runs it"
    assert dead["why"].startswith("No result")
    body = json.loads(export.to_json(found, {"seed": 6}))
    assert body["about"] == {"seed": 6}
    assert len(body["cells"]) == len(rows)
    assert [row["value"] for row in body["cells"]].count(None) == [row["value"] for row in rows].count("")
    compared = [one for one in body["differences"] if one["metric"] == "acc_mis"]
    assert [(one["first"], one["second"]) for one in compared] == [("ours CDPA", "ours zero-shot")]
    assert compared[0]["scenarios"] > 10


def test_latex_is_escaped_and_balanced(found: Report) -> None:
    for made in (
        layout.table_1(found, BESIDE, both=True),
        layout.table_3(found, {1: "CDRA"}),
        layout.error_types(found),
    ):
        text = export.to_latex(made)
        body = text[text.index("\\toprule") :]
        for char in "%#$&_":
            assert not re.search(
                rf"(?<!\\){re.escape(char)}",
                body.replace(" & ", " ").replace("$\\downarrow$", "").replace("$\\uparrow$", "").replace("$-$", ""),
            )
        assert "\\input" not in text
        assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
        width = 1 + len(made.marks) + len(made.columns)
        lines = [line for line in body.splitlines() if line.startswith("{}")]
        assert len(lines) == len(made.lines) + 1
        assert all(len(re.findall(r"(?<!\\)&", line)) == width - 1 for line in lines)
    assert "\\textbf{" in export.to_latex(layout.table_1(found, BESIDE))


class Tags(HTMLParser):
    """The tags of a file, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "onload"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_needs_nothing_else_and_escapes_everything(found: Report) -> None:
    text = web.to_html(
        HOSTILE, [layout.table_1(found, BESIDE), layout.error_types(found, True)], found, [HOSTILE, "Second."]
    )
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not tags.seen & {"script", "img", "link", "iframe", "object", "form", "a"}
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 3
    assert "default-src 'none'" in text
    assert "No result" in text
    assert "84.7" in text


def test_the_paragraph_says_what_was_done(found: Report) -> None:
    judge = against(Pairs(np.array([YES, YES, NO, NO] * 20), np.array([YES, NO, NO, NO] * 20), np.arange(80)))
    setup = writing.Setup(("judge A", "judge B"), Judging(repeats=3, temperature=0.7), 0.0, 1, QUICK, "0.1.0")
    text = writing.methods_paragraph(found, setup, judge)
    for part in (
        "DeepPref (2 rows, 44 of 48 planned responses generated)", "PrefEval (1 row, 22 of 24", "generated greedily", "after 10 turns",
        "judge A and judge B", "3 times each at temperature 0.7", "200 draws, seed 6", "500, all of them", "Holm", "75.0%",
        "25.0 percentage points more often", "Subtext 0.1.0", VERDICTS["misleading"].digest[:8],
    ):  # fmt: skip
        assert part in text
    counted = [found.cells[row][metric] for row in range(4) for metric in ("acc_pf", "acc_da", "acc_mis")]
    assert f"({sum(cell.n for cell in counted):,} of {sum(cell.generated for cell in counted):,} cases" in text
    plain = writing.methods_paragraph(found, writing.Setup(("one",), Judging(order="response_first"), 0.7, 5, QUICK))
    assert "at temperature 0.7 from seed 5" in plain
    assert "before the preference" in plain
    assert "percentage points" not in plain


def test_slices_add_up_to_the_cell(found: Report) -> None:
    made = slices.by_topic(table(), ("acc_mis", "acc_pf"))
    assert len(made) == len(ROWS) * 3 * 2
    for row in range(3):
        own = [one for one in made if one.row == row and one.metric == "acc_mis"]
        cell = found.cells[row]["acc_mis"]
        assert sum(one.n for one in own) == cell.n
        assert sum(one.n * one.value for one in own) == pytest.approx(cell.hits)
        assert sum(one.planned for one in own) == cell.planned
        assert sum(one.judged for one in own) == cell.judged
    dead = [one for one in made if one.row == 3]
    assert all(math.isnan(one.value) and one.n == 0 and one.generated > 0 for one in dead)
    two = verdicts_of(
        (Row("a", "d"),),
        [Item(0, "s", "t"), Item(0, "r", "t")],
        [Said(0, "misleading", "yes"), Said(1, "misleading", "no")],
    )
    (one,) = slices.by_topic(two, ("acc_mis",))
    low, high = share_intervals(np.array([[1.0], [0.0]]), np.ones((2, 1)))
    assert (one.value, tuple(one.interval)) == (0.5, (low[0], high[0]))
    assert 0 <= low[0] < 0.1 < 0.9 < high[0] <= 1


OUTCOMES: dict[int, tuple[Outcome, ...]] = {0: ("yes", "no", "no", "yes"), 1: ("no", "yes", "no", "cannot")}


def test_win_lose_tie_and_missing() -> None:
    items = [Item(row, f"s{at}") for row in OUTCOMES for at in range(4)]
    said = [Said(4 * row + at, "misleading", one) for row, own in OUTCOMES.items() for at, one in enumerate(own)]
    rows = (Row("a", "d"), Row("b", "d"))
    given = verdicts_of(rows, [*items, Item(1, "s9")], said)
    two = pairing.beside(pairing.Side(given, 0, range(4)), pairing.Side(given, 1, range(4, 8)))
    found = pairing.paired(two, "acc_mis")
    assert [one.against for one in found] == ["lose", "win", "tie", "missing"], "lower is better"
    assert found[3] == (1.0, None, "missing")
    higher = verdicts_of(rows, items, [one._replace(check="thoughtful") for one in said])
    two = pairing.beside(pairing.Side(higher, 0, range(4)), pairing.Side(higher, 1, range(4, 8)))
    assert [one.against for one in pairing.paired(two, "m_th")] == ["win", "lose", "tie", "missing"]


def test_rows_of_two_tables_keep_their_judges_and_meet_on_scenarios() -> None:
    rows = (Row("a", "d"), Row("b", "d"))
    one = verdicts_of(
        rows,
        [Item(0, "x"), Item(0, "y"), Item(1, "x"), Item(1, "y")],
        [Said(place, "misleading", "yes", judge) for place in range(4) for judge in ("ann", "bob")],
    )
    two = verdicts_of(
        (Row("c", "other name"),),
        [Item(0, "w"), Item(0, "y"), Item(0, "x")],
        [Said(0, "misleading", "yes", "cid"), Said(1, "misleading", "no", "cid"), Said(2, "misleading", "yes", "cid")],
    )
    both = pairing.beside(pairing.Side(one, 1, (2, 3)), pairing.Side(two, 0, (2, 1)))
    assert [row.name for row in both.rows] == ["b", "c"] and both.judges == ("ann", "bob", "cid")
    assert [pair.against for pair in pairing.paired(both, "acc_mis")] == ["tie", "lose"]
    apart = pairing.difference(both, "acc_mis")
    assert (apart.value, apart.scenarios) == (0.5, 2)
    for place, own in ((0, settle(one)[2:]), (2, settle(two)[[2, 1]])):
        assert (settle(both)[place : place + 2] == own).all(), "each side is settled as in its own table"
    with pytest.raises(ValueError, match="a response for every case"):
        pairing.beside(pairing.Side(one, 1, (2, 3)), pairing.Side(two, 0, (2,)))
    with pytest.raises(ValueError, match="another row"):
        pairing.beside(pairing.Side(one, 1, (0,)), pairing.Side(two, 0, (2,)))


def test_the_difference_of_two_tables_is_that_of_one() -> None:
    whole = table()
    places = [np.flatnonzero(whole.row == row).tolist() for row in (0, 1)]
    expected = next(one for one in report(whole, [(0, 1)]).differences if one.metric == "acc_pf")
    found = pairing.difference(pairing.beside(*(pairing.Side(whole, row, places[row]) for row in (0, 1))), "acc_pf")
    assert (found.value, found.scenarios) == (pytest.approx(expected.value), expected.scenarios)
    assert found.p == pytest.approx(expected.p, abs=0.02)


def cell(value: float, low: float, high: float, n: int = 10) -> Cell:
    return Cell(value, Interval(low, high), round(value * n), n, n, n, n, n, n, 0, 0, value, value, None, "")


def traded(points: dict[str, tuple[float, float]]) -> Report:
    """A report of rows with these (gain, risk)."""
    cells: list[dict[Metric, Cell]] = []
    for gain, risk in points.values():
        own = dict.fromkeys(METRICS, cell(0.5, 0.4, 0.6))
        cells.append(own | {"m_ie": cell(gain, gain - 0.1, gain + 0.1), "acc_mis": cell(risk, risk - 0.1, risk + 0.2)})
    return Report(tuple(Row(name, "DeepPref") for name in points), tuple(cells), [])


def test_the_radar_turns_misleading_risk_around() -> None:
    ours, *printed = figures.radars(traded({"ours": (0.4, 0.3)}), "DeepPref")
    assert len(ours.spokes) == len(figures.AXES) == 6
    assert ours.spokes[2].percent == pytest.approx(70)
    assert tuple(ours.spokes[2].interval) == pytest.approx((50, 80))
    assert ours.spokes[5].percent == pytest.approx(40)
    assert [one.row for one in printed] == [None] * 7
    assert printed[-1].name == "CDRA (paper)"
    assert printed[-1].spokes[2].percent == pytest.approx(100 - 32.3)
    assert len(figures.radars(traded({"ours": (0.4, 0.3)}), "DeepPref", paper=False)) == 1


def test_the_frontier_and_what_a_misleading_answer_may_cost() -> None:
    made = traded(
        {"safe": (0.1, 0.1), "bold": (0.6, 0.5), "middle": (0.4, 0.2), "worse": (0.3, 0.3), "same": (0.4, 0.2)}
    )
    points = figures.frontier(made, "DeepPref")
    assert [(one.name, one.frontier) for one in points] == [
        ("safe", True), ("middle", True), ("same", True), ("worse", False), ("bold", True),
    ]  # fmt: skip
    assert figures.ranked(points, 0)[0].point.name == "bold"
    assert figures.ranked(points, 10)[0].point.name == "safe"
    changes = figures.switches(points)
    assert [name for _, name in changes] == ["bold", "middle", "safe"]
    assert [cost for cost, _ in changes] == pytest.approx([0, 2 / 3, 3])
    for cost, name in changes:
        assert figures.ranked(points, cost + 1e-6)[0].point.name == name
    with pytest.raises(ValueError, match="0 or more"):
        figures.ranked(points, math.nan)
    with pytest.raises(ValueError, match="no figure"):
        figures.frontier(made, "DeepPref", "nothing")  # type: ignore[arg-type]
    assert figures.switches([]) == []
    assert figures.frontier(made, "PrefEval") == []
    unknown = Cell(math.nan, Interval(math.nan, math.nan), 0, 0, 0, 9, 9, 0, 0, 0, 0, 0.0, 1.0, None, "No result.")
    partly = made._replace(cells=(made.cells[0] | {"m_ie": unknown}, *made.cells[1:]))
    assert "safe" not in {one.name for one in figures.frontier(partly, "DeepPref")}
