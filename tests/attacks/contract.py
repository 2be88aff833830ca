"""Ask the whole API by its own description, with schemathesis.

``make contract`` asks the toys, the credit model, and the toys once more with
API keys; it prints what was asked and what was found.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from persistence.model_persistence import ModelStore
from tests.support.models import build_credit, build_toys
from tests.support.project import ROOT
from tests.support.serving import Server, environment, running

#: What Vertex AI's routes are called here, so that they are described.
VERTEX: dict[str, Any] = {
    "aip_health_route": "/vertex_health",
    "aip_predict_route": "/vertex_predict",
}

#: The key that is sent where keys are asked.
KEY = "a-key-of-thirty-two-letters-or-so"

_CASES = re.compile(r"(\d+) generated")


def ask_by_description(server: Server, *options: str) -> tuple[int, str]:
    """Let schemathesis ask everything; give its exit status and what it says."""
    command = [str(Path(sys.executable).parent / "st"),
               "--config-file", "tests/attacks/schemathesis.toml", "run",
               f"http://127.0.0.1:{server.port}/openapi.json", "--no-color",
               "--continue-on-failure", *options]  # fmt: skip
    found = subprocess.run(
        command, cwd=ROOT, env=environment() | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return found.returncode, found.stdout


def cases(said: str) -> int:
    """Read how many requests were made."""
    counted = _CASES.search(said)
    return int(counted[1]) if counted else 0


def main(examples: str) -> int:
    """Ask all; give 1 where something is not as described."""
    asked, failed = 0, 0
    options = ["-c", "all", "-n", examples, "--phases", "examples,coverage,fuzzing"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        toys, credit = ModelStore(folder / "toys"), ModelStore(folder / "credit")
        build_toys(toys)
        build_credit(credit, None)
        for store, default, key in (
            (toys, "parcel", ""), (credit, "credit", ""), (toys, "parcel", KEY),
        ):  # fmt: skip
            with running(
                folder, model_store=store.root, default_model=default, api_key=key, **VERTEX
            ) as server:
                header = ["-H", f"x-api-key: {key}"] if key else []
                status, said = ask_by_description(server, *options, *header)
            print(said, flush=True)
            asked, failed = asked + cases(said), failed + (status != 0)
    print(f"{asked} requests; {failed} of 3 runs found something")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
