"""The fast path's answers are those of the ordinary way, byte for byte.

The same made-up bytes go to services over the same store: with the fast path,
without it, and with gunicorn's stock worker. Only dates and made-up request ids may differ.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from engine.worker import faults
from engine.worker.faults import BAD_HOST, Fault
from persistence.model_persistence import ModelStore
from tests.attacks.raw_requests import Conversation, a_body, conversations
from tests.support.inputs import many
from tests.support.models import EXAMPLES
from tests.support.raw_http import (
    Answer,
    connect,
    exchange,
    masked,
    read_answer,
    read_answers,
    request,
)
from tests.support.serving import Server, running

pytestmark = pytest.mark.slow

#: Connections at a time.
CLIENTS = 6

#: The access log shows which thread has answered: the main one runs the event loop.
NAMED_THREADS = """
import threading
from gunicorn.glogging import Logger

class NamesThreads(Logger):
    def atoms(self, *given):
        return super().atoms(*given) | {"thread": threading.current_thread().name}

logger_class = NamesThreads
access_log_format = "%(thread)s %(s)s %(U)s"
"""

WAYS: dict[str, dict[str, Any]] = {
    "fast": {"config": NAMED_THREADS},
    "ordinary": {"fast_path": "false"},
    "stock": {"gunicorn_cmd_args": "--worker-class gthread --graceful-timeout 1"},
}


@pytest.fixture(scope="module")
def servers(
    toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    folder = tmp_path_factory.mktemp("servers")
    log = f"accesslog = {str(folder / 'access')!r}\n"
    with ExitStack() as stack:
        yield {
            way: stack.enter_context(
                running(
                    folder, until="/readyz", model_store=toy_store.root, default_model="parcel",
                    pythonhashseed=0,  # Allow lists methods in a set's order
                    **others | ({"config": log + NAMED_THREADS} if way == "fast" else {}),
                )
            )
            for way, others in WAYS.items()
        }  # fmt: skip


REFUSALS = [fault.detail.encode() for fault in vars(faults).values() if isinstance(fault, Fault)]
REFUSALS += [fault.detail.encode() for fault in faults._FAULTS.values()]
EARLY = rb'"status":400,"detail":"the body ends after [0-9]+ of [0-9]+ bytes"'
NO_HOST = re.escape(BAD_HOST.detail.encode())


def answers(server: Server, talk: Conversation) -> list[Answer]:
    methods = [sent.lstrip().partition(b" ")[0] for sent in talk.requests]
    return [masked(answer) for answer in read_answers(exchange(server.port, talk.pieces), methods)]


def refusal(answer: Answer) -> Answer | str:
    """Return an answer, but of one in which gunicorn or the worker refuses HTTP only that it does.

    gunicorn answers in HTML and quotes what was sent, knows no 505, and repeats HTTP/1.2.
    """
    answer = answer._replace(line=answer.line.replace(b"HTTP/1.2 ", b"HTTP/1.1 "))
    is_page = answer.body.startswith(b"<html>\n  <head>\n    <title>")
    is_problem = any(sentence in answer.body for sentence in REFUSALS)
    return "refused" if is_page or is_problem else answer


def compare(
    first: Server, second: Server, talks: Iterable[Conversation], *, is_stock: bool = False
) -> Counter[int]:
    """See that two servers answer alike; count the statuses.

    gunicorn's stock worker takes any host, and none.
    """
    statuses: Counter[int] = Counter()
    ending = re.compile(b"|".join((EARLY, NO_HOST)) if is_stock else EARLY)

    def ask_both(talk: Conversation) -> tuple[Conversation, list[Answer], list[Answer]]:
        return talk, answers(first, talk), answers(second, talk)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for talk, expected, actual in pool.map(ask_both, talks):
            # The worker itself refuses a body that ends early; gunicorn leaves that to Flask.
            ends = [bool(ending.search(answer.body)) for answer in actual]
            end = ends.index(True) if expected != actual and any(ends) else None
            # It says nothing to a client that ends within a head; gunicorn refuses the head.
            if len(expected) == len(actual) + 1 and refusal(expected[-1]) == "refused":
                expected.pop()
            assert [*map(refusal, expected[:end])] == [*map(refusal, actual[:end])], talk
            statuses.update(answer.status for answer in actual)
    return statuses


def test_answers_when_the_fast_path_is_on_are_those_without_it(servers: dict[str, Server]) -> None:
    statuses = compare(servers["ordinary"], servers["fast"], conversations(1, many(10_000)))

    # There was something to compare.
    assert {100, 200, 400, 404, 405, 413, 414, 415, 417, 422, 431, 501} <= {*statuses}
    assert statuses[200] > many(2_000) and statuses[422] > many(500)
    assert 0 == statuses[500]
    lines = (servers["fast"].log.parent / "access").read_text().splitlines()
    right = [line.split(" ")[0] for line in lines if line.endswith(" 200 /v0/predict")]
    assert many(500) < right.count("MainThread") < len(right) - many(500)


def test_answers_when_the_worker_is_ours_are_those_of_the_stock_one(
    servers: dict[str, Server],
) -> None:
    statuses = compare(
        servers["stock"], servers["fast"], conversations(2, many(2_000)), is_stock=True
    )

    assert statuses[200] > many(400)


def talks(count: int) -> Iterator[list[bytes]]:
    """Make up conversations whose requests all end where they say."""
    draw = Random(3)  # noqa: S311  no secrets
    others = (
        request(method=b"GET", path=b"/livez"),
        request(method=b"HEAD", path=b"/v0/model_info"),
        request(EXAMPLES_RENT, path=b"/v0/models/rent/predict"),
        request(EXAMPLES_RENT, path=b"/v0/models/rent/predict?"),
    )
    for _ in range(count):
        yield [
            draw.choice(others) if draw.random() < 0.3 else request(a_body(draw, "parcel"))
            for _ in range(draw.randint(2, 8))
        ]


EXAMPLES_RENT = json.dumps(EXAMPLES["rent"])


def in_turn(server: Server, requests: list[bytes]) -> list[Answer]:
    """Send requests on a connection, each after the answer to the last."""
    received = []
    with connect(server.port) as link:
        for sent in requests:
            link.sendall(sent)
            received.append(masked(read_answer(link, of_head=sent.startswith(b"HEAD"))))
    return received


def at_once(server: Server, requests: list[bytes]) -> list[Answer]:
    """Send requests on a connection, all at once, and keep it open until all is answered."""
    with connect(server.port) as link:
        link.sendall(b"".join(requests))
        held = bytearray()
        return [
            masked(read_answer(link, of_head=sent.startswith(b"HEAD"), held=held))
            for sent in requests
        ]


def test_answers_when_asked_in_turn_or_at_once_are_the_same(servers: dict[str, Server]) -> None:
    def ask_all(requests: list[bytes]) -> None:
        expected = in_turn(servers["ordinary"], requests)
        assert expected == in_turn(servers["fast"], requests), requests
        assert expected == at_once(servers["fast"], requests), requests

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask_all, talks(many(200))))


def test_ways_when_listed_are_all_under_way(servers: dict[str, Server]) -> None:
    said = {way: server.log.read_text() for way, server in servers.items()}

    assert "Using worker: engine.worker.gunicorn_worker.Worker" in said["fast"]
    assert "Using worker: engine.worker.gunicorn_worker.Worker" in said["ordinary"]
    assert "Using worker: gthread" in said["stock"]
    assert not any("Traceback" in log for log in said.values())
