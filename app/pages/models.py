"""Models: the registered models, and one of them with what it was made of and how well it scores held-out steps."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Models</h1>
<div id="st-model"></div>
<section class="st-card" id="st-models-card" aria-labelledby="st-models-title">
  <h2 id="st-models-title">Registered models</h2>
  <div id="st-models"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/models", BODY), ("heldout", "models"), "models")
