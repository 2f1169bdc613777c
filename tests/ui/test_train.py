"""A researcher trains a policy from the page: method, setting, what is checked, start, and the way to its job and rollouts."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ui.conftest import visit

pytestmark = pytest.mark.ui


def fill(page: Page, name: str, value: str) -> None:
    page.fill(f"#st-{name}", value)
    page.locator(f"#st-{name}").dispatch_event("change")


def test_a_policy_is_trained_from_the_page(page: Page) -> None:
    visit(page, "/train")
    expect(page.locator("#st-train-verdict")).to_have_text("Nothing blocks. 1 warning to read.", timeout=30_000)
    page.locator("#st-settings summary").click()
    for name, value in (("updates", "1"), ("prompts", "1"), ("batch", "4")):
        fill(page, name, value)
    expect(page.locator("#st-train-verdict")).to_contain_text("do not divide")
    expect(page.locator("#st-train-begin")).to_be_disabled()
    for name, value in (("batch", "5"), ("max_new", "60"), ("report_prompts", "0"), ("name", "By hand")):
        fill(page, name, value)
    expect(page.locator("#st-train-verdict")).to_have_text("Nothing blocks. 1 warning to read.")
    expect(page.locator("#st-train-command")).to_contain_text('"updates":1')
    page.click("#st-train-begin")
    live = page.locator("#st-train-live")
    expect(live.locator("#st-job-link")).to_be_visible(timeout=30_000)
    expect(live.locator("[data-status=done]")).to_be_visible(timeout=240_000)
    expect(page.locator("[data-metric=step_score], [data-metric=loss]").first).to_be_visible()
    expect(live.get_by_text("The model it made")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        seen = Axe().run(page)
        assert seen.violations_count == 0, seen.generate_report()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_method_changes_what_is_asked(page: Page) -> None:
    visit(page, "/train?preset=tpo")
    expect(page.locator("#st-train-meaning")).to_contain_text("TPO")
    page.locator("#st-settings summary").click()
    expect(page.locator("#st-paths")).to_have_value("5")
    page.click("[data-preset=cdpa]")
    expect(page.locator("#st-tokens")).to_be_checked()
    expect(page.locator("#st-paths")).to_have_count(0)
    page.click("[data-size=paper]")
    expect(page.locator("#st-base")).to_have_value("Qwen2.5-7B-Instruct")
    expect(page.locator("#st-train-verdict")).to_contain_text("Something blocks the training")
    expect(page.locator(".st-level-blocking").first).to_be_visible()
