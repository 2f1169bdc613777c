"""A researcher plans a study, an annotator rates by keyboard, the report follows; nothing is lost and nothing leaks."""

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.ui.conftest import Server, visit, watch

pytestmark = pytest.mark.ui


def start_study(page: Page, name: str, raters: str, overlap: int = 1) -> list[str]:
    """Plan and start a study over the starter dialogues; returns the raters' links."""
    visit(page, "/studies")
    page.fill("#st-study-name", name)
    page.fill("#st-raters", raters)
    page.fill("#st-overlap", str(overlap))
    page.click("#st-look")
    expect(page.locator("#st-draft")).to_contain_text("to rate in all, about")
    page.click("#st-start")
    expect(page.locator("#st-links a").first).to_be_visible()
    return [link.get_attribute("href") or "" for link in page.locator("#st-links a").all()]


def enter(desk: Page, link: str) -> None:
    """Open a rater's link, agree where it asks, and see the dialogue."""
    visit(desk, link)
    agree = desk.locator("#st-agree")
    if agree.count():
        agree.click()
    expect(desk.locator(".st-exchange").first).to_be_visible()


def test_plan_shows_cost_before_anything_is_stored(page: Page) -> None:
    visit(page, "/studies")
    page.click("#st-look")
    expect(page.locator("#st-raters:invalid")).to_have_count(1)
    page.fill("#st-study-name", "Planned")
    page.fill("#st-raters", "Ada, Ben")
    page.click("#st-look")
    expect(page.locator("#st-draft")).to_contain_text("36 dialogues to rate in all, about 84 minutes")
    expect(page.locator("#st-draft")).to_contain_text("6 user profiles, System A (6), System B (6), System C (6)")
    expect(page.locator("#st-draft")).to_contain_text("No name of a model")
    assert "Planned" not in page.locator("#st-studies").inner_text()


def press_and_wait(desk: Page, turn: int, key: str) -> None:
    """Rate the turn in focus and wait until the server has it."""
    expect(desk.locator(f'.st-exchange.st-current[data-turn="{turn}"]')).to_be_visible()
    desk.keyboard.press(key)
    if turn < 10:
        expect(desk.locator(f'[data-mark="{turn}"]')).to_have_text("saved")


def test_a_whole_dialogue_by_keyboard_undo_and_resume(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "By keyboard", "Ada")
    rater = browser.new_context(base_url=server.base, viewport={"width": 1440, "height": 900})
    desk = rater.new_page()
    watched = watch(desk, server.base)
    received: list[str] = []
    desk.on(
        "response",
        lambda answer: received.append(answer.text()) if "/assets/" not in answer.url and answer.ok else None,
    )
    visit(desk, link)
    expect(desk.locator("#st-rate")).to_contain_text("18 dialogues with 180 answers to rate, about 42 minutes")
    expect(desk.locator("#st-rate")).to_contain_text("your ratings are deleted")
    desk.click("#st-agree")
    expect(desk.locator(".st-exchange")).to_have_count(1)
    expect(desk.locator(".st-who")).to_contain_text("Dialogue 1 of 18")
    for turn, key in enumerate("4355", 1):
        press_and_wait(desk, turn, key)
        expect(desk.locator(".st-exchange")).to_have_count(turn + 1)
    desk.keyboard.press("u")
    expect(desk.locator('[data-turn="4"] .st-level[aria-pressed=true]')).to_have_count(0)
    desk.keyboard.press("2")
    expect(desk.locator('[data-turn="4"] .st-level[aria-pressed=true]')).to_have_text("2")
    desk.keyboard.press("n")
    desk.fill("dialog textarea", "too <b>long</b>")
    desk.get_by_role("button", name="Keep the note").click()
    expect(desk.locator('[data-mark="4"]')).to_have_text("saved")
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    for turn in range(5, 11):
        press_and_wait(desk, turn, "0" if turn == 9 else "4")
    expect(desk.locator(".st-who")).to_contain_text("Dialogue 2 of 18", timeout=10_000)
    desk.keyboard.press("u")  # across dialogues, after the first was complete
    expect(desk.locator(".st-who")).to_contain_text("Dialogue 1 of 18")
    desk.keyboard.press("5")
    expect(desk.locator(".st-who")).to_contain_text("Dialogue 2 of 18", timeout=10_000)
    rater.close()
    assert watched == []
    for hidden in ("System A", "System B", "System C", "night_nurse", "young_baker", "Starter"):
        assert not [text for text in received if hidden in text]


def test_the_report_names_models_only_after_unblinding(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Named later", "Ada")
    desk = browser.new_page(base_url=server.base)
    enter(desk, link)
    press_and_wait(desk, 1, "4")
    desk.close()
    visit(page, "/studies")
    item = page.locator("details.st-set", has_text="Named later")
    item.locator("summary").first.click()
    expect(item).to_contain_text("1 rating")
    expect(item.locator(".st-report table").first).to_contain_text(re.compile("Model [ABC]"))
    assert not re.search(r"System [ABC]", item.inner_text())
    for act in ("Freeze", "Unblind"):
        item.get_by_role("button", name=act).click()
        page.locator("dialog[open]").get_by_role("button", name=act).click()
        expect(item.locator(".st-tag").first).to_have_text({"Freeze": "frozen", "Unblind": "unblinded"}[act])
    expect(item.locator(".st-report table").first).to_contain_text("System")


def test_ratings_typed_while_the_server_is_away_are_sent_later(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Away", "Ada")
    rater = browser.new_context(base_url=server.base)
    desk = rater.new_page()
    enter(desk, link)
    desk.keyboard.press("3")
    expect(desk.locator('[data-mark="1"]')).to_have_text("saved")
    expect(desk.locator(".st-exchange")).to_have_count(2)
    server.stop()
    desk.keyboard.press("4")
    expect(desk.locator('[data-mark="2"]')).to_have_text("offline, kept here")
    server.start()
    expect(desk.locator('[data-mark="2"]')).to_have_text("saved", timeout=20_000)
    expect(desk.locator(".st-exchange")).to_have_count(3)
    report = [item for item in page.request.get("/api/studies").json()["studies"] if item["name"] == "Away"]
    assert report[0]["ratings"] == 2
    rater.close()


def test_a_second_tab_is_told(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Two tabs", "Ada")
    rater = browser.new_context(base_url=server.base)
    one, two = rater.new_page(), rater.new_page()
    enter(one, link)
    one.keyboard.press("3")
    expect(one.locator('[data-mark="1"]')).to_have_text("saved")
    enter(two, link)
    expect(two.locator("[role=alert]")).to_contain_text("open in another tab")
    two.keyboard.press("5")
    two.get_by_role("button", name="Rate here instead").click()
    expect(two.locator("[role=alert]")).to_have_count(0)
    two.keyboard.press("5")
    expect(two.locator('[data-mark="2"]')).to_have_text("saved")
    rater.close()


def test_a_new_link_finds_what_the_old_one_had_not_sent(page: Page, browser: Browser, server: Server) -> None:
    """The old link ends while the rater works; the ratings are kept, and another rater in this browser does not send them."""
    old, other = start_study(page, "Relinked", "Ada, Ben", overlap=2)
    number = page.request.get("/api/studies").json()["studies"][0]["id"]
    rater = browser.new_context(base_url=server.base)
    desk = rater.new_page()
    enter(desk, old)
    press_and_wait(desk, 1, "3")
    expect(desk.locator(".st-exchange")).to_have_count(2)
    renewed = page.request.post(f"/api/studies/{number}/link", data={"rater": "Ada"}).json()["link"]
    desk.keyboard.press("4")
    expect(desk.locator('[data-mark="2"]')).to_have_text("not taken, kept here")
    expect(desk.locator("#st-discard")).to_be_visible()
    enter(desk, other)
    expect(desk.locator(".st-who")).to_contain_text("Dialogue 1 of 18")
    expect(desk.locator("#st-discard")).to_have_count(0)
    expect(desk.locator(".st-level[aria-pressed=true]")).to_have_count(0)
    visit(desk, renewed)
    expect(desk.locator('[data-mark="2"]')).to_have_text("saved")
    expect(desk.locator(".st-exchange")).to_have_count(3)
    rater.close()


def test_the_outbox_drops_only_what_is_never_taken(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Kept back", "Ada")
    rater = browser.new_context(base_url=server.base)
    desk = rater.new_page()
    desk.add_init_script("delete Crypto.prototype.randomUUID")  # as on plain HTTP
    enter(desk, link)
    answers = {"status": 401, "times": 0}

    def answer(route: Route) -> None:
        answers["times"] += 1
        sentences = {401: "Sign in again to go on.", 428: "Read the consent text."}
        route.fulfill(status=answers["status"], json={"error": sentences[answers["status"]], "code": "consent"})

    desk.route("**/api/rate/acts", answer)
    desk.keyboard.press("4")
    expect(desk.locator("#st-again")).to_have_attribute("href", re.compile("/sign-in\\?next=%2Frate%3Fkey%3D"))
    expect(desk.locator('[data-mark="1"]')).to_have_text("not sent yet, kept here")
    desk.wait_for_timeout(2500)
    assert answers["times"] == 1  # no endless tries
    answers["status"] = 428
    desk.keyboard.press("k")
    desk.keyboard.press("f")
    desk.wait_for_timeout(1500)
    assert answers["times"] == 2
    desk.unroute("**/api/rate/acts")
    slot = "Object.keys(localStorage).find((name) => name.startsWith('subtext-outbox-'))"
    assert len(json.loads(desk.evaluate(f"localStorage.getItem({slot})"))) == 2
    # Among several one is wrong, as if the page had a bug: only that one goes.
    desk.evaluate(
        "(slot) => { const kept = JSON.parse(localStorage.getItem(slot)); kept[0].act.value = 9; "
        "localStorage.setItem(slot, JSON.stringify(kept)); }",
        desk.evaluate(slot),
    )
    visit(desk, link)
    expect(desk.locator('[data-mark="1"]')).to_have_text("saved")
    expect(desk.locator('[data-turn="1"] .st-level[aria-pressed=true]')).to_have_text("4")
    expect(desk.locator('[data-turn="1"] .st-tag')).to_have_text("flagged")
    assert desk.evaluate(f"localStorage.getItem({slot})") == "[]"
    rater.close()


def test_remarks_stay_and_a_new_guideline_is_told(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Remarked", "Ada")
    number = page.request.get("/api/studies").json()["studies"][0]["id"]
    rater = browser.new_context(base_url=server.base)
    desk = rater.new_page()
    enter(desk, link)
    desk.keyboard.press("n")
    desk.fill("dialog textarea", "too long")
    desk.get_by_role("button", name="Keep the note").click()
    press_and_wait(desk, 1, "3")
    desk.reload()
    expect(desk.locator('[data-turn="1"] .st-tag')).to_have_text("note")
    page.request.post(f"/api/studies/{number}/guideline", data={"text": "Rate by heart."})
    desk.locator('[data-turn="1"] .st-level', has_text="5").click()  # given under the old guideline
    expect(desk.locator(".st-who .st-warning")).to_contain_text("guideline was changed")
    report = page.request.get(f"/api/studies/{number}/report").json()
    assert [version["acts"] for version in report["guidelines"]] == [2, 0]
    rows = page.request.get(f"/api/studies/{number}/export?format=jsonl").text().splitlines()
    assert [(json.loads(row)["value"], json.loads(row)["note"]) for row in rows] == [(5, "too long")]
    rater.close()


def test_links_that_lead_nowhere(page: Page) -> None:
    visit(page, "/rate")
    expect(page.locator(".st-end")).to_contain_text("A link is missing")


def test_pages_have_no_accessibility_violations(page: Page, browser: Browser, server: Server) -> None:
    (link, _) = start_study(page, "Seen", "Ada, Ben", overlap=2)
    found: list[Any] = []
    for theme in ("light", "dark"):
        desk = browser.new_page(color_scheme=theme, base_url=server.base)  # type: ignore[arg-type]
        enter(desk, link)
        desk.keyboard.press("3")
        expect(desk.locator(".st-exchange")).not_to_have_count(1)
        found.append(Axe().run(desk))
        visit(desk, "/studies")
        desk.locator("details.st-set").first.locator("summary").first.click()
        desk.wait_for_selector(".st-set-body .st-figure")
        found.append(Axe().run(desk))
        desk.set_viewport_size({"width": 390, "height": 844})
        assert desk.evaluate("document.documentElement.scrollWidth") <= 390
        visit(desk, link)
        assert desk.evaluate("document.documentElement.scrollWidth") <= 390
        desk.close()
    reports = [result.generate_report() for result in found if result.violations_count]
    assert reports == [], json.dumps(reports)


def test_a_researcher_cares_for_a_running_study(page: Page, browser: Browser, server: Server) -> None:
    (link,) = start_study(page, "Cared for", "Ada")
    desk = browser.new_page(base_url=server.base)
    enter(desk, link)
    press_and_wait(desk, 1, "4")
    desk.close()
    visit(page, "/studies")
    item = page.locator("details.st-set", has_text="Cared for")
    item.locator("summary").first.click()
    page.wait_for_selector(".st-set-body .st-figure")
    item.locator("button.st-cell").first.click()
    behind = page.locator("dialog[open]")
    expect(behind).to_contain_text("1 dialogue, lowest first")
    behind.locator("summary").first.click()
    expect(behind).to_contain_text("Ada 4")
    behind.get_by_role("button", name="Close").click()
    item.get_by_label("a user profile").select_option(index=1)
    expect(item).to_contain_text("There are no ratings yet")
    item.locator("summary", has_text="Guideline").click()
    item.get_by_label("Guideline").fill("Rate by heart.")
    item.get_by_role("button", name="Make it the new version").click()
    item = page.locator("details.st-set", has_text="Cared for")
    expect(item.locator("summary", has_text="2 versions")).to_be_visible()
    item.locator("summary", has_text="Raters").click()
    item.locator("[data-rater=Ada]").get_by_role("button", name="Hand over").click()
    page.locator("dialog[open] input").fill("Ben")
    page.locator("dialog[open]").get_by_role("button", name="Look at it").click()
    expect(page.locator("dialog[open] .st-warning")).to_contain_text(
        "5 user profiles (15 dialogues) go from Ada to Ben. No rating is lost."
    )
    page.locator("dialog[open]").get_by_role("button", name="Hand over").click()
    handed = page.locator("dialog[open] .st-link")
    expect(handed).to_contain_text("/rate?key=")
    ben = browser.new_page(base_url=server.base)
    enter(ben, handed.inner_text())
    expect(ben.locator(".st-who")).to_contain_text("Rate by heart.")
    ben.locator("summary", has_text="What happens with your ratings").click()
    ben.get_by_role("button", name="Leave the study").click()
    ben.click("#st-leave")
    expect(ben.locator(".st-end")).to_contain_text("You left the study")
    ben.close()
