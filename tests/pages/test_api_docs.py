"""The documentation's page in a browser: everything our own, and it works."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.serving import Server, running

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 120_000  # milliseconds; a busy machine takes its time to draw a page


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(
        folder, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


def open_page(browser: Browser) -> Page:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    return page


@contextmanager
def proxy(target: int) -> Iterator[int]:
    """Publish the service of a port under /ml/, and tell it nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/ml/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection("127.0.0.1", target)
            connection.request(self.command, self.path[3:], body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


class Watch:
    """What a page asked for and what it complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.address = address
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda one: self.complaints.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", "blob:")):
            self.strangers.append(request.url)


@pytest.mark.slow
def test_docs_page_when_opened_shows_every_route_and_asks_nobody_else(
    browser: Browser, server: Server
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    page = open_page(browser)
    watch = Watch(page, address)

    page.goto(f"{address}/docs", wait_until="networkidle")

    shown = page.locator(".opblock-summary-path")
    expect(shown).not_to_have_count(0)
    paths = {one.get_attribute("data-path") for one in shown.all()}
    assert set(server.ask("/openapi.json")[1]["paths"]) == paths
    assert ([], []) == (watch.strangers, watch.complaints)
    page.close()


@pytest.mark.slow
def test_docs_page_when_the_example_is_executed_shows_the_prediction(
    browser: Browser, server: Server
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    page = open_page(browser)
    watch = Watch(page, address)
    page.goto(f"{address}/docs", wait_until="networkidle")

    block = page.locator(".opblock", has=page.locator('[data-path="/v0/predict"]'))
    block.locator(".opblock-summary-control").click()
    with page.expect_response("**/v0/predict") as asked:
        block.get_by_role("button", name="Execute").click()

    answer = read_strictly(asked.value.body())
    live = block.locator(".live-responses-table tbody")
    expect(live.locator(".response-col_status").first).to_contain_text("200")
    expect(live.locator(".response-col_description").first).to_contain_text(
        str(answer["prediction"]["probability"])
    )
    assert "small" == answer["prediction"]["value"]
    assert ([], []) == (watch.strangers, watch.complaints)
    page.close()


@pytest.mark.slow
def test_docs_page_when_it_is_below_a_proxys_path_stays_there(
    browser: Browser, server: Server
) -> None:
    with proxy(server.port) as port:
        address = f"http://127.0.0.1:{port}/ml"
        page = open_page(browser)
        watch = Watch(page, address)
        page.goto(f"{address}/docs", wait_until="networkidle")

        block = page.locator(".opblock", has=page.locator('[data-path="/v0/predict"]'))
        block.locator(".opblock-summary-control").click()
        with page.expect_response("**/v0/predict") as asked:
            block.get_by_role("button", name="Execute").click()

        assert f"{address}/v0/predict" == asked.value.url
        assert "small" == read_strictly(asked.value.body())["prediction"]["value"]
        assert ([], []) == (watch.strangers, watch.complaints)
        page.close()


@pytest.mark.slow
def test_docs_page_when_keys_are_asked_shows_the_api_for_a_key_and_sends_it_along(
    browser: Browser, toy_store: ModelStore, tmp_path: Path
) -> None:
    text, key = make_key("reader")
    KeyFile(tmp_path / "keys.json").add(key)
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        keys_file=tmp_path / "keys.json",
    ) as server:  # fmt: skip
        address = f"http://127.0.0.1:{server.port}"
        page = open_page(browser)
        watch = Watch(page, address)
        page.goto(f"{address}/docs", wait_until="networkidle")
        expect(page.get_by_label("API key")).to_be_visible()
        assert 0 == page.locator(".opblock").count()

        page.get_by_label("API key").fill("nonsense")
        page.get_by_role("button", name="Show the API").click()
        expect(page.get_by_role("alert")).to_contain_text("not known")
        page.get_by_label("API key").fill(text)
        page.get_by_role("button", name="Show the API").click()
        block = page.locator(".opblock", has=page.locator('[data-path="/v0/predict"]'))
        block.locator(".opblock-summary-control").click()
        with page.expect_response("**/v0/predict") as asked:
            block.get_by_role("button", name="Execute").click()

        assert 200 == asked.value.status
        expect(page.get_by_label("API key")).to_be_hidden()
        assert [] == watch.strangers
        assert all("401" in one for one in watch.complaints), watch.complaints
        page.close()
