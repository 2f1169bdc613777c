"""How every page is put into Gradio: static HTML, our scripts, and one call that fills it in the browser."""

from collections.abc import Iterable

import gradio as gr


def draw(html: str, scripts: Iterable[str], mount: str) -> None:
    """Add a page's component to the current Blocks. `scripts` are names under /ui, `mount` the function of `Subtext` to call."""
    gr.HTML(
        html_template=html,
        head="".join(f'<script src="/ui/{name}.js"></script>' for name in scripts),
        js_on_load=f"Subtext.{mount}(element)",
        apply_default_css=False,
    )
