"""A researcher looks at a prompt, walks its tokens and heads, compares models, reads a job; and asks "Why this?" of a response."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from app.actions.jobs import enqueue  # noqa: E402
from app.actions.prepare import prepare  # noqa: E402
from app.context import open_context  # noqa: E402
from app.settings import Settings  # noqa: E402
from core.attention_file import make_slice, write_slice  # noqa: E402
from core.regions import PREFERENCE, make_prompt  # noqa: E402
from tests.app.test_attention import HOSTILE, a_set, spec  # noqa: E402
from tests.ui.conftest import CHROMIUM, Server, visit, watched_page  # noqa: E402

pytestmark = pytest.mark.ui
TOKENS = 8_000


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that reads attention with the starter model, twice, as a job in its queue."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder = tmp_path_factory.mktemp("attention")
    server = Server(folder / "data")
    context = open_context(Settings(data=server.data))
    prepare(context)
    ordered = spec(a_set(context, folder), answers=True, max_new=40, heads=2)
    enqueue(context, ordered.model_copy(update={"checkpoints": ["starter", ""]}))
    context.database.close()
    server.start()
    yield server
    server.stop()


def long_slice(server: Server) -> str:
    """A slice of 8,000 tokens with every head, as the process that looks would write it; returns its name."""
    text = "".join(f"word{at % 1000:04d}" for at in range(TOKENS))
    offsets = [(8 * at, 8 * at + 8) for at in range(TOKENS)]
    prompt = make_prompt(text, list(range(TOKENS)), offsets, {0: ((800, 8 * TOKENS),), PREFERENCE: ((8_000, 9_600),)})
    weights = np.random.default_rng(1).dirichlet(np.full(TOKENS, 0.2), (6, 8)).astype(np.float32)
    place = server.data / "attention" / f"{'a' * 32}.npz"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        write_slice(make_slice("long", "", prompt, weights), file)
    return f"live-{'a' * 32}"


@pytest.fixture
def desk(own: Server, browser: Browser) -> Iterator[Page]:
    """A watched page on the server of these tests."""
    yield from watched_page(own, browser)


def look(desk: Page, preference: str, query: str = "Where should I work?") -> None:
    visit(desk, "/attention")
    desk.fill("#st-preference", preference)
    desk.fill("#st-query", query)
    desk.click("#st-look")
    expect(desk.locator("#st-attention-seen .st-ribbon")).to_have_count(1, timeout=120_000)


def checked(desk: Page) -> None:
    """No accessibility fault in light and dark, nothing wider than the window at 390 px."""
    for _ in range(2):
        found = Axe().run(desk)
        assert found.violations_count == 0, found.generate_report()
        desk.click("#st-theme")
    desk.set_viewport_size({"width": 390, "height": 844})
    assert desk.evaluate("document.documentElement.scrollWidth") <= 390
    desk.set_viewport_size({"width": 1280, "height": 800})


def test_one_prompt_is_looked_at(desk: Page) -> None:
    look(desk, HOSTILE)
    seen = desk.locator("#st-attention-seen")
    expect(seen.locator(".st-ribbon-text")).to_contain_text("alert(1)")
    assert desk.locator("#st-body script, #st-body img").count() == 0
    expect(seen.locator("[data-figure='mass']")).to_have_text(re.compile(r"[\d.]+ %"))
    expect(seen.locator("[data-figure='lift']")).to_have_text(re.compile(r"[\d.]+ ×"))
    expect(seen.locator("[data-notice]")).to_contain_text("not what it uses")
    before = seen.locator("[data-figure='mass']").inner_text()
    seen.locator("#st-layer").select_option("2")
    expect(seen.locator("[data-figure='mass']")).not_to_have_text(before)
    seen.locator(".st-ribbon").focus()
    desk.keyboard.press("ArrowRight")
    expect(seen.locator("[aria-live=polite]")).to_contain_text(re.compile(r"Token \d+ of \d+.*times uniform"))
    desk.reload()
    expect(desk.locator("#st-attention-seen .st-ribbon")).to_have_count(1, timeout=30_000)
    checked(desk)


def test_an_answer_is_metered(desk: Page) -> None:
    visit(desk, "/attention")
    desk.fill("#st-preference", "I love quiet places.")
    desk.fill("#st-query", "Where should I work?")
    desk.click("text=With an answer")
    desk.fill("#st-answer", "Step 1: You love quiet places. Step 2: Go to the library.")
    desk.click("#st-look")
    rows = desk.locator("#st-attention-seen [data-quadrant]")
    expect(rows.first).to_be_visible(timeout=120_000)
    expect(rows.nth(1)).to_contain_text("You love quiet places")
    desk.reload()
    expect(rows.nth(1)).to_contain_text("You love quiet places", timeout=30_000)
    expect(desk.locator("#st-preference")).to_have_value("I love quiet places.")
    expect(desk.locator("#st-answer")).to_have_value("Step 1: You love quiet places. Step 2: Go to the library.")
    expect(desk.locator("#st-answer")).to_be_visible()
    checked(desk)


def test_what_cannot_be_seen_is_said_in_its_place(own: Server, browser: Browser) -> None:
    page = browser.new_page(base_url=own.base)
    visit(page, "/attention")
    page.fill("#st-preference", "☃" * 5_000)
    page.fill("#st-query", "Where?")
    page.click("#st-look")
    expect(page.locator("#st-look-said")).to_contain_text("Nothing is cut off", timeout=120_000)
    page.fill("#st-preference", "I love quiet places.")
    page.click("#st-look")
    expect(page.locator("#st-attention-seen .st-ribbon")).to_have_count(1, timeout=120_000)
    assert "of=live-" in page.url
    page.fill("#st-preference", "☃" * 5_000)
    page.click("#st-look")
    expect(page.locator("#st-look-said")).to_contain_text("Nothing is cut off", timeout=120_000)
    expect(page.locator("#st-attention-seen")).to_be_hidden()
    assert "of=" not in page.url, "what was seen before belongs to another prompt"
    visit(page, "/attention?job=99")
    expect(page.locator("[role=alert]")).to_contain_text("no job 99")
    page.close()


def test_eight_thousand_tokens_are_one_text_over_canvas(own: Server, desk: Page) -> None:
    name = long_slice(own)
    visit(desk, f"/attention?of={name},{name}")
    ribbons = desk.locator("#st-attention-seen .st-ribbon")
    expect(ribbons).to_have_count(2, timeout=60_000)
    assert int(ribbons.first.locator(".st-ribbon-inner").get_attribute("data-measured") or 0) >= TOKENS
    assert desk.locator("#st-attention-seen *").count() < 1_000, "tokens are no elements"
    ribbons.first.evaluate("box => { box.scrollTop = box.scrollHeight / 2; }")
    ribbons.first.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    drawn = ribbons.first.evaluate(
        """box => [...box.querySelectorAll("canvas")].some((one) => {
          const top = parseFloat(one.style.top), at = box.scrollTop;
          return top <= at && at < top + 1000 && one.width > 300;
        })"""
    )
    assert drawn, "what is scrolled to is drawn"
    desk.locator("#st-head").select_option("3")
    expect(desk.locator("#st-attention-seen .st-head-grid").first).to_be_visible()


def bands(desk: Page, curve: dict[str, object], by: str) -> list[str]:
    """The points of the bands that are drawn for a model of a report."""
    return desk.evaluate(
        """([curve, by]) => {
          const drawn = Subtext.attentionCurve([{ name: "m", curve }], [["head", 2], ["preference", 2]], by);
          return [...drawn.querySelectorAll(".st-attention-band")].map((one) => one.getAttribute("points"));
        }""",
        [curve, by],
    )


def test_a_difference_is_drawn_round_its_zero(desk: Page) -> None:
    visit(desk, "/attention")
    drawn = desk.evaluate(
        """() => {
          const flat = { mass: [0.4, 0.2, 0.2, 0.2], low: [0, 0, 0, 0], high: [1, 1, 1, 1], share: [1, 1, 1, 1], lift: [1, 1, 1, 1] };
          const away = { ...flat, mass: [0.5, -0.02, 0.03, 0.01], low: [0.4, -0.04, 0.02, 0], high: [0.6, 0, 0.04, 0.02] };
          const models = [{ name: "a", curve: flat }, { name: "b", curve: flat, curve_change: away }];
          const one = Subtext.attentionCurve(models, [["head", 2], ["preference", 2]], "change");
          return [one.querySelector("[data-curve] polyline").getAttribute("points").split(" ").map((at) => Number(at.split(",")[1])),
            Number(one.querySelector(".st-limit").getAttribute("y1")), [...one.querySelectorAll("[data-curve]")].map((line) => [line.dataset.curve, line.getAttribute("class")]),
            [...one.querySelectorAll("text")].map((text) => text.textContent), one.textContent];
        }"""
    )
    heights, zero, lines, words, text = drawn
    assert heights[1] > zero > heights[3] > heights[2] > heights[0], "down is less, and the sink ends at the picture"
    assert lines == [["b", "st-series-1"]]
    assert {"−4", "−2", "0", "+2", "+4"} <= set(words) and "goes out of the picture" in text


def test_the_band_of_a_lift_is_drawn_where_the_report_has_one(desk: Page) -> None:
    visit(desk, "/attention")
    curve: dict[str, object] = {
        "mass": [0.4, 0.2, 0.2, 0.2], "low": [0.3, 0.1, 0.1, 0.1], "high": [0.5, 0.3, 0.3, 0.3],
        "share": [0.4, 0.2, 0.2, 0.2], "lift": [1, 1, 1, 1],
    }  # fmt: skip
    assert bands(desk, curve, "lift") == [], "a report that was made before lifts had intervals"
    assert len(bands(desk, curve, "mass")) == 1
    (flat,) = bands(desk, curve | {"lift_low": [1, 1, 1, 1], "lift_high": [1, 1, 1, 1]}, "lift")
    assert len({point.split(",")[1] for point in flat.split()}) == 1, "a lift that is surely 1 has no width"
    broken = curve | {"lift_low": [0.9, None, 0.9, 0.9], "lift_high": [1.1, None, 1.1, 1.1]}
    assert [len(points.split()) for points in bands(desk, broken, "lift")] == [2, 4]


def test_a_job_is_read(desk: Page) -> None:
    visit(desk, "/attention")
    desk.click("[data-run='1'] a")
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-attention-figures tbody tr")).to_have_count(2, timeout=180_000)
    expect(desk.locator("#st-attention-curve svg [data-curve]")).to_have_count(2)
    expect(desk.locator("#st-attention-change [data-change='mass']")).to_contain_text("0.00")
    desk.locator("[data-choice='mass']").click()
    expect(desk.locator("#st-attention-curve figure")).to_have_attribute("data-by", "mass")
    desk.locator("[data-choice='change']").click()
    expect(desk.locator("#st-attention-curve svg [data-curve]")).to_have_count(1)
    expect(desk.locator("#st-attention-curve figcaption")).to_contain_text("more or less than starter model")
    expect(desk.locator("#st-attention-curve .st-limit")).to_have_count(1)
    desk.locator("#st-attention-curve summary").click()
    expect(desk.locator("#st-attention-curve tbody td").first).to_have_text("0.00 [0.00 to 0.00]")
    desk.click("[data-case='0']")
    view = desk.locator("#st-attention-view")
    expect(view.locator(".st-ribbon")).to_have_count(2, timeout=30_000)
    view.locator("[data-choice='minus']").click()
    expect(view.locator(".st-ribbon-legend")).to_contain_text("−0.05")
    checked(desk)
    desk.click("[data-case='2']")
    expect(view).to_contain_text("mean over layers and heads was kept")


def test_those_that_are_there_are_shown_and_those_that_are_gone_are_named(own: Server, browser: Browser) -> None:
    name, page = long_slice(own), browser.new_page(base_url=own.base)
    visit(page, f"/attention?of=live-{'0' * 32},{name},live-{'1' * 32}")
    seen = page.locator("#st-attention-seen")
    expect(seen.locator(".st-ribbon")).to_have_count(1, timeout=60_000)
    expect(seen.locator("[data-gone]")).to_have_count(2)
    expect(seen.locator("[data-gone]").last).to_contain_text("Prompt 3 of 3: This attention slice is not there")
    visit(page, f"/attention?of=live-{'0' * 32}")
    expect(seen.locator("[data-gone]")).to_contain_text("was removed")
    page.close()


def test_the_choice_of_last_is_what_is_shown(own: Server, desk: Page) -> None:
    visit(desk, f"/attention?of={long_slice(own)}")
    mass, held = desk.locator("#st-attention-seen [data-figure='mass']"), list[Route]()
    layer = desk.locator("#st-layer")
    expect(layer).to_be_visible(timeout=60_000)
    mean = mass.inner_text()

    def hold(route: Route) -> None:
        held.append(route)

    second = re.compile(r"/head\?layer=1&")
    desk.route(second, hold)
    layer.select_option(index=2)
    for _ in range(100):
        if held:
            break
        desk.wait_for_timeout(50)
    layer.select_option(index=0)
    with desk.expect_response(second):
        held.pop().continue_()
    desk.unroute(second)
    desk.wait_for_timeout(300)
    expect(mass).to_have_text(mean)
    expect(layer).to_have_value("")
    layer.focus()
    layer.select_option(index=2)
    expect(mass).not_to_have_text(mean)
    expect(layer).to_be_focused()


def test_a_word_stays_while_a_job_goes_on(desk: Page) -> None:
    visit(desk, "/attention?job=1")
    expect(desk.locator("#st-attention-figures tbody tr")).to_have_count(2, timeout=180_000)
    asked: list[str] = []

    def part(route: Route) -> None:
        """The answer as it was while the job went on: one line more at each question."""
        asked.append(route.request.url.split("since=")[1])
        since = int(asked[-1])
        told = route.fetch(url=route.request.url.split("?")[0]).json()
        told |= {"status": "running" if since < 3 else "done", "report": None, "since": since, "lines": since + 1}
        told["numbers"] = told["numbers"][since : since + 1]
        if since:
            del told["cases"], told["models"]
        route.fulfill(json=told)

    desk.route("**/api/attention/runs/1?*", part)
    visit(desk, "/attention?job=1")
    word = desk.locator("#st-attention-cases input[type=search]")
    word.fill("e")
    known = desk.locator("#st-attention-cases td", has_text="×")
    expect(known).to_have_count(3, timeout=30_000)
    expect(word).to_have_value("e")
    expect(word).to_be_focused()
    assert asked[:3] == ["0", "1", "2"]


def test_an_order_is_checked_before_it_starts(desk: Page) -> None:
    visit(desk, "/attention")
    desk.click("#st-attention-new > summary")
    expect(desk.locator("#st-attention-command")).to_contain_text('"kind":"attention"')
    checked(desk)


def test_why_this_and_what_an_edit_shifts(desk: Page) -> None:
    visit(desk, "/respond")
    desk.uncheck("#st-both")
    desk.fill("#st-preference", "I love quiet places.")
    desk.fill("#st-query", "Where should I work?")
    desk.click("#st-respond")
    side = desk.locator("[data-side='0']")
    side.locator("[data-ask-why='this']").click(timeout=180_000)
    expect(side.locator("[data-why='this'] .st-ribbon")).to_be_visible(timeout=120_000)
    expect(side.locator("[data-quadrant]").first).to_be_visible()
    checked(desk)
    desk.fill("#st-edited", "I hate quiet places.")
    desk.click("#st-again")
    side.locator("[data-ask-why='shift']").click(timeout=180_000)
    shift = side.locator("[data-shift='mass']")
    expect(shift).to_have_count(2, timeout=120_000)
    expect(shift.first).to_have_text(re.compile(r"[\d.]+ %"))
