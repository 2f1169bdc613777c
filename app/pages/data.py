"""Data: drop files, look at what is in them, import; the sets with their counts, exports and deletion."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Data</h1>
<section class="st-card" aria-labelledby="st-drop-title">
  <h2 id="st-drop-title">Import</h2>
  <label class="st-drop" id="st-drop" tabindex="0">
    <input type="file" id="st-file" multiple class="st-hidden-input" aria-label="Files to import">
    <strong>Drop files here</strong> or press to choose.
    <span class="st-dim">DeepPref trees and step rows, PrefEval, ALOE, AlignX / P-Soups, TRL rows, ratings, and Subtext's own
    JSON lines or Parquet. The format is found by content. Nothing is stored until you say so.</span>
  </label>
  <div id="st-uploads"></div>
</section>
<section class="st-card" aria-labelledby="st-sets-title">
  <h2 id="st-sets-title">Sets</h2>
  <div id="st-sets"></div>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/data", BODY), ("histogram", "data"), "data")
