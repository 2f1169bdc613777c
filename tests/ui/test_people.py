"""Accounts in the browser: the first admin, an invitation, a rater who comes by account and sees nothing else."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import CHROMIUM, Server, visit, watch
from tests.ui.test_studies import press_and_wait, start_study

pytestmark = pytest.mark.ui
PASSWORD = "correct horse battery"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: once it has accounts nobody else could use it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    made = Server(tmp_path_factory.mktemp("people") / "data")
    made.start()
    yield made
    made.stop()


def first_admin(desk: Page) -> None:
    """Make the first account and sign in with it."""
    visit(desk, "/people")
    expect(desk.locator("#st-mode")).to_have_text("single user")
    desk.fill("#st-person", "Alma")
    desk.fill("#st-new-password", PASSWORD)
    desk.click("#st-first")
    desk.wait_for_url("**/sign-in?next=/people")
    desk.fill("#st-name", "Alma")
    desk.fill("#st-password", "a wrong password")
    desk.click("#st-enter")
    expect(desk.get_by_role("alert")).to_contain_text("do not match")
    desk.fill("#st-password", PASSWORD)
    desk.click("#st-enter")
    desk.wait_for_url("**/people")


def join(desk: Page, link: str) -> None:
    """Make the invited account."""
    visit(desk, link)
    expect(desk.locator("#st-door")).to_contain_text("You were invited as annotator")
    desk.fill("#st-password", "another long password")
    desk.click("#st-enter")
    expect(desk.locator("h1")).to_have_text("Welcome, Anne")


def test_from_the_first_account_to_an_invited_rater(browser: Browser, own: Server) -> None:
    admin, anne = (browser.new_context(base_url=own.base).new_page() for _ in range(2))
    first_admin(admin)
    watched = watch(admin, own.base)
    admin.fill("#st-person", "Anne")
    admin.click("#st-invite")
    expect(admin.locator("#st-invitations [data-invited=Anne]")).to_contain_text("annotator")
    join(anne, admin.locator("#st-invitation").inner_text())
    admin.fill("#st-person", "Eve")
    admin.click("#st-invite")
    admin.locator("#st-invitations [data-invited=Eve]").get_by_role("button", name="Take back").click()
    expect(admin.locator("#st-invitations")).to_have_text("None waits.")
    expect(anne.locator("nav a:visible")).to_have_text(["Home", "Respond"])
    start_study(admin, "By account", "Anne")
    anne.reload()
    anne.get_by_role("link", name="Go on rating").click()
    anne.click("#st-agree")
    press_and_wait(anne, 1, "5")
    anne.goto("/studies")
    expect(anne.locator("h1")).to_have_text("Welcome, Anne")
    for desk, path in ((admin, "/people"), (anne, "/")):
        for scheme in ("light", "dark"):
            desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            visit(desk, path)
            seen = Axe().run(desk)
            assert seen.violations_count == 0, seen.generate_report()
        desk.set_viewport_size({"width": 390, "height": 844})
        assert desk.evaluate("document.documentElement.scrollWidth") <= 390
        desk.set_viewport_size({"width": 1440, "height": 900})
    anne.click("#st-sign-out")
    anne.wait_for_url("**/sign-in")
    anne.wait_for_selector("[data-ready]")
    assert Axe().run(anne).violations_count == 0
    # Browsers leave tabs out of addresses: this one is //evil.example, another site.
    anne.goto("/sign-in?next=%2F%09%2Fevil.example%2F")
    anne.fill("#st-name", "Anne")
    anne.fill("#st-password", "another long password")
    anne.click("#st-enter")
    expect(anne.locator("h1")).to_have_text("Welcome, Anne")
    assert anne.url == f"{own.base}/"
    assert watched == []
