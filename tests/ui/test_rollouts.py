"""A researcher reads what a run sampled: tokens in colour, critiques, steps beside each other, findings, two updates compared."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.actions.prepare import prepare
from app.context import open_context
from app.settings import Settings
from core.scoring import Scored
from tests.app.kept import folder_of, group, job_with_rollouts, ordinary, response
from tests.ui.conftest import CHROMIUM, HOSTILE, Server, visit, watch

pytestmark = pytest.mark.ui
LONG = "\n".join(f"Step {k}: " + "quiet words about the long day that nobody saw before, " * 43 for k in range(1, 14))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small runs written by hand: 1 ordinary and odd, 2 hostile, 3 long, 4 empty."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    server = Server(tmp_path_factory.mktemp("rollouts") / "data")
    context = open_context(Settings(data=server.data))
    prepare(context)
    odd = group(1, response("no marker", [], format=0.0), response("Step 1: x", [None]), response("Step 1: x", [None]))
    other = [replace(one, query="Another?", prompt="Another?") for one in odd]
    job_with_rollouts(context, u1=ordinary(), u5=ordinary(0, "forest") + other)
    said = [replace(one, critiques=[HOSTILE, HOSTILE]) for one in ordinary()]
    said[0] = response(f"Step 1: {HOSTILE}\nStep 2: {HOSTILE}", [0.1, 0.9], [0.7, -0.7], query=HOSTILE)
    job_with_rollouts(context, u1=group(0, *said))
    job_with_rollouts(context, u1=group(0, *(response(f"{LONG}{n}", [n / 2] * 13, [n - 1.0] * 13) for n in range(3))))
    job_with_rollouts(context)
    folder_of(context, 1).joinpath("update-000005-07.parquet").write_bytes(b"PAR1 broken")
    context.database.close()
    server.start()
    yield server
    server.stop()


def colour_at(page: Page, token: int) -> list[int]:
    """The colour under the first character of a token of the ribbon: red, green, blue, alpha."""
    page.locator(".st-ribbon").scroll_into_view_if_needed()
    return page.evaluate(
        """token => {
          const node = document.querySelector(".st-ribbon-text").firstChild, range = document.createRange();
          range.setStart(node, 4 * token + 1); range.setEnd(node, 4 * token + 2);
          const place = range.getBoundingClientRect(), canvas = document.querySelector(".st-ribbon canvas");
          const base = canvas.getBoundingClientRect(), ratio = canvas.width / base.width;
          const at = [(place.left + place.right) / 2 - base.left, place.top + 3 - base.top].map((value) => Math.round(value * ratio));
          return [...canvas.getContext("2d").getImageData(at[0], at[1], 1, 1).data];
        }""",
        token,
    )


def pixels_of_the_line(page: Page, token: int) -> int:
    """How many pixels under a token have the colour of the line of clipped tokens."""
    return page.evaluate(
        """token => {
          const node = document.querySelector(".st-ribbon-text").firstChild, range = document.createRange();
          range.setStart(node, 4 * token); range.setEnd(node, 4 * token + 4);
          const place = range.getBoundingClientRect(), canvas = document.querySelector(".st-ribbon canvas");
          const base = canvas.getBoundingClientRect(), ratio = canvas.width / base.width, brush = canvas.getContext("2d");
          const data = brush.getImageData(Math.round((place.left - base.left + 2) * ratio), Math.round((place.top - base.top) * ratio), 4, Math.round((place.height + 4) * ratio)).data;
          let found = 0;
          for (let at = 0; at < data.length; at += 4) if (data[at] === 180 && data[at + 1] === 84 && data[at + 2] === 10) found += 1;
          return found;
        }""",
        token,
    )


def test_tokens_have_the_colour_of_their_credit(desk: Page) -> None:
    visit(desk, "/rollouts?job=1&update=1&group=0&response=0")
    expect(desk.locator("[data-response='0']")).to_have_attribute("aria-pressed", "true")
    up, down = colour_at(desk, 2), colour_at(desk, 9)
    assert up[2] > up[0] and down[0] > down[2], "teal above the others, brown below them"
    assert pixels_of_the_line(desk, 3) > 0 and pixels_of_the_line(desk, 5) == 0, "the clipped token is underlined"
    expect(desk.locator(".st-ribbon-legend")).to_contain_text(re.compile(r"−0\.70.*0\.70.*clipped1 token"))
    desk.click("[data-by=score]")
    assert colour_at(desk, 2)[3] > colour_at(desk, 9)[3], "0.8 is stronger than 0.2"
    expect(desk.locator(".st-ribbon-legend")).to_contain_text("−1.00")
    desk.click("[data-by=kl]")
    assert colour_at(desk, 0)[3] == 0 and colour_at(desk, 6)[3] > 0
    expect(desk.locator(".st-ribbon-legend")).to_contain_text("the highest is 0.060")
    desk.locator("h1").click()
    desk.keyboard.press("4")
    expect(desk.locator("[data-by=entropy]")).to_have_attribute("aria-pressed", "true")
    assert "by=entropy" in desk.url
    assert desk.evaluate("document.querySelectorAll('.st-ribbon-text *').length") == 0, "one text node"
    text = desk.evaluate(
        "(() => { getSelection().selectAllChildren(document.querySelector('.st-ribbon-text')); return String(getSelection()); })()"
    )
    assert text == "Step 1: They need rest.\nStep 2: Go to the garden early."


def test_a_token_and_its_critique_by_mouse_and_by_keyboard(desk: Page) -> None:
    visit(desk, "/rollouts?job=1&update=1&group=0&response=0")
    expect(desk.locator("#st-token")).to_contain_text("The whole response:")
    place = desk.locator(".st-ribbon-text").bounding_box()
    assert place
    desk.mouse.move(place["x"] + 20, place["y"] + 12)
    expect(desk.locator("#st-critique")).to_contain_text("Critique of 0.8.")
    expect(desk.locator("#st-token")).to_contain_text("advantage0.700")
    desk.mouse.move(5, 5)
    desk.locator(".st-ribbon").focus()
    for _ in range(3):
        desk.keyboard.press("ArrowRight")
    expect(desk.locator("#st-token")).to_contain_text("clippedyes")
    desk.keyboard.press("ArrowLeft")
    expect(desk.locator("#st-token")).not_to_contain_text("clipped")
    desk.locator(".st-step-button").nth(1).focus()
    expect(desk.locator("#st-tip")).to_have_text("Critique of 0.2.")
    expect(desk.locator("#st-critique")).to_contain_text("Critique of 0.2.")
    desk.keyboard.press("Enter")
    expect(desk.locator("#st-critique [data-step='1']")).to_contain_text("mean advantage −0.70")
    assert "step=1" in desk.url
    desk.keyboard.press("Escape")
    expect(desk.locator("#st-tip")).to_be_hidden()
    desk.locator("h1").click()
    desk.keyboard.press("]")
    expect(desk.locator("[data-response='1']")).to_have_attribute("aria-pressed", "true")
    desk.keyboard.press("j")
    expect(desk.locator("#st-critique")).to_contain_text("Critique of 0.2.")


def test_steps_beside_each_other_and_findings_lead_to_the_text(desk: Page) -> None:
    visit(desk, "/rollouts?job=1&update=5&group=1")
    expect(desk.locator("#st-rollout-groups .st-warning")).to_contain_text(
        "update-000005-07.parquet: The file cannot be read"
    )
    expect(desk.locator("#st-found [data-kind]")).to_have_count(5)
    desk.locator("[data-finding='same/2']").click()
    expect(desk.locator("[data-response='2']")).to_have_attribute("aria-pressed", "true")
    expect(desk.locator(".st-ribbon")).to_be_focused()
    desk.click("[data-by=score]")
    desk.locator("[data-by=score]").hover()
    dots = (
        "(canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        " return [data.filter((value, at) => at % 4 === 3 && value).length, data.length / 4]; })"
        "(document.querySelector('.st-ribbon canvas'))"
    )
    drawn, whole = desk.evaluate(dots)
    assert 0 < drawn < whole / 200, "a step without a score is dotted, not coloured"
    expect(desk.locator("#st-found [data-kind=no_gradient]")).to_contain_text("0 of 3 responses have a scored step")
    visit(desk, "/rollouts?job=1&update=1&group=0")
    expect(desk.locator(".st-aligned tbody tr")).to_have_count(3)
    expect(desk.locator("[data-row='0'] th")).to_contain_text("mean 0.50")
    expect(desk.locator("[data-cell='1/1']")).to_contain_text(
        re.compile(r"^0\.60A \+0\.70Take the garden path 🙈 slowly\.$")
    )
    expect(desk.locator("[data-row=outside]")).to_contain_text("1 token of 13")
    desk.locator("[data-cell='1/1']").hover()
    expect(desk.locator("#st-tip")).to_have_text("Critique of 0.6.")
    desk.locator("[data-cell='1/1']").click()
    expect(desk.locator("#st-critique [data-step='1']")).to_be_visible()
    expect(desk.locator("[data-response='1']")).to_have_attribute("aria-pressed", "true")
    assert "response=1&step=1" in desk.url


def test_the_same_prompt_in_another_update(desk: Page) -> None:
    visit(desk, "/rollouts?job=1&update=5&group=0")
    expect(desk.locator("#st-compared th[scope=col]")).to_have_text(["Update 1", "Update 5"])
    expect(desk.locator("#st-best-diff del")).to_have_text("garden")
    expect(desk.locator("#st-best-diff ins")).to_have_text("forest")
    desk.get_by_role("link", name="response 1 of update 1").click()
    expect(desk.locator("#st-update")).to_have_value("1")
    expect(desk.locator("#st-best-diff ins")).to_have_text("forest")
    desk.click("#st-update-after")
    expect(desk.locator("#st-update")).to_have_value("5")
    visit(desk, "/rollouts?job=1&update=5&group=1")
    expect(desk.locator("#st-only-here")).to_be_visible()


def test_hostile_texts_are_only_texts(desk: Page) -> None:
    visit(desk, "/rollouts?job=2&update=1&group=0&step=0")
    expect(desk.locator(".st-ribbon-text")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(desk.locator("#st-critique")).to_contain_text("Critique of 0.1.")
    desk.locator("[data-cell='1/0']").hover()
    expect(desk.locator("#st-tip")).to_have_text(HOSTILE)
    assert desk.locator("img[src=x]").count() == 0


def test_eight_thousand_tokens_are_a_handful_of_elements(desk: Page) -> None:
    visit(desk, "/rollouts?job=3")
    expect(desk.locator("#st-token")).to_contain_text("The whole response:")
    assert desk.evaluate("Number(document.querySelector('.st-ribbon-inner').dataset.measured)") > 8_000
    assert desk.evaluate("document.querySelectorAll('.st-ribbon *').length") < 40
    desk.locator(".st-step-button").last.click()
    assert desk.evaluate("document.querySelector('.st-ribbon').scrollTop") > 3_000
    expect(desk.locator("#st-critique [data-step='12']")).to_be_visible()


def test_a_run_without_an_update_and_the_way_from_the_job(desk: Page) -> None:
    visit(desk, "/rollouts?job=4")
    expect(desk.locator("#st-rollout-groups")).to_have_text("This run has not kept the responses of an update yet.")
    visit(desk, "/jobs?job=1")
    desk.click("#st-job-rollouts")
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-update")).to_have_value("5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_it(desk: Page, scheme: Any, width: int) -> None:
    desk.emulate_media(color_scheme=scheme)
    desk.set_viewport_size({"width": width, "height": 900 if width > 900 else 844})
    for address in ("/rollouts?job=1&update=5&group=0&step=0", "/rollouts?job=1&update=5&group=1", "/rollouts?job=4"):
        visit(desk, address)
        if "group" in address:
            desk.locator("#st-only-here, #st-best-diff").wait_for()
        seen = Axe().run(desk)
        assert seen.violations_count == 0, seen.generate_report()
        assert desk.evaluate("document.documentElement.scrollWidth") <= width


def test_what_a_real_run_kept(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from app.engines.roles import STARTER
    from tests.training.test_cdpa import SMALL, Heard
    from training.policy import Prompt, train_policy

    def score(cases: Any) -> list[list[Scored]]:
        return [
            [Scored(min(1.0, len(step) / 80 - 0.5), f"About {step}", None, (), "") for step in one.steps]
            for one in cases
        ]

    server = Server(tmp_path / "data")
    context = open_context(Settings(data=server.data))
    prepare(context)
    folder = folder_of(context, job_with_rollouts(context)).parent
    context.database.close()
    prompts = [Prompt("I like quiet places.", "Where do I go?"), Prompt("I never borrow money.", "How do I pay?")]
    train_policy(STARTER, prompts, score, folder, replace(SMALL, max_new=160), Heard())
    server.start()
    page = browser.new_page(base_url=server.base)
    watched = watch(page, server.base)
    try:
        visit(page, "/rollouts?job=1&update=1&group=0")
        expect(page.locator("[data-group]")).to_have_count(2)
        expect(page.locator("[data-response]")).to_have_count(3)
        expect(page.locator("#st-best-diff, #st-compared p").first).to_be_visible()
        seen = []
        for number in range(3):
            page.click(f"[data-response='{number}']")
            seen.append(page.locator(".st-ribbon-text").inner_text())
            assert page.evaluate("Number(document.querySelector('.st-ribbon-inner').dataset.measured)") > 20
        assert all(seen) and page.locator(".st-aligned thead th").count() == 3
    finally:
        page.close()
        server.stop()
    assert watched == []
