"""From nothing to the report, offline: build, critic, RFT, CDPA, answers, verdicts, report, each started from its page."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.ui.conftest import CHROMIUM, Server, visit, watched_page

pytestmark = pytest.mark.ui
WAIT = 300_000
WAYS = 6
SET = "Chain v1"


@pytest.fixture
def desk(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A watched page on a fresh server with its own worker, and no model but the starter."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    server = Server(tmp_path_factory.mktemp("chain") / "data")
    server.start()
    for made in watched_page(server, browser):
        made.set_default_timeout(60_000)
        yield made
    server.stop()


def write(page: Page, **values: str) -> None:
    """Settings of a form, each as if it was left by Tab."""
    for name, value in values.items():
        page.fill(f"#st-{name}", value)
        page.locator(f"#st-{name}").dispatch_event("change")


def pick(control: Locator, text: str) -> None:
    """The last option of a choice whose words begin like this."""
    option = control.locator("option").filter(has_text=re.compile(f"^{text}")).last
    control.select_option(str(option.get_attribute("value")))


def built(desk: Page) -> None:
    visit(desk, "/build")
    write(desk, name="Chain", topics="travel, food, money")
    desk.locator("summary", has_text="How the trees grow").click()
    write(desk, per_topic="2", depth="2")
    desk.click("#st-look")
    expect(desk.locator("#st-cost")).to_contain_text("6 trees")
    desk.click("#st-begin")
    expect(desk.locator("#st-growth-line")).to_contain_text("6 of 6 trees are grown", timeout=WAIT)


def with_critic(desk: Page) -> None:
    visit(desk, "/critic")
    pick(desk.locator("#st-set"), SET)
    desk.locator("#st-settings summary").click()
    write(desk, name="Chain critic", updates="2", report_steps="2", max_tokens="32")
    desk.click("#st-start")
    expect(desk.locator("#st-critic-live .st-status")).to_have_text("done", timeout=WAIT)


def trained(desk: Page, preset: str, base: str = "", critic: str = "", **values: str) -> str:
    """Train a policy; what it is called where a model is chosen."""
    visit(desk, f"/train?preset={preset}")
    desk.locator("#st-settings summary").click()
    pick(desk.locator("#st-set"), SET)
    if critic:
        pick(desk.locator("#st-critic"), critic)
    write(desk, base=base, **values)
    desk.click("#st-train-begin")
    live = desk.locator("#st-train-live")
    expect(live.locator("[data-status=done]")).to_be_visible(timeout=WAIT)
    made = live.get_by_role("link", name="The model it made")
    found = re.search(r"\d+$", str(made.get_attribute("href")))
    assert found
    return f"model:{found[0]}"


def evaluated(desk: Page, rft: str, cdpa: str) -> None:
    """The starter by every way of prompting, the models after RFT and after CDPA as they were trained to answer."""
    visit(desk, "/evaluate")
    pick(desk.locator("#st-set"), SET)
    write(desk, name="Chain", limit="2")
    desk.locator("#st-part").select_option("all")
    desk.get_by_role("button", name="All methods for this model").first.click()
    rows = desk.locator("#st-rows tbody tr")
    expect(rows).to_have_count(WAYS)
    for place, model in ((WAYS + 1, rft), (WAYS + 2, cdpa)):
        desk.click("#st-add-row")
        desk.get_by_label(f"Model of row {place}").select_option(model)
        desk.get_by_label(f"Way of prompting of row {place}").select_option("step_by_step")
    desk.locator("#st-settings > summary").click()
    write(desk, samples="2", max_new="200", retries="0")
    pick(desk.locator("#st-critic"), "Chain critic")
    desk.click("#st-evaluate-begin")
    desk.wait_for_url(re.compile(r"evaluation=1$"), timeout=WAIT)
    desk.wait_for_selector("[data-ready]")


def test_one_chain_from_the_first_tree_to_the_report(desk: Page) -> None:
    built(desk)
    with_critic(desk)
    rft = trained(desk, "rft", name="Chain RFT", updates="2", report_prompts="0")
    small = {"updates": "1", "prompts": "1", "batch": "5", "max_new": "120", "report_prompts": "0"}
    cdpa = trained(desk, "cdpa", rft, "Chain critic", name="Chain CDPA", **small)
    evaluated(desk, rft, cdpa)
    expect(desk.locator("#st-state")).to_have_text("finished")
    ours = desk.locator("[data-table='tab:evaluation'] tr.st-ours")
    expect(ours).to_have_count(WAYS + 2)
    for row in desk.locator(".st-rests tbody tr").all():
        expect(row).to_contain_text(re.compile("222 · 2 · "))  # planned, generated, judged, parsed
    expect(desk.locator(".st-rests tbody tr")).to_have_count(WAYS + 2)
    for name, place in (("Chain RFT", WAYS), ("Chain CDPA", WAYS + 1)):
        expect(desk.locator(f"[data-table='tab:evaluation'] tr[data-row='{place}']")).to_contain_text(name)
    desk.locator(f"[data-cell='{WAYS + 1}/acc_pf']").first.click()
    desk.wait_for_url(re.compile("metric=acc_pf"))
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-cases a")).to_have_count(2)
    expect(desk.locator("#st-case .st-verdict").first).to_be_visible()
    desk.get_by_role("link", name="← Report").click()
    desk.wait_for_selector("[data-ready]")
    desk.click("#st-compare-link")
    desk.wait_for_selector("[data-ready]")
    desk.locator("#st-second").select_option(str(WAYS + 1))
    expect(desk.locator("[data-side=second] h3")).to_contain_text("Chain CDPA")
    expect(desk.locator("#st-cases a")).to_have_count(2)
