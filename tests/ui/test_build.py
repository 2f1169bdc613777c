"""A researcher builds trees from the page: cost first, a trial of two scenarios that grow live, then open on the tree page."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from app.engines.endpoint import ROLES
from tests.answering import answered
from tests.misbehaving import Misbehaving
from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose roles are played by a slow but well-behaved model server."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with Misbehaving(["slow"] * 100_000, answer=answered, delay_s=0.25) as model:
        roles = {f"SUBTEXT_{role.upper()}_URL": model.url for role in ROLES} | {"SUBTEXT_MODEL": model.model}
        made = Server(tmp_path_factory.mktemp("build") / "data", **roles)
        made.start()
        yield made
        made.stop()


def test_two_scenarios_grow_live(browser: Browser, own: Server) -> None:
    page = browser.new_page(base_url=own.base, viewport={"width": 1440, "height": 900})
    watched = watch(page, own.base)
    visit(page, "/build")
    page.fill("#st-name", "By hand")
    page.fill("#st-topics", "travel, food")
    page.locator("summary", has_text="How the trees grow").click()
    page.fill("#st-threshold", "0.3")
    page.click("#st-look")
    expect(page.locator("#st-cost")).to_contain_text("4 trees, at most 222 model calls")
    expect(page.locator("#st-cost")).to_contain_text("try two scenarios")
    page.click("#st-trial")
    rows = page.locator("#st-growth li a")
    expect(rows).to_have_count(2, timeout=30_000)
    rows.first.click()
    page.wait_for_selector("[data-ready]")
    expect(page.locator(".st-growing")).to_be_visible()
    few = page.locator("[role=treeitem]").count()
    expect(page.locator(".st-growing")).to_have_count(0, timeout=60_000)
    assert page.locator("[role=treeitem]").count() > few
    expect(page.locator(".st-kind-answer").first).to_be_visible()
    page.go_back()
    page.wait_for_selector("[data-ready]")
    expect(page.locator("#st-growth-line")).to_contain_text("2 of 2 trees are grown", timeout=30_000)
    page.reload()
    page.wait_for_selector("[data-ready]")
    page.locator("#st-audit-set").select_option(label="By hand v1 (2 trees)")
    expect(page.locator("#st-audit table")).to_contain_text("contrarian")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        seen = Axe().run(page)
        assert seen.violations_count == 0, seen.generate_report()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched == []
