"""A visitor's minute: a preference is answered on two sides, steps stream in and are judged, the preference is edited, the talk goes on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.engines.endpoint import ROLES
from tests.misbehaving import Misbehaving
from tests.ui.conftest import CHROMIUM, Server, visit

pytestmark = pytest.mark.ui
HOSTILE = "<img src=x onerror=alert(1)>"


def answer(body: dict[str, Any]) -> str:
    """A policy that quotes what it is told, and a critic that likes its second step."""
    system, last = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "You judge one step" in system:
        return f"Reasoning: {HOSTILE} It looks behind it. SCORE: {0.85 if 'look after' in last.rsplit('step', 1)[-1] else -0.4}"
    told = json.dumps(body["messages"])
    shares = "I share my live location" in told
    if "numbered steps" in system:
        end = "Send the pin to everybody." if shares else "Leave a sealed plan with one friend."
        return f"Step 1: They told me {HOSTILE}.\nStep 2: They look after their own story.\nStep 3: {end}"
    return "Send the pin." if shares else "Take a map."


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose roles are played by a slow but well-behaved model server."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with Misbehaving(["slow"] * 100_000, answer=answer, delay_s=0.1) as model:
        roles = {f"SUBTEXT_{role.upper()}_URL": model.url for role in ROLES} | {"SUBTEXT_MODEL": model.model}
        made = Server(tmp_path_factory.mktemp("respond") / "data", **roles)
        made.start()
        yield made
        made.stop()


def ask(desk: Page, preference: str = "I don't share my live location.") -> None:
    visit(desk, "/respond")
    desk.fill("#st-preference", preference)
    desk.fill("#st-query", "I hike alone. What should I plan?")
    desk.click("#st-respond")
    for side in (0, 1):
        expect(desk.locator(f"[data-side='{side}']")).to_have_attribute("data-state", "done", timeout=30_000)


def test_steps_stream_in_and_are_judged(desk: Page) -> None:
    ask(desk)
    left, right = (desk.locator(f"[data-side='{side}']") for side in (0, 1))
    expect(left.locator(".st-judged-step")).to_have_count(3)
    expect(left.locator(".st-chip").nth(1)).to_have_text("0.85")
    expect(left.locator(".st-judged-step").nth(1)).to_contain_text("It looks behind it.")
    expect(left.locator(".st-judged-step").nth(2)).to_contain_text("Step 3, the answer")
    expect(left.locator("[data-answer]")).to_have_text("Leave a sealed plan with one friend.")
    expect(left.locator("[role=status]")).to_contain_text(re.compile(r"3 steps, mean score"))
    expect(right.locator(".st-judged-step")).to_contain_text("Take a map.")
    expect(left).to_contain_text(HOSTILE)
    assert desk.locator("#st-body img").count() == 0


def test_the_preference_is_edited_and_the_change_is_shown(desk: Page) -> None:
    ask(desk)
    desk.click("#st-suggest-reverse")
    expect(desk.locator("#st-edited")).to_have_value("I share my live location.")
    expect(desk.locator("#st-kind")).to_have_value("reverse")
    desk.click("#st-again")
    left = desk.locator("[data-side='0']")
    expect(left.locator("[data-diff] del").first).to_have_text("Leave a sealed plan with one friend.", timeout=30_000)
    expect(left.locator("[data-diff] ins").first).to_have_text("Send the pin to everybody.")
    expect(left.locator(".st-change .st-judged-step").first).to_contain_text("step 1 (+0.00)")
    sensitivity = desk.locator("#st-numbers tbody tr").nth(1).locator("td")
    expect(sensitivity.first).to_have_text("1.00")
    desk.click("#st-suggest-paraphrase")
    expect(desk.locator("#st-edited")).to_have_value(re.compile("I don't share my live location"))
    desk.click("#st-again")
    expect(desk.locator("#st-numbers tbody tr").first.locator("td").first).to_have_text("1.00", timeout=30_000)
    expect(sensitivity.first).to_have_text("1.00")


def test_the_talk_goes_on_and_is_kept(desk: Page, tmp_path: Path) -> None:
    ask(desk)
    desk.fill("#st-next", "And if it rains?")
    desk.click("#st-on-go")
    expect(desk.locator("[data-side='0'] .st-folded")).to_contain_text("Leave a sealed plan", timeout=30_000)
    expect(desk.locator("[data-side='0'] .st-now .st-asked")).to_have_text("And if it rains?")
    expect(desk.locator("[data-side='0']")).to_have_attribute("data-state", "done", timeout=30_000)
    expect(desk.locator("#st-next")).to_have_value("")
    with desk.expect_download() as download:
        desk.click("#st-export")
    file = tmp_path / "responses.json"
    download.value.save_as(file)
    told = json.loads(file.read_text("utf-8"))
    assert [len(side["turns"]) for side in told["sides"]] == [2, 2] and told["sides"][0]["scores"][1] == 0.85
    desk.click("#st-keep")
    expect(desk.locator("#st-kept")).to_contain_text("Kept as a set of dialogues")


def exported(desk: Page, folder: Path) -> dict[str, Any]:
    with desk.expect_download() as download:
        desk.click("#st-export")
    download.value.save_as(folder / "out.json")
    found: dict[str, Any] = json.loads((folder / "out.json").read_text("utf-8"))
    return found


def test_a_stopped_turn_is_no_turn_and_a_talk_remembers_how_it_was_asked(desk: Page, tmp_path: Path) -> None:
    ask(desk)
    before = exported(desk, tmp_path)
    desk.locator("#st-method-0").select_option("zero_shot")
    desk.route("**/api/respond", lambda route: None if route.request.method == "POST" else route.continue_())
    desk.fill("#st-next", "And if it rains?")
    desk.click("#st-on-go")
    desk.keyboard.press("Escape")
    desk.locator("h1").click()
    desk.keyboard.press("r")
    desk.click("#st-stop")
    expect(desk.locator("[data-side='0'] .st-card, [data-side='0'] [role=status]").first).to_have_text(
        "Stopped. What was written stays."
    )
    after = exported(desk, tmp_path)
    assert [side["turns"] for side in after["sides"]] == [side["turns"] for side in before["sides"]]
    assert after["sides"][0]["method"] == before["sides"][0]["method"] == "step_by_step"
    desk.unroute("**/api/respond")
    desk.click("#st-on-go")
    expect(desk.locator("[data-side='0'] [data-answer]")).to_be_visible(timeout=30_000)
    expect(desk.locator("[data-side='1']")).to_have_attribute("data-state", "done", timeout=30_000)
    later = exported(desk, tmp_path)
    assert [[turn[0] for turn in side["turns"]] for side in later["sides"]] == [
        ["I hike alone. What should I plan?", "And if it rains?"]
    ] * 2


def test_stopping_keeps_what_was_written(desk: Page) -> None:
    visit(desk, "/respond")
    desk.route("**/api/respond", lambda route: None if route.request.method == "POST" else route.continue_())
    desk.fill("#st-preference", "Quiet.")
    desk.fill("#st-query", "Where?")
    desk.locator("#st-both").uncheck()
    desk.click("#st-respond")
    expect(desk.locator("#st-respond")).to_be_disabled()
    desk.click("#st-stop")
    expect(desk.locator("[data-side='0'] [role=status]")).to_have_text("Stopped. What was written stays.")
    expect(desk.locator("#st-respond")).to_be_enabled()
    expect(desk.locator("[data-side='1']")).to_be_hidden()


def test_the_page_can_be_read_by_everybody(desk: Page) -> None:
    desk.set_default_timeout(30_000)
    for scheme in ("light", "dark"):
        desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ask(desk, f"{HOSTILE} {'x' * 300} لا أشارك موقعي 🏳️‍🌈")
        desk.click("#st-suggest-reverse")
        desk.click("#st-again")
        expect(desk.locator("[data-diff]").first).to_be_visible()
        seen = Axe().run(desk)
        assert seen.violations_count == 0, seen.generate_report()
        desk.set_viewport_size({"width": 390, "height": 844})
        assert desk.evaluate("document.documentElement.scrollWidth") <= 390
        desk.set_viewport_size({"width": 1440, "height": 900})
