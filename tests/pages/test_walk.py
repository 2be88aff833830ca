"""The first walk: from a fresh clone, set up, to a prediction in the browser; it is recorded.

What the browser saw, step by step, is in `.bench/walk/`: a trace that Playwright
shows, and a picture of each step.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import chromium
from tests.support.project import ROOT, why_no_sample
from tests.support.serving import APP, environment, running

RECORDING = ROOT / ".bench/walk"


class Walk:
    """A walk through pages.

    Attributes
    ----------
    clicks : int
        How often the person has clicked.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, role: str, name: str) -> None:
        """Click what has a role and a name, and take a picture of what comes then."""
        self.clicks += 1
        self.page.get_by_role(role, name=name).click()  # type: ignore[arg-type]
        self.page.wait_for_load_state()
        self.page.screenshot(path=RECORDING / f"{self.clicks}.png")


@pytest.mark.slow
def test_first_walk_leads_to_a_prediction_in_three_clicks(tmp_path: Path) -> None:
    if why := why_no_sample():
        pytest.skip(why)
    start = time.monotonic()
    clone = tmp_path / "clone"
    settings = environment(model_store=tmp_path / "store", prediction_folder=tmp_path / "log")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    # What `make run` does once .venv is there.
    for command in (["-m", "engine.runtime.compile_exact"], ["build_model.py", "--if-absent"]):
        subprocess.run([sys.executable, *command], cwd=clone, env=settings, check=True)
    with running(
        tmp_path, project=clone, command=APP, until="/readyz", model_store=tmp_path / "store",
        prediction_log="async", prediction_folder=tmp_path / "log", web_concurrency=1,
    ) as server, chromium() as browser:  # fmt: skip
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.tracing.start(screenshots=True, snapshots=True)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        walk = Walk(page)

        walk.click("button", "Predict")

        expect(page.get_by_role("status").first).to_contain_text("probability")
        context.tracing.stop(path=RECORDING / "trace.zip")
        print(f"a prediction in the browser after {time.monotonic() - start:.0f} s", walk.clicks)
        assert walk.clicks <= 3
        assert (RECORDING / "trace.zip").stat().st_size > 0
