"""The page of a model in a browser: it answers while a person types, and scores a table."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from persistence.model_persistence import ModelStore
from tests.pages.test_api_docs import browser, proxy
from tests.pages.test_table import ROWS, csv_of
from tests.support.browser import PATIENCE, Watch
from tests.support.serving import Server, running

__all__ = ["browser"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server"), until="/readyz", model_store=toy_store.root,
        default_model="parcel",
    ) as started:  # fmt: skip
        yield started


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 320, "height": 700})
    page.set_default_timeout(PATIENCE)
    complaints = Watch(page, "http://127.0.0.1").complaints
    page.goto(f"http://127.0.0.1:{server.port}/models/parcel")
    yield page
    assert [] == [one for one in complaints if not re.match("verbose|.* status of 4(22|29) ", one)]
    page.close()


def now(page: Page) -> str:
    return page.locator("[data-now]").get_attribute("data-now") or ""


def test_typing_is_answered_and_the_problem_of_a_value_stands_beside_it(page: Page) -> None:
    weight = page.get_by_role("textbox", name="weight")

    weight.fill("20")
    expect(page.locator("#said")).to_contain_text("with a probability of")
    weight.fill("101")
    expect(page.locator("#f1h")).to_contain_text("Weight is 101, out of range.")
    assert "true" == weight.get_attribute("aria-invalid")
    weight.fill("21")
    expect(page.locator("#f1h")).not_to_contain_text("out of range")

    expect(page.locator("#said")).to_contain_text("with a probability of")
    assert weight.get_attribute("aria-invalid") is None
    expect(weight).to_be_focused()
    expect(page.locator("#code code").first).to_contain_text('"weight": 21')


def test_slider_moves_the_field_and_the_answer_says_what_it_was_before(page: Page) -> None:
    slider = page.get_by_role("slider", name="Move weight")

    slider.fill("1")
    expect(page.locator("#said")).to_contain_text("Size is small")
    first = now(page)
    slider.press("End")

    expect(page.get_by_role("textbox", name="weight")).to_have_value("100")
    expect(page.locator("#said")).to_contain_text("Size is large")
    expect(page.locator("#said")).to_contain_text(f"{first} → {now(page)}")


def test_page_when_the_limit_is_reached_stays_as_it_is(page: Page) -> None:
    page.get_by_role("textbox", name="weight").fill("20")
    expect(page.locator("#said")).to_contain_text("with a probability of")
    before = page.locator("#said").inner_text()
    page.route("**/models/parcel", lambda route: route.fulfill(status=429, body="<p id=said>no"))

    with page.expect_response("**/models/parcel"):
        page.get_by_role("textbox", name="weight").fill("99")

    expect(page.locator("#said")).to_have_text(before, use_inner_text=True)


@pytest.mark.parametrize("start", ["", '"sep=,"\n'])
def test_table_is_sent_and_its_answers_are_shown_and_downloaded(page: Page, start: str) -> None:
    page.locator("summary", has_text="Score a table").click()
    page.get_by_label("CSV file").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": (start + csv_of(ROWS * 30)).encode()}
    )

    page.get_by_role("button", name="Score the table").click()

    expect(page.locator("#table-said tr")).to_have_count(11)
    cells = page.locator("#table-said tr").nth(1).locator("td").all_inner_texts()
    assert "small" == cells[0]
    assert all(re.fullmatch(r"0\.\d{1,6}", cell) for cell in cells[1:])
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all answers").click()
    text = Path(download.value.path()).read_text()
    assert 61 == len(text.removeprefix(start).splitlines())
    assert "parcel-answers.csv" == download.value.suggested_filename
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_table_when_it_is_dropped_with_a_problem_names_its_place(page: Page) -> None:
    page.locator("summary", has_text="Score a table").click()
    text = csv_of([["101", *ROWS[0][1:]]])
    transfer = page.evaluate_handle(
        "text => { const moved = new DataTransfer();"
        "moved.items.add(new File([text], 'a.csv')); return moved }",
        text,
    )

    page.locator("#table").dispatch_event("drop", {"dataTransfer": transfer})
    page.get_by_role("button", name="Score the table").click()

    expect(page.locator("#table-said")).to_contain_text("Row 1, weight: is 101, out of range")


def test_page_has_nothing_serious_for_axe(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.get_by_role("textbox", name="weight").fill("101" if scheme == "dark" else "20")
        expect(page.locator("#said")).to_contain_text("problem" if scheme == "dark" else "Size is")
        page.locator("summary").evaluate_all(
            "all => all.forEach(one => one.parentElement.open = 1)"
        )

        found = Axe().run(page).response["violations"]

        assert [] == [one["id"] for one in found if one["impact"] in ("serious", "critical")]


def test_form_when_below_a_proxy_that_says_nothing_works(browser: Browser, server: Server) -> None:
    with proxy(server.port) as port:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://127.0.0.1:{port}/ml/models/parcel")

        page.get_by_role("textbox", name="weight").fill("20")
        expect(page.locator("#said")).to_contain_text("with a probability of")
        page.get_by_role("link", name="Link to these values").click()

        expect(page.get_by_role("textbox", name="weight")).to_have_value("20")
        page.close()


def test_form_when_there_is_no_script_works_with_keys_alone(
    browser: Browser, server: Server
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/models/parcel?weight=20")

    assert page.locator("[type=range]:visible").count() == 0
    page.get_by_role("textbox", name="weight").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#said")).to_contain_text("with a probability of")
    assert page.locator("button", has_text="Copy").count() == 0
    context.close()
