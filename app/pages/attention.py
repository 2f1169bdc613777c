"""Attention: where models look in one prompt, and over many scenarios. Which of them is chosen by the address. Filled from
/api/attention."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1 id="st-attention-name">Attention</h1>
<p class="st-lead">Where a model looks at the moment it begins to answer, layer by layer and head by head, and how much of that
falls on the preference; and, beside it, what the answer would lose without the preference.</p>
<div id="st-attention"></div>
"""
_SCRIPTS = (
    "starting",
    "ordering",
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
