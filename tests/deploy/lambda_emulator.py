"""AWS Lambda on this machine: what its runtime interface emulator does, as far as a function sees.

A caller posts an event; the function fetches it from the runtime API, and posts its answer.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

from tests.support.project import ROOT
from tests.support.serving import DEADLINE

#: What the image runs.
IMAGE = (str(ROOT / "deploy/docker/start"), "function")

_RUNTIME = "/2018-06-01/runtime/invocation/"
_INVOKE = "/2015-03-31/functions/function/invocations"


@dataclass
class Emulator:
    """Events on their way to a function, and its answers, one after another."""

    port: int = 0
    is_started: threading.Event = field(default_factory=threading.Event)
    events: "Queue[bytes]" = field(default_factory=Queue)
    answers: "Queue[tuple[str, bytes]]" = field(default_factory=Queue)
    #: Seconds from the start of the process until it asked for the first event.
    cold_start: float = 0.0

    def invoke(self, event: Any) -> Any:
        """Return what the function answers to an event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("POST", _INVOKE, json.dumps(event))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def function(
    settings: dict[str, str], *, command: tuple[str, ...] = IMAGE, folder: Path = ROOT
) -> Iterator[Emulator]:
    """Run a function until the block ends, by default as the image does."""
    emulator = Emulator()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(emulator))
    emulator.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{emulator.port}", "OPEN_ACCESS": "true", **settings,
    }  # fmt: skip
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            assert emulator.is_started.wait(DEADLINE), "the function never asked for an event"
            emulator.cold_start = time.perf_counter() - begun
            yield emulator
        finally:
            process.kill()
            server.shutdown()


def _handler(emulator: Emulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == f"{_RUNTIME}next"
            emulator.is_started.set()
            self._send(emulator.events.get(), "Lambda-Runtime-Aws-Request-Id", "one")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == _INVOKE:
                emulator.events.put(body)
                _, answer = emulator.answers.get(timeout=DEADLINE)
                self._send(answer)
            else:
                assert self.path.startswith(f"{_RUNTIME}one/")
                emulator.answers.put((self.path.rpartition("/")[2], body))
                self._send(b"")

        def _send(self, body: bytes, *header: str) -> None:
            self.send_response(200)
            if header:
                self.send_header(*header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler
