"""A researcher looks at what a critic would learn, token by token, mends what blocks, starts a short training and watches it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.actions.import_data import Labels, import_files
from app.actions.prepare import prepare
from app.context import open_context
from app.settings import Settings
from tests.samples import deeppref
from tests.ui.conftest import CHROMIUM, Server, visit, watched_page

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the starter set, a set whose critiques repeat themselves, and a small one that can be trained on."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    # One thread: two that wait for each other are slower than one wherever anything else runs.
    server = Server(tmp_path_factory.mktemp("critic") / "data", OMP_NUM_THREADS="1")
    context = open_context(Settings(data=server.data))
    prepare(context)
    file = server.data / "odd.json"
    file.write_text(json.dumps([deeppref()]), "utf-8")
    import_files(context, [file], Labels("Odd"))
    file.write_text(json.dumps([record(number) for number in range(4)]), "utf-8")
    import_files(context, [file], Labels("Small"))
    context.database.close()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def desk(own: Server, browser: Browser) -> Iterator[Page]:
    """A watched page on the server of these tests."""
    for made in watched_page(own, browser):
        made.set_default_timeout(60_000)
        yield made


def record(number: int) -> dict[str, Any]:
    """A record whose critiques differ from one another."""
    found = deeppref(initial_question=f"How do I plan {number}?")
    for key in ("1", "2", "3", "4"):
        node = found["thought_tree"][key]
        node["reasoning"] = f"Reasoning: judges {number} {key} SCORE: {node['score']}"
    return found


def colour(page: Page, part: str) -> str:
    """The background of the first token of a part."""
    return page.locator(f".st-tokens .st-token-{part}").first.evaluate("node => getComputedStyle(node).backgroundColor")


def test_the_loss_mask_is_seen_and_examples_are_stepped_through(desk: Page) -> None:
    visit(desk, "/critic?set=1")
    expect(desk.locator("#st-example-place")).to_have_text("Example 1 of 332")
    assert len({colour(desk, part) for part in ("prompt", "critique", "score")}) == 3
    assert re.fullmatch(
        r" ?SCORE: -?\d\.\d+<\|im_end\|>", "".join(desk.locator(".st-tokens .st-token-score").all_inner_texts())
    )
    desk.locator(".st-tokens").evaluate("node => node.scrollIntoView()")
    expect(desk.locator(".st-tokens .st-token-critique").first).to_be_in_viewport()
    first = desk.locator(".st-tokens").inner_text()
    desk.click("#st-example-after")
    expect(desk.locator("#st-example-place")).to_have_text("Example 2 of 332")
    expect(desk.locator(".st-tokens")).not_to_have_text(first)
    desk.locator("h1").click()
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("#st-example-place")).to_have_text("Example 3 of 332")
    desk.keyboard.press("ArrowLeft")
    desk.keyboard.press("]")
    expect(desk.locator(".st-example-head")).to_contain_text("Scenario 2, step")
    desk.locator("#st-example-side").select_option("held_out")
    expect(desk.locator(".st-example-head .st-tag")).to_have_text("held out")
    expect(desk.locator("#st-split")).to_contain_text("Every scenario states its own split")
    key = re.search(r"step ([\d-]+)", desk.locator(".st-example-head").inner_text())
    desk.locator(".st-example-head a").click()
    desk.wait_for_selector("[data-ready]")
    assert key
    expect(desk.locator(".st-item[aria-selected=true]")).to_have_attribute("data-key", key[1])


def test_what_would_be_cut_is_struck_and_blocks(desk: Page) -> None:
    visit(desk, "/critic?set=1")
    expect(desk.locator("#st-verdict")).to_have_text("Everything is ready.")
    desk.locator("#st-settings summary").click()
    desk.fill("#st-max_length", "250")
    expect(desk.locator("#st-lengths")).to_contain_text("would be cut at 250")
    expect(desk.locator("#st-example-cut")).to_contain_text("of 298 would be cut")
    struck = desk.locator(".st-tokens .st-token-cut")
    expect(struck).to_have_count(48)
    assert "line-through" in struck.first.evaluate("node => getComputedStyle(node).textDecorationLine")
    expect(desk.locator("[data-check=tokens]")).to_have_attribute("data-level", "blocking")
    expect(desk.locator("#st-start")).to_be_disabled()
    expect(desk.locator("#st-critic-command")).to_contain_text("--max-length=250")


def test_findings_lead_to_their_step(desk: Page) -> None:
    visit(desk, "/critic?set=1")
    desk.locator("#st-set").select_option(label="Odd v1 (1 tree)")
    group = desk.locator("[data-kind=same_critique]")
    expect(group.locator("summary")).to_contain_text("blocks", timeout=60_000)
    expect(desk.locator("[data-check=data]")).to_have_attribute("data-level", "blocking")
    expect(desk.locator("#st-start")).to_be_disabled()
    for scheme in ("light", "dark"):
        desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        seen = Axe().run(desk)
        assert seen.violations_count == 0, seen.generate_report()
    desk.set_viewport_size({"width": 390, "height": 844})
    assert desk.evaluate("document.documentElement.scrollWidth") <= 390
    link = group.locator("li a").first
    place = link.inner_text().removeprefix("Scenario 1, step ")
    link.click()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator(".st-item[aria-selected=true]")).to_have_attribute("data-key", place)


def test_presets_fill_the_form_and_a_missing_base_says_so(desk: Page) -> None:
    visit(desk, "/critic?set=1&base=")
    desk.locator("[data-preset=paper]").click()
    desk.locator("#st-settings summary").click()
    expect(desk.locator("#st-lora_rank")).to_have_value("16")
    expect(desk.locator("#st-base")).to_have_value("Qwen2.5-7B-Instruct")
    expect(desk.locator("#st-reading")).to_contain_text("There is no checkpoint in")
    expect(desk.locator("[data-check=base]")).to_have_attribute("data-level", "blocking")
    expect(desk.locator("#st-start")).to_be_disabled()
    desk.locator("[data-preset=starter]").click()
    expect(desk.locator("#st-lora_rank")).to_have_value("0")
    expect(desk.locator("#st-verdict")).to_have_text("Everything is ready.")
    desk.fill("#st-epochs", "1")
    expect(desk.locator(".st-changed:visible")).to_have_count(1)
    desk.goto("/critic?set=1&base=model%3A99")
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-base")).to_have_value("model:99")


def test_a_short_training_from_the_page(desk: Page) -> None:
    visit(desk, "/critic?set=1")
    desk.locator("#st-set").select_option(label="Small v1 (4 trees)")
    expect(desk.locator("#st-split")).to_contain_text("The set states no split: 10 % of them held out", timeout=60_000)
    desk.locator("#st-settings summary").click()
    desk.fill("#st-updates", "2")
    desk.fill("#st-report_steps", "2")
    desk.fill("#st-max_tokens", "16")
    expect(desk.locator("#st-critic-command")).to_contain_text("--updates=2")
    expect(desk.locator("[data-check=time]")).to_contain_text("2 updates")
    desk.click("#st-copy")
    assert "--name=Critic --preset=starter --updates=2" in desk.evaluate("navigator.clipboard.readText()")
    desk.click("#st-start")
    expect(desk.locator("#st-job-link")).to_be_visible()
    expect(desk.locator("#st-critic-live .st-status")).to_have_text("done", timeout=180_000)
    desk.locator("#st-job-link").click()
    desk.wait_for_selector("[data-ready]")
    for name in ("loss", "loss_critique", "loss_score"):
        expect(desk.locator(f'[data-metric="{name}"]')).to_be_visible()
    visit(desk, "/critic")
    expect(desk.locator("[data-check=time]")).to_contain_text("at the pace of job")
