"""Train a critic: what it would learn from, every setting with its meaning, what is checked before it starts, and the start."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Train a critic</h1>
<section class="st-card" aria-labelledby="st-critic-form-title">
  <h2 id="st-critic-form-title">What to train</h2>
  <div id="st-critic-form"></div>
</section>
<section class="st-card" aria-labelledby="st-critic-data-title">
  <h2 id="st-critic-data-title">What it would learn from</h2>
  <div id="st-critic-data"></div>
</section>
<section class="st-card" aria-labelledby="st-critic-check-title">
  <h2 id="st-critic-check-title">Before it starts</h2>
  <div id="st-critic-check"></div>
</section>
<section class="st-card" id="st-critic-job" aria-labelledby="st-critic-job-title" hidden>
  <h2 id="st-critic-job-title">The training</h2>
  <div id="st-critic-live"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/critic", BODY), ("starting", "histogram", "tokens", "critic"), "critic")
