"""A person checks critiques by keyboard, takes one back, exports the checks and imports them elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui


def fresh(folder: Path) -> Iterator[Server]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    made = Server(folder / "data")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from fresh(tmp_path_factory.mktemp("checks"))


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from fresh(tmp_path_factory.mktemp("elsewhere"))


def saved(page: Page, verdict: str) -> None:
    expect(page.locator("#st-check-people")).to_contain_text(f"You · person, verified{verdict}")


def following(page: Page) -> None:
    """Press n and wait for another step."""
    before = page.locator("#st-check-step").text_content() or ""
    page.keyboard.press("n")
    expect(page.locator("#st-check-step")).not_to_have_text(before)


def check_five(page: Page) -> None:
    """Five critiques by keyboard, one with a score, one with text and reason."""
    expect(page.locator("#st-check-how")).to_contain_text("0 of the 20 checks")
    page.keyboard.press("1")
    saved(page, "Agree")
    following(page)
    page.keyboard.press("2")
    page.keyboard.press("s")
    page.keyboard.type("0.15")
    page.keyboard.press("Enter")
    expect(page.locator("#st-check-people .st-chip")).to_have_text("0.15")
    following(page)
    page.keyboard.press("3")
    saved(page, "Wrong")
    page.keyboard.press("e")
    page.keyboard.press("End")
    page.keyboard.type("<script>alert(1)</script> nothing holds")
    page.keyboard.press("Escape")
    expect(page.locator("#st-check-people ins")).to_contain_text("<script>alert(1)</script> nothing holds")
    page.keyboard.press("r")
    page.keyboard.type("It rests on nothing.")
    page.keyboard.press("Enter")
    expect(page.locator("#st-check-people")).to_contain_text("Reason: It rests on nothing.")
    expect(page.locator("#st-check-ai")).to_be_visible()
    for verdict, key in (("Partly", "2"), ("Agree", "1")):
        following(page)
        page.keyboard.press(key)
        saved(page, verdict)
    expect(page.locator("#st-checked li.st-part")).to_have_count(5)


def test_five_critiques_by_keyboard(browser: Browser, own: Server, other: Server, tmp_path: Path) -> None:
    page = browser.new_page(base_url=own.base, viewport={"width": 1440, "height": 900})
    watched = watch(page, own.base)
    visit(page, "/checks")
    check_five(page)
    page.keyboard.press("u")
    expect(page.locator("#st-check-people")).to_contain_text("You have not judged this critique.")
    expect(page.locator("#st-checked li.st-part")).to_have_count(4)
    expect(page.locator("#st-agreement tbody tr").first).to_contain_text("All4")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("edit the critique")
    page.locator("dialog button").click()
    with page.expect_download() as download:
        page.click("#st-check-export")
    file = tmp_path / "checks.jsonl"
    download.value.save_as(file)
    assert len(file.read_bytes().splitlines()) == 9
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate("localStorage.removeItem('subtext-theme')")
        visit(page, "/checks")
        expect(page.locator("#st-checked li.st-part")).to_have_count(4)
        seen = Axe().run(page)
        assert seen.violations_count == 0, seen.generate_report()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched == []
    away = browser.new_page(base_url=other.base)
    watched = watch(away, other.base)
    visit(away, "/checks")
    away.set_input_files("#st-check-file", file)
    expect(away.locator(".st-toast")).to_have_text("9 checks added.")
    expect(away.locator("#st-checked li.st-part")).to_have_count(4)
    expect(away.locator("#st-agreement tbody tr").first).to_contain_text("All4")
    assert away.locator("#st-agreement-body").inner_text() == page.locator("#st-agreement-body").inner_text()
    assert watched == []


def test_a_check_survives_a_server_that_is_away(browser: Browser, own: Server) -> None:
    page = browser.new_page(base_url=own.base)
    visit(page, "/checks")
    own.stop()
    page.keyboard.press("3")
    expect(page.locator("#st-check-state")).to_contain_text("kept in this browser")
    own.start()
    expect(page.locator("#st-check-people")).to_contain_text("You · person, verifiedWrong", timeout=20_000)
    visit(page, "/checks")
    expect(page.locator("#st-checked li.st-part")).to_have_count(1)
    page.get_by_role("button", name="Judge again").click()
    expect(page.locator("[data-verdict=wrong]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    expect(page.locator("#st-check-people")).to_contain_text("You · person, verifiedAgree")
    expect(page.locator("#st-checked li.st-part b").first).to_have_text("Agree")
    page.keyboard.press("u")
    expect(page.locator("#st-checked li.st-part b").first).to_have_text("Wrong")


def test_the_tree_shows_what_people_said_beside_the_critic(browser: Browser, own: Server) -> None:
    page = browser.new_page(base_url=own.base, viewport={"width": 1440, "height": 900})
    watched = watch(page, own.base)
    visit(page, "/checks")
    page.keyboard.press("2")
    page.keyboard.press("s")
    page.keyboard.type("0.15")
    page.keyboard.press("Enter")
    expect(page.locator("#st-check-people .st-chip")).to_have_text("0.15")
    page.get_by_text("Open in its tree").click()
    page.wait_for_selector("[data-ready]")
    panel = page.locator("#st-node")
    expect(panel).to_contain_text("single user says: partly right, score 0.15")
    expect(panel.locator("h3", has_text="Critique")).to_be_visible()
    assert watched == []
