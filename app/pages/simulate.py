"""Dialogues: users played by a model who talk with models under test. The list, a new simulation, its report, the dialogues
behind a number: which of them is chosen by the address. Filled from /api/simulations."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1 id="st-simulate-name">Dialogues</h1>
<div id="st-simulate"></div>
"""
_SCRIPTS = ("starting", "ordering", "evalwords", "report", "simform", "simreport", "simulate")


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/simulate", BODY), _SCRIPTS, "simulate")
