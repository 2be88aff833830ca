"""The tables, and the page that they stand on."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measuring import BULK, FEW, MORE, Floor, LogShare
from benchmarks.questions import ROWS, TOLERANCE
from benchmarks.summary import Figures, Ratios

#: How it is measured, in words, with places for the figures that the code holds.
METHOD = Path(__file__).parent / "method.md"

_WIDTH = 116

_RATIOS_NOTE = (
    "Requests per second and rows per second: this service's by theirs. CPU (at {few} connection) "
    "and p99 (at {more}): theirs by this service's. Below 1, they are better.\n"
)
_SINGLE_NOTE = (
    "p50 and p99 are milliseconds; CPU is microseconds per request, of all processes of the "
    "server. Failures are answers that are no 2xx and socket errors, of all loads.\n"
)
_LOG_NOTE = (
    "`PREDICTION_LOG=async` beside `off`, with SQLite, while the drain runs. The other tables are "
    "without a log.\n"
)


@dataclass(frozen=True)
class Entry:
    """A contender's line.

    Attributes
    ----------
    figures, ratios : Figures, Ratios or None
        None when it is out of the comparison; no ratios for this service.
    reason : str
        Why it is out.
    size : float
        MB of its environment.
    versions : list of str
        Name and version of what it is made of.
    """

    title: str
    figures: Figures | None = None
    ratios: Ratios | None = None
    reason: str = ""
    size: float = 0.0
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conditions:
    """How the run was made."""

    machine: str
    date: str
    wrk: str
    rounds: int
    seconds: int


def tables(entries: Sequence[Entry], floor: Floor | None, share: LogShare | None) -> str:
    """Write every table: ratios first, then figures, then the log and the floor."""
    (ours, *_) = entries
    parts = [
        "## How many times better\n", _ratios(entries),
        _RATIOS_NOTE.format(few=FEW, more=MORE),
        "## One record per request\n", _single(entries),
        _SINGLE_NOTE,
        "## Start, memory, size, bulk\n", _others(entries),
    ]  # fmt: skip
    if share:
        head = ("Requests per second", f"at {FEW} connection", f"at {MORE}")
        row = ("with the prediction log, of those without", *map(figure, share))
        parts += ["## The prediction log\n", table(head, [row]), _LOG_NOTE]
    if floor and ours.figures:
        parts += ["## The floor\n", _floor(floor, ours.figures)]
    out = [f"- {one.title}: {scrub(one.reason)}" for one in entries if one.reason]
    if out:
        parts += ["## Out of the comparison\n", "\n".join(map(_wrapped, out)) + "\n"]
    return "\n".join(part if part.startswith(("|", "#", "-")) else _wrapped(part) for part in parts)


def page(
    entries: Sequence[Entry], floor: Floor | None, share: LogShare | None, conditions: Conditions
) -> str:
    """Write the page."""
    versions = [f"- {one.title}: {', '.join(one.versions)}" for one in entries if one.versions]
    return "\n".join(
        [
            "<!-- Written by `make bench`: edit benchmarks/page.py, not this page. -->\n",
            "# Benchmark\n",
            _wrapped(
                "This service with everything on, beside other ways to serve the same model. "
                f"Measured on {conditions.date}: {conditions.machine}. "
                f"{conditions.rounds} rounds of {conditions.seconds} s; medians. "
                "The load generator shared the machine.\n"
            ),
            "![Requests per second of every contender](benchmark.svg)\n",
            tables(entries, floor, share),
            METHOD.read_text().format(
                few=FEW, more=MORE, bulk=BULK, rows=f"{ROWS:,}", tolerance=f"{TOLERANCE:g}",
                seconds=conditions.seconds, wrk=conditions.wrk,
            ),
            "## Versions\n",
            "\n".join(map(_wrapped, versions)) + "\n",
        ]
    )  # fmt: skip


def scrub(reason: str) -> str:
    """Shorten a reason to one line without paths and addresses."""
    plain = re.sub(r"\w+://\S+|(?<!\w)/[\w.-]+(/[\w.-]+)+", "...", " ".join(reason.split()))
    return plain[:300]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table: the first column to the left, numbers to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, marks, *rows]) + "\n"


def figure(value: float) -> str:
    """Write a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratios(entries: Sequence[Entry]) -> str:
    head = ("Beside", f"requests/s, {FEW}", f"requests/s, {MORE}", "CPU", "p99", "rows/s in bulk")
    rows = [
        (one.title, *map(figure, (found.few, found.more, found.cpu, found.p99, found.bulk)))
        for one in entries
        if (found := one.ratios)
    ]
    return table(head, rows)


def _single(entries: Sequence[Entry]) -> str:
    names = ("req/s", "p50", "p99", "CPU")
    head = [f"{name}, {count}" for count in (FEW, MORE) for name in names]
    rows = []
    for one in entries:
        if found := one.figures:
            numbers = [
                figure(value)
                for window in (found.few, found.more)
                for value in (window.rate, window.p50, window.p99, window.cpu)
            ]
            rows.append((one.title, *numbers, str(found.failures)))
    return table(("", *head, "failures"), rows)


def _others(entries: Sequence[Entry]) -> str:
    head = ("", "start, s", "memory, MB", "installed, MB", "rows/s in bulk", "sent as")
    rows = [
        (
            one.title, figure(found.cold_start), figure(found.memory),
            figure(one.size) if one.size else "", figure(found.bulk), found.bulk_way,
        )
        for one in entries
        if (found := one.figures)
    ]  # fmt: skip
    return table(head, rows)


def _floor(floor: Floor, ours: Figures) -> str:
    share = ours.bulk / floor.session_many
    return table(
        ("Without HTTP, one process", "one record, µs", f"{ROWS:,} records, rows/s"),
        [
            ("this service's prediction, bytes to bytes", figure(floor.one), figure(floor.many)),
            ("a bare session, arrays ready", figure(floor.session_one), figure(floor.session_many)),
        ],
    ) + _wrapped(
        f"\nOver HTTP a request costs {figure(ours.few.cpu)} µs of CPU at 1 connection and "
        f"{figure(ours.more.cpu)} at {MORE}, the prediction alone {figure(floor.one_cpu)}. One "
        f"answer for all requests costs the same worker {figure(floor.constant_cpu)} at {MORE}, so "
        f"a prediction with all that belongs to it costs {ours.more.cpu / floor.constant_cpu:.1f} "
        "times as much. At 1 "
        "connection every process sleeps between two requests, and waking it is part of the cost. "
        f"In bulk the service reaches {share:.0%} of the rows per second of one bare session.\n"
    )


def _wrapped(text: str) -> str:
    end = "\n" if text.endswith("\n") else ""
    start = "\n" if text.startswith("\n") else ""
    indent = "  " if text.startswith("- ") else ""
    return start + textwrap.fill(
        text.strip(), _WIDTH, subsequent_indent=indent, break_on_hyphens=False
    ) + end  # fmt: skip
