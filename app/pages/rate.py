"""Rating: what a rater sees behind a link. Shows who the user is, the dialogue turn by turn, and nothing about its source."""

from app.page import draw
from app.views.shell import bare

BODY = """
<h1 class="st-only-readers">Rate a dialogue</h1>
<div id="st-rate"></div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(bare("/rate", BODY), ("outbox", "rate"), "rate")
