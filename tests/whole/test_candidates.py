"""A version tried beside the promoted one, in all workers of a running service."""

import json
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.candidates import PARCEL, copied, offline, parcels
from tests.support.exposed import Exposed
from tests.support.serving import Server, running, wait_until

pytestmark = pytest.mark.slow

#: A path that is answered on the loop, and one that is answered in a thread.
PATHS = ("/v0/predict", "/v0/predict?")


@pytest.fixture
def store(two_parcels: ModelStore, tmp_path: Path) -> ModelStore:
    return copied(two_parcels, tmp_path)


def run(store: ModelStore, *arguments: str) -> None:
    done = serve(store, "parcel").test_cli_runner().invoke(args=["models", *arguments])
    assert 0 == done.exit_code, done.stderr


def version_for(server: Server, key: str, path: str = PATHS[0]) -> str:
    """Ask on a new connection, which either worker takes, as somebody."""
    headers = {"Content-Type": "application/json", "X-Canary-Key": key}
    status, answer = server.ask(path, json.dumps(PARCEL), **headers)
    assert 200 == status
    return str(answer["model"]["version"])


def of_candidate(server: Server, keys: Iterable[str], candidate: str) -> set[str]:
    """Return the keys that get the candidate; each is sent twice."""
    routed = set()
    for key in keys:
        first, second = (version_for(server, key, path) for path in PATHS)
        assert first == second
        if first == candidate:
            routed.add(key)
    return routed


def wait_for(server: Server, store: ModelStore, share: float) -> None:
    """Wait until both workers divide the requests by a share."""
    tried = {"share": share} if share else None

    def is_known() -> bool:
        shown = [server.ask("/v0/models/parcel")[1]["candidate"] for _ in range(20)]
        return all((trial and {"share": trial["share"]}) == tried for trial in shown)

    wait_until(is_known, f"the share {share} in all workers")


def test_canary_when_callers_are_many_divides_them_and_ends_by_rollback_and_promote(
    store: ModelStore, tmp_path: Path
) -> None:
    old, new = store.versions("parcel")
    keys = [f"customer {number}" for number in range(500)]
    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="parcel"
    ) as server:
        run(store, "canary", "parcel", new, "--share", "0.3")
        wait_for(server, store, 0.3)
        few = of_candidate(server, keys, new)
        run(store, "canary", "parcel", new, "--share", "0.6")
        wait_for(server, store, 0.6)
        many = of_candidate(server, keys[:200], new)
        run(store, "rollback", "parcel")
        wait_for(server, store, 0)
        none = of_candidate(server, keys[:40], new)
        run(store, "canary", "parcel", new)
        run(store, "promote", "parcel", new)
        wait_until(
            lambda: {new} == {version_for(server, key) for key in keys[:20]}, "the promotion"
        )

    assert 109 < len(few) < 191  # of 500; four deviations about 150
    assert 92 < len(many) < 148  # of 200
    assert few & {*keys[:200]} <= many
    assert set() == none
    assert (new, None) == (store.promoted("parcel"), store.pointer("parcel").candidate)
    assert old == store.pointer("parcel").promotions[0].version


def scrape(server: Server) -> Exposed:
    status, body = server.ask("/metrics")
    assert 200 == status
    return Exposed(body.decode())


def test_shadow_when_workers_share_the_requests_counts_what_differs_offline(
    store: ModelStore, tmp_path: Path
) -> None:
    old, new = store.versions("parcel")
    records = parcels(200)
    expected, silent = (offline(store, version, records) for version in (old, new))
    differing = sum(a.value != b.value for a, b in zip(expected, silent, strict=True))
    run(store, "shadow", "parcel", new)
    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="parcel"
    ) as server:
        answers = [server.ask(path, json.dumps(record), **{"Content-Type": "application/json"})[1]
                   for record, path in zip(records, cycle(PATHS), strict=False)]  # fmt: skip

        values = [answer["prediction"]["value"] for answer in answers]
        assert [prediction.value for prediction in expected] == values
        assert {old} == {answer["model"]["version"] for answer in answers}
        key = ("parcel", new)
        wait_until(
            lambda: 200 == scrape(server).of("model_shadow_records_total", "model", "version")[key],
            "all comparisons",
        )
        counts = scrape(server).of("model_shadow_differences_total", "model", "version")
        assert 0 < differing < 200
        assert {key: differing} == counts


#: What a candidate may do at its worst.
STUCK = """
import time
from engine.runtime.version import StoredVersion

def never(self, matrix, original=StoredVersion.decide_matrix):
    if self.version == {version!r}:
        time.sleep(3600)
    return original(self, matrix)

StoredVersion.decide_matrix = never
"""


def test_service_when_its_shadow_is_stuck_answers_and_stops(
    store: ModelStore, tmp_path: Path
) -> None:
    old, new = store.versions("parcel")
    run(store, "shadow", "parcel", new)
    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="parcel",
        config=STUCK.format(version=new),
    ) as server:  # fmt: skip
        answers: list[Any] = [server.ask(PATHS[number % 2], PARCEL) for number in range(40)]

        assert {(200, old)} == {(status, answer["model"]["version"]) for status, answer in answers}
        assert 0 == server.stop()
        assert "Traceback" not in server.log.read_text()
