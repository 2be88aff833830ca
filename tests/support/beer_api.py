"""A stand-in for the beer API: pages of records and single ones, with faults on purpose.

What a fault does, for as many requests as it is given for:

    429        too many requests, and after how many seconds to come again
    500        that status
    cut        the connection ends in the middle of the body
    half       half of the body, with the length of a half
    redirect   leads to another host
    slow       a byte every 0.1 seconds
"""

import csv
import hashlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.support.project import ROOT

Beer = dict[str, Any]


class Asked(NamedTuple):
    """A request: its path, its parameters, its headers in lower case, when it came."""

    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    at: float


class BeerApi:
    """A catalogue over HTTP on a port of this machine.

    Attributes
    ----------
    beers : list of dict
        What is served; a test may change it.
    asked : list of Asked
        Every request, the faulty ones as well.
    most : int
        So many beers are on a page at most, whatever is asked for.
    """

    def __init__(self, beers: Sequence[Beer], *, has_tags: bool = True) -> None:
        self.beers = [*beers]
        self.asked: list[Asked] = []
        self.fault, self.times, self._good = "", 0, 0
        self.port, self.most = 0, 1000
        self._has_tags = has_tags
        self._random = random.Random(0)  # noqa: S311

    def fail(self, fault: str, times: int = 1, *, after: int = 0) -> None:
        """Answer so many requests with a fault, after so many good ones."""
        self.fault, self.times, self._good = fault, times, after

    def answer(self, asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.asked.append(asked)
        beers = self.page(asked)
        # Written over lines, as some servers do.
        body = json.dumps(beers, indent=1, ensure_ascii=False).encode()
        fault = ""
        if self.times and self._good:
            self._good -= 1
        elif self.times:
            fault, self.times = self.fault, self.times - 1
        if fault == "half":
            body = body[: len(body) // 2]
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if self._has_tags else ""
        if fault in ("429", "500", "redirect"):
            handler.send_response(302 if fault == "redirect" else int(fault))
            if fault == "redirect":
                handler.send_header("Location", "http://192.0.2.1/v2/beers")
            if fault == "429":
                handler.send_header("Retry-After", "1")
            body = b""
        elif tag and asked.headers.get("if-none-match") == tag:
            handler.send_response(304)
            body = b""
        else:
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
        if tag:
            handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with suppress(OSError):
            send(handler, body, fault)

    def page(self, asked: Asked) -> list[Beer]:
        """Return what a request is for."""
        if asked.path == "/v2/beers/random":
            return [self._random.choice(self.beers)]
        page, size = (int(asked.parameters[name]) for name in ("page", "per_page"))
        size = min(size, self.most)
        return self.beers[(page - 1) * size : page * size]


def send(handler: BaseHTTPRequestHandler, body: bytes, fault: str) -> None:
    """Send a body, in the way that a fault has it."""
    if fault == "slow":
        for byte in body:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)
    handler.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
    handler.close_connection = fault == "cut"


@contextmanager
def beer_api(beers: Sequence[Beer], *, has_tags: bool = True, port: int = 0) -> Iterator[BeerApi]:
    """Serve a catalogue, at any port that is free unless one is given."""
    api = BeerApi(beers, has_tags=has_tags)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), headers, time.monotonic())
            api.answer(asked, self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    api.port = server.server_address[1]
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def sample_beers() -> list[Beer]:
    """Return the beers of the sample, as the API gives them."""
    with (ROOT / "data/beers_sample.csv").open(encoding="utf-8") as sample:
        return [{name: _value(cell) for name, cell in beer.items()}
                for beer in csv.DictReader(sample)]  # fmt: skip


def make_beers(count: int, seed: int = 0) -> list[Beer]:
    """Make a catalogue up: ids from 1 on in no order, odd names, numbers of both kinds."""
    generator = random.Random(seed)  # noqa: S311
    beers = [
        {
            "id": number,
            "name": f"Ale {number}"
            + generator.choice(["", ", “Doppel”", " — Bräu", "\nof two lines"]),
            "abv": generator.choice([4, 5.5, 41.0]),
            "ibu": generator.choice([None, 12.5, 60, 1085]),
            "ph": generator.choice([4.4, 5]),
            "method": {"mash_temp": [{"duration": generator.randrange(90)}], "twist": None},
        }
        for number in range(1, count + 1)
    ]
    generator.shuffle(beers)
    return beers


def _value(cell: str) -> Any:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell
