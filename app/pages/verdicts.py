"""Verdicts: people answer the checks of an evaluation without knowing what was evaluated. Filled from /api/verdicts."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Checks of responses</h1>
<div id="st-verdicts"></div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/verdicts", BODY), ("verdicts",), "verdicts")
