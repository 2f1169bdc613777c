"""Trees: the list with search and facets, the tree, the node, and the path view. Selection lives in the browser."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1 class="st-only-readers">Reasoning trees</h1>
<div class="st-trees">
  <aside class="st-list" aria-label="Scenarios">
    <button class="st-button" id="st-list-toggle" type="button" aria-expanded="false" aria-controls="st-list">Scenarios ▾</button>
    <div class="st-list-head">
      <input type="search" id="st-search" placeholder="Search preferences, thoughts, critiques" aria-label="Search"
        aria-keyshortcuts="/">
      <details id="st-facets"><summary>Filters <span id="st-filter-count"></span></summary>
        <div class="st-facet-grid"></div></details>
      <div class="st-dim" id="st-list-count" role="status"></div>
    </div>
    <ul id="st-list" aria-label="Scenarios found"></ul>
  </aside>
  <section class="st-work" aria-label="Tree">
    <div id="st-scenario"></div>
    <div class="st-toolbar" id="st-toolbar"></div>
    <div id="st-view"></div>
  </section>
  <aside class="st-node" id="st-node" aria-label="Selected step" tabindex="-1"></aside>
</div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/trees", BODY), ("histogram", "layout", "treeview", "pathview", "nodepanel", "list", "trees"), "trees")
