"""Ask the service through every client there is: a table of calls and verdicts.

For instance::

    python -m benchmarks.clients.run_all
    python -m benchmarks.clients.run_all triton kserve

Each `benchmarks/clients/*_client.py` is run by the Python of its own environment, with the
service's address. It prints an object a line: client, call and verdict, which
is ``pass`` or what went wrong.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import environments
from benchmarks.stress_server import serving
from settings import Settings

#: What pip installs for each script, by the part of its name before ``_client``.
PINS: dict[str, tuple[str, ...]] = {
    "hosts": (),
    "kserve": ("kserve==0.21.0",),
    "mlflow": ("mlflow-skinny==3.17.2", "numpy==2.4.6", "pandas==3.1.1", "scipy==1.17.1"),
    "mlflow_differential": (
        "mlflow==3.17.2",
        "numpy==2.4.6",
        "pandas==3.1.1",
        "scikit-learn==1.9.1",
        "skops==0.16.0",
    ),
    "mlserver": ("mlserver==1.7.1", "pandas==2.3.3"),
    "triton": ("tritonclient[http]==2.73.0",),
    "vetiver": ("pandas==3.1.1", "scikit-learn==1.9.1", "vetiver==0.2.6"),
}

#: Where a service under Vertex AI is asked.
ROUTES = {"aip_health_route": "/vertex/health", "aip_predict_route": "/vertex/predict"}

#: The model that the scripts ask.
MODEL = "credit"

_FOLDER = Path(__file__).parent
_SECONDS = 300

Line = dict[str, str]


def names() -> list[str]:
    """List the clients that have a script."""
    return sorted(path.stem.removesuffix("_client") for path in _FOLDER.glob("*_client.py"))


def ask(name: str, address: str, **settings: object) -> list[Line]:
    """Run the script of a client; what it does not say is a failure, too.

    Parameters
    ----------
    settings
        Those of the service that a script has to know.
    """
    try:
        folder = environments.make(f"client-{name}", PINS[name])
    except environments.NotInstalled as error:
        return [{"client": name, "call": "install", "verdict": str(error)}]
    command = [str(folder / "bin/python"), str(_FOLDER / f"{name}_client.py"), address]
    given = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    given |= {key.upper(): str(value) for key, value in settings.items()}
    try:
        done = subprocess.run(  # noqa: S603
            command, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return [{"client": name, "call": "run", "verdict": f"not done after {_SECONDS} s"}]
    lines = list(_read(done.stdout))
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        lines.append({"client": name, "call": "run", "verdict": f"it failed: {said[0]}"})
    return lines


def write_table(lines: Sequence[Line]) -> str:
    """Write the lines as a table."""
    head = {"client": "client", "call": "call", "verdict": "verdict"}
    widths = {key: max(len(one[key]) for one in [head, *lines]) for key in ("client", "call")}
    return "\n".join(
        f"{one['client']:{widths['client']}}  {one['call']:{widths['call']}}  {one['verdict']}"
        for one in [head, *lines]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask through the clients that are named, else all; give the exit status."""
    parser = argparse.ArgumentParser(description="Ask the service through other clients.")
    parser.add_argument("names", nargs="*", metavar="client", help=", ".join(names()))
    asked = parser.parse_args(arguments).names or names()
    if unknown := [name for name in asked if name not in names() or name not in PINS]:
        parser.error(f"there is no client {unknown[0]!r} with pins: {', '.join(names())}")
    stored = Path(Settings.from_environment().model_store) / MODEL
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        shutil.copytree(stored, store / MODEL)
        with serving(store, MODEL, **ROUTES) as server:
            address = f"http://127.0.0.1:{server.port}"
            told = {"model_store": store, **ROUTES}
            lines = [line for name in asked for line in ask(name, address, **told)]
    print(write_table(lines))
    failed = sum(line["verdict"] != "pass" for line in lines)
    print(f"\n{len(lines)} calls, {failed} failed")
    return 1 if failed else 0


def _read(output: str) -> Iterator[Line]:
    """Read the objects of a script's output; libraries may print beside them."""
    for text in output.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {"client", "call", "verdict"} <= line.keys():
            yield line


if __name__ == "__main__":
    sys.exit(main())
