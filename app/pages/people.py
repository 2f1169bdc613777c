"""People: accounts, roles, invitations. For admins; on a server without accounts it makes the first one."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>People</h1>
<section class="st-card"><h2 id="st-add-title">Let somebody in</h2><div id="st-add"></div></section>
<section class="st-card"><h2>Invitations</h2><div id="st-invitations"></div></section>
<section class="st-card"><h2>Accounts</h2><div id="st-people"></div></section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/people", BODY), ("people",), "people")
