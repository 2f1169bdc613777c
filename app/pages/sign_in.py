"""Signing in, and joining by an invitation link. Open to anybody."""

from app.page import draw
from app.views.shell import bare

BODY = """
<section class="st-card st-door" aria-labelledby="st-door-title">
  <h1 id="st-door-title">{title}</h1>
  <div id="st-door"></div>
</section>
"""


def build() -> None:
    """Draw the sign-in page inside the current Blocks."""
    draw(bare("/sign-in", BODY.format(title="Sign in")), ("door",), "signIn")


def build_join() -> None:
    """Draw the page of an invitation inside the current Blocks."""
    draw(bare("/join", BODY.format(title="Make your account")), ("door",), "join")
