"""Figures in a page of docs/: put between two marks, the prose around them stays."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT

_BEGIN, _END = "<!-- figures: written by `make {target}`, edit nothing here -->", "<!-- end -->"


def write_figures(page: Path, target: str, text: str) -> None:
    """Replace what stands between the marks of a target.

    Raises
    ------
    ValueError
        When the page has no such marks.
    """
    begin = _BEGIN.format(target=target)
    head, mark, rest = page.read_text().partition(begin + "\n")
    _, end, tail = rest.partition(_END)
    if not (mark and end):
        raise ValueError(f"{page.name} has no place for figures: a line {begin!r}, then {_END!r}")
    page.write_text(f"{head}{mark}\n{text.strip()}\n\n{end}{tail}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table: words to the left, figures to the right."""
    bars = ["---" if not re.search(r"\d", rows[0][at]) else "--:" for at in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, bars, *rows))


def machine() -> str:
    """Say on what machine, when and from which commit figures are."""
    return (
        f"Measured on {datetime.now(UTC):%d %B %Y} with {os.cpu_count()} cores ({_processor()}), "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()},\n"
        f"commit {commit()}."
    )


def commit() -> str:
    """Return the commit that is measured, with a plus if something was changed since."""
    command = ["git", "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
