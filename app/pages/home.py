"""Home: what is here, what to do next, what happened last. The browser fills it from /api/home."""

from app.page import draw
from app.views.shell import shell

BODY = """
<section class="st-hero">
  <h1>What lies under a stated preference</h1>
  <p>People say <q>I don't share my live location</q> and mean something deeper. Subtext shows how a council of five
  personas reasons its way there, what an evaluator said about every step, and where the reasoning went wrong.</p>
  <div class="st-actions">
    <a class="st-button st-primary" href="/trees">Read a reasoning tree</a>
    <a class="st-button" href="/data">Import your data</a>
  </div>
</section>
<section class="st-counts" id="st-counts" aria-label="What is here"></section>
<div class="st-columns">
  <section class="st-card"><h2>One to read</h2><div id="st-featured"></div></section>
  <section class="st-card"><h2>What to do next</h2><ol class="st-next" id="st-next"></ol></section>
  <section class="st-card"><h2>Recent activity</h2><ul class="st-recent" id="st-recent"></ul></section>
</div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/", BODY), ("home",), "home")
