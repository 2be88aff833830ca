"""An open-loop HTTP load: requests leave when they are due, whatever the answers do.

The time of an answer counts from the moment at which its request was due. So a
request that waits for a free connection, or for a generator that is late, is
counted as slow and not passed over. Every answer is read and compared.
"""

import json
import multiprocessing
import select
import selectors
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load_line import Answer, Line

_SWEEP_SECONDS = 0.25
_ODDITIES = 5


@dataclass(frozen=True)
class Question:
    """One request and what its answer must hold.

    Attributes
    ----------
    body : bytes
    expected : mapping
        Keys of the answer with their exact values, such as ``prediction``.
    key : str
        The API key that is sent; empty for none.
    """

    body: bytes
    expected: Mapping[str, Any]
    path: str = "/v0/predict"
    content_type: str = "application/json"
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to send.

    Attributes
    ----------
    questions : sequence of Question
        Asked in turn.
    requests, seconds : int, float
        How many, at even distances over how long.
    connections : int
        The most at once, over all processes.
    is_kept : bool
        Whether connections are kept, and used in turn; otherwise each request
        opens one of its own.
    processes : int
        1 runs in the caller's process.
    patience_seconds : float
        A request without an answer this long after it was due has failed.
    """

    port: int
    questions: Sequence[Question]
    requests: int
    seconds: float
    connections: int = 1
    is_kept: bool = True
    processes: int = 1
    patience_seconds: float = 10.0

    def write(self, question: Question) -> bytes:
        """Give the bytes of a request."""
        lines = (
            f"POST {question.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Content-Type: {question.content_type}",
            f"Content-Length: {len(question.body)}",
            *((f"x-api-key: {question.key}",) if question.key else ()),
            *(() if self.is_kept else ("Connection: close",)),
        )
        return "\r\n".join((*lines, "", "")).encode() + question.body


@dataclass
class Report:
    """What came of it: ``asked`` requests, ``correct``, ``wrong`` or ``failed``.

    Attributes
    ----------
    sent : int
        Requests that left whole.
    answered : int
        Whole answers, of any status.
    correct, wrong : int
        Answers of status 200 that hold what was expected, or do not.
    failed : Counter of str
        The others, by reason.
    latencies : array of float
        Seconds from the due moment to the whole answer, in ascending order.
    seconds : float
        From the first due moment to the last outcome.
    cpu_seconds : float
        What the generator itself used.
    oddities : list of str
        The first few outcomes that are not correct, as they came.
    """

    asked: int = 0
    sent: int = 0
    answered: int = 0
    correct: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    oddities: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def latency(self, share: float) -> float:
        """Give the seconds within which a share of the answers came; NaN for none."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


def run(load: Load) -> Report:
    """Send a load and wait for every outcome.

    The last comes at most twice the patience after the last request is due.
    """
    if load.processes == 1:
        return _run_share(load, 0, lambda: None)
    context = multiprocessing.get_context("spawn")
    begin, reports = context.Barrier(load.processes), context.SimpleQueue()
    crew = [
        context.Process(target=_report_share, args=(load, share, begin, reports))
        for share in range(load.processes)
    ]
    for one in crew:
        one.start()
    found = [reports.get() for _ in crew]
    for one in crew:
        one.join()
    return _sum(found)


def _report_share(load: Load, share: int, begin: Any, reports: Any) -> None:
    reports.put(_run_share(load, share, begin.wait))


def _run_share(load: Load, share: int, begin: Callable[[], Any]) -> Report:
    generator = _Generator(load, share)
    try:
        begin()
        return generator.run()
    finally:
        generator.close()


def _sum(reports: Sequence[Report]) -> Report:
    total = Report()
    for one in reports:
        for name in ("asked", "sent", "answered", "correct", "wrong", "cpu_seconds"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.failed += one.failed
        total.latencies += one.latencies
        total.oddities += one.oddities
        total.seconds = max(total.seconds, one.seconds)
    total.latencies = array("d", sorted(total.latencies))
    return total


class _Generator:
    """One process's share of a load."""

    def __init__(self, load: Load, share: int) -> None:
        self._load, self._report = load, Report()
        self._selector = selectors.DefaultSelector()
        self._numbers = range(share, load.requests, load.processes)
        self._requests = [load.write(one) for one in load.questions]
        self._lines = [
            Line(
                self._selector, load.port, is_kept=load.is_kept,
                sent=self._count_sent, ended=self._judge,
            )
            for _ in range(share, max(load.connections, load.processes), load.processes)
        ]  # fmt: skip
        self._idle = deque(self._lines)

    def run(self) -> Report:
        """Ask at every due moment and wait for the last outcome."""
        report = self._report
        now = began = swept = time.monotonic()
        cpu = time.thread_time()
        while report.asked < len(self._numbers) or len(self._idle) < len(self._lines):
            self._wait(self._ask_what_is_due(began, now))
            now = time.monotonic()
            if now > swept + _SWEEP_SECONDS:
                swept = now
                for line in self._lines:
                    if line.is_busy and line.due < now - self._load.patience_seconds:
                        line.fail("no answer in time")
        report.seconds, report.cpu_seconds = now - began, time.thread_time() - cpu
        report.latencies = array("d", sorted(report.latencies))
        return report

    def close(self) -> None:
        """Close every connection."""
        for line in self._lines:
            line.close()
        self._selector.close()

    def _ask_what_is_due(self, began: float, now: float) -> float:
        """Send every request whose moment has come; give the seconds until the next."""
        load, report = self._load, self._report
        while report.asked < len(self._numbers):
            number = self._numbers[report.asked]
            due = began + number * load.seconds / load.requests
            if due > now:
                return min(due - now, _SWEEP_SECONDS) if self._idle else _SWEEP_SECONDS
            if self._idle:
                report.asked += 1
                line = self._idle.popleft()
                line.number, line.due = number, due
                line.ask(self._requests[number % len(self._requests)])
            elif now > due + load.patience_seconds:
                report.asked += 1
                report.failed["no connection came free in time"] += 1
            else:
                break
        return _SWEEP_SECONDS

    def _wait(self, seconds: float) -> None:
        # A selector counts in milliseconds, select in microseconds.
        select.select([self._selector.fileno()], [], [], seconds)
        for key, events in self._selector.select(0):
            key.data.step(events)

    def _count_sent(self) -> None:
        self._report.sent += 1

    def _judge(self, line: Line, outcome: Answer | str) -> None:
        report = self._report
        self._idle.append(line)
        if isinstance(outcome, str):
            report.failed[outcome] += 1
            return
        report.answered += 1
        report.latencies.append(time.monotonic() - line.due)
        expected = self._load.questions[line.number % len(self._requests)].expected
        if outcome.status != b"200":
            report.failed[f"status {outcome.status.decode()}"] += 1
        elif _holds(outcome.body, expected):
            report.correct += 1
            return
        else:
            report.wrong += 1
        if len(report.oddities) < _ODDITIES:
            text = (outcome.head + outcome.body)[:1000]
            report.oddities.append(text.decode(errors="replace"))


def _holds(body: bytes, expected: Mapping[str, Any]) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and {key: answer.get(key) for key in expected} == expected
