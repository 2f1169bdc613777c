"""Respond: a preference and a query answered by two models side by side, each step judged as it is written."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Respond</h1>
<p class="st-lead">Say what you prefer and ask something. A preference says less than it means: the model reasons towards what is
behind it, and a critic judges every step while it is written.</p>
<section class="st-card" aria-labelledby="st-ask-title">
  <h2 id="st-ask-title">Preference and query</h2>
  <div id="st-ask"></div>
</section>
<div id="st-sides" class="st-written-sides" aria-live="off"></div>
<section class="st-card" id="st-edit" aria-labelledby="st-edit-title" hidden>
  <h2 id="st-edit-title">Edit the preference and see what changes</h2>
  <div id="st-edit-form"></div>
</section>
<section class="st-card" id="st-on" aria-labelledby="st-on-title" hidden>
  <h2 id="st-on-title">Go on</h2>
  <div id="st-on-form"></div>
</section>
"""
_SCRIPTS = ("streaming", "evalwords", "ribbon", "attentionview", "usemeter", "why", "respondside", "respond")


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/respond", BODY), _SCRIPTS, "respond_page")
