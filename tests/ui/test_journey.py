"""The walk a newcomer takes, in a real browser against a real server, and what must never happen on the way."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.samples import deeppref
from tests.ui.conftest import Server, visit, watch

pytestmark = pytest.mark.ui


def drop(page: Page, *files: Path | dict[str, Any]) -> None:
    """Give files to the Data page and wait until all are looked at."""
    count = page.locator(".st-upload[data-token]").count() + len(files)
    page.set_input_files("#st-file", list(files))  # type: ignore[arg-type]
    expect(page.locator(".st-upload[data-token]")).to_have_count(count, timeout=60_000)


def import_dropped(page: Page, name: str = "") -> str:
    """Press Import and return what the page says when it is done."""
    page.fill("#st-name", name)
    page.click("#st-import")
    expect(page.locator("#st-done")).to_be_visible(timeout=120_000)
    return page.locator("#st-done").inner_text()


def as_file(name: str, content: Any) -> dict[str, Any]:
    """A file that exists only for the browser."""
    return {"name": name, "mimeType": "application/json", "buffer": json.dumps(content).encode()}


def selected(page: Page) -> str | None:
    """Key of the selected node."""
    return page.locator('[role=treeitem][aria-selected="true"]').get_attribute("data-key")


def test_start_home_and_theme(page: Page) -> None:
    visit(page, "/")
    expect(page.locator("#st-counts")).to_contain_text("20")
    expect(page.locator("#st-recent")).to_contain_text("Starter set v1")
    expect(page.locator("#st-featured")).to_contain_text("sample data")
    page.click("#st-theme")
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.reload()
    page.wait_for_selector("[data-ready]")
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.click("#st-featured a")
    page.wait_for_selector("[role=treeitem]")
    expect(page).to_have_url(re.compile(r"/trees\?scenario=\d+&node=\d+"))


@pytest.mark.field
def test_import_every_real_file_and_read_figure_16(page: Page, server: Server, field: Path) -> None:
    visit(page, "/data")
    drop(page, field / "deeppref" / "figure16.json")
    expect(page.locator(".st-upload[data-token]")).to_contain_text("1 record, 1 tree, 12 nodes, 3 paths")
    assert "Imported 1 record with 1 tree and 12 nodes into figure16 (DeepPref trees) v1." in import_dropped(page)
    counts = {"prefeval/explicit": 901, "prefeval/choice": 901, "prefeval/persona": 901, "alignx": 600, "aloe": 429}
    for folder, count in counts.items():
        visit(page, "/data")
        drop(page, *sorted((field / folder).iterdir()))
        assert f"Imported {count} records into {folder} v1." in import_dropped(page, folder)
    visit(page, "/data")
    drop(page, field / "deeppref" / "figure16.json")
    expect(page.locator(".st-note")).to_contain_text("was imported before, into figure16 (DeepPref trees) v1")
    expect(page.locator("#st-import")).to_be_disabled()

    found = page.request.get("/api/scenarios?q=countryside").json()["rows"]
    (scenario,) = [row["id"] for row in found if row["nodes"] == 12]
    visit(page, f"/trees?scenario={scenario}&node=7")
    assert selected(page) == "7"
    expect(page.locator("#st-node")).to_contain_text("0.87")
    expect(page.locator("[role=treeitem]")).to_have_count(12)
    page.keyboard.press("p")
    expect(page.locator("#st-path option")).to_have_text(
        ["Path 1 · R = 4.24", "Path 2 · R = 4.12", "Path 3 · R = 3.25"]
    )
    sets = {item["name"]: item for item in page.request.get("/api/sets").json()}
    exported = page.request.get(f"/api/sets/{sets['figure16 (DeepPref trees)']['id']}/export?format=deeppref").json()
    assert exported == json.loads((field / "deeppref" / "figure16.json").read_text())

    visit(page, f"/trees?set={sets['prefeval/persona']['id']}&all=1")
    expect(page.locator(".st-row")).to_have_count(50)
    expect(page.locator(".st-turn").first).to_be_visible()


def test_clicks_keys_and_addresses(page: Page, server: Server) -> None:
    visit(page, "/trees?scenario=1")
    assert selected(page) == "0"
    for key, node in [("ArrowRight", "1"), ("ArrowDown", "2"), ("ArrowUp", "1"), ("ArrowLeft", "0")]:
        page.keyboard.press(key)
        assert selected(page) == node, key
    page.click('[role=treeitem][data-key="3"]')
    expect(page.locator("#st-node h2")).to_contain_text("The pragmatist")
    address = page.url
    assert address.endswith("/trees?scenario=1&node=3")
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("scenario=2&node=0"))
    page.keyboard.press("[")
    expect(page).to_have_url(re.compile("scenario=1&node=0"))
    page.keyboard.press("[")
    expect(page.locator(".st-toast")).to_contain_text("first scenario")
    server.stop()
    server.start()
    visit(page, address)
    assert selected(page) == "3"
    page.click("#st-copy-link")
    assert page.evaluate("navigator.clipboard.readText()") == address
    page.click("#st-raw")
    expect(page.locator("dialog[open] pre")).to_contain_text('"persona": "pragmatist"')
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_contain_text("previous scenario")


def test_collapse_and_levels(page: Page) -> None:
    visit(page, "/trees?scenario=1")
    whole = page.locator("[role=treeitem]").count()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(page.locator('[role=treeitem][data-key="1"]')).to_have_attribute("aria-expanded", "false")
    assert page.locator("[role=treeitem]").count() < whole
    page.keyboard.press("ArrowRight")
    expect(page.locator('[role=treeitem][data-key="1"]')).to_have_attribute("aria-expanded", "true")
    page.select_option("#st-toolbar select", "1")
    expect(page.locator("[role=treeitem]")).to_have_count(6)
    page.keyboard.press("b")  # the end of the best path opens what hides it
    assert page.locator('[role=treeitem][aria-selected="true"] ').get_attribute("aria-level") != "2"


def test_search_and_facets(page: Page) -> None:
    visit(page, "/trees")
    page.keyboard.press("/")
    page.keyboard.type("silence readable")
    expect(page.locator(".st-row mark").first).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#st-node').innerText.toLowerCase().includes('silence')")
    assert "q=silence" in page.url
    page.fill("#st-search", "zzzz")
    expect(page.locator("#st-list")).to_contain_text("Nothing holds all these words")
    page.fill("#st-search", "")
    page.click("#st-facets summary")
    page.select_option("[data-facet=topic]", "home cooking")
    expect(page.locator(".st-row")).to_have_count(1)
    assert "topic=home" in page.url
    page.reload()
    page.wait_for_selector("[data-ready]")
    expect(page.locator(".st-row")).to_have_count(1)
    expect(page.locator("#st-filter-count")).to_have_text("(1)")


def test_path_view_stays_in_step_and_compares(page: Page) -> None:
    visit(page, "/trees?scenario=1&node=1&view=path")
    steps = page.locator(".st-steps .st-step")
    expect(steps.first).to_have_class(re.compile("st-current"))
    steps.nth(1).locator("button").click()
    expect(page.locator("#st-node h2")).to_contain_text("level 2")
    node = re.search(r"node=(\d+)", page.url)
    assert node is not None
    options = page.locator("#st-path option").evaluate_all("all => all.map(item => item.value)")
    page.select_option("#st-path-other", next(value for value in options if value != page.input_value("#st-path")))
    expect(page.locator(".st-sides > div")).to_have_count(2)
    expect(page.locator("#st-view [role=status]")).to_contain_text("then they part")
    page.keyboard.press("p")
    assert selected(page) == node.group(1)


def test_histogram_of_a_set(page: Page) -> None:
    visit(page, "/trees?scenario=1")
    page.get_by_role("button", name="Scores of this set").click()
    expect(page.locator("dialog[open] figcaption")).to_contain_text("scored steps")
    assert page.locator("dialog[open] .st-bar").count() == 20


def test_delete_asks_twice(page: Page) -> None:
    visit(page, "/data")
    drop(page, as_file("gone.json", [deeppref(why="delete me")]))
    import_dropped(page, "To delete")
    page.locator("details.st-set", has_text="To delete").locator("summary").first.click()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("button", name="Delete for good")).to_be_disabled()
    page.fill("#st-confirm", "To delete")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#st-sets")).not_to_contain_text("To delete")


HOSTILE = [
    "<script>window.hit=1</script>",
    "<img src=x onerror='window.hit=1'>",
    "<svg onload=window.hit=1>",
    "[click](javascript:window.hit=1)",
    "![x](http://outside.example/x.png)",
    "${window.hit=1} {{constructor.constructor('window.hit=1')()}} #{1}",
    "</script><script>window.hit=1</script>",
    "\u202eright to left \u2066",
    "a\x02b\x03c",
]


def test_nothing_from_a_file_is_ever_executed(page: Page) -> None:
    text = " ".join(HOSTILE)
    record = deeppref(initial_question=text, user_profile=text)
    for index, key in enumerate(("1", "2", "3", "4")):
        hostile = HOSTILE[index] + text
        record["thought_tree"][key] |= {
            "thought": hostile,
            "reasoning": f"Reasoning: {hostile} SCORE: 0.5",
            "score": "<b>1</b>",
        }
    record["thought_tree"]["<img src=x onerror=window.hit=1>"] = {
        "thought": "x" * 200_000,
        "score": 0.1,
        "reasoning": "",
        "children": [],
    }
    record["thought_tree"]["0"]["children"].append("<img src=x onerror=window.hit=1>")
    record["response_list"] = [{"response": [text, text], "score": 1}]
    name = "<img src=x onerror=window.hit=1>"
    visit(page, "/data")
    drop(
        page,
        as_file(
            f"{name}.json", [record, {"thought_tree": {name: name}, "initial_question": text, "user_profile": text}]
        ),
    )
    expect(page.locator(".st-upload[data-token]")).to_contain_text("1 problem")
    page.fill("#st-topic", name)
    import_dropped(page, name)
    page.locator("details.st-set", has_text="onerror").first.locator("summary").first.click()
    expect(page.locator(".st-set-body table").last).to_contain_text("<script>")
    page.get_by_role("link", name="Open on the Trees page").first.click()
    page.wait_for_selector("[data-ready]")
    for item in page.locator("[role=treeitem]").all():
        item.click()
    expect(page.locator("#st-node")).to_contain_text("xxxx")
    page.get_by_role("button", name="Show the whole text").click()
    page.wait_for_function("document.querySelector('#st-node').innerText.length > 200000")
    page.keyboard.press("p")
    page.fill("#st-search", "script window")
    expect(page.locator(".st-row").first).to_contain_text("<script>")
    page.click("#st-raw")
    visit(page, "/")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    assert page.locator("[data-page] script, [data-page] img:not([src^='/ui/']), [data-page] iframe").count() == 0


def test_a_300_mb_file(page: Page, tmp_path: Path) -> None:
    """Uploaded, looked at and refused or read without the page or the server giving up; here: one record in 300 MB of space."""
    big = tmp_path / "big.json"
    record = json.dumps(deeppref(size="huge"))
    with big.open("w") as file:
        file.write("[" + record)
        for _ in range(300):
            file.write(" " * (1 << 20))
        file.write("]")
    visit(page, "/data")
    drop(page, big)
    expect(page.locator(".st-upload[data-token]")).to_contain_text("1 record, 1 tree, 5 nodes")
    page.get_by_role("button", name="Remove big.json").click()
    expect(page.locator(".st-upload[data-token]")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/data?set=1", "/trees?scenario=2&node=4", "/trees?scenario=2&node=4&view=path"])
def test_no_accessibility_violations(browser: Browser, server: Server, path: str, theme: Any) -> None:
    page = browser.new_page(color_scheme=theme, base_url=server.base, viewport={"width": 1440, "height": 900})
    visit(page, path)
    if path.startswith("/data"):
        page.wait_for_selector(".st-set-body .st-scroll table")
    results = Axe().run(page)
    page.close()
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("path", ["/", "/data?set=1", "/trees?scenario=2&node=4", "/trees?scenario=2&node=4&view=path"])
def test_usable_on_a_narrow_screen(browser: Browser, server: Server, path: str) -> None:
    page = browser.new_page(base_url=server.base, viewport={"width": 390, "height": 844})
    watched = watch(page, server.base)
    visit(page, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if path.startswith("/trees"):
        page.click("#st-list-toggle")
        page.locator(".st-row").nth(2).click()
        expect(page.locator(".st-list")).not_to_have_class(re.compile("st-open"))
    page.close()
    assert watched == []


def test_the_page_says_when_the_server_is_gone(browser: Browser, server: Server) -> None:
    page = browser.new_page(base_url=server.base)
    visit(page, "/trees?scenario=1")
    server.stop()
    try:
        page.keyboard.press("]")
        expect(page.locator(".st-toast")).to_contain_text("The server does not answer")
    finally:
        server.start()
        page.close()
    time.sleep(0.1)


def test_the_pages_behind_more(page: Page) -> None:
    visit(page, "/")
    button, links = page.locator("#st-more"), page.locator("#st-more-links")
    expect(links).to_be_hidden()
    button.click()
    expect(links.get_by_role("link")).to_have_text(["Attention", "Score", "Models", "Settings", "People"])
    page.keyboard.press("Escape")
    expect(links).to_be_hidden()
    button.click()
    page.locator("h1").first.click()
    expect(links).to_be_hidden()
    button.click()
    links.get_by_role("link", name="Models").click()
    page.wait_for_url(re.compile("/models"))
    page.wait_for_selector("[data-ready]")
    expect(button).to_have_attribute("data-current", "")
    for width in (1100, 700, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("link", name="Models")).to_be_visible()
