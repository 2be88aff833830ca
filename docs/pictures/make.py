"""Take the pictures of the README anew, from a service that runs with the sample model.

    make run
    .venv/bin/python docs/pictures/make.py http://127.0.0.1:8000

``try.png`` shows an answer, ``walk.gif`` the way to it and what is beside it, in 20 seconds.
Chromium drives the real pages; nothing in the pictures is drawn.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 960, "height": 600}

#: The model of the pictures, and a change of its record that leads to the other answer.
MODEL, FIELD, VALUE = "credit", "seniority", "0"


def scenes(page: Page, address: str) -> Iterator[int]:
    """Go through the pages; after each step, yield for how many milliseconds it is shown."""
    page.goto(f"{address}/models/{MODEL}", wait_until="networkidle")
    yield 2500
    button = page.get_by_role("button", name="Predict").first
    button.scroll_into_view_if_needed()
    yield 1500
    button.click()
    page.wait_for_load_state("networkidle")
    page.locator("#answer").scroll_into_view_if_needed()
    yield 4000
    page.locator(f'[name="field.{FIELD}"]').fill(VALUE)
    yield 1500
    button.click()
    page.wait_for_load_state("networkidle")
    page.locator("#answer").scroll_into_view_if_needed()
    yield 3500
    page.goto(f"{address}/docs", wait_until="networkidle")
    yield 2500
    page.get_by_role("button", name="Send").first.click()
    page.wait_for_load_state("networkidle")
    yield 4500


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the service runs")
    address = parser.parse_args().address.rstrip("/")
    frames, times = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light", locale="en")  # type: ignore[arg-type]
        for milliseconds in scenes(page, address):
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            frames.append(picture.quantize(64, dither=Image.Dither.NONE))
            times.append(milliseconds)
            if len(frames) == 3:
                picture.quantize(128).save(FOLDER / "try.png", optimize=True)
        browser.close()
    first, *others = frames
    first.save(
        FOLDER / "walk.gif", save_all=True, append_images=others, duration=times, loop=0,
        optimize=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
