"""A researcher evaluates from the page: a new one, its report beside the paper's rows, the responses behind a number, two rows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app.actions.import_data import import_files
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.settings import Settings
from core.evaluation.verdicts import CHECKS
from tests.app.test_evaluate import run, said, served, spec
from tests.misbehaving import Misbehaving
from tests.samples import CHOICE, deeppref
from tests.ui.conftest import HOSTILE, Server, check_readable, filled_server, visit

pytestmark = pytest.mark.ui
EIGHT = list(CHECKS)


def clear(body: dict[str, Any]) -> str:
    """A judge that says yes to what was answered step by step, whatever it is asked."""
    if "VERDICT" in body["messages"][0]["content"]:
        yes = "Take the path" in body["messages"][-1]["content"]
        return f"Explanation: It {'takes' if yes else 'leaves'} the path. VERDICT: {'yes' if yes else 'no'}"
    return said(body)


def hostile(body: dict[str, Any]) -> str:
    """A model and a judge whose every word is markup."""
    if "VERDICT" in body["messages"][0]["content"]:
        return f"Explanation: {HOSTILE} VERDICT: yes"
    return f"{HOSTILE} {said(body)}"


def mute(body: dict[str, Any]) -> str:
    """A judge without a verdict beside a model that chooses A."""
    return "no idea" if "VERDICT" in body["messages"][0]["content"] else said(body)


def stocked(context: Context, folder: Path, records: list[Any]) -> int:
    file = folder / "records.json"
    file.write_text(json.dumps(records), encoding="utf-8")
    found = import_files(context, [file]).set_id
    assert found
    return found


def fill(data: Path, folder: Path) -> None:
    """Four evaluations, answered by a server that stands for model and judge; the last is the first again on fewer cases."""
    context = open_context(Settings(data=data))
    prepare(context)
    rows = [{"method": name} for name in ("zero_shot", "chain_of_thought", "step_by_step")]
    with Misbehaving(answer=clear) as model:
        run(served(context, model), spec(1, name="Ways of prompting", checks=EIGHT, rows=rows), folder / "one")
    odd = [deeppref(initial_question=f"{HOSTILE} {n}", user_profile=f"{HOSTILE} {n}") for n in range(3)]
    with Misbehaving(answer=hostile) as model:
        run(served(context, model), spec(stocked(context, folder, odd), name=HOSTILE, checks=EIGHT), folder / "two")
    chosen = [CHOICE | {"preference": f"I avoid crowds {n}."} for n in range(60)]
    with Misbehaving(answer=mute) as model:
        order = spec(stocked(context, folder, chosen), name="No verdict", choices=True, rows=[{}])
        run(served(context, model), order, folder / "three")
    with Misbehaving(answer=clear) as model:
        order = spec(1, name="Fewer cases", checks=EIGHT, rows=rows[2:], limit=12, seed=2)
        run(served(context, model), order, folder / "four")
    context.database.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with three evaluations: 1 on the starter set, 2 of hostile texts, 3 without a verdict and with multiple choice."""
    yield from filled_server(tmp_path_factory.mktemp("evaluated"), fill)


def test_the_report_stands_beside_the_papers_rows(desk: Page) -> None:
    visit(desk, "/evaluate")
    expect(desk.locator("[data-evaluation]")).to_have_count(4)
    desk.get_by_role("link", name="Ways of prompting").click()
    desk.wait_for_selector("[data-ready]")
    table = desk.locator("[data-table='tab:evaluation']")
    expect(table.locator("tbody tr.st-printed").first).to_contain_text(re.compile(r"Zero-shot.*23\.0.*76\.0"))
    steps = table.locator("tr[data-row='2']")
    expect(steps).to_contain_text("step by step")
    expect(steps.locator("[data-cell='2/acc_da']").first).to_have_text("100.0")
    expect(steps.locator(".st-best-mark").first).to_contain_text("best of our rows")
    expect(table.get_by_role("columnheader", name="Acc_Mis (lower is better)")).to_have_count(2)
    desk.click("[data-choice=published]")
    expect(table.locator("[data-cell='2/acc_da']")).to_have_count(1)
    assert "rule=published" in desk.url
    desk.click("[data-choice=corrected]")
    expect(table.locator("tbody tr.st-printed").first).to_contain_text(re.compile(r"Zero-shot.*23\.0.*76\.0"))
    expect(desk.locator(".st-rests tbody tr")).to_have_count(3)
    expect(desk.locator(".st-rests tbody tr").first).to_contain_text("20 · 20 · 20")
    desk.click("[data-choice='tab:errors']")
    expect(desk.locator("[data-table='tab:errors'] [data-row='0'] [data-cell='0/e_ur']")).to_have_text("100.0")
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("[data-choice='tab:errors']")).to_have_attribute("aria-pressed", "true")
    desk.locator("#st-differ").select_option("acc_da")
    expect(desk.locator("#st-differences tbody tr").first).to_contain_text(re.compile(r"\+100\.0.*< 0\.001.*better"))
    desk.locator("#st-differ").select_option("acc_mis")
    expect(desk.locator("#st-differences tbody tr").first).to_contain_text("worse")


def test_pictures_topics_and_the_paragraph(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=1")
    radar = desk.locator("#st-radar")
    expect(radar.locator("[data-radar]")).to_have_count(3)
    radar.get_by_text("Rows of the paper").click()
    desk.click("#st-radar-paper")
    expect(radar.locator("[data-radar]")).to_have_count(10)
    expect(desk.locator("#st-switches")).to_contain_text("where a misleading answer costs nothing")
    desk.locator("#st-frontier [data-point='2']").focus()
    desk.keyboard.press("Enter")
    desk.wait_for_url(re.compile("row=2&metric=m_ie"))
    desk.go_back()
    desk.wait_for_selector("[data-ready]")
    cases = desk.locator("#st-topics tbody tr td:nth-child(2)")
    desk.click("[data-sort=n]")
    sizes = [int(text) for text in cases.all_inner_texts()]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == 20
    expect(desk.locator("#st-topics th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    expect(desk.locator("[data-sort=n]")).to_be_focused()
    desk.get_by_text("Audits: length").click()
    expect(desk.locator("#st-audits")).to_contain_text("Points a doubling")
    desk.locator("#st-writing").get_by_role("button", name="Copy").click()
    assert desk.evaluate("navigator.clipboard.readText()").startswith("We compared models")
    for form in ("csv", "json", "latex", "html", "methods"):
        with desk.expect_download() as download:
            desk.click(f"[data-export={form}]")
        assert download.value.suggested_filename.startswith("evaluation-1.")


def test_a_number_opens_its_responses(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=1")
    desk.locator("[data-cell='2/acc_da']").first.click()
    desk.wait_for_url(re.compile("row=2&metric=acc_da"))
    desk.wait_for_selector("[data-ready]")
    cases = desk.locator("#st-cases a")
    expect(cases).to_have_count(20)
    shown = desk.locator("#st-case")
    expect(shown.locator("#st-judged")).to_contain_text("Take the path")
    expect(shown.locator("[data-check=deep_mining]")).to_contain_text(re.compile("✓ yes.*It takes the path", re.S))
    shown.get_by_text("The whole reply").click()
    expect(shown.locator("#st-reply")).to_contain_text("Step 1: They mean more.")
    first = shown.get_attribute("data-shown")
    desk.locator("h1").click()
    desk.keyboard.press("j")
    expect(cases.nth(1)).to_have_attribute("aria-current", "true")
    assert f"case={cases.nth(1).get_attribute('data-case')}" in desk.url
    desk.keyboard.press("k")
    expect(shown).to_have_attribute("data-shown", str(first))
    desk.click("[data-choice=fails]")
    expect(shown).to_have_text("No response is in this state.")
    desk.locator("#st-row").select_option("0")
    expect(cases).to_have_count(20)
    expect(cases.first).to_contain_text("does not hold")
    address = desk.url
    assert "row=0" in address and "state=fails" in address
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    assert desk.url == address
    expect(desk.locator("[data-choice=fails]")).to_have_attribute("aria-pressed", "true")
    desk.click("#st-tree-link")
    desk.wait_for_url(re.compile(r"/trees\?scenario="))
    desk.go_back()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-judged")).to_contain_text("Go to the park")


def test_two_rows_side_by_side(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=1")
    desk.locator("#st-differ").select_option("acc_da")
    desk.locator("#st-differences").get_by_role("link", name="Compare").first.click()
    desk.wait_for_url(re.compile("first=2&second=0&metric=acc_da"))
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("[data-choice=win]")).to_have_text("First wins (20)")
    left, right = desk.locator("[data-side=first]"), desk.locator("[data-side=second]")
    expect(left.locator("mark").first).to_have_text("Take")
    expect(right.locator("mark").first).to_have_text("Go to")
    expect(left.locator(".st-differs")).to_have_count(3)
    expect(left).to_contain_text("wins")
    desk.click("#st-swap")
    expect(desk.locator("[data-choice=lose]")).to_have_text("Second wins (20)")
    expect(desk.locator("#st-cases a")).to_have_count(20)
    desk.click("[data-choice=tie]")
    expect(desk.locator("#st-case")).to_have_text("No case is in this state.")
    desk.locator("#st-metric").select_option("acc_mis")
    desk.click("[data-choice=win]")
    expect(desk.locator("#st-cases a")).to_have_count(20)
    expect(desk.locator("#st-which")).to_contain_text("Lower is better")


def test_two_evaluations_on_their_shared_cases(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=1")
    desk.click("#st-compare-link")
    desk.wait_for_url(re.compile("first=0&second=1"))
    desk.wait_for_selector("[data-ready]")
    desk.locator("#st-metric").select_option("acc_da")
    desk.locator("#st-other-evaluation").select_option("4")
    expect(desk.locator("#st-second")).to_contain_text("step by step")
    expect(desk.locator("[data-choice=lose]")).to_have_text("Second wins (12)")
    expect(desk.locator("#st-alone")).to_have_text("12 cases on both sides; 8 only on the first, 0 only on the second.")
    expect(desk.locator("#st-apart")).to_contain_text(re.compile(r"−100\.0 points.*p < 0\.001.*12 scenarios"))
    expect(desk.locator("#st-which")).to_contain_text("They differ in the seed: 1 and 2.")
    expect(desk.locator("[data-side=second] h3")).to_contain_text("of Fewer cases")
    assert "other=4" in desk.url
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-cases a")).to_have_count(12)
    desk.click("#st-swap")
    desk.wait_for_url(re.compile(r"evaluation=4.*other=1"))
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("[data-choice=win]")).to_have_text("First wins (12)")
    desk.locator("[data-side=second] h3 a").click()
    desk.wait_for_url(re.compile(r"evaluation=1&row=0"))
    visit(desk, "/evaluate?evaluation=1&first=0&second=0&other=2")
    expect(desk.locator("#st-apart")).to_have_text("There is no case that counts on both sides.")


def test_no_number_says_why_and_choices_have_a_table(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=3")
    cell = desk.locator("[data-cell='0/acc_pf']").first
    cell.focus()
    expect(desk.locator("#st-tip")).to_contain_text(
        "No result: none of 60 responses with replies has a readable verdict"
    )
    assert (cell.inner_text() or "").startswith("–")
    expect(desk.locator(".st-rests tbody tr").first).to_contain_text("60 · 0 · 0")
    row = desk.get_by_role("region", name="Multiple choice").locator("tbody tr")
    expect(row).to_contain_text("multiple choice")
    row.locator("a").click()
    desk.wait_for_url(re.compile("row=1&metric=acc_mc"))
    expect(desk.locator("#st-case")).to_contain_text("✓ right")
    expect(desk.locator("#st-metric option")).to_have_count(1)


def test_many_responses_come_in_pages(desk: Page) -> None:
    visit(desk, "/evaluate?evaluation=3&row=1&metric=acc_mc")
    cases = desk.locator("#st-cases a")
    expect(cases).to_have_count(50)
    cases.last.click()
    desk.keyboard.press("j")
    expect(desk.locator("#st-cases-shown")).to_have_text("51 to 60 of 60")
    expect(cases).to_have_count(10)
    expect(cases.first).to_have_attribute("aria-current", "true")
    assert "offset=50" in desk.url
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    expect(cases).to_have_count(10)
    desk.click("#st-page-before")
    expect(cases).to_have_count(50)
    assert "offset" not in desk.url


def test_texts_of_models_stay_texts(desk: Page) -> None:
    for address in (
        "/evaluate",
        "/evaluate?evaluation=2",
        "/evaluate?evaluation=2&row=0&metric=acc_da",
        "/evaluate?evaluation=2&first=0&second=1&metric=acc_da",
    ):
        visit(desk, address)
        expect(desk.locator("#st-body")).to_contain_text("<img src=x onerror=alert(1)>")
        assert desk.locator("#st-body img").count() == 0
    visit(desk, "/evaluate?evaluation=2")
    assert desk.title().startswith("<img")
    desk.click("#st-forget")
    expect(desk.get_by_role("dialog")).to_contain_text(HOSTILE)


def test_a_row_may_take_the_model_of_a_training_that_runs(desk: Page) -> None:
    def running(route: Route) -> None:
        found = route.fetch().json()
        route.fulfill(json=found | {"jobs": [{"id": 7, "kind": "policy", "status": "running"}]})

    desk.route("**/api/jobs?limit=200", running)
    visit(desk, "/evaluate")
    model = desk.get_by_label("Model of row 1")
    expect(model.locator("option[value=after]")).to_have_count(0)
    desk.locator("#st-after").select_option("7")
    model.select_option("after")
    expect(desk.locator("#st-evaluate-command")).to_contain_text('"model":"after"')
    expect(desk.locator("#st-evaluate-command")).to_contain_text("run - --after 7")
    expect(desk.locator("[data-check=model]").first).to_contain_text("The model that the job before makes")
    desk.locator("#st-after").select_option("")
    expect(model).to_have_value("")


def test_a_running_report_is_drawn_again_without_jumping(desk: Page) -> None:
    asked: list[str] = []

    def growing(route: Route) -> None:
        asked.append(route.request.url)
        found = route.fetch().json()
        found["evaluation"] |= {"status": "running" if len(asked) < 3 else "done", "job": None}
        found["answers"]["generated"] = 10 * len(asked)
        route.fulfill(json=found)

    desk.route("**/api/evaluations/1", growing)
    visit(desk, "/evaluate?evaluation=1")
    expect(desk.locator("#st-state")).to_have_text("running")
    expect(desk.locator("#st-about progress")).to_be_visible()
    expect(desk.locator("#st-forget")).to_be_disabled()
    desk.get_by_text("Audits: length").click()
    desk.locator("[data-sort=n]").focus()
    top = desk.evaluate("scrollY")
    assert top > 0
    expect(desk.locator("#st-about")).to_contain_text("30 of 60 answers", timeout=20_000)
    expect(desk.locator("#st-state")).to_have_text("finished")
    expect(desk.locator("[data-kept=audits]")).to_have_attribute("open", "")
    expect(desk.locator("[data-sort=n]")).to_be_focused()
    assert desk.evaluate("scrollY") == pytest.approx(top, abs=80), "only the line of the progress is gone"
    assert len(asked) == 3, "a finished report is not asked for again"


def test_what_is_not_there_says_so(own: Server, browser: Browser) -> None:
    page = browser.new_page(base_url=own.base)
    for address, said_here in (
        ("/evaluate?evaluation=99", "There is no evaluation 99"),
        ("/evaluate?evaluation=1&row=9&metric=acc_da", "there is no row 10"),
        ("/evaluate?evaluation=3&first=0&second=1&metric=acc_pf", "cannot be compared"),
    ):
        visit(page, address)
        expect(page.locator("#st-evaluate [role=alert]")).to_contain_text(said_here)
    page.close()


@pytest.mark.parametrize(
    "address",
    [
        "/evaluate",
        "/evaluate?evaluation=1",
        "/evaluate?evaluation=2",
        "/evaluate?evaluation=3",
        "/evaluate?evaluation=1&row=0&metric=e_ur",
        "/evaluate?evaluation=2&row=0&metric=acc_da",
        "/evaluate?evaluation=1&first=2&second=0&metric=acc_da",
        "/evaluate?evaluation=1&first=0&second=0&other=4&metric=acc_da",
    ],
)
def test_every_view_can_be_read_by_everybody(desk: Page, address: str) -> None:
    check_readable(desk, address)


def test_an_evaluation_from_the_form_to_its_report(desk: Page) -> None:
    visit(desk, "/evaluate")
    begin, verdict = desk.locator("#st-evaluate-begin"), desk.locator("#st-evaluate-verdict")
    expect(verdict).to_contain_text("Nothing blocks", timeout=30_000)
    desk.locator("#st-name").fill("From the page")
    desk.locator("#st-set").select_option("1")
    desk.locator("#st-limit").fill("1")
    desk.get_by_role("button", name="All methods for this model").first.click()
    expect(desk.locator("#st-rows tbody tr")).to_have_count(6)
    desk.locator("#st-settings > summary").click()
    expect(desk.locator("#st-temperature")).to_have_value("0.7")
    while desk.locator("#st-rows tbody tr").count() > 2:
        desk.get_by_role("button", name="Remove row").last.click()
    for name in EIGHT[1:]:
        desk.locator(f"#st-checks input[value={name}]").uncheck()
    desk.locator("#st-judge_tokens").fill("40")
    desk.locator("#st-max_new").fill("30")
    desk.locator("#st-retries").fill("0")
    desk.locator("#st-retries").press("Tab")
    expect(desk.locator("[data-check=size]")).to_contain_text("2 answers and 2 verdicts: 4 calls")
    expect(desk.locator("#st-evaluate-command")).to_contain_text('"name":"From the page"')
    desk.get_by_label("Way of prompting of row 2").select_option("zero_shot")
    expect(verdict).to_contain_text("Two rows are the same")
    expect(begin).to_be_disabled()
    desk.get_by_label("Way of prompting of row 2").select_option("reminder")
    expect(begin).to_be_enabled()
    begin.click()
    expect(desk.locator("#st-evaluate-live #st-job-link")).to_be_visible(timeout=30_000)
    desk.wait_for_url(re.compile(r"evaluation=5$"), timeout=240_000)
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("h1")).to_have_text("From the page")
    expect(desk.locator("#st-state")).to_have_text("finished")
    expect(desk.locator("#st-job-link")).to_be_visible()
    expect(desk.locator(".st-rests tbody tr")).to_have_count(2)
    desk.click("#st-forget")
    desk.get_by_label("Name of the evaluation").fill("From the page")
    desk.click("#st-forget-go")
    desk.wait_for_url(re.compile(r"/evaluate$"))
    expect(desk.locator("[data-evaluation]")).to_have_count(4)
