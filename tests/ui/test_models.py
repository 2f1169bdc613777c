"""A person looks at registered critics, reads a held-out report, follows a point to its step, serves, renames and forgets one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.context import open_context
from app.engines.managed import known, stop
from app.settings import Settings
from tests.app.reported import trained_critic
from tests.app.test_managed import STAND_IN
from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui
HOSTILE = "<img src=x onerror=alert(1)> ${alert(1)}"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with the starter set and a stand-in for vLLM."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("SUBTEXT_VLLM_PYTHON", str(program))
    made = Server(tmp_path / "data")
    made.start()
    yield made
    made.stop()
    for running in known(tmp_path / "data" / "servers"):
        stop(running, 0.2)


def registered(server: Server) -> None:
    """Two critics, the second trained from the first."""
    context = open_context(Settings(data=server.data))
    first = trained_critic(context)
    trained_critic(context, HOSTILE, base=server.data.resolve() / first.path)
    context.database.close()


def opened(browser: Browser, server: Server, width: int = 1440) -> tuple[Page, list[str]]:
    page = browser.new_page(base_url=server.base, viewport={"width": width, "height": 900 if width > 900 else 844})
    return page, watch(page, server.base)


def test_from_the_list_to_a_step_of_the_report(browser: Browser, own: Server) -> None:
    page, watched = opened(browser, own)
    visit(page, "/models")
    expect(page.locator("#st-no-models")).to_contain_text("subtext models add FOLDER")
    expect(page.get_by_role("link", name="Train a critic")).to_have_attribute("href", "/critic")
    assert Axe().run(page).violations_count == 0
    registered(own)
    visit(page, "/models")
    expect(page.locator("[data-model]")).to_have_count(2)
    expect(page.locator("[data-model='2'] th")).to_contain_text(HOSTILE)
    expect(page.locator("[data-model='2']").get_by_role("link", name="Tone critic")).to_have_attribute(
        "href", "/models?model=1"
    )
    expect(page.locator("[data-model='1']")).to_contain_text(
        re.compile(r"starter model.*Starter set v1.*0\.\d\d base 0\.\d\d")
    )
    page.get_by_role("link", name="Tone critic").first.click()
    page.wait_for_selector("[data-ready]")
    expect(page.locator("#st-model-title")).to_have_text("Tone critic")
    expect(page.locator("[data-measure=spearman]")).to_contain_text(re.compile(r"0\.\d\d.*better"))
    expect(page.locator("[data-measure=unscored]")).to_contain_text("−13 points better")
    expect(page.locator("[data-groups=by_step] tbody tr")).to_have_count(4)
    expect(page.locator("[data-groups=by_persona] tbody tr")).to_have_count(5)
    expect(page.get_by_role("link", name="Use as base of a new critic")).to_have_attribute(
        "href", "/critic?base=model:1"
    )
    expect(page.get_by_role("link", name="Try it")).to_have_attribute("href", "/score?critic=model:1")
    expect(page.locator(".st-facts")).to_contain_text("job 1")
    assert len(page.locator("[data-scatter=trained] a").all()) == 87
    # By keyboard: one stop for all points, arrows walk, Enter opens.
    page.locator("[data-scatter=trained] a[tabindex='0']").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert len(page.locator("[data-scatter=trained] a[tabindex='0']").all()) == 1
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    expect(page.locator("figure", has=page.locator("[data-scatter=trained]")).locator(".st-spoken")).to_have_text(
        focused
    )
    scenario, node = page.evaluate("document.activeElement.dataset.point").split("/")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/trees?scenario={scenario}&node={node}")
    page.wait_for_selector("[data-ready]")
    stated = re.search(r"data (.*)$", focused)
    assert stated
    expect(page.locator("#st-node .st-chip").first).to_have_text(stated[1])
    assert watched == []


def test_light_and_dark_wide_and_narrow(browser: Browser, own: Server) -> None:
    registered(own)
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            page, watched = opened(browser, own, width)
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for address in ("/models", "/models?model=1"):
                visit(page, address)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, scheme)
                seen = Axe().run(page)
                assert seen.violations_count == 0, seen.generate_report()
            assert watched == []
            page.close()


def test_serve_rename_forget(browser: Browser, own: Server) -> None:
    registered(own)
    page, watched = opened(browser, own)
    visit(page, "/models?model=1")
    page.click("#st-serve")
    expect(page.locator("#st-served")).to_contain_text("Served as Tone-critic-1-", timeout=20_000)
    expect(page.locator("#st-serve")).to_have_count(0)
    page.click("#st-rename")
    page.fill("#st-new-name", "Kinder critic")
    page.fill("#st-new-note", "first try\n" + HOSTILE)
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#st-model-title")).to_have_text("Kinder critic")
    expect(page.locator(".st-facts")).to_contain_text(HOSTILE)
    assert Axe().run(page).violations_count == 0
    folder = own.data / "jobs" / "1" / "model"
    page.click("#st-forget-model")
    page.fill("#st-delete-word", "Kinder critic")
    assert watched == []
    page.click("#st-forget-sure")
    expect(page.locator("dialog [role=alert]")).to_contain_text("Stop it first.")
    assert len(watched) == 1 and "400" in watched.pop(), "the refusal is the one error in the console"
    for running in known(own.data / "servers"):
        stop(running, 0.2)
    page.click("#st-forget-sure")
    expect(page.locator(".st-toasts")).to_contain_text("3 files were deleted")
    expect(page.locator("[data-model]")).to_have_count(1)
    assert not folder.exists()
    visit(page, "/models?model=2")
    expect(page.locator(".st-facts")).to_contain_text("Kinder critic (forgotten)")
    (own.data / "jobs" / "2" / "model" / "model.safetensors").write_bytes(b"changed")
    visit(page, "/models?model=2")
    expect(page.locator("#st-standing")).to_contain_text("changed since it was registered")
    expect(page.get_by_role("link", name="Try it")).to_have_count(0)
    assert watched == []
