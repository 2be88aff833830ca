"""A real Chromium, and what it says of a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")

#: Milliseconds after which something that should be seen is taken not to come.
PATIENCE = 120_000


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """Start a Chromium with more options; a test without one is skipped."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", *options],
        )
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


class Watch:
    """What a page loads, and what it complains of.

    Attributes
    ----------
    complaints : list of str
        Lines of the console, and errors of scripts.
    strangers : list of str
        Addresses of other services that it asked.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self._responses: list[Response] = []
        self._address = address
        page.on("console", lambda line: self.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._see)
        page.on("response", lambda response: self._responses.append(response))

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self._address}/", "data:", "blob:")):
            self.strangers.append(request.url)

    def bytes_moved(self) -> int:
        """Return how many bytes of bodies came over the wire since the last question."""
        moved, self._responses = self._responses, []
        return sum(each.request.sizes()["responseBodySize"] for each in moved)


def serious_faults(page: Page) -> list[str]:
    """Return what axe calls serious or critical on a page: the rule and the element."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
