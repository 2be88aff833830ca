"""Versions promoted back and forth under load: what is lost or wrong, and what it takes.

    python -m benchmarks.swaps

Two forests are promoted in turn. Clients ask at even distances, whatever the
answers do, and every answer is compared with that which the version that it
names gives without HTTP. A client that has got an answer of the new version on
a connection may get none of the old one there.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.environments import BENCH
from benchmarks.growth_models import Shape, train
from benchmarks.stress_server import Server, serving
from engine.runtime.loading import load_version
from engine.runtime.version import StoredVersion
from persistence.model_persistence import ModelStore

NAME, STORE = "swapped", BENCH / "swaps"
SHAPES = (Shape(trees=200), Shape(trees=190))

#: Connections, and requests a second on each.
CLIENTS, RATE = 16, 25

#: A worker gives memory back so long after its swap; then all is as usual.
_AFTER_SECONDS = 0.7

_RECORDS = 50


class Asked(NamedTuple):
    """A request and its answer.

    Attributes
    ----------
    due, seconds : float
        When it was to be sent, by the monotonic clock, and from then to its answer.
    version : str
        That answered; empty when no answer came.
    """

    due: float
    seconds: float
    version: str


@dataclass
class Load:
    """What clients have seen.

    Attributes
    ----------
    expected : mapping
        Version to its answers to the questions, in their order.
    promoted : str
        The version that is promoted now.
    wrong : list of str
        Answers that are not those of the version that they name, and those
        of an older version on a connection that has seen the newer.
    """

    port: int
    questions: Sequence[bytes]
    expected: Mapping[str, Sequence[Any]]
    promoted: str
    asked: list[Asked] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    is_over: bool = False

    async def run(self, client: int) -> None:
        """Ask on one connection until the load is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        began, number, seen = time.monotonic() + client / RATE / CLIENTS, 0, ""
        while not self.is_over:
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            place = (number + client) % len(self.questions)
            promoted, number = self.promoted, number + 1
            try:
                found = await _ask(reader, writer, self.questions[place])
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                self.wrong.append(f"no answer: {error!r}")
                self.asked.append(Asked(due, time.monotonic() - due, ""))
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                continue
            version = found["model"]["version"]
            self.asked.append(Asked(due, time.monotonic() - due, version))
            if found["prediction"] != self.expected[version][place]:
                self.wrong.append(f"{version} answers {found['prediction']} to question {place}")
            if version != promoted and seen == promoted:
                self.wrong.append(f"{version} answers after {promoted} did")
            seen = version
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> dict[str, Any]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    body = await reader.readexactly(length)
    if int(head[9:12]) != 200:
        raise ValueError(f"status {int(head[9:12])}: {body[:200]!r}")
    return dict(json.loads(body))


def make_versions(store: ModelStore) -> list[str]:
    """Train the two versions, unless they are there."""
    for shape in SHAPES[len(store.versions(NAME)) :]:
        print(f"training {shape.name}", flush=True)
        card, files = train(shape, NAME)
        store.promote(NAME, store.write(card, files))
    return store.versions(NAME)


def answers(version: StoredVersion, records: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give what a version answers to each record, as it stands in JSON."""
    found = version.predict(version.schema.columns(records))
    return [
        {
            "value": one.value,
            "probability": one.probability,
            "probabilities": dict(zip(("false", "true"), one.probabilities or (), strict=True)),
        }
        for one in found
    ]


async def swap(
    load: Load, store: ModelStore, versions: Sequence[str], *, swaps: int
) -> list[float]:
    """Promote one version after the other, every three seconds; give the times."""
    clients = [asyncio.create_task(load.run(client)) for client in range(CLIENTS)]
    times = []
    await asyncio.sleep(3)
    for number in range(swaps):
        version = versions[number % 2]
        await asyncio.to_thread(store.promote, NAME, version)
        load.promoted = version
        times.append(time.monotonic())
        await asyncio.sleep(3)
    load.is_over = True
    await asyncio.gather(*clients)
    return times


def lines(load: Load, times: Sequence[float], memory: Sequence[float]) -> list[tuple[str, str]]:
    """Tell what was found, by name."""
    ends = [*times[1:], time.monotonic()]
    until_new, during, others = [], [], [one for one in load.asked if one.due < times[0]]
    for began, end in zip(times, ends, strict=True):
        within = [one for one in load.asked if began <= one.due < end]
        new = within[-1].version
        last_old = max(
            (one.due + one.seconds for one in within if one.version != new), default=began
        )
        until_new.append(last_old - began)
        during += [one for one in within if one.due < last_old + _AFTER_SECONDS]
        others += [one for one in within if one.due >= last_old + _AFTER_SECONDS]
    until_new.sort()
    half, longest = until_new[len(until_new) // 2], until_new[-1]
    lost = sum(not one.version for one in load.asked)
    return [
        ("swaps", f"{len(times)}"),
        ("requests", f"{len(load.asked)}"),
        ("lost", f"{lost}"),
        ("wrong", f"{len(load.wrong) - lost}"),
        ("until all workers are new", f"half {half:.2f} s, longest {longest:.2f} s"),
        ("without a swap", _latency(others)),
        ("during a swap", _latency(during)),
        ("memory before and after", f"{memory[0]:.0f} and {memory[1]:.0f} MB"),
    ]


def _latency(asked: Sequence[Asked]) -> str:
    ordered = sorted(one.seconds * 1e3 for one in asked)
    at = {share: ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99, 0.999, 1.0)}
    return (
        f"p50 {at[0.5]:.1f}, p99 {at[0.99]:.1f}, p99.9 {at[0.999]:.1f}, longest {at[1.0]:.1f} ms "
        f"({len(ordered)} requests)"
    )


def measure(server: Server, store: ModelStore, versions: Sequence[str], *, swaps: int) -> Load:
    """Swap under load, and print what is found."""
    records = SHAPES[0].records(_RECORDS, seed=5)
    expected = {one: answers(load_version(store, NAME, one), records) for one in versions}
    load = Load(server.port, [_request(one) for one in records], expected, versions[1])
    asyncio.run(swap(load, store, versions, swaps=2))  # until the libraries have what they keep
    load.asked.clear()
    load.is_over = False
    before = server.memory_mb()
    times = asyncio.run(swap(load, store, versions, swaps=swaps))
    print(machine.describe())
    for name, said in lines(load, times, (before, server.memory_mb())):
        print(f"{name:26} {said}")
    return load


def _request(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(record).encode()
    head = "POST /v0/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> int:
    """Measure, and print; 1 when a request was lost or an answer wrong."""
    parser = argparse.ArgumentParser(description="Promote versions back and forth under load.")
    parser.add_argument("--swaps", type=int, default=20, help="three seconds each")
    options = parser.parse_args()
    store = ModelStore(STORE)
    versions = make_versions(store)
    store.promote(NAME, versions[1])
    with serving(STORE, NAME) as server:
        load = measure(server, store, versions, swaps=options.swaps)
    for one in load.wrong[:10]:
        print(one, file=sys.stderr)
    return 1 if load.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
