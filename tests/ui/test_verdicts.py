"""People answer checks of an evaluation by keyboard; the report says how far they and the judge agree; the next study is planned."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.actions.prepare import prepare
from app.actions.verdict_checks import Order, draw, save, upcoming
from app.context import open_context
from app.settings import Settings
from core.evaluation.verdicts import CHECKS
from db.verdict_checks import Given, Refusal
from tests.app.test_evaluate import run, said, served, spec
from tests.misbehaving import Misbehaving
from tests.ui.conftest import Server, check_readable, filled_server, visit

pytestmark = pytest.mark.ui


def fill(data: Path, folder: Path) -> None:
    """An evaluation on the starter set with two untouched queues (1 and 3, of other rows); queue 2 of another evaluation is
    answered by two people."""
    context = open_context(Settings(data=data))
    prepare(context)
    with Misbehaving(answer=said) as model:
        for number, name in enumerate(("To check", "Checked"), 1):
            order = spec(1, name=name, checks=list(CHECKS), order_audit=0.3 if name == "Checked" else 0)
            run(served(context, model), order, folder / str(number))
    draw(context, 1, Order("responses", size=20, seed=2, metric="acc_mis", rows=(0,)), "R")
    queue = draw(context, 2, Order(size=320, each=2), "R")
    for who in ("Anne", "<b>Ben</b>"):
        for at in range(5):
            for item in upcoming(context, queue.id, who)["items"]:
                answer = ("yes", "no", "cannot")[(item["task"] * 7 + at) % 3 if who == "Anne" else item["task"] % 2]
                assert not isinstance(
                    save(context, item["task"], Given(item["digest"], answer, f"{who[:2]}{item['task']}"), who), Refusal
                )
    draw(context, 1, Order("responses", size=8, seed=2, metric="acc_da", rows=(1,)), "R")
    context.database.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from filled_server(tmp_path_factory.mktemp("verdicts"), fill)


def pressed(page: Page, answer: str) -> None:
    expect(page.locator(f"[data-answer={answer}]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#st-verdict-state")).to_have_text("Saved.")


def test_five_verdicts_by_keyboard(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=1")
    desk.click("#st-with-people")
    desk.wait_for_selector("#st-people-queues")
    desk.get_by_role("link", name="Queue 1: 20 questions").click()
    desk.wait_for_selector("[data-ready]")
    count = desk.locator("#st-verdict-count")
    expect(count).to_have_text("0 answered by you, 20 left for you")
    expect(desk.locator("#st-verdict-open")).to_be_disabled()
    desk.keyboard.press("e")
    expect(desk.locator(".st-toast")).to_contain_text("Answer first")
    assert "test-model" not in desk.content() and "It rests on word" not in desk.content()
    seen: list[str] = []
    for key, answer in (("y", "yes"), ("n", "no"), ("c", "cannot"), ("y", "yes"), ("n", "no")):
        seen.append(desk.locator("#st-verdict").inner_text())
        desk.keyboard.press(key)
        pressed(desk, answer)
        if len(seen) < 5:
            desk.keyboard.press("j")
    assert len(set(seen)) == 5
    expect(count).to_have_text("5 answered by you, 15 left for you")
    afterwards(desk)


def afterwards(desk: Page) -> None:
    """What the judge said fixes an answer; the last one is taken back and given again; a reload shows the same."""
    count, judge = desk.locator("#st-verdict-count"), desk.locator("#st-verdict-judges")
    desk.keyboard.press("k")
    pressed(desk, "yes")
    desk.keyboard.press("e")
    expect(judge).to_contain_text("It rests on word")
    expect(desk.locator("[data-answer=no]")).to_be_disabled()
    desk.keyboard.press("n")
    expect(desk.locator(".st-toast").last).to_contain_text("the answer that you gave before it stands")
    desk.keyboard.press("u")
    expect(desk.locator("[data-answer][aria-pressed=true]")).to_have_count(0)
    expect(count).to_have_text("4 answered by you, 16 left for you")
    desk.keyboard.press("y")
    pressed(desk, "yes")
    desk.keyboard.press("?")
    expect(desk.locator("dialog")).to_contain_text("cannot determine")
    desk.keyboard.press("Escape")
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    expect(count).to_have_text("5 answered by you, 15 left for you")
    desk.keyboard.press("k")
    expect(desk.locator("[data-answer=yes]")).to_have_attribute("aria-pressed", "true")
    visit(desk, "/evaluate?evaluation=1&view=people")
    expect(desk.locator("[data-queue='1']")).to_contain_text("5 of 20")
    expect(desk.locator("#st-people-who")).to_contain_text("single user: 5")
    expect(desk.locator("#st-people-agreement [data-check=all]")).to_contain_text("Only")


def test_what_was_passed_over_comes_again(desk: Page) -> None:
    visit(desk, "/verdicts?queue=3")
    count, panel, state = (desk.locator(name) for name in ("#st-verdict-count", "#st-verdict", "#st-verdict-state"))
    expect(count).to_have_text("0 answered by you, 24 left for you")
    first = panel.inner_text()
    for _ in range(20):
        desk.keyboard.press("j")
    expect(state).to_have_text("What you passed over comes again.")
    assert panel.inner_text() == first and desk.locator("#st-verdict-done").count() == 0
    for done in range(1, 25):
        desk.keyboard.press("n")
        pressed(desk, "no")
        expect(count).to_have_text(f"{done} answered by you, {24 - done} left for you")
        desk.keyboard.press("j")
        expect(desk.locator("[data-answer][aria-pressed=true]")).to_have_count(0)
    expect(desk.locator("#st-verdict-done")).to_contain_text("nothing is left for you")


def test_an_answer_survives_a_server_that_is_away(own: Server, browser: Browser) -> None:
    page = browser.new_page(base_url=own.base)
    visit(page, "/verdicts?queue=1")
    before = int((page.locator("#st-verdict-count").inner_text()).split()[0])
    own.stop()
    page.locator("#st-verdict-ahead").check()
    page.locator("h1").click()
    page.keyboard.press("n")
    page.keyboard.press("y")
    expect(page.locator("#st-verdict-state")).to_contain_text("kept in this browser")
    own.start()
    expect(page.locator("#st-verdict-count")).to_contain_text(f"{before + 2} answered by you", timeout=20_000)
    visit(page, "/verdicts?queue=1")
    expect(page.locator("#st-verdict-count")).to_contain_text(f"{before + 2} answered by you")
    page.evaluate("localStorage.clear()")
    page.close()


def test_the_report_of_judge_and_people_opens_its_answers(desk: Page, tmp_path: Path) -> None:
    visit(desk, "/evaluate?evaluation=2&view=people")
    every = desk.locator("#st-people-agreement [data-check=all]")
    expect(desk.locator("#st-people-agreement tbody tr")).to_have_count(9)
    expect(desk.locator("#st-people-who")).to_contain_text("<b>Ben</b>: 100")
    counts = [int(text) for text in every.locator("a[href*=became]").all_inner_texts() if text.isdigit()]
    assert len(counts) >= 6
    link = every.locator("a[href*='became=yes_no']")
    number = int(link.inner_text())
    link.click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-people-shown")).to_contain_text(f"of {number} answer")
    one = desk.locator("[data-became=yes_no]").first
    expect(one).to_contain_text(re.compile(r"judge\s+✓ yes.*It rests on word", re.S))
    one.get_by_role("link").click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-case")).to_contain_text("It rests on word")
    visit(desk, "/evaluate?evaluation=2&view=people")
    row = desk.locator("[data-estimate='0/acc_mis']")
    expect(row.locator("td").nth(1)).to_contain_text(" to ")
    row.locator("a[href*='of=answers']").last.click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-people-items h2")).to_contain_text("Misleading risk")
    visit(desk, "/evaluate?evaluation=2&view=people")
    with desk.expect_download() as download:
        desk.click("#st-people-export")
    file = tmp_path / "people.jsonl"
    download.value.save_as(file)
    desk.set_input_files("#st-people-file", file)
    expect(desk.locator(".st-toast")).to_contain_text("0 answers added; 200 were here already")
    desk.locator("#st-draw-kind").select_option("responses")
    desk.locator("#st-draw-metric").select_option("acc_da")
    desk.locator("#st-draw-size").fill("2")
    desk.locator("#st-draw-size").press("Tab")
    desk.click("#st-draw")
    expect(desk.locator("[data-queue='4']")).to_contain_text("every check of Deep alignment")
    expect(desk.locator("[data-queue='4']")).to_contain_text("of 12")
    desk.get_by_role("button", name="Close queue 4").click()
    expect(desk.get_by_role("button", name="Open queue 4")).to_be_visible()


def test_the_audit_of_the_order_stands_beside_the_one_of_length(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=2")
    desk.get_by_text("Audits: length").click()
    expect(desk.locator("#st-audits [data-order]")).to_have_count(9)
    expect(desk.locator("#st-audits [data-order=all]")).to_contain_text("96")
    seen = Axe().run(desk)
    assert seen.violations_count == 0, seen.generate_report()
    visit(desk, "/evaluate?evaluation=1")
    desk.get_by_text("Audits: length").click()
    expect(desk.locator("#st-audits")).to_contain_text("It was not asked")


def test_the_next_study_is_planned(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=2")
    desk.click("#st-plan-next")
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-plan-pilot")).to_contain_text("on 20 scenarios")
    expect(desk.locator("#st-plan-needed")).to_contain_text("find a true difference of 10.0 points")
    desk.locator("#st-plan-effect").fill("25")
    desk.locator("#st-plan-effect").press("Tab")
    expect(desk.locator("#st-plan-needed")).to_contain_text("25.0 points")
    assert "effect=0.25" in desk.url
    desk.locator("#st-plan-comparisons").fill("6")
    desk.locator("#st-plan-comparisons").press("Tab")
    expect(desk.locator("#st-plan-assumed")).to_contain_text("5 % / 6")
    expect(desk.locator("#st-plan-command")).to_contain_text(
        "plan 2 --first 2 --second 1 --metric acc_pf --effect 0.25"
    )
    expect(desk.locator("[data-mark=needed]")).to_have_count(1)
    address = desk.url
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    assert desk.url == address
    expect(desk.locator("#st-plan-comparisons")).to_have_value("6")
    desk.locator("#st-plan-evaluation").select_option("")
    expect(desk.locator("#st-plan-assumed")).to_contain_text("The shares are yours")


def test_what_is_not_there_says_so(own: Server, browser: Browser) -> None:
    page = browser.new_page(base_url=own.base)
    for address, words in (
        ("/verdicts?queue=99", "This queue is not here"),
        ("/evaluate?evaluation=99&view=people", "There is no evaluation 99"),
        ("/evaluate?plan=99", "Evaluation 99 is not here"),
        ("/evaluate?plan=&first_only=0.7&second_only=0.6", "add up to at most 1"),
    ):
        visit(page, address)
        expect(page.locator("#st-body [role=alert]").first).to_contain_text(words)
    page.close()


@pytest.mark.parametrize(
    "address",
    [
        "/verdicts",
        "/verdicts?queue=1",
        "/evaluate?evaluation=2&view=people",
        "/evaluate?evaluation=2&view=people&of=answers",
        "/evaluate?plan=2",
        "/evaluate?plan",
    ],
)
def test_every_view_can_be_read_by_everybody(desk: Page, address: str) -> None:
    check_readable(desk, address)
