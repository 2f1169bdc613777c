"""Settings: what fills each role, a try of each, how to change it; model servers of our own, started and stopped here."""

from app.page import draw
from app.views.shell import shell

BODY = """
<h1>Settings</h1>
<section class="st-card" aria-labelledby="st-roles-title">
  <h2 id="st-roles-title">Models by role</h2>
  <div id="st-roles"></div>
</section>
<section class="st-card" aria-labelledby="st-kept-title">
  <h2 id="st-kept-title">Kept replies</h2>
  <div id="st-kept"></div>
</section>
<section class="st-card" aria-labelledby="st-servers-title">
  <h2 id="st-servers-title">Model servers</h2>
  <p class="st-dim">vLLM on this machine. A server goes on when this page or Subtext ends, and is found again here.</p>
  <div id="st-servers"></div>
  <div id="st-new-server"></div>
</section>
<section class="st-card" aria-labelledby="st-change-title">
  <h2 id="st-change-title">How to change a model</h2>
  <p>Set environment variables and start Subtext again. For a vLLM server with the judge's model:</p>
  <pre class="st-raw" tabindex="0">export SUBTEXT_JUDGE_URL=http://127.0.0.1:8000/v1
export SUBTEXT_JUDGE_MODEL=Qwen/Qwen3-8B
export SUBTEXT_JUDGE_STRUCTURED=1</pre>
  <p>For a service that wants a key, name the variable that holds it. Subtext reads the key when it calls
  and keeps it nowhere:</p>
  <pre class="st-raw" tabindex="0">export SUBTEXT_JUDGE_KEY_VARIABLE=MY_SERVICE_KEY</pre>
  <p>One server for all roles: <code>OPENAI_BASE_URL</code>, <code>OPENAI_API_KEY</code> and <code>SUBTEXT_MODEL</code>.</p>
</section>
"""


def build() -> None:
    """Draw the page inside the current Blocks."""
    draw(shell("/settings", BODY), ("servers", "settings"), "settings")
