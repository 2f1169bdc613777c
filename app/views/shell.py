"""The frame of a page: header, navigation, main region. Static HTML: no text of a model, file or person goes in here."""

from app.auth import needed

NAVIGATION = (
    ("/", "Home"),
    ("/respond", "Respond"),
    ("/data", "Data"),
    ("/trees", "Trees"),
    ("/checks", "Checks"),
    ("/studies", "Studies"),
    ("/build", "Build"),
    ("/critic", "Critic"),
    ("/train", "Train"),
    ("/evaluate", "Evaluate"),
    ("/simulate", "Dialogues"),
    ("/jobs", "Jobs"),
)
MORE = (
    ("/attention", "Attention"),
    ("/score", "Score"),
    ("/models", "Models"),
    ("/settings", "Settings"),
    ("/people", "People"),
)
"""Pages behind a button, where the window is wide enough for one line."""

HEAD = """
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/subtext.css">
<script src="/ui/base.js"></script>
"""


def shell(path: str, body: str) -> str:
    """The HTML of a page at `path` around its `body`. The browser leaves out the links that the role of the person lacks."""
    first, more = ("".join(_link(href, name, path) for href, name in part) for part in (NAVIGATION, MORE))
    inside = " data-current" if path in dict(MORE) else ""
    links = (
        f'{first}<span class="st-nav-more"><button class="st-button st-quiet" id="st-more" type="button" aria-expanded="false" '
        f'aria-controls="st-more-links"{inside}>More</button><span id="st-more-links">{more}</span></span>'
    )
    mode = '<span class="st-mode" id="st-mode"></span>'
    return _frame(path, body, f'<a class="st-brand" href="/">{_BRAND}</a><nav aria-label="Pages">{links}</nav>{mode}')


def _link(href: str, name: str, path: str) -> str:
    return f'<a href="{href}" data-role="{needed(href)}"{" aria-current=page" if href == path else ""}>{name}</a>'


def bare(path: str, body: str) -> str:
    """The HTML of a page without a way to the others: for raters, who come by a link and stay."""
    return _frame(path, body, f'<span class="st-brand">{_BRAND}</span><span class="st-spring"></span>')


_BRAND = '<img src="/ui/icon.svg" alt="" width="26" height="26"><span>Subtext</span>'


def _frame(path: str, body: str, head: str) -> str:
    return f"""
<div class="st-page" data-page="{path}">
  <a class="st-skip" href="#st-body">Skip to content</a>
  <header class="st-header">
    {head}
    <button class="st-button st-quiet" id="st-keys" type="button" aria-keyshortcuts="?"><kbd>?</kbd> Keys</button>
    <button class="st-button st-quiet" id="st-theme" type="button" aria-label="Switch between light and dark">◐</button>
  </header>
  <div class="st-body" id="st-body">{body}</div>
  <div class="st-toasts" role="status" aria-live="polite"></div>
</div>
"""
