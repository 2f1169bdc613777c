"""The pictures of README and of a review: every page, light and dark, wide and narrow, on a fresh starter set.

`python -m tests.ui.screenshots [FOLDER]`; without a folder it writes the README's pictures into static/screenshots.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.ui.conftest import CHROMIUM, FLAGS, THEMES, Server, visit

README = Path(__file__).parents[2] / "static" / "screenshots"
STORY = "/trees?scenario=2&node=1"
PAGES = {"home": "/", "data": "/data?set=1", "trees": STORY, "path": f"{STORY}&view=path"}
SIZES = {"": (1440, 900), "-narrow": (390, 844)}


def main(folder: Path, everything: bool) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        server = Server(Path(scratch) / "data")
        server.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for theme in THEMES:
            for suffix, (width, height) in SIZES.items():
                for name, address in PAGES.items():
                    if not everything and (name != "trees" or suffix):
                        continue
                    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                    visit(page, server.base + address)
                    page.wait_for_timeout(500)
                    page.screenshot(path=folder / f"{name}-{theme}{suffix}.png")
                    page.close()
        browser.close()
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else README, everything=len(sys.argv) > 1)
