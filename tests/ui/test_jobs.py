"""A person watches jobs: progress, curves, log, failure, cancel; closing the page or losing the server changes nothing."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.actions import jobs as actions
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.settings import Settings
from core.specs import ExportSpec
from tests.ui.conftest import CHROMIUM, Server, visit, watch

pytestmark = pytest.mark.ui


class Yard:
    """A server whose worker runs jobs that misbehave as their format says."""

    def __init__(self, server: Server, context: Context) -> None:
        self.server, self.context = server, context

    def put(self, what: str) -> int:
        return actions.enqueue(self.context, ExportSpec(set=1, format=what))


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    server = Server(tmp_path_factory.mktemp("yard") / "data")
    context = open_context(Settings(data=server.data))
    prepare(context)
    environment = os.environ | {"SUBTEXT_DATA": str(server.data), "SUBTEXT_JOB_GRACE": "1", "SUBTEXT_LIGHT_JOBS": "8"}
    command = [sys.executable, "-m", "tests.app.odd_job", "worker"]
    worker = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], start_new_session=True)
    server.start()
    yield Yard(server, context)
    for job in actions.jobs.living(context.database):
        actions.cancel(context, job.id) if job.status == "running" else None
    while actions.jobs.living(context.database):
        time.sleep(0.1)
    server.stop()
    worker.terminate()
    worker.wait()
    context.database.close()


@pytest.fixture
def desk(yard: Yard, browser: Browser) -> Iterator[Page]:
    """A page on the yard; fails the test on any error or outside request."""
    context = browser.new_context(base_url=yard.server.base, viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = context.new_page()
    watched = watch(made, yard.server.base)
    yield made
    context.close()
    assert watched == []


def test_run_a_job_from_the_page(page: Page) -> None:
    visit(page, "/jobs")
    page.click("#st-run-doctor")
    expect(page.locator("#st-job .st-status")).to_have_text("✓ done", timeout=20_000)
    expect(page.locator("#st-job-message")).to_have_text(re.compile("All 10 checks passed."))
    expect(page.locator("#st-log")).to_contain_text("done: All 10 checks passed.")
    expect(page).to_have_url(re.compile(r"/jobs\?job=\d+$"))
    page.get_by_role("button", name="Copy").click()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#st-command").inner_text()
    assert "-m app.run --job" in command
    with page.expect_download() as download:
        page.get_by_role("link", name="job.json").click()
    assert json.loads(Path(download.value.path()).read_text())["status"] == "done"
    page.reload()
    page.wait_for_selector("[data-ready]")
    expect(page.locator("#st-job-title")).to_have_text(re.compile("Job .*: doctor"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/jobs$"))


def test_watch_a_job_close_the_page_and_come_back(desk: Page, yard: Yard) -> None:
    job_id = yard.put("steps 120 0.1")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-log")).to_contain_text("step 5\n", timeout=20_000)
    expect(desk.locator("#st-job-progress")).to_contain_text("left")
    expect(desk.locator('[data-metric="loss"] polyline')).to_have_count(1)
    expect(desk.locator('[data-metric="reward"]')).to_contain_text("1 value no number")
    desk.goto("about:blank")
    before = actions.one(yard.context, job_id).progress_done
    while actions.one(yard.context, job_id).progress_done <= before:
        time.sleep(0.1)
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-job .st-status")).to_have_text("✓ done", timeout=30_000)
    lines = desk.locator("#st-log").inner_text().split("\n")
    assert [line for line in lines if line.startswith("step ")] == [f"step {index}" for index in range(120)], (
        "no line lost or double"
    )
    assert actions.one(yard.context, job_id).attempt == 1


def test_a_failed_job_shows_its_last_traceback_first_and_is_retried(desk: Page, yard: Yard) -> None:
    job_id = yard.put("crash")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-job-why")).to_contain_text("ZeroDivisionError: division by zero", timeout=20_000)
    expect(desk.locator("#st-traceback")).to_have_text(
        re.compile("^Traceback .*ZeroDivisionError: division by zero$", re.DOTALL)
    )
    top = desk.locator("#st-traceback").bounding_box()
    log = desk.locator("#st-log").bounding_box()
    assert top is not None
    assert log is not None
    assert top["y"] < log["y"]
    desk.get_by_role("button", name="Retry").click()
    expect(desk.locator("#st-job")).to_contain_text(f"same as job {job_id}")
    expect(desk.locator("#st-job-why")).to_be_visible(timeout=20_000)
    assert f"job={job_id}" not in desk.url


def test_cancel_a_stubborn_job(desk: Page, yard: Yard) -> None:
    job_id = yard.put("stubborn")
    visit(desk, "/jobs")
    desk.locator(f'[data-job="{job_id}"]').click()
    expect(desk.locator("#st-job .st-status")).to_have_text("◐ running", timeout=20_000)
    while not (yard.server.data / f"jobs/{job_id}/other.txt").exists():  # from here on it ignores every wish
        time.sleep(0.05)
    desk.get_by_role("button", name="Cancel…").click()
    desk.locator("dialog[open]").get_by_role("button", name="Close").click()
    expect(desk.locator("#st-job .st-status")).to_have_text("◐ running")
    desk.get_by_role("button", name="Cancel…").click()
    desk.locator("dialog[open]").get_by_role("button", name="Cancel the job").click()
    expect(desk.locator("#st-job .st-status")).to_have_text("– cancelled", timeout=20_000)
    expect(desk.locator("#st-job-message")).to_contain_text("Cancelled by force")
    expect(desk.get_by_role("button", name="Resume")).to_be_visible()


def test_search_in_a_long_log(desk: Page, yard: Yard) -> None:
    job_id = yard.put("lines 30000")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-job .st-status")).to_have_text("✓ done", timeout=20_000)
    expect(desk.locator("#st-log")).to_contain_text("line 29999 of the log, with an ä")
    desk.keyboard.press("/")
    desk.keyboard.type("LINE 17 of")
    desk.keyboard.press("Enter")
    expect(desk.locator("#st-log-found li")).to_have_count(1)
    desk.locator("#st-log-found button").click()
    expect(desk.locator("dialog[open] mark")).to_have_text("line 17 of the log, with an ä")


def test_text_of_a_log_is_text(desk: Page, yard: Yard) -> None:
    job_id = yard.put("steps 1 0")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-job .st-status")).to_have_text("✓ done", timeout=20_000)
    log = yard.server.data / f"jobs/{job_id}/log.txt"
    log.write_text("<img src=x onerror=alert(1)>\n 10%|#\r 90%|#########\r\n\x1b[31mred\x1b[0m {{value}} ${value}\n")
    (log.parent / "<b>bold.txt").write_text("x")
    desk.reload()
    desk.wait_for_selector("[data-ready]")
    expect(desk.locator("#st-log")).to_have_text(
        "<img src=x onerror=alert(1)>\n 90%|#########\nred {{value}} ${value}\n"
    )
    expect(desk.locator(".st-files")).to_contain_text("<b>bold.txt")


def test_a_job_that_stands_still_says_so(desk: Page, yard: Yard) -> None:
    job_id = yard.put("steps 2 600")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-log")).to_contain_text("step 0", timeout=20_000)
    time.sleep(1)
    with yard.context.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET heartbeat_at = '2020-01-01T00:00:00+00:00' WHERE id = ?", (job_id,))
    expect(desk.locator("#st-stall")).to_contain_text("No progress for")
    actions.cancel(yard.context, job_id)
    expect(desk.locator("#st-job .st-status")).to_have_text("– cancelled", timeout=20_000)


def test_the_server_goes_away_and_comes_back(yard: Yard, browser: Browser) -> None:
    desk = browser.new_page(base_url=yard.server.base)
    job_id = yard.put("steps 150 0.1")
    visit(desk, f"/jobs?job={job_id}")
    expect(desk.locator("#st-log")).to_contain_text("step 2\n", timeout=20_000)
    yard.server.stop()
    expect(desk.locator("#st-no-worker")).to_contain_text("The server does not answer")
    yard.server.start()
    expect(desk.locator("#st-job .st-status")).to_have_text("✓ done", timeout=40_000)
    lines = desk.locator("#st-log").inner_text().split("\n")
    assert [line for line in lines if line.startswith("step ")] == [f"step {index}" for index in range(150)]
    expect(desk.locator("#st-no-worker")).to_be_empty()
    desk.close()


def test_many_jobs_are_paged_and_filtered(desk: Page, yard: Yard) -> None:
    for _ in range(60):
        actions.cancel(yard.context, yard.put("fine")) if _ % 2 else yard.put("fine")
    visit(desk, "/jobs?status=cancelled")
    expect(desk.locator("#st-job-filter")).to_have_value("cancelled")
    for text in set(desk.locator(".st-job-row .st-status").all_inner_texts()):
        assert text == "– cancelled"
    desk.select_option("#st-job-filter", "")
    expect(desk.locator(".st-job-row")).to_have_count(50)
    desk.get_by_role("button", name="Show more").click()
    expect(desk.locator(".st-job-row").nth(55)).to_be_visible()


def test_the_page_has_no_accessibility_violations(yard: Yard, browser: Browser) -> None:
    failed, running = yard.put("crash"), yard.put("steps 400 0.1")
    found = []
    for theme in ("light", "dark"):
        desk = browser.new_page(color_scheme=theme, base_url=yard.server.base)  # type: ignore[arg-type]
        for job_id, part in ((failed, "#st-traceback"), (running, '[data-metric="loss"] polyline')):
            visit(desk, f"/jobs?job={job_id}")
            desk.wait_for_selector(part, timeout=20_000)
            found.append(Axe().run(desk))
        desk.set_viewport_size({"width": 390, "height": 844})
        assert desk.evaluate("document.documentElement.scrollWidth") <= 390
        desk.close()
    actions.cancel(yard.context, running)
    reports = [result.generate_report() for result in found if result.violations_count]
    assert reports == [], json.dumps(reports)
