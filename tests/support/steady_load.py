"""Clients that never stop asking, and that know when a request of theirs was lost.

A request is lost when its connection was made and a byte of it was sent, and
no whole, right answer came. A connection that is not made must be refused. On
a kept-alive connection a request that was sent after the server's end of the
connection had come is the client's slip; it is counted apart.
"""

import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.serving import wait_until

_ESTABLISHED = 1  # Linux's name for a connection that neither side has ended


class Question(NamedTuple):
    """A request, and what is right about its answer."""

    sent: bytes
    is_right: Callable[[Answer], bool]


class Load:
    """Clients in threads, until they are refused or told to stop.

    Attributes
    ----------
    counts : Counter
        ``answered``, ``refused``, ``slips``, ``ends``: answers, connections
        that were refused, slips of clients, and kept-alive connections that
        the server ended.
    lost : list of str
        What happened to each request that was lost.
    lost_since : list of float
        When its connection was begun, of each, by the monotonic clock.
    """

    def __init__(self, port: int, questions: list[Question]) -> None:
        self.port = port
        self.counts: Counter[str] = Counter()
        self.lost: list[str] = []
        self.lost_since: list[float] = []
        self.stopping = threading.Event()
        self._questions = questions
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self.counts[what] += 1

    def lose(self, what: str, since: float) -> None:
        """Note a request that was lost."""
        with self._lock:
            self.lost.append(what)
            self.lost_since.append(since)

    def run(self, first: int, *, keeps: bool, in_parts: bool) -> None:
        """Ask again and again.

        Parameters
        ----------
        keeps : bool
            Whether to ask on one connection as long as the server allows it.
        in_parts : bool
            Whether to send the first byte, and the rest a moment later.
        """
        link, since = None, time.monotonic()
        for question in itertools.islice(itertools.cycle(self._questions), first, None):
            if self.stopping.is_set():
                break
            is_new = link is None
            since = time.monotonic() if is_new else since
            if link is None and not (link := self._connect()):
                return
            if not is_new and is_ended(link):
                self.count("ends")
                link.close()
                since = time.monotonic()
                link = self._connect()
                if not link:
                    return
                is_new = True
            goes_on = self._ask(link, question, is_new=is_new, in_parts=in_parts, since=since)
            if not goes_on or not keeps:
                link.close()
                link = None
        if link:
            link.close()

    def _connect(self) -> socket.socket | None:
        try:
            link = connect(self.port)
        except ConnectionRefusedError:
            self.count("refused")
        except OSError as error:
            what = f"a connection was neither made nor refused: {error!r}"
            self.lose(what, time.monotonic())
        else:
            if link.getsockname() != link.getpeername():  # a free port may connect to itself
                return link
            self.count("refused")
        return None

    def _ask(
        self, link: socket.socket, question: Question, *, is_new: bool, in_parts: bool,
        since: float,
    ) -> bool:  # fmt: skip
        """Ask once; tell whether the connection may be used again."""
        is_slip = False
        try:
            link.sendall(question.sent[:1] if in_parts else question.sent)
            is_slip = not is_new and is_ended(link)
            if in_parts:
                link.sendall(question.sent[1:])
            answer = read_answer(link)
        except (OSError, AssertionError) as error:
            if is_slip:
                self.count("slips")
            else:
                kind = "new" if is_new else "kept"
                self.lose(f"{kind} {in_parts=} {question.sent[:50]!r}: {error!r}", since)
            return False
        if not question.is_right(answer):
            self.lose(f"wrong: {question.sent[:50]!r}: {answer}", since)
        self.count("answered")
        return (answer.field(b"Connection") or b"").lower() == b"keep-alive"


def is_ended(link: socket.socket) -> bool:
    """Tell whether the server has ended a connection, as far as this side can know."""
    return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED


#: How the clients go about it: whether they keep the connection, whether they send in parts.
CLIENTS = (
    (True, False),
    (False, False),
    (True, True),
    (False, True),
    (False, False),
    (True, False),
)


@contextmanager
def steady_load(port: int, questions: list[Question], *, after: int = 100) -> Iterator[Load]:
    """Have clients ask, from `after` answers on until the end of the block and until refused.

    Whoever wants them to end although nobody refuses them sets `Load.stopping`.
    """
    load = Load(port, questions)
    threads = [
        threading.Thread(target=load.run, args=(first,), kwargs={"keeps": keeps, "in_parts": parts})
        for first, (keeps, parts) in enumerate(CLIENTS)
    ]
    for one in threads:
        one.start()
    try:
        wait_until(lambda: load.counts["answered"] >= after or bool(load.lost), "the first answers")
        yield load
    except BaseException:
        load.stopping.set()
        raise
    finally:
        for one in threads:
            one.join()


def questions(store: ModelStore, *, rows: int = 400) -> list[Question]:
    """Give requests for the loop and for threads, small and large; parcel is the default model."""
    records = [{**EXAMPLES["parcel"], "weight": n / 2.5, "pieces": 1 + n % 50} for n in range(24)]
    expected = [prediction(store, "parcel", one) for one in records]
    found = []
    for number, (record, right) in enumerate(zip(records, expected, strict=True)):
        path = b"/v0/predict?" if number % 4 == 3 else b"/v0/predict"
        sent = request(json.dumps(record), path=path, fields=_agents(number))
        found.append(Question(sent, partial(_has, key="prediction", right=right)))
    many = request(json.dumps(records * (rows // 24)))
    found.insert(
        7, Question(many, lambda answer: _has(answer, "predictions", expected * (rows // 24)))
    )
    info = request(method=b"GET", path=b"/v0/model_info")
    found.insert(13, Question(info, lambda answer: "num_trees" in answer.json()))
    return found


def _agents(number: int) -> list[tuple[bytes, bytes]]:
    return [(b"X-Request-Id", b"n%d" % number)] if number % 2 else []


def _has(answer: Answer, key: str, right: Any) -> bool:
    with suppress(ValueError, KeyError):
        return bool(answer.status == 200 and answer.json()[key] == right)
    return False


def prediction(store: ModelStore, name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Give what the service should answer."""
    version = load_version(store, name)
    (found,) = version.predict(version.schema.columns([record]))
    shares = dict(zip(version.card["classes"], found.probabilities or (), strict=True))
    return {"value": found.value, "probability": found.probability, "probabilities": shares}
