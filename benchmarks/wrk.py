"""Load from wrk, and what it says of it."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}

#: wrk counts a slower answer as an error; some servers need seconds for 32 at once.
_TIMEOUT_SECONDS = 60


class WrkAbsent(RuntimeError):
    """wrk is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Report:
    """What one run of wrk saw.

    Attributes
    ----------
    requests : int
        Answered, whatever the status.
    rate : float
        Answers per second.
    p50, p99 : float
        Latencies in milliseconds.
    failures : int
        Answers that are not 2xx or 3xx, and socket errors of every kind.
    """

    requests: int
    rate: float
    p50: float
    p99: float
    failures: int


def find_wrk() -> str:
    """Give the path of wrk.

    Raises
    ------
    WrkAbsent
        When it is not on the PATH.
    """
    if path := shutil.which("wrk"):
        return path
    raise WrkAbsent(
        "wrk is not installed (Debian, Ubuntu: apt install wrk; macOS: brew install wrk)"
    )


def version() -> str:
    """Give wrk's own version."""
    said = subprocess.run([find_wrk(), "-v"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"wrk \S*?(\d+\.\d+\.\d+)", said.stdout + said.stderr)
    return found[1] if found else "unknown"


def write_script(path: Path, body: bytes, headers: Mapping[str, str]) -> None:
    """Write what makes wrk post a body: a script, and the body beside it."""
    body_path = path.with_suffix(".body")
    body_path.write_bytes(body)
    lines = [f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers.items()]
    path.write_text(
        'wrk.method = "POST"\n'
        + "".join(lines)
        + f'wrk.body = io.open("{body_path}", "rb"):read("*a")\n'
    )


def run(url: str, script: Path, *, connections: int, seconds: int) -> Report:
    """Load a server with one thread over kept-alive connections."""
    command = [
        find_wrk(), "--threads", "1", "--connections", str(connections),
        "--duration", f"{seconds}s", "--timeout", f"{_TIMEOUT_SECONDS}s",
        "--latency", "--script", str(script), url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return parse(done.stdout)


def parse(text: str) -> Report:
    """Read wrk's report.

    Raises
    ------
    ValueError
        When it is no report of wrk's with its latencies.
    """
    counted = re.search(r"^ +(\d+) requests in ", text, re.MULTILINE)
    rate = re.search(r"^Requests/sec: +([\d.]+)", text, re.MULTILINE)
    if not counted or not rate:
        raise ValueError(f"this is no report of wrk: {text[:200]!r}")
    errors = re.search(r"Socket errors: (.+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    failures = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    return Report(
        requests=int(counted[1]),
        rate=float(rate[1]),
        p50=_percentile(text, 50),
        p99=_percentile(text, 99),
        failures=failures + (int(refused[1]) if refused else 0),
    )


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^ +{percent}% +([\d.]+)(us|ms|s|m|h)\s*$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"wrk's report holds no {percent}th percentile: {text[:200]!r}")
    return float(found[1]) * _UNITS[found[2]]
