"""The dashboard in a browser, while predictions run: it updates itself, or by a link."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import ANSWER
from tests.pages.test_api_docs import browser, proxy
from tests.pages.test_dashboard import DASHBOARD
from tests.support.browser import PATIENCE, Watch
from tests.support.models import EXAMPLES
from tests.support.serving import Server, running, wait_until

__all__ = ["browser"]


@pytest.fixture
def server(toy_store: ModelStore, tmp_path: Path) -> Iterator[Server]:
    """A running gunicorn that logs."""
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        prediction_log="async", prediction_folder=tmp_path, web_concurrency=1,
    ) as started:  # fmt: skip
        yield started


def send(server: Server, folder: Path, count: int, whole: int) -> None:
    """Send records, and wait until as many as there are in whole are in the database."""
    for _ in range(count):
        assert 200 == server.ask("/v0/predict", EXAMPLES["parcel"])[0]
    database = PredictionDatabase(folder / "log.sqlite3")

    def stored() -> int:
        return sum(each.n for each in database.counts("parcel", ANSWER))

    wait_until(lambda: stored() == whole, f"{whole} in the database")
    database.close()


def bar_heights(page: Page) -> list[float]:
    """Read the heights of the bars of the traffic from the picture, in records."""
    chart = page.get_by_role("region").or_(page.locator("section")).filter(has_text="Records per")
    axis = [float(text) for text in chart.locator("svg.axis text").all_text_contents()]
    path = chart.locator("path").first.get_attribute("d") or ""
    bars = re.findall(r" ([\d.]+)h[\d.]+V([\d.]+)h", path)
    return [round((float(low) - float(top)) / 160 * max(axis), 1) for low, top in bars]


@pytest.mark.slow
def test_dashboard_when_predictions_run_updates_itself_and_keeps_what_the_reader_did(
    server: Server, tmp_path: Path, browser: Browser
) -> None:
    send(server, tmp_path, 5, 5)
    with proxy(server.port) as port:  # below a path that nobody has told the service
        page = browser.new_page(viewport={"width": 320, "height": 600}, color_scheme="dark")
        page.set_default_timeout(PATIENCE)
        watch = Watch(page, f"http://127.0.0.1:{port}")
        page.clock.install()
        page.goto(f"http://127.0.0.1:{port}/ml{DASHBOARD}?window=7d")
        expect(page.get_by_text("5 records were answered.")).to_be_visible()
        assert 5 == sum(bar_heights(page))
        page.locator("#numbers-traffic summary").click()
        scrolled = page.evaluate("window.scrollTo(0, 400), scrollY")

        send(server, tmp_path, 3, 8)
        page.clock.fast_forward(31_000)

        expect(page.get_by_text("8 records were answered.")).to_be_visible()
        assert 8 == sum(bar_heights(page))
        expect(page.locator("#numbers-traffic")).to_have_attribute("open", "")
        expect(page.locator("#numbers-traffic summary")).to_be_focused()
        assert scrolled == page.evaluate("scrollY")
        assert 1 == page.locator("main").count()
        assert 320 == page.evaluate("document.documentElement.scrollWidth")
        found = Axe().run(page).response["violations"]
        assert [] == [each["id"] for each in found if each["impact"] in ("serious", "critical")]
        assert ([], []) == (watch.strangers, watch.complaints)
        page.close()


@pytest.mark.slow
def test_dashboard_when_there_is_no_script_is_refreshed_by_a_link_and_a_form(
    server: Server, tmp_path: Path, browser: Browser
) -> None:
    send(server, tmp_path, 2, 2)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"http://127.0.0.1:{server.port}{DASHBOARD}?window=7d")
    send(server, tmp_path, 1, 3)

    page.get_by_role("link", name="Refresh").click()

    expect(page.get_by_text("3 records were answered.")).to_be_visible()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    page.get_by_label("From").fill("2026-01-02")
    page.locator("#to").fill("2026-01-01")
    page.get_by_role("button", name="Show these days").click()
    expect(page.get_by_role("alert")).to_contain_text("exchange them")
    expect(page.get_by_label("From")).to_have_value("2026-01-02")
    context.close()
