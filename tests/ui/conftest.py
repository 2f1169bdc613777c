"""A real server in a process of its own and a real Chromium; any console error or request to another host fails the test."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HOSTILE = "<img src=x onerror=alert(1)> ${alert(1)} {{alert(1)}}"
"""Markup and templates in place of a text."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Server:
    """`subtext serve` on a folder; can be stopped and started again."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data, self.settings = data, settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {"SUBTEXT_DATA": str(self.data), "SUBTEXT_PORT": str(self.port)} | self.settings
        log = (self.data.parent / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(self.base + "/api/session", timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.data.parent / "server.log").read_text())

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    made = Server(tmp_path_factory.mktemp("served") / "data")
    made.start()
    yield made
    made.stop()


def filled_server(folder: Path, fill: Callable[[Path, Path], None]) -> Iterator[Server]:
    """A server on what `fill` stored; it gets the data folder and one for its own files."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    made = Server(folder / "data")
    with ThreadPoolExecutor(1) as aside:  # the browser keeps an event loop in this thread
        aside.submit(fill, made.data, folder).result()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


def watched_page(server: Server, browser: Browser) -> Iterator[Page]:
    """A page whose address starts at the server; fails the test on any error or outside request."""
    context = browser.new_context(base_url=server.base, viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = context.new_page()
    watched = watch(made, server.base)
    yield made
    context.close()
    assert watched == []


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    """A watched page on the server that all tests share."""
    yield from watched_page(server, browser)


@pytest.fixture
def desk(own: Server, browser: Browser) -> Iterator[Page]:
    """A watched page on the server of a file's own tests, its fixture `own`."""
    yield from watched_page(own, browser)


def watch(page: Page, base: str) -> list[str]:
    """Collects what must not happen on a page."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: (found.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            found.append(f"outside: {request.url}") if not request.url.startswith((base, "data:", "blob:")) else None
        ),
    )
    return found


def visit(page: Page, address: str) -> None:
    """Open an address and wait until the page says that it is ready."""
    page.goto(address)
    page.wait_for_selector("[data-ready]")


def check_readable(page: Page, address: str) -> None:
    """In both themes and with everything open, a view has no accessibility fault and is no wider than a phone."""
    for scheme in THEMES:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 1440, "height": 900})
        visit(page, address)
        page.evaluate("document.querySelectorAll('#st-body details').forEach((one) => { one.open = true; })")
        seen = Axe().run(page)
        assert seen.violations_count == 0, seen.generate_report()
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
