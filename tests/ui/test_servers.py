"""A person starts model servers on the Settings page, sees one fail, finds one again after a restart, and stops them."""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.engines.managed import Up, health, known, stop
from tests.app.test_managed import STAND_IN, alive
from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a model that can be served and one that cannot; the stand-in for vLLM is set."""
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    for mode in ("good", "crash"):
        (tmp_path / mode).mkdir()
        (tmp_path / mode / "config.json").write_text(json.dumps({"mode": mode, "max_position_embeddings": 8192}))
    monkeypatch.setenv("SUBTEXT_VLLM_PYTHON", str(program))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    yield tmp_path
    for running in known(tmp_path / "data" / "servers"):
        stop(running, 0.2)


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    made = Server(models / "data")
    made.start()
    yield made
    made.stop()


@contextmanager
def opened(browser: Browser, server: Server, width: int = 1280) -> Generator[tuple[Page, list[str]]]:
    """The Settings page, and what must not happen on it."""
    context = browser.new_context(base_url=server.base, viewport={"width": width, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    watched = watch(page, server.base)
    visit(page, "/settings")
    yield page, watched
    context.close()


def begin(page: Page, model: Path, length: int = 4096) -> None:
    page.fill("#st-server-model", str(model))
    page.fill("#st-server-length", str(length))
    page.fill("#st-server-cache", "1")
    page.click("#st-start-server")


def test_a_server_is_started_and_shown(browser: Browser, server: Server, models: Path) -> None:
    with opened(browser, server) as (page, watched):
        expect(page.locator("#st-servers")).to_contain_text("No server of ours runs.")
        begin(page, models / "good")
        card = page.locator("article[data-server]")
        expect(card.locator(".st-status")).to_have_text("✓ up")
        (running,) = known(models / "data" / "servers")
        card.locator("[data-part=log] summary").click()
        expect(card.locator(".st-log")).to_contain_text("loading weights")
        card.locator("[data-part=command] summary").click()
        card.get_by_role("button", name="Copy command").click()
        expect(page.locator(".st-toasts")).to_contain_text("Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith(" ".join(running.command[1:])) and "VLLM_TARGET_DEVICE=cpu" in copied
        card.locator("[data-part=role] summary").click()
        card.get_by_role("combobox").select_option("judge")
        wanted = f"export SUBTEXT_JUDGE_URL=http://127.0.0.1:{running.port}/v1"
        expect(card.locator("[data-part=role] pre")).to_contain_text(wanted)
        assert Axe().run(page).violations_count == 0
        assert watched == []
        begin(page, models / "good", 8193)
        expect(page.locator("#st-server-problem")).to_contain_text("reads at most 8192 tokens")
        assert len(known(models / "data" / "servers")) == 1


def test_servers_are_found_again_and_stopped(browser: Browser, server: Server, models: Path) -> None:
    with opened(browser, server) as (page, watched):
        begin(page, models / "good")
        expect(page.locator(".st-status")).to_have_text("✓ up")
        (running,) = known(models / "data" / "servers")
        begin(page, models / "crash")
        failed = page.locator("article", has_text="crash").filter(has=page.locator("[role=alert]"))
        expect(failed.locator("[role=alert]")).to_contain_text("ValueError: the weights do not fit")
        expect(failed.locator(".st-status")).to_have_text("✕ ended")
        assert Axe().run(page).violations_count == 0
        assert watched == []
    server.stop()
    assert health(running) == Up("good"), "a server goes on without the page and its web server"
    server.start()
    with opened(browser, server) as (page, watched):
        expect(page.locator("article[data-server]")).to_have_count(2)
        page.get_by_role("button", name=re.compile("Stop crash")).click()
        page.click("#st-stop-sure")
        expect(page.locator("#st-freed")).to_contain_text("had ended already")
        page.get_by_role("button", name="Close").click()
        expect(page.locator("article[data-server]")).to_have_count(1)
        page.click(f"[data-stop='{running.port}']")
        assert alive(running), "nothing ends before it is confirmed"
        page.click("#st-stop-sure")
        expect(page.locator("#st-freed")).to_contain_text("2 processes, 0.1 GiB of memory freed")
        assert alive(running) == []
        page.get_by_role("button", name="Close").click()
        expect(page.locator("#st-servers")).to_contain_text("No server of ours runs.")
        assert watched == []


def test_the_section_on_a_narrow_screen(browser: Browser, server: Server, models: Path) -> None:
    with opened(browser, server, 390) as (page, watched):
        begin(page, models / "good")
        expect(page.locator("article[data-server] .st-status")).to_have_text("✓ up")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.get_by_label("Share of the GPU's memory")).to_be_hidden()
        page.fill("#st-server-device", "cuda:0")
        expect(page.get_by_label("Share of the GPU's memory")).to_be_visible()
        expect(page.get_by_label("Cache, GiB")).to_be_hidden()
        assert watched == []
