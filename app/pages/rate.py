"""Rating: what a rater sees behind a link. Shows who the user is, the dialogue turn by turn, and nothing about its source."""

import gradio as gr

from app.views.shell import bare

BODY = """
<h1 class="st-only-readers">Rate a dialogue</h1>
<div id="st-rate"></div>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    gr.HTML(
        html_template=bare("/rate", BODY),
        head='<script src="/ui/outbox.js"></script><script src="/ui/rate.js"></script>',
        js_on_load="Subtext.rate(element)",
        apply_default_css=False,
    )
