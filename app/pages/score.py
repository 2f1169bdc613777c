"""Score: a pasted response is split into steps; the critic's words stream in and its scores colour the text."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Score a response</h1>
<div class="st-judging">
  <section class="st-card" aria-labelledby="st-paste-title">
    <h2 id="st-paste-title">What to judge</h2>
    <div id="st-paste"></div>
  </section>
  <section class="st-card" aria-labelledby="st-judged-title" aria-live="off">
    <h2 id="st-judged-title">What the critic says</h2>
    <p class="st-dim" id="st-judged-state" role="status">Each step is judged after those before it, from −1 to 1.</p>
    <ol id="st-judged" class="st-judged"></ol>
  </section>
</div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/score", BODY), ("streaming", "score"), "score_page")
