"""A client that asks at an even pace through nginx, and knows what became of each request."""

import http.client
import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.deploy.rehearsals import PROBABILITY, RECORD

#: Seconds between two requests, and before one is sent again.
_PACE = 0.1


class Client:
    """Asks again and again until it is told to stop.

    Attributes
    ----------
    answered : set of str
        The ids of the requests that got the right answer.
    again : Counter
        Why requests were sent again, as the page of compose says they may be.
    lost : list of str
        What became of the others.
    right : list of float
        The probabilities that are right.
    """

    def __init__(self, port: int, keys: list[str], *, repeats: bool) -> None:
        self.port = port
        self.answered: set[str] = set()
        self.again: Counter[str] = Counter()
        self.lost: list[str] = []
        self.right = [PROBABILITY]
        self._keys, self._repeats = keys, repeats
        self._stopping = threading.Event()

    @property
    def count(self) -> int:
        """How many requests have an outcome."""
        return len(self.answered) + len(self.lost)

    @contextmanager
    def asking(self) -> Iterator["Client"]:
        """Ask from the beginning to the end of the block."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_PACE):
            self._predict()

    def _predict(self) -> None:
        """Ask once, and again where that is allowed, until there is an answer."""
        for _ in range(600):
            identifier = uuid.uuid4().hex
            key = self._keys[self.count % len(self._keys)]
            try:
                status, body = ask(
                    self.port, RECORD, **{"x-api-key": key, "X-Request-Id": identifier}
                )
            except (OSError, ValueError, http.client.HTTPException) as error:
                status, body = 0, type(error).__name__
            if status == 200 and self._is_right(body["prediction"]["probability"]):
                self.answered.add(identifier)
                return
            why = f"{status} {body if status == 0 else ''}".strip()
            if not self._repeats or status not in (0, 502):
                break
            self.again[why] += 1
            self._stopping.wait(_PACE)
        self.lost.append(f"{why} {body}")

    def _is_right(self, probability: float) -> bool:
        return any(abs(probability - right) < 1e-6 for right in self.right)


def ask(
    port: int, body: object = None, path: str = "/v0/predict", **headers: str
) -> tuple[int, Any]:
    """Get a path, or post JSON to it, on a connection of its own; return status and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if content else {}
        connection.request("POST" if content else "GET", path, content, {**kind, **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
