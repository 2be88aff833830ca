"""How the cost of a prediction grows, measured over HTTP on this machine."""

import http.client
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from typing import NamedTuple

from benchmarks import wrk
from benchmarks.environments import BENCH
from benchmarks.growth_answer import answerer
from benchmarks.growth_models import STORE, Shape, prepare
from benchmarks.growth_section import Line, Section
from benchmarks.load import Load, Question, run
from benchmarks.stress_server import Server, serving

WORKERS = (1, 2, 3, 4)
CONNECTIONS = (1, 10, 100, 1_000, 10_000)

_SECONDS = 4
_BUSY_CONNECTIONS = 32

#: Requests per second over the connections that are all in use: a rate that leaves room.
_RATE = 500

#: Files that are open besides the connections.
_OTHER_FILES = 200


class Asked(NamedTuple):
    """What the service spent while it was asked: CPU time per answer, and how it went."""

    seconds: float
    said: str


def workers() -> Section:
    """More worker processes."""
    found, memory = {}, {}
    for size in WORKERS:
        with _serving(web_concurrency=size) as server:
            found[size] = _ask_by_wrk(server, _BUSY_CONNECTIONS)
            memory[size] = f"{server.memory_mb():,.0f}"
    others = {"per second": {size: one.said for size, one in found.items()}, "memory, MB": memory}
    return Section("Workers", "workers", "request", [_line("32 connections", found)], others)


def idle_connections() -> Section:
    """More connections that are open and silent, beside one that asks."""

    def ask(server: Server, count: int) -> Asked:
        with ExitStack() as opened:
            for _ in range(count - 1):
                link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_SECONDS)
                opened.enter_context(closing(link))
                link.request("GET", "/livez")  # one that never asked is closed soon
                link.getresponse().read()
            return _ask_by_wrk(server, 1)

    return _by_connections("Idle connections", "one connection that asks", "per second", ask)


def active_connections() -> Section:
    """More connections that are all in use, at one rate over all of them."""
    return _by_connections("Active connections", "500 requests a second", "correct, p99", _ask_all)


def _by_connections(
    title: str, name: str, heading: str, ask: Callable[[Server, int], Asked]
) -> Section:
    most = _allow_files(CONNECTIONS[-1] + _OTHER_FILES) - _OTHER_FILES
    found, memory = {}, {}
    for size in (one for one in CONNECTIONS if one <= most):
        with _serving() as server:
            found[size] = ask(server, size)
            memory[size] = f"{server.memory_mb():,.0f}"
    others = {heading: {size: one.said for size, one in found.items()}, "memory, MB": memory}
    return Section(title, "connections", "request", [_line(name, found)], others)


def _ask_all(server: Server, connections: int) -> Asked:
    """Ask over all connections in turn; what it costs counts once all are open."""
    opening = connections / _RATE
    seconds = opening + _SECONDS
    load = Load(
        port=server.port, questions=_questions(), requests=int(seconds * _RATE), seconds=seconds,
        connections=connections,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(run, load)
        time.sleep(opening)
        before, began = server.cpu_seconds(), time.monotonic()
        report = answered.result()
        spent, took = server.cpu_seconds() - before, time.monotonic() - began
    said = f"{report.correct:,} of {report.asked:,}, {1e3 * report.latency(0.99):,.1f} ms"
    return Asked(spent / (took * _RATE), said)


def _ask_by_wrk(server: Server, connections: int) -> Asked:
    script = BENCH / "growth.lua"
    question = _questions()[0]
    wrk.write_script(script, question.body, {"Content-Type": question.content_type})
    url = f"http://127.0.0.1:{server.port}{question.path}"
    wrk.run(url, script, connections=connections, seconds=1)
    before = server.cpu_seconds()
    report = wrk.run(url, script, connections=connections, seconds=_SECONDS)
    spent = (server.cpu_seconds() - before) / report.requests
    failures = f", {report.failures:,} failed" if report.failures else ""
    return Asked(spent, f"{report.rate:,.0f}{failures}")


def _questions() -> list[Question]:
    shape = Shape()
    prepare([shape])
    ask = answerer(STORE)
    found = []
    for record in shape.records(50):
        body = json.dumps(record).encode()
        _, answer = ask(shape.name, body, "application/json")
        found.append(Question(body, {"prediction": json.loads(answer)["prediction"]}))
    return found


def _serving(**settings: int) -> AbstractContextManager[Server]:
    shape = Shape()
    return serving(prepare([shape]).root, shape.name, **settings)


def _line(name: str, found: dict[int, Asked]) -> Line:
    return Line(name, {size: one.seconds for size, one in found.items()}, 0)


def _allow_files(wanted: int) -> int:
    """Let this process and those that it starts open so many files; give how many they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    return allowed
