"""A researcher lets models talk with played users from the page: the report, what is missing, the dialogues, a study of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app.actions.prepare import prepare
from app.context import open_context
from app.settings import Settings
from tests.app.test_simulate import kind, run, said, served, spec
from tests.misbehaving import Misbehaving
from tests.ui.conftest import HOSTILE, Server, check_readable, filled_server, visit

pytestmark = pytest.mark.ui


def lossy(body: dict[str, Any]) -> str:
    """One person falls silent at the second turn with the model that is asked plainly; the judge likes the other one."""
    text = body["messages"][-1]["content"]
    if kind(body) == "assistant" and "numbered steps" in body["messages"][0]["content"]:
        return "Step 1: They are tired.\nStep 2: Rest a while."
    if kind(body) == "person" and "[[assistant]]" in text and "surveyor" in text and "Rest a while" not in text:
        return "*says nothing*"
    if kind(body) == "judge":
        return f"Explanation: It takes up what was told, more or less. SCORE: {4 if 'Rest a while' in text else 2}"
    return said(body)


def hostile(body: dict[str, Any]) -> str:
    """Everybody's words are markup."""
    return f"Explanation: {HOSTILE} SCORE: 4" if kind(body) == "judge" else f"{HOSTILE} {said(body)}"


def fill(data: Path, folder: Path) -> None:
    """Two simulations: 1 loses turns, 2 is markup and without a judge."""
    context = open_context(Settings(data=data))
    prepare(context)
    with Misbehaving(answer=lossy) as model:
        run(served(context, model), spec(name="Ten turns", limit=0, turns=10), folder / "one")
    with Misbehaving(answer=hostile) as model:
        run(served(context, model), spec(name=HOSTILE, judges=[], rows=[{}]), folder / "two")
    context.database.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two simulations and the starter sets."""
    yield from filled_server(tmp_path_factory.mktemp("simulated"), fill)


def test_the_report_says_what_stands_behind_every_turn(desk: Page) -> None:
    visit(desk, "/simulate")
    expect(desk.locator("[data-simulation]")).to_have_count(2)
    desk.get_by_role("link", name="Ten turns").click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("h1")).to_have_text("Ten turns")
    expect(desk.locator("#st-state")).to_have_text("finished")
    levels = desk.locator("#st-levels")
    expect(levels).to_contain_text("Alignment level by turn")
    expect(levels).to_contain_text("(paper, rated by people)")
    expect(levels.locator("tbody tr").first).to_contain_text(re.compile("n 6.*n 5"))
    expect(levels).to_contain_text("means over the dialogues that went on")
    expect(levels).to_contain_text(re.compile(r"test-model − test-model · step by step−2\.00 .*0\.031", re.S))
    expect(desk.locator("[data-cell='0/2']").first).to_have_text("5 of 6")
    expect(desk.locator("#st-coverage")).to_contain_text("1 ended before")
    expect(desk.locator("#st-losses tbody tr").first).to_contain_text("nothing that is said aloud")
    desk.locator("#st-losses a").first.click()
    desk.wait_for_url(re.compile("line=0&turn=2&state=failed"))
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("[data-dialogue]")).to_have_count(1)
    lost = desk.locator("[data-turn='2']")
    expect(lost).to_contain_text("This turn is missing.")
    lost.get_by_text("The raw reply").click()
    expect(lost).to_contain_text("*says nothing*")
    desk.locator("#st-state-choice").select_option("held")
    desk.wait_for_url(re.compile("state=held"))
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("[data-dialogue]")).to_have_count(5)
    desk.go_back()
    desk.wait_for_selector("[data-dialogue]")
    desk.get_by_role("link", name="Report").click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-losses")).to_be_visible()


def test_a_level_opens_its_dialogues_and_leaving_out_counts_anew(desk: Page) -> None:
    visit(desk, "/simulate?simulation=1")
    desk.locator("#st-levels .st-cell").first.click()
    desk.wait_for_url(re.compile("line=0&turn=1"))
    desk.wait_for_selector("[data-ready]")
    first = desk.locator("[data-dialogue]").first
    expect(first.locator("[data-turn]")).to_have_count(10)
    expect(first.locator("[data-turn='1']")).to_contain_text("To be told:")
    expect(first.locator("[data-turn='1']")).to_contain_text("It takes up what was told")
    visit(desk, "/simulate?simulation=1")
    desk.get_by_label("a user profile").select_option(index=1)
    expect(desk.locator("[data-cell='0/1']").first).to_have_text("5 of 5")
    for form in ("dialogues", "jsonl", "csv", "latex"):
        with desk.expect_download() as download:
            desk.click(f"[data-export={form}]")
        assert download.value.suggested_filename.startswith("simulation-1.")


def test_a_rating_study_is_planned_from_the_dialogues(desk: Page) -> None:
    visit(desk, "/simulate?simulation=1")
    desk.click("#st-study-link")
    desk.wait_for_selector("[data-ready]")
    boxes = desk.locator("[data-set]:checked")
    expect(boxes).to_have_count(1)
    expect(desk.locator("label.st-check", has=boxes)).to_contain_text("Ten turns v1 (12 records)")
    desk.fill("#st-study-name", "Of simulated dialogues")
    desk.fill("#st-raters", "Ada, Ben")
    desk.click("#st-look")
    expect(desk.locator("#st-draft")).to_contain_text("6 user profiles, test-model (6), test-model · step by step (6)")
    desk.click("#st-start")
    expect(desk.locator("#st-links tbody tr")).to_have_count(2)


def test_texts_of_models_stay_texts(desk: Page) -> None:
    for address in ("/simulate", "/simulate?simulation=2", "/simulate?simulation=2&line=0&turn=1"):
        visit(desk, address)
        expect(desk.locator("#st-body")).to_contain_text(
            "<img src=x onerror=alert(1)>" if "line" not in address else "<img src=x"
        )
        assert desk.locator("#st-body img").count() == 0
    visit(desk, "/simulate?simulation=2")
    expect(desk.locator("#st-no-levels")).to_have_text("Nobody judged: make a rating study of the dialogues.")
    desk.click("#st-forget")
    expect(desk.get_by_role("dialog")).to_contain_text(HOSTILE)


def test_a_running_report_fills_without_jumping(desk: Page) -> None:
    asked: list[str] = []

    def growing(route: Route) -> None:
        asked.append(route.request.url)
        found = route.fetch().json()
        found["simulation"] |= {"status": "running" if len(asked) < 3 else "done"}
        found["set"] = None
        found["coverage"][0]["held"] = len(asked)
        route.fulfill(json=found)

    desk.route(re.compile(r"/api/simulations/1(\?|$)"), growing)
    visit(desk, "/simulate?simulation=1")
    expect(desk.locator("#st-state")).to_have_text("running")
    expect(desk.locator("#st-about progress")).to_be_visible()
    expect(desk.locator("#st-forget")).to_be_disabled()
    expect(desk.locator("#st-keep")).to_be_visible()
    expect(desk.locator("#st-state")).to_have_text("finished", timeout=20_000)
    expect(desk.locator("[data-cell='0/1']").first).to_have_text("3 of 6")
    assert len(asked) == 3, "a finished report is not asked for again"


def test_what_is_not_there_says_so(own: Server, browser: Browser) -> None:
    page = browser.new_page(base_url=own.base)
    for address, said_here in (
        ("/simulate?simulation=99", "There is no simulation 99"),
        ("/simulate?simulation=1&line=9", "has no such cell"),
    ):
        visit(page, address)
        expect(page.locator("#st-simulate [role=alert]")).to_contain_text(said_here)
    page.close()


@pytest.mark.parametrize(
    "address",
    [
        "/simulate",
        "/simulate?simulation=1",
        "/simulate?simulation=2",
        "/simulate?simulation=1&line=0&turn=2&state=failed",
        "/simulate?simulation=2&line=0",
    ],
)
def test_every_view_can_be_read_by_everybody(desk: Page, address: str) -> None:
    check_readable(desk, address)


def test_dialogues_from_the_form_to_their_report(desk: Page) -> None:
    """With the starter model in every role: its words mean nothing yet, the way does."""
    visit(desk, "/simulate")
    begin, verdict = desk.locator("#st-simulate-begin"), desk.locator("#st-simulate-verdict")
    expect(verdict).to_contain_text("Nothing blocks", timeout=30_000)
    expect(desk.locator("[data-check=people]")).to_contain_text("6 people of 6 profiles, from starter profiles")
    desk.locator("#st-name").fill("From the page")
    desk.locator("#st-limit").fill("1")
    desk.locator("#st-turns").fill("1")
    desk.get_by_role("button", name="Add a model").click()
    desk.get_by_label("Way of prompting model 2").select_option("zero_shot")
    expect(verdict).to_contain_text("Two models are the same")
    expect(begin).to_be_disabled()
    desk.get_by_label("Remove model 2").click()
    desk.locator("#st-settings > summary").click()
    desk.locator("#st-person_tokens").fill("40")
    desk.locator("#st-max_new").fill("24")
    desk.locator("#st-judge_tokens").fill("40")
    desk.locator("#st-retries").fill("0")
    desk.locator("#st-retries").press("Tab")
    expect(desk.locator("[data-check=size]")).to_contain_text("1 dialogue, 1 turn, 1 level: at most 3 calls")
    expect(desk.locator("#st-simulate-command")).to_contain_text('"name":"From the page"')
    expect(begin).to_be_enabled()
    begin.click()
    expect(desk.locator("#st-simulate-live #st-job-link")).to_be_visible(timeout=30_000)
    desk.wait_for_url(re.compile(r"simulation=3$"), timeout=240_000)
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("h1")).to_have_text("From the page")
    expect(desk.locator("#st-state")).to_have_text("finished")
    expect(desk.locator("#st-set-link")).to_contain_text("From the page v1")
    desk.click("#st-forget")
    desk.get_by_label("Name of the simulation").fill("From the page")
    desk.click("#st-forget-go")
    desk.wait_for_url(re.compile(r"/simulate$"))
    expect(desk.locator("[data-simulation]")).to_have_count(2)
