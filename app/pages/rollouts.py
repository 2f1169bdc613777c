"""Rollouts: what a run sampled, token by token: who got which score and advantage, and why. Filled from /api/rollouts."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Rollouts</h1>
<section class="st-card" aria-labelledby="st-rollout-which">
  <h2 id="st-rollout-which">Which responses</h2>
  <div id="st-rollout-choice"></div>
  <div id="st-rollout-groups"></div>
</section>
<div id="st-rollout-group" hidden>
  <section class="st-card" aria-labelledby="st-ribbon-title">
    <h2 id="st-ribbon-title">Token by token</h2>
    <div id="st-ribbon"></div>
  </section>
  <section class="st-card" aria-labelledby="st-found-title">
    <h2 id="st-found-title">Findings</h2>
    <div id="st-found"></div>
  </section>
  <section class="st-card" aria-labelledby="st-aligned-title">
    <h2 id="st-aligned-title">Step by step</h2>
    <div id="st-aligned"></div>
  </section>
  <section class="st-card" aria-labelledby="st-against-title">
    <h2 id="st-against-title">The same prompt in another update</h2>
    <div id="st-against"></div>
  </section>
</div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/rollouts", BODY), ("ribbon", "rollouts"), "rollouts")
