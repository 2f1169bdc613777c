"""Train a policy: a preset, every setting with its meaning, what is checked, the start, and the run as it goes."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Train a policy</h1>
<section class="st-card" aria-labelledby="st-train-form-title">
  <h2 id="st-train-form-title">What to train</h2>
  <div id="st-train-form"></div>
</section>
<section class="st-card" aria-labelledby="st-train-check-title">
  <h2 id="st-train-check-title">Before it starts</h2>
  <div id="st-train-check"></div>
</section>
<section class="st-card" id="st-train-job" aria-labelledby="st-train-job-title" hidden>
  <h2 id="st-train-job-title">The training</h2>
  <div id="st-train-live"></div>
  <div id="st-train-samples"></div>
  <div id="st-train-curves"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/train", BODY), ("starting", "curves", "samples", "train"), "train")
