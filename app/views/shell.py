"""The frame of a page: header, navigation, main region. Static HTML: no text of a model, file or person goes in here."""

NAVIGATION = (("/", "Home"), ("/data", "Data"), ("/trees", "Trees"))

HEAD = """
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/subtext.css">
<script src="/ui/base.js"></script>
"""


def shell(path: str, body: str) -> str:
    """The HTML of a page at `path` around its `body`."""
    links = "".join(
        f'<a href="{href}"{" aria-current=page" if href == path else ""}>{name}</a>' for href, name in NAVIGATION
    )
    return f"""
<div class="st-page" data-page="{path}">
  <a class="st-skip" href="#st-body">Skip to content</a>
  <header class="st-header">
    <a class="st-brand" href="/"><img src="/ui/icon.svg" alt="" width="26" height="26"><span>Subtext</span></a>
    <nav aria-label="Pages">{links}</nav>
    <span class="st-mode" title="Served on this machine only; there are no accounts yet.">single user</span>
    <button class="st-button st-quiet" id="st-keys" type="button" aria-keyshortcuts="?"><kbd>?</kbd> Keys</button>
    <button class="st-button st-quiet" id="st-theme" type="button" aria-label="Switch between light and dark">◐</button>
  </header>
  <div class="st-body" id="st-body">{body}</div>
  <div class="st-toasts" role="status" aria-live="polite"></div>
</div>
"""
