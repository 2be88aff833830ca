"""What a shared Redis costs: CPU time per request, with counts and answers in it and without.

    python -m benchmarks.redis_cost    print a table

Linux only, with wrk and redis-server.
"""

import json
import os
import statistics
import sys
from typing import NamedTuple

from benchmarks import processes, wrk
from benchmarks.environments import BENCH
from benchmarks.questions import MODEL, STORE, prepare
from benchmarks.stress_page import machine, table
from benchmarks.stress_server import serving
from tests.support.redis_server import run_redis

_ROUNDS, _SECONDS, _CONNECTIONS = 2, 3, 32

#: Each request has a name of its own, whatever run sends it.
_NAMED = """
local count, run = 0, io.open("/proc/sys/kernel/random/uuid"):read("*l")
request = function()
    count = count + 1
    wrk.headers["Idempotency-Key"] = run .. "-" .. count
    return wrk.format()
end
"""

_LIMIT: dict[str, object] = {"rate_limit": "999999999/3600"}


class Way(NamedTuple):
    """A way to serve, and whether each request has an ``Idempotency-Key``."""

    name: str
    settings: dict[str, object]
    is_named: bool = False
    has_redis: bool = False


WAYS = (
    Way("no limit: the event loop answers", {}),
    Way("no limit, `SHARED_REDIS`", {}, has_redis=True),
    Way("`RATE_LIMIT`, counted in memory", _LIMIT),
    Way("the same, all answered by threads (`FAST_PATH=false`)", _LIMIT | {"fast_path": False}),
    Way("`RATE_LIMIT`, counted by Redis", _LIMIT, has_redis=True),
    Way("a new `Idempotency-Key`, kept on the disk", {}, is_named=True),
    Way("a new `Idempotency-Key`, kept in Redis", {}, is_named=True, has_redis=True),
)


def measure(way: Way, redis: str, body: bytes) -> tuple[float, float]:
    """Return the µs of CPU time per request, of the service and of Redis."""
    script = BENCH / "redis-cost.lua"
    wrk.write_script(script, body, {"Content-Type": "application/json"})
    if way.is_named:
        script.write_text(script.read_text() + _NAMED)
    settings = {"max_wait_seconds": 0, **way.settings} | (
        {"shared_redis": redis} if way.has_redis else {}
    )
    with serving(STORE, MODEL, **settings) as server:
        own = [server.pid, *processes.descendants(server.pid)]
        others = [pid for pid in processes.descendants(os.getpid()) if pid not in own]
        url = f"http://127.0.0.1:{server.port}/v0/predict"
        wrk.run(url, script, connections=_CONNECTIONS, seconds=1)  # all is loaded then
        before = processes.cpu_seconds(own), processes.cpu_seconds(others)
        report = wrk.run(url, script, connections=_CONNECTIONS, seconds=_SECONDS)
        assert not report.failures, report
        after = processes.cpu_seconds(own), processes.cpu_seconds(others)
    service, redis_own = (1e6 * (b - a) for a, b in zip(before, after, strict=True))
    return service / report.requests, redis_own / report.requests


def main() -> int:
    """Measure, and print a table; return the exit status."""
    body = json.dumps(prepare().record).encode()
    found: dict[str, list[tuple[float, float]]] = {way.name: [] for way in WAYS}
    with run_redis() as redis:
        for way in WAYS * _ROUNDS:
            found[way.name].append(measure(way, redis, body))
    rows = []
    for way in WAYS:
        service, shared = map(statistics.median, zip(*found[way.name], strict=True))
        rows.append((way.name, f"{service:,.0f}", f"{shared:,.0f}" if way.has_redis else "-"))
    head = ("CPU time of a request", "µs of the service", "µs of Redis")
    print(f"{machine()}\n\n{table(head, rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
