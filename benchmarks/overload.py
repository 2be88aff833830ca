"""More requests than the service can answer: how many it answers, and what the others get.

    python -m benchmarks.overload

The model is served by scikit-learn, so every prediction takes a thread. First
16 clients ask without a pause: that is what the service can do. Then four
times as many requests are due each second, whatever the answers do, and then
half as many.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from benchmarks import machine
from benchmarks.growth_models import STORE, Shape, prepare
from benchmarks.stress_server import serving

SHAPE = Shape(trees=200)

#: How it is called in the store, served natively.
SLOW = "slow"

CLIENTS, TIMES = 16, 4

_ROUNDS = 3

#: A refusal should come within this time; the service be itself again within that.
REFUSED_SECONDS, CALM_SECONDS = 0.01, 2.0


class Answered(NamedTuple):
    """What became of a request.

    Attributes
    ----------
    due : float
        When it was to be sent, in seconds since the load began.
    status : int
        0 when the connection broke.
    seconds : float
        From then to its answer.
    """

    due: float
    status: int
    seconds: float


class Asker:
    """Asks the same over connections that are kept.

    Parameters
    ----------
    port : int
    body : bytes
    """

    def __init__(self, port: int, body: bytes) -> None:
        self._port = port
        head = f"POST /v0/models/{SLOW}/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, due: float, began: float) -> Answered:
        """Send one request, and read its answer."""
        try:
            link = self._free.pop() if self._free else await self._connect()
            reader, writer = link
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            self._free.append(link)
            status = int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        return Answered(due, status, time.monotonic() - began - due)

    async def closed(self, clients: int, seconds: float) -> list[Answered]:
        """Let so many clients ask, each again as soon as it is answered."""
        began, found = time.monotonic(), []

        async def client() -> None:
            while (due := time.monotonic() - began) < seconds:
                found.append(await self.ask(due, began))

        await asyncio.gather(*(client() for _ in range(clients)))
        return found

    async def open(self, rate: float, seconds: float) -> list[Answered]:
        """Ask at even distances, whatever the answers do."""
        began, tasks = time.monotonic(), []
        for number in range(int(rate * seconds)):
            due = number / rate
            await asyncio.sleep(max(0, began + due - time.monotonic()))
            tasks.append(asyncio.create_task(self.ask(due, began)))
        return await asyncio.gather(*tasks)

    def leave(self) -> None:
        """Close the connections that are kept."""
        for _, writer in self._free:
            writer.close()
        self._free.clear()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


def make_slow() -> None:
    """Store the forest once more, to be served by scikit-learn."""
    store = prepare([SHAPE])
    if SLOW in store.names():
        return
    card = store.read_card(SHAPE.name)
    pipeline = (STORE / SHAPE.name / card["version"] / "model.skops").read_bytes()
    dropped = ("format", "files", "digest", "version")
    body = {key: value for key, value in card.items() if key not in dropped}
    slow = body | {
        "model": SLOW,
        "runtime": "native",
        "seconds": {"one_row": 1, "thousand_rows": 1},
    }
    store.promote(SLOW, store.write(slow, {"model.skops": pipeline}))


def calm_after(found: Sequence[Answered], usual: float) -> float:
    """Give the second from which on every request is answered in twice the usual time."""
    late = [one.due for one in found if one.status != 200 or one.seconds > 2 * usual]
    return max(late, default=0.0)


async def measure(asker: Asker, seconds: float) -> list[tuple[str, str]]:
    """Ask in the three ways; give what is found, by name."""
    await asker.closed(CLIENTS, 2)
    usual: list[Answered] = []
    for _ in range(_ROUNDS):  # the kernel may give one worker more connections than the other
        asker.leave()
        found = [one for one in await asker.closed(CLIENTS, seconds / 2) if one.status == 200]
        usual = max(usual, found, key=len)
    can = 2 * len(usual) / seconds
    asker.leave()
    loaded = await asker.open(TIMES * can, seconds)
    after = await asker.open(can / 2, 5)
    good = [one for one in loaded if one.status == 200]
    refused = sorted(one.seconds for one in loaded if one.status == 503)
    in_time = sum(one <= REFUSED_SECONDS for one in refused) / max(1, len(refused))
    longest = sorted(one.seconds for one in good)
    last = max(one.due + one.seconds for one in good)
    normal = sorted(one.seconds for one in usual)[len(usual) // 2]
    return [
        (f"answered, {CLIENTS} clients", f"{can:.0f}/s, half of them in {normal * 1e3:.0f} ms"),
        ("asked, open loop", f"{len(loaded) / seconds:.0f}/s for {seconds:.0f} s"),
        ("answered", f"{len(good) / last:.0f}/s, {len(good) / last / can:.0%} of what it can"),
        ("", f"99 % of them within {longest[int(0.99 * len(longest))] * 1e3:.0f} ms"),
        ("refused with 503", f"{len(refused)}, {in_time:.1%} of them within 10 ms"),
        ("", f"half within {_at(refused, 0.5)}, 99 % within {_at(refused, 0.99)}"),
        ("lost", f"{sum(one.status not in (200, 503) for one in loaded)}"),
        ("then at half the rate", f"as usual from {calm_after(after, normal):.1f} s on"),
    ]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Ask more than the service can answer.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    options = parser.parse_args()
    make_slow()
    (record,) = SHAPE.records(1, seed=2)
    with serving(STORE, SLOW) as server:
        with suppress(PermissionError):
            os.nice(-10)  # else it waits for a processor, and takes that for the service's time
        asker = Asker(server.port, json.dumps(record).encode())
        found = asyncio.run(measure(asker, options.seconds))
    print(machine.describe())
    for name, said in found:
        print(f"{name:24} {said}")


def _at(ordered: Sequence[float], share: float) -> str:
    if not ordered:
        return "none"
    return f"{ordered[int(share * (len(ordered) - 1))] * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
