"""Build: plan a build of trees with its cost, try it on two scenarios, start it, watch it grow; the council audit of a set."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Build trees</h1>
<section class="st-card" aria-labelledby="st-plan-title">
  <h2 id="st-plan-title">What to build</h2>
  <div id="st-plan"></div>
</section>
<section class="st-card" id="st-live" aria-labelledby="st-live-title" hidden>
  <h2 id="st-live-title">Growing</h2><div id="st-growth"></div>
</section>
<section class="st-card" aria-labelledby="st-audit-title">
  <h2 id="st-audit-title">Council audit</h2>
  <p class="st-dim">What each persona gave to the trees of a set, and what the best path would be without it.</p>
  <div id="st-audit"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/build", BODY), ("build",), "build")
