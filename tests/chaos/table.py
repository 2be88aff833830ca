"""What is counted and printed: by fault, how many requests were lost or answered wrong."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tests.chaos.load import Record
from tests.chaos.oracle import Promotion
from tests.chaos.scene import Happened
from tests.chaos.services import Kill

#: Seconds after a fault for which requests still count as under it.
AFTERWARDS = 1.0

#: Seconds by which clocks of clients and killers may differ.
BLUR = 0.05

#: A promotion is to reach every worker within so many seconds.
PROMISED_SECONDS = 2.0

QUIET, ALL = "quiet", "all"


class Row(NamedTuple):
    """What happened under one fault.

    Attributes
    ----------
    lost : int
        Without those that a killed worker was running.
    excused : int
        Those.
    p99 : float
        Seconds from when a request was due until it was answered right.
    """

    fault: str
    times: int
    requests: int
    lost: int
    excused: int
    wrong: int
    p99: float
    failures: int

    @property
    def verdict(self) -> str:
        """Say whether all was as promised."""
        found = [
            word
            for word, count in (
                ("lost", self.lost),
                ("wrong", self.wrong),
                ("failed", self.failures),
            )
            if count
        ]
        return ", ".join(found).upper() or "held"


def excusing(record: Record, kills: Sequence[Sequence[Kill]]) -> Kill | None:
    """Find the kill of the worker that was running a lost request.

    Parameters
    ----------
    kills : sequence of sequence of Kill
        By service.
    """
    for kill in kills[record.service] if record.verdict.outcome == "lost" else ():
        is_meanwhile = record.sent <= kill.at + BLUR and record.done >= kill.at - BLUR
        if is_meanwhile and record.port in kill.ports:
            return kill
    return None


def outcomes(records: Iterable[Record], kills: Sequence[Sequence[Kill]]) -> list[str]:
    """Give the outcome of every request, with "excused" for those that a kill explains."""
    return ["excused" if excusing(one, kills) else one.verdict.outcome for one in records]


def rows(
    records: Sequence[Record], kills: Sequence[Sequence[Kill]], happened: Sequence[Happened]
) -> list[Row]:
    """Count, for each fault, the requests that were under way while it happened."""
    due = np.array([one.due for one in records])
    done = np.array([one.done for one in records])
    outcome = np.array(outcomes(records, kills))
    quiet = np.ones(len(records), bool)
    found = []
    for fault in dict.fromkeys(one.fault for one in happened):
        times = [one for one in happened if one.fault == fault]
        under = np.zeros(len(records), bool)
        for one in times:
            under |= (due <= one.ended + AFTERWARDS) & (done >= one.began)
        quiet &= ~under
        failures = sum(bool(one.failure) for one in times)
        found.append(_row(fault, len(times), failures, outcome[under], (done - due)[under]))
    for name, under in ((QUIET, quiet), (ALL, np.ones(len(records), bool))):
        times = [] if name == QUIET else [*happened]
        failures = sum(bool(one.failure) for one in times)
        found.append(_row(name, len(times), failures, outcome[under], (done - due)[under]))
    return found


def _row(fault: str, times: int, failures: int, outcome: np.ndarray, seconds: np.ndarray) -> Row:
    counts = Counter(outcome.tolist())
    right = seconds[outcome == "right"]
    p99 = float(np.percentile(right, 99)) if len(right) else float("nan")
    return Row(
        fault,
        times,
        len(outcome),
        counts["lost"],
        counts["excused"],
        counts["wrong"],
        p99,
        failures,
    )


def write(found: Sequence[Row]) -> str:
    """Write the rows as a Markdown table."""
    head = ("fault", "times", "requests", "lost", "excused", "wrong", "p99 ms", "verdict")
    lines = []
    for one in found:
        counts = (one.times, one.requests, one.lost, one.excused, one.wrong)
        p99 = f"{1e3 * one.p99:.0f}"
        lines.append((one.fault, *(f"{count:,}" for count in counts), p99, one.verdict))
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * (width - (0 < n < 7)) + ":" * (0 < n < 7) for n, width in enumerate(widths)]
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if 0 < n < 7 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (head, rule, *lines)
    )


class Straggler(NamedTuple):
    """A promotion, and the last request that still got an answer of the version before it.

    Attributes
    ----------
    late : float
        Seconds after the promotion for which that version went on answering.
    """

    late: float
    version: str
    record: Record | None


def stragglers(
    records: Iterable[Record], promotions: Sequence[Promotion], happened: Sequence[Happened]
) -> list[Straggler]:
    """Give the last straggler of each promotion but the first.

    Requests are passed over that were sent while a fault kept the services
    from knowing what is promoted, or less than the promised time afterwards.
    """
    blind = [
        (one.began, one.ended + PROMISED_SECONDS + AFTERWARDS)
        for one in happened
        if one.is_blinding
    ]
    found = [Straggler(0.0, one.version, None) for one in promotions]
    for record in records:
        if record.verdict.late and not any(a <= record.sent <= b for a, b in blind):
            place = record.verdict.replaced
            last = Straggler(record.verdict.late, record.verdict.version, record)
            found[place] = max(found[place], last, key=lambda one: one.late)
    return found[1:]
