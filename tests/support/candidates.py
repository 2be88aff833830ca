"""A version of parcel that is tried beside the promoted one."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.runtime.loading import load_version
from persistence.model_persistence import ModelStore
from persistence.promotions import Candidate, Pointer, now
from tests.support.exposed import Exposed
from tests.support.models import EXAMPLES

PARCEL = EXAMPLES["parcel"]


def copied(store: ModelStore, folder: Path) -> ModelStore:
    """Give a store of its own to a test that changes it."""
    shutil.copytree(store.root, folder / "store")
    return ModelStore(folder / "store")


def try_version(
    store: ModelStore, mode: str, *, share: float = 1.0, by: str = "request"
) -> tuple[str, str]:
    """Try the newest parcel; give the promoted version and that."""
    newest = store.versions("parcel")[-1]
    candidate = Candidate(newest, mode, share, by, now())

    def change(known: Pointer | None) -> Pointer:
        assert known is not None
        return known._replace(candidate=candidate)

    store.change("parcel", change)
    return store.promoted("parcel"), newest


def parcels(count: int) -> list[dict[str, Any]]:
    """Make up records of all sizes."""
    draw = Random(5)  # noqa: S311  no secrets
    return [
        {**PARCEL, "weight": round(draw.uniform(0, 100), 2), "pieces": draw.randint(1, 50)}
        for _ in range(count)
    ]


def offline(store: ModelStore, version: str, records: list[dict[str, Any]]) -> list[Any]:
    """Predict records without the service."""
    found = load_version(store, "parcel", version)
    return found.predict(found.schema.columns(records))


def version_of(answer: TestResponse) -> str:
    """Tell which version an answer names, wherever its protocol has room for that."""
    assert 200 == answer.status_code, answer.text
    if "X-Model-Version" in answer.headers:
        return answer.headers["X-Model-Version"]
    body = answer.get_json()
    body = body["result"]["structuredContent"] if "jsonrpc" in body else body
    return str(body["model_version"] if "model_version" in body else body["model"]["version"])


def scraped(client: FlaskClient) -> Exposed:
    """Read what the service has counted."""
    return Exposed(client.get("/metrics").text)
