"""A real server in a process of its own and a real Chromium; any console error or request to another host fails the test."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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
