"""A person looks which model fills which role, and tries one that answers and one that does not."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.misbehaving import Misbehaving
from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui


def test_roles_are_shown_and_tried(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with Misbehaving(["ok", "echo_refusal"]) as answering:
        environment = {"URL": answering.url, "MODEL": "test-model", "KEY_VARIABLE": "JUDGE_KEY"}
        for name, value in environment.items():
            monkeypatch.setenv(f"SUBTEXT_JUDGE_{name}", value)
        monkeypatch.setenv("JUDGE_KEY", "sk-a-secret-key-of-a-judge")
        monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
        server = Server(tmp_path / "data")
        server.start()
        try:
            page = browser.new_page(base_url=server.base)
            watched = watch(page, server.base)
            visit(page, "/settings")
            judge = page.locator("[data-role=judge]")
            expect(judge).to_contain_text(answering.url)
            expect(judge).to_contain_text("JUDGE_KEY set")
            page.click("[data-try=judge]")
            expect(page.locator("[data-said=judge]")).to_contain_text("test-model answered in")
            page.click("[data-try=judge]")
            expect(page.locator("[data-said=judge]")).to_contain_text("refused the key in JUDGE_KEY (401)")
            page.click("[data-try=policy]")
            expect(page.locator("[data-said=policy]")).to_contain_text("starter_model answered in", timeout=90_000)
            expect(page.locator("#st-kept")).to_contain_text("0 kept")
            assert "secret" not in page.content()
            assert Axe().run(page).violations_count == 0
            page.close()
            assert watched == []
        finally:
            server.stop()
    assert "secret" not in (tmp_path / "server.log").read_text()
