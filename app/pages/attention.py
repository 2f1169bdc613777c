"""Attention: where models look in one prompt, and over many scenarios. Which of them is chosen by the address. Filled from
/api/attention."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1 id="st-attention-name">Attention</h1>
<div id="st-attention"></div>
"""
_SCRIPTS = (
    "starting",
    "evalwords",
    "ribbon",
    "attentionview",
    "usemeter",
    "attentioncurve",
    "attentionrun",
    "attentionform",
    "attention",
)


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/attention", BODY), _SCRIPTS, "attention")
