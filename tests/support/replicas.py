"""Several services as a platform runs them: their own disks, one bucket, database and Redis."""

import http.client
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from persistence.bucket.client import Bucket
from persistence.bucket.keys import BucketKeys
from persistence.model_persistence import ModelStore
from settings import Settings
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.postgresql import Postgresql
from tests.support.s3 import variables
from tests.support.serving import Server, lives, running, wait_until
from tests.support.stores import new_address

#: The key of the setting, which every replica knows from its start.
KEY = "a key of the tests that all replicas have"


class Answer(NamedTuple):
    """What a request got, and from which replica."""

    status: int
    headers: dict[str, str]
    body: Any
    replica: str


class Replica(NamedTuple):
    """A running service, and the network between it and the bucket."""

    name: str
    server: Server
    network: FaultProxy

    def send(self, path: str, body: Any = None, method: str = "", **headers: str) -> Answer:
        """Send a request to this replica; raise OSError or HTTPException without an answer."""
        connection = self.server.connect()
        kind = {} if body is None else {"Content-Type": "application/json"}
        content = json.dumps(body) if isinstance(body, dict) else body
        try:
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, content, {**kind, **headers})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = "json" in (answer.headers["Content-Type"] or "")
        found = json.loads(text) if is_json else text
        return Answer(answer.status, dict(answer.headers), found, self.name)

    def kill(self) -> None:
        """End all of its processes at once, as a machine that fails."""
        workers = self.server.workers()
        os.killpg(self.server.process.pid, signal.SIGKILL)
        self.server.process.wait()
        wait_until(lambda: not any(map(lives, workers)), "the end of a replica")


class Replicas:
    """Replicas behind a proxy that takes each in turn, and the next where one gives no answer."""

    def __init__(self, folder: Path, s3: int, settings: dict[str, Any], exits: ExitStack) -> None:
        self._folder, self._s3, self._settings, self._exits = folder, s3, settings, exits
        self._turns = count()
        self.all: list[Replica] = []
        self.store = ModelStore(settings["model_store"], cache=folder / "our-cache")
        self.keys = BucketKeys(settings["keys_file"], folder / "our-keys")

    def add(self, number: int = 1) -> None:
        """Start some more, and take them in when they are ready."""
        started = []
        for place in range(len(self.all), len(self.all) + number):
            disk = self._folder / f"replica-{place % 3}"  # the fourth has what the first has left
            disk.mkdir(exist_ok=True)
            network = self._exits.enter_context(fault_proxy(self._s3))
            own: dict[str, Any] = {
                **variables(network.port), "model_cache": disk / "cache",
                "prediction_folder": disk / "predictions", "tmpdir": disk,
            }  # fmt: skip
            server = running(disk, until="", **self._settings, **own)
            replica = Replica(str(place), self._exits.enter_context(server), network)
            started.append(replica)
        for replica in started:
            wait_until(lambda: replica.server.answers("/readyz"), "a replica")  # noqa: B023
        self.all += started

    def send(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Send a request to the next replica, and to another one where it gives no answer."""
        replicas, turn = [*self.all], next(self._turns)
        for place in range(turn, turn + len(replicas)):
            with suppress(OSError, http.client.HTTPException):
                return replicas[place % len(replicas)].send(path, body, **options)
        raise AssertionError("no replica answers")

    def each(self, path: str, body: Any = None, **options: Any) -> list[Answer]:
        """Send a request to every replica."""
        return [replica.send(path, body, **options) for replica in self.all]

    def own_settings(self) -> Settings:
        """Return those of another process that uses the same bucket, such as a command."""
        shared = {name: self._settings[name] for name in ("model_store", "default_model")}
        return Settings(**shared, model_cache=self._folder / "command", prediction_log="off")


@contextmanager
def run_replicas(
    folder: Path, store: ModelStore, s3: int, postgresql: Postgresql, redis_address: str
) -> Iterator[Replicas]:
    """Run three replicas over what is copied from a store."""
    address = new_address()
    for path in sorted((store.root / "parcel").rglob("*")):
        if path.is_file():
            key = path.relative_to(store.root).as_posix()
            assert Bucket(f"{address}/models").create(key, path.read_bytes())
    settings = {
        "model_store": f"{address}/models", "keys_file": f"{address}/keys.json",
        "job_store": f"{address}/jobs", "database_url": postgresql.address,
        "shared_redis": redis_address, "default_model": "parcel", "web_concurrency": 1,
        "prediction_log": "async", "train_if_absent": False, "api_key": KEY,
    }  # fmt: skip
    with ExitStack() as exits:
        replicas = Replicas(folder, s3, settings, exits)
        replicas.add(3)
        yield replicas
