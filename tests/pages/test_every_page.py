"""Every page as people see it: widths, themes, languages, and with no fault that a tool can see.

The everyday form takes each page once in each language. `make pictures` takes all
combinations; either way a picture of what was seen is in `.bench/pages/`.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from engine.languages import LANGUAGES
from persistence.model_persistence import ModelStore
from tests.support.browser import Watch, chromium, serious_faults
from tests.support.project import ROOT
from tests.support.site import Site, running_site

pytestmark = pytest.mark.slow

PICTURES = ROOT / ".bench/pages"

WIDTHS = (320, 1024, 1920)
THEMES = ("light", "dark")

#: Where all combinations are asked for; else each translation has one width and one theme.
IS_WHOLE = bool(os.environ.get("ALL_PICTURES"))
VIEWS = [
    *(
        product(WIDTHS, THEMES, LANGUAGES)
        if IS_WHOLE
        else [(320, "dark", "pt-BR"), (1024, "light", "es")]
    )
]

#: A page moves at most so many bytes, all that it loads included.
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(credit_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(credit_store, tmp_path_factory.mktemp("site")) as served:
        yield served


@contextmanager
def opened(browser: Browser, width: int, theme: Any, language: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=theme, locale=language,
        reduced_motion="reduce",
    )  # fmt: skip
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("width", "theme", "language"), VIEWS)
def test_page_when_looked_at_has_no_fault_that_can_be_seen(
    browser: Browser, site: Site, width: int, theme: str, language: str
) -> None:
    origin = f"http://127.0.0.1:{site.server.port}"
    faults: dict[str, Any] = {}
    for name, address in site.addresses.items():
        with opened(browser, width, theme, language) as page:
            watch = Watch(page, origin)
            page.goto(origin + address)
            folder = PICTURES / language / theme / str(width)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
            faults |= {f"{name}: {what}": fault for what, fault in _faults(page, watch, name)}

    assert {} == faults


def _faults(page: Page, watch: Watch, name: str) -> Iterator[tuple[str, Any]]:
    """List what is wrong with a page that is open."""
    size = page.viewport_size
    assert size
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > size["width"]:
        yield "is wider than the window", width
    if axe := serious_faults(page):
        yield "axe", axe
    if (moved := watch.bytes_moved()) > MOST_BYTES:
        yield "bytes", moved
    if watch.strangers:
        yield "asks others", watch.strangers
    if odd := [line for line in watch.complaints if "404" not in line]:
        yield "complaints", odd
    if " · " not in page.title():
        yield "title", page.title()


def test_headers_of_every_page_let_it_do_no_more_than_it_has_to(site: Site) -> None:
    for name, address in site.addresses.items():
        connection = site.server.connect()
        connection.request("GET", address, headers={"Accept": "text/html,application/xhtml+xml"})
        answer = connection.getresponse()
        answer.read()
        policy = str(answer.getheader("Content-Security-Policy"))

        assert re.match("default-src 'none'", policy), name
        assert "unsafe" not in policy, name
        assert "nosniff" == answer.getheader("X-Content-Type-Options"), name
        connection.close()


def test_pictures_are_where_a_run_keeps_them() -> None:
    width, theme, language = VIEWS[0]
    assert [*Path(PICTURES / language / theme / str(width)).glob("*.png")]
