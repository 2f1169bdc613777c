"""Checks: one critique at a time beside its step, the report, the list of checks, files out and in."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Critique checks</h1>
<section class="st-card" id="st-check" aria-labelledby="st-check-title">
  <div class="st-job-head"><h2 id="st-check-title">Is the critic right?</h2>
    <div id="st-check-tools" class="st-actions"></div></div>
  <p class="st-dim" id="st-check-how"></p>
  <div id="st-check-item"></div>
  <p class="st-dim" id="st-check-state" role="status"></p>
</section>
<section class="st-card" id="st-agreement" aria-labelledby="st-agreement-title">
  <h2 id="st-agreement-title">Critic and people</h2>
  <div id="st-agreement-body"></div>
</section>
<section class="st-card" aria-labelledby="st-checked-title">
  <div class="st-job-head"><h2 id="st-checked-title">Checks so far</h2><div id="st-checked-tools" class="st-actions"></div></div>
  <div id="st-checked"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/checks", BODY), ("checks",), "checks")
