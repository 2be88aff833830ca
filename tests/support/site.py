"""A service with everything that its pages can show: a model, a log, outcomes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import models
from persistence.model_persistence import ModelStore
from tests.support.serving import Server, running, wait_until


class Site(NamedTuple):
    """A service whose model has answered, and learnt of some outcomes.

    Attributes
    ----------
    addresses : dict of str to str
        Every page that a browser may open, by a short name.
    """

    server: Server
    addresses: dict[str, str]


@contextmanager
def running_site(store: ModelStore, folder: Path) -> Iterator[Site]:
    """Serve the credit model of a store, with a log in a folder."""
    with running(
        folder, until="/readyz", model_store=store.root, default_model="credit",
        prediction_log="async", prediction_folder=folder / "predictions",
    ) as server:  # fmt: skip
        identifiers = [_predict(server, age) for age in range(20, 60)]
        outcomes = [{"id": each, "value": n % 3 > 0} for n, each in enumerate(identifiers)]
        server.ask("/v0/models/credit/feedback", outcomes)
        wait_until(lambda: _is_stored(server, identifiers[-1]), "the last prediction in the log")
        yield Site(server, _addresses(server, identifiers[0]))


def _predict(server: Server, age: int) -> str:
    connection = server.connect()
    body = json.dumps(models.find("credit").schema.example() | {"age": age})
    connection.request("POST", "/v0/predict", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert 200 == answer.status, answer.read()
    connection.close()
    return str(answer.getheader("X-Prediction-Id"))


def _is_stored(server: Server, identifier: str) -> bool:
    return bool(server.ask(f"/v0/models/credit/predictions?id={identifier}")[1]["predictions"])


def _addresses(server: Server, prediction: str) -> dict[str, str]:
    """Return the address of every page that a browser may open, by the name of its picture."""
    (version, *_) = server.ask("/v0/models/credit/versions")[1]["versions"]
    return {
        "models": "/models",
        "try": "/models/credit",
        "about": f"/v0/models/credit/versions/{version['version']}",
        "versions": "/models/credit/versions",
        "dashboard": "/models/credit/dashboard?window=24h",
        "predictions": "/models/credit/predictions",
        "prediction": f"/models/credit/predictions/{prediction}",
        "sign-in": "/sign-in",
        "api": "/docs",
        "api-model": "/docs/credit",
        "not-found": "/models/nothing",
    }
