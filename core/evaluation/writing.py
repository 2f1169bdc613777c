"""A paragraph for the methods section of a paper, filled with what a run really did. Knows settings and counts; draws nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.evaluation.people import Against
from core.evaluation.report import Drawing, Report
from core.evaluation.verdicts import CHECKS, Judging
from core.prompts.verdicts import VERDICTS


@dataclass(frozen=True, slots=True)
class Setup:
    """What the paragraph tells beside the report: the judges by name, how they were asked, how answers were drawn, and from what
    `version` of the product."""

    judges: tuple[str, ...]
    judging: Judging
    temperature: float
    seed: int
    drawing: Drawing
    version: str = ""


def methods_paragraph(report: Report, setup: Setup, people: Against | None = None) -> str:
    """The paragraph as plain text. `people`: all checks together of `people.against_people`, where people judged a sample."""
    parts = [
        _responses(report, setup),
        _judged(setup),
        _counted(report),
        _uncertain(setup),
        _people(people) if people is not None and people.both else "",
        f"Made with Subtext {setup.version}." if setup.version else "",
    ]
    return " ".join(part for part in parts if part)


def _responses(report: Report, setup: Setup) -> str:
    sets: list[str] = []
    for dataset in dict.fromkeys(row.dataset for row in report.rows):
        cells = [
            cells["acc_pf"] for row, cells in zip(report.rows, report.cells, strict=True) if row.dataset == dataset
        ]
        planned, generated = sum(cell.planned for cell in cells), sum(cell.generated for cell in cells)
        sets.append(
            f"{dataset} ({_count(len(cells), 'row')}, {generated:,} of {planned:,} planned responses generated)"
        )
    turns = sorted({row.turns for row in report.rows if row.turns})
    late = f", in part after {_listed([str(turn) for turn in turns])} turns about something else" if turns else ""
    drawn = "greedily" if setup.temperature == 0 else f"at temperature {setup.temperature:g} from seed {setup.seed}"
    return f"We compared models and ways of prompting on {_listed(sets)}; responses were generated {drawn}{late}."


def _judged(setup: Setup) -> str:
    if not setup.judges:
        return ""
    how = setup.judging
    again = f", {how.repeats} times each at temperature {how.temperature:g}," if how.repeats > 1 else ""
    order = " The response stood before the preference." if how.order == "response_first" else ""
    prompts = _listed(
        [f"{check.replace('_', ' ')} (v{VERDICTS[check].version}, {VERDICTS[check].digest[:8]})" for check in CHECKS]
    )
    votes = " A verdict is the answer that more judges give than any other." if len(setup.judges) > 1 else ""
    votes += " A judge's own answer is the most frequent one of its repeats." if how.repeats > 1 else ""
    return (
        f"{_listed(list(setup.judges))} judged every response{again} on eight checks, each with an explanation before "
        f"a verdict of yes, no or cannot determine; prompt versions and digests: {prompts}.{votes}{order}"
    )


def _counted(report: Report) -> str:
    cells = [
        cells[metric] for cells in report.cells for metric in ("acc_pf", "acc_da", "acc_mis") if cells[metric].generated
    ]
    generated, counted = sum(cell.generated for cell in cells), sum(cell.n for cell in cells)
    if not generated:
        return ""
    return (
        "Acc_PF, Acc_DA and Acc_Mis follow the CDRA paper, the error types PrefEval. A response counts in a figure only "
        f"where every check of the figure has a yes or a no ({counted:,} of {generated:,} cases, "
        f"{counted / generated:.1%}); failed calls, unreadable replies, ties "
        "and cannot determine leave the denominator and are reported."
    )


def _uncertain(setup: Setup) -> str:
    return (
        f"Intervals are 95 % bootstrap intervals over scenarios ({setup.drawing.draws:,} draws, seed {setup.drawing.seed}), "
        "widened for few scenarios and by formula for rare answers; differences are paired by scenario and tested by sign flips "
        f"({setup.drawing.flips:,}, all of them for 12 scenarios or fewer) with Holm's correction over the pairs of each figure."
    )


def _people(found: Against) -> str:
    span = found.agree_drawn if found.agree_drawn.low == found.agree_drawn.low else found.wilson
    return (
        f"On {found.both} verdicts that people gave too, judge and people agree in {found.agree:.1%} "
        f"(95 % interval {span.low:.1%} to {span.high:.1%}; Cohen's kappa {found.kappa:.2f}); the judge says yes "
        f"{abs(100 * found.bias):.1f} percentage points {'more' if found.bias > 0 else 'less'} often."
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
