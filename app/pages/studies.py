"""Studies: plan a rating study, hand out its links, watch it, freeze and unblind it, read its report."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Rating studies</h1>
<section class="st-card" id="st-new" aria-labelledby="st-new-title">
  <h2 id="st-new-title">A new study</h2>
  <div id="st-form"></div>
</section>
<section class="st-card" aria-labelledby="st-studies-title">
  <h2 id="st-studies-title">Studies</h2>
  <div id="st-studies"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/studies", BODY), ("report", "studies"), "studies")
