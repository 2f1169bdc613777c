"""Jobs: the queue and its history; one job with progress, log, curves, command and files. The browser polls our JSON routes."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Background jobs</h1>
<div id="st-no-worker" role="alert"></div>
<section class="st-card" id="st-job" aria-labelledby="st-job-title" hidden></section>
<section class="st-card" aria-labelledby="st-queue-title">
  <div class="st-job-head"><h2 id="st-queue-title">Queue and history</h2><div id="st-queue-tools" class="st-actions"></div></div>
  <div id="st-queue"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/jobs", BODY), ("curves", "joblog", "jobs"), "jobs")
