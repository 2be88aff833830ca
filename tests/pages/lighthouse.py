"""Let Lighthouse judge every page, and print its scores of 100: `make lighthouse`.

It needs Node with npm, which fetches Lighthouse into its own cache, and Chromium. The
exit status is 1 where a score is below `LEAST`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from persistence.model_persistence import ModelStore
from tests.support.browser import CHROMIUM
from tests.support.models import build_credit
from tests.support.site import running_site

#: What every score of a page is at least.
LEAST = 95
CATEGORIES = ("performance", "accessibility", "best-practices")

#: The newest major version that Node 20 can run.
LIGHTHOUSE = "lighthouse@12"


def scores(address: str, *, is_phone: bool) -> dict[str, int]:
    """Return the score of each category, of 100, for the page at an address."""
    wide = [] if is_phone else ["--preset=desktop"]
    command = [
        "npx", "--yes", LIGHTHOUSE, address, "--output=json", "--quiet", *wide,
        "--ignore-status-code", f"--only-categories={','.join(CATEGORIES)}",
        "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage",
    ]  # fmt: skip
    environment = os.environ | {"CHROME_PATH": str(CHROMIUM)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    categories = json.loads(ran.stdout)["categories"]
    return {name: round(100 * categories[name]["score"]) for name in CATEGORIES}


def main() -> int:
    """Print a line for each page, on a phone and on a desktop."""
    low = 0
    with tempfile.TemporaryDirectory() as name:
        store = ModelStore(Path(name, "store"))
        build_credit(store, None)
        with running_site(store, Path(name)) as site:
            print(f"{'page':16}{'device':10}{'  '.join(CATEGORIES)}")
            for page, path in site.addresses.items():
                for device in ("phone", "desktop"):
                    address = f"http://127.0.0.1:{site.server.port}{path}"
                    found = scores(address, is_phone=device == "phone")
                    low += min(found.values()) < LEAST
                    print(f"{page:16}{device:10}{'  '.join(map(str, found.values()))}", flush=True)
    print(f"{low} below {LEAST}")
    return int(low > 0)


if __name__ == "__main__":
    sys.exit(main())
