"""From click to painted in the browser, for trees of 80 and of 500 nodes. `python -m benchmarks.painting`

A click selects a node: card, panel and address change. Measured inside the page, from the click to the
first task after the frame that shows it; clicks come at different moments of a frame.
Beside it, what a round trip through the server would add at least: fetching that node's record before painting.
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from app.actions.import_data import import_files
from app.actions.prepare import prepare
from app.context import open_context
from app.settings import Settings
from benchmarks.made import write_trees
from tests.ui.conftest import CHROMIUM, FLAGS, Server, visit

CLICK = """async ([times, fetched]) => {
  const cards = [...document.querySelectorAll('[role=treeitem]')];
  const id = new URLSearchParams(location.search).get('scenario');
  const taken = [];
  for (let index = 0; index < times; index += 1) {
    const card = cards[(index * 37) % cards.length];
    await new Promise((done) => setTimeout(done, 20 + (index * 7) % 16));
    const start = performance.now();
    if (fetched) await (await fetch(`/api/scenarios/${id}/node?key=${card.dataset.key}`)).json();
    card.click();
    await new Promise((done) => requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = done;
      port2.postMessage(0);
    }));
    taken.push(performance.now() - start);
  }
  return taken;
}"""


def click_to_painted(page: Page, fetched: bool) -> float:
    """Median milliseconds of a click."""
    return statistics.median(page.evaluate(CLICK, [60, fetched]))


def main() -> None:
    """Print both sizes with their ratio."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = Path(folder) / "data"
        context = open_context(Settings(data=data, starter_set=False))
        prepare(context)
        for number, nodes in enumerate((80, 500)):
            file = Path(folder) / f"{nodes}.json"
            write_trees(file, 1, nodes, seed=number)
            import_files(context, [file])
        context.database.close()
        server = Server(data)
        server.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for scenario, nodes in enumerate((80, 500), 1):
            visit(page, f"{server.base}/trees?scenario={scenario}")
            ours, asked = click_to_painted(page, False), click_to_painted(page, True)
            print(f"{nodes:>3} nodes: click to painted {ours:.0f} ms,", end=" ")
            print(f"asking the server first {asked:.0f} ms: {asked / ours:.2f} x")
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
