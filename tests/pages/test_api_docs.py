"""The documentation's page in a browser: everything our own, and it works."""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.browser import PATIENCE, Watch, chromium
from tests.support.models import unstored
from tests.support.serving import Server, running

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(
        folder, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


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


def submit(page: Page) -> Any:
    """Send the first request of the page; return the answer, and see that the page shows it."""
    with page.expect_response("**/predict*") as asked:
        page.get_by_role("button", name="Send").first.click()
    answer = read_strictly(asked.value.body())
    outcome = page.locator(".outcome").first
    expect(outcome.locator(".status")).to_contain_text(str(asked.value.status))
    shown = outcome.locator("pre").text_content() or ""
    assert answer == read_strictly(shown.encode())
    return asked.value


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (320, 640)])
def test_docs_page_when_opened_has_predicting_first_and_the_answer_in_sight(
    browser: Browser, server: Server, size: tuple[int, int]
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    page = open_page(browser)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    watch = Watch(page, address)
    moved: list[int] = []
    page.on("response", lambda answer: moved.append(len(answer.body())))

    page.goto(f"{address}/docs", wait_until="networkidle")

    box = page.get_by_role("button", name="Send").first.bounding_box()
    assert box is not None
    if size != (320, 640):
        assert box["y"] + box["height"] <= size[1]
    assert size[0] == page.evaluate("document.documentElement.scrollWidth")
    assert sum(moved) < 150_000
    answer = read_strictly(submit(page).body())
    expect(page.locator(".outcome .status").first).to_be_in_viewport()
    assert "small" == answer["prediction"]["value"]
    assert ([], []) == (watch.strangers, watch.complaints)
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_docs_page_when_all_is_unfolded_has_no_serious_fault(
    browser: Browser, server: Server, scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"http://127.0.0.1:{server.port}/docs", wait_until="networkidle")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

    found = Axe().run(page).response["violations"]

    assert [] == [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")]
    page.close()


@pytest.mark.slow
def test_docs_page_when_the_request_is_changed_sends_and_shows_that_one(
    browser: Browser, server: Server
) -> None:
    page = open_page(browser)
    page.goto(f"http://127.0.0.1:{server.port}/docs", wait_until="networkidle")
    body, curl = page.get_by_label("Body").first, page.locator(".curl").first

    page.get_by_label("Example").select_option("A list of records")
    assert 2 == len(read_strictly(submit(page).body())["predictions"])
    page.get_by_label("explain").check()
    record = {"weight": "it's heavy"}
    body.fill(json.dumps(record))
    refused = submit(page)

    assert refused.url.endswith("/v0/predict?explain=true")
    assert 422 == refused.status
    ran = subprocess.run(["sh", "-c", curl.text_content() or ""], capture_output=True, check=True)
    keys = ("status", "errors")
    expected, found = read_strictly(refused.body()), read_strictly(ran.stdout)
    assert [expected[key] for key in keys] == [found[key] for key in keys]
    page.close()


@pytest.mark.slow
def test_docs_page_when_a_link_leads_into_a_folded_group_unfolds_it(
    browser: Browser, server: Server
) -> None:
    page = open_page(browser)
    page.goto(f"http://127.0.0.1:{server.port}/docs#status-422", wait_until="networkidle")
    assert page.locator("#status-422").is_visible()

    link = page.locator(".contents a").nth(-3)
    group = page.locator(link.get_attribute("href") or "")
    assert group.get_attribute("open") is None
    link.click()

    group.locator("article").first.wait_for(state="visible")
    page.close()


@pytest.mark.slow
def test_docs_page_when_it_is_below_a_proxys_path_stays_there(
    browser: Browser, server: Server
) -> None:
    with proxy(server.port) as port:
        address = f"http://127.0.0.1:{port}/ml"
        page = open_page(browser)
        watch = Watch(page, address)
        page.goto(f"{address}/docs/rent", wait_until="networkidle")

        answer = submit(page)

        assert f"{address}/v0/models/rent/predict" == answer.url
        assert 200 == answer.status
        assert f"curl -s {address}/v0/" in (page.locator(".curl").first.text_content() or "")
        assert ([], []) == (watch.strangers, watch.complaints)
        page.close()


@pytest.mark.slow
def test_docs_page_when_keys_are_needed_leads_through_signing_in_and_sends_as_that_person(
    browser: Browser, toy_store: ModelStore, tmp_path: Path
) -> None:
    text, key = make_key("reader", models=("parcel",))
    KeyFile(tmp_path / "keys.json").add(key)
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        keys_file=tmp_path / "keys.json",
    ) as server:  # fmt: skip
        address = f"http://127.0.0.1:{server.port}"
        page = open_page(browser)
        assert 401 == server.ask("/docs")[0]
        page.goto(f"{address}/docs", wait_until="networkidle")
        assert 0 == page.locator(".trial").count()

        page.get_by_label("API key").fill(text)
        page.get_by_role("button", name="Sign in").click()

        expect(page).to_have_url(f"{address}/docs")
        assert 200 == submit(page).status
        assert "x-api-key: YOUR KEY" in (page.locator(".curl").first.text_content() or "")
        assert "/rent" not in page.content()
        page.close()


def test_docs_page_shows_every_route_of_the_document_and_every_field(
    toy_client: FlaskClient,
) -> None:
    document = read_strictly(toy_client.get("/openapi.json").data)
    page = toy_client.get("/docs").text

    own = [path for path in document["paths"] if re.search(r"/(rent|coin|beer)\b", path) is None]
    assert len(own) > 20
    assert [] == [path for path in own if f"<code>{path}</code>" not in page]
    record = document["components"]["schemas"]["parcel_record"]
    assert [] == [name for name in record["properties"] if f"<code>{name}</code>" not in page]


def test_docs_page_of_a_model_when_a_key_may_not_see_it_is_not_found(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    text, key = make_key("reader", models=("rent",))
    file.add(key)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()
    given = {"x-api-key": text}

    pages = {
        path: client.get(path, headers=given) for path in ("/docs", "/docs/parcel", "/docs/no")
    }

    assert [200, 404, 404] == [page.status_code for page in pages.values()]
    assert "/v0/models/rent/predict" in pages["/docs"].text
    assert "parcel" not in pages["/docs"].text


def test_docs_page_when_a_model_has_hostile_words_shows_them_as_text(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    store, card = ModelStore(tmp_path), toy_store.read_card("parcel")
    folder = toy_store.root / "parcel" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    store.promote("parcel", store.write({**unstored(card), "title": HOSTILE}, files))

    page = serve(store, "parcel").test_client().get("/docs").text

    assert page.count("<script") == 1
    assert "<img" not in page


def test_docs_page_when_nothing_is_stored_says_so(tmp_path: Path) -> None:
    page = serve(ModelStore(tmp_path), "parcel").test_client().get("/docs")

    assert 200 == page.status_code
    assert "There is no model yet" in page.text
    assert "<code>/health</code>" in page.text
