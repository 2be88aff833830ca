"""Clients that ask at an even pace, whatever the answers do, and what became of each request.

They behave as a router does. A connection that is refused was not accepted: the
other service is asked. A request that was sent is never sent again, so every
loss shows.
"""

import random
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from tests.chaos.oracle import Oracle, Question, Verdict
from tests.support.raw_http import Answer, connect, read_answer
from tests.support.steady_load import is_ended

CLIENTS = 12

#: Requests on one connection at most.
LONGEST = 60


class Record(NamedTuple):
    """One request, and what became of it.

    Attributes
    ----------
    port : int
        The client's end of the connection; 0 when there was none.
    due, sent, done : float
        When it should have been sent, was sent, and had its outcome, by the
        monotonic clock.
    """

    service: int
    port: int
    kind: str
    due: float
    sent: float
    done: float
    verdict: Verdict


class Client(threading.Thread):
    """Asks every `interval` seconds until it is told to stop.

    Parameters
    ----------
    ports : sequence of int
        Where the services listen.
    keeps : bool
        Whether it keeps its connections, for a while.

    Attributes
    ----------
    records : list of Record
        What it has seen.
    """

    def __init__(
        self, number: int, oracle: Oracle, asked: Sequence[Question], *, ports: Sequence[int],
        interval: float, seed: int, stopping: threading.Event,
    ) -> None:  # fmt: skip
        super().__init__(name=f"client {number}")
        self.records: list[Record] = []
        self._number, self._keeps = number, number % 2 == 0
        self._oracle, self._asked, self._ports = oracle, asked, ports
        self._interval, self._stopping = interval, stopping
        self._random = random.Random(f"{seed} client {number}")  # noqa: S311
        self._link: socket.socket | None = None
        self._service, self._place, self._left = 0, 0, 0

    def run(self) -> None:
        """Ask."""
        due = time.monotonic() + self._interval * self._number / CLIENTS
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            self.ask(self._random.choice(self._asked), due)
            due += self._interval
        self._close()

    def ask(self, question: Question, due: float) -> None:
        """Ask once, and write down what became of it."""
        if self._link and is_ended(self._link):
            self._close()
        is_new = self._link is None
        if is_new and (trouble := self._connect()):
            now = time.monotonic()
            verdict = Verdict("lost", trouble)
            self.records.append(Record(self._service, 0, question.kind, due, now, now, verdict))
            return
        assert self._link
        port = self._link.getsockname()[1]
        sent, is_slip = time.monotonic(), False
        try:
            self._link.sendall(question.sent)
            is_slip = not is_new and is_ended(self._link)
            answer = read_answer(self._link)
        except (OSError, AssertionError) as error:
            verdict = Verdict("slip" if is_slip else "lost", repr(error))
            self._close()
        else:
            verdict = self._oracle.judge(
                question, answer, sent=sent, answered=time.monotonic(), place=self._place
            )
            self._place = max(self._place, verdict.place)
            self._let_go(answer)
        kind = f"{question.kind}, {'new' if is_new else 'kept'}"
        done = time.monotonic()
        self.records.append(Record(self._service, port, kind, due, sent, done, verdict))

    def _connect(self) -> str:
        """Connect to a service that accepts; give why not."""
        first = self._random.randrange(len(self._ports))
        self._place, self._left = 0, self._random.randrange(LONGEST)
        for number in range(len(self._ports)):
            self._service = (first + number) % len(self._ports)
            try:
                link = connect(self._ports[self._service])
            except ConnectionRefusedError:
                continue
            except OSError as error:
                return f"a connection was neither made nor refused: {error!r}"
            if link.getsockname() != link.getpeername():  # a free port may connect to itself
                self._link = link
                return ""
            link.close()
        return "every service refused"

    def _let_go(self, answer: Answer) -> None:
        self._left -= 1
        is_kept = (answer.field(b"Connection") or b"").lower() == b"keep-alive"
        if not (is_kept and self._keeps and self._left > 0):
            self._close()

    def _close(self) -> None:
        if self._link:
            with suppress(OSError):
                self._link.close()
            self._link = None
