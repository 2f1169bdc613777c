"""Evaluate: models and ways of prompting on the cases of a set. The list, a new one, its report, the items behind a number,
two rows side by side, judges against people, the next study: which of them is chosen by the address. Filled from
/api/evaluations and /api/plan."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1 id="st-evaluate-name">Evaluate</h1>
<div id="st-evaluate"></div>
"""
_SCRIPTS = (
    "starting",
    "ordering",
    "evalwords",
    "evalpictures",
    "evalreport",
    "evalitems",
    "evalform",
    "evalpeople",
    "planner",
    "evaluate",
)


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/evaluate", BODY), _SCRIPTS, "evaluate")
