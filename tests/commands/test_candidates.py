"""`flask models canary` and `shadow`, how they end, and what a service has counted of them."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from persistence.folder import Folder
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.candidates import copied, parcels
from tests.support.models import unstored
from tests.support.serving import free_port, running, wait_until

KEY = "a-key-of-at-least-22-characters"


@pytest.fixture
def store(two_parcels: ModelStore, tmp_path: Path) -> ModelStore:
    return copied(two_parcels, tmp_path)


def run(store: ModelStore, *arguments: str, **environment: str) -> Result:
    runner = serve(store, "parcel").test_cli_runner()
    return runner.invoke(args=["models", *arguments], env=environment)


def told(store: ModelStore, *arguments: str) -> Any:
    done = run(store, *arguments, "--json")
    assert 0 == done.exit_code, done.stderr
    return json.loads(done.stdout)


def test_canary_when_started_stands_in_the_pointer_and_in_the_list(store: ModelStore) -> None:
    old, new = store.versions("parcel")

    dry = run(store, "canary", "parcel", new, "--share", "0.25", "--dry-run")
    assert (0, None) == (dry.exit_code, store.pointer("parcel").candidate), dry.stderr
    document = told(store, "canary", "parcel", new, "--share", "0.25")

    candidate = store.pointer("parcel").candidate
    assert candidate is not None
    assert (new, "canary", 0.25, "caller") == candidate[:4]
    assert (old, candidate._asdict(), None) == (
        document["promoted"], document["candidate"], document["before"]
    )  # fmt: skip
    rows = told(store, "list", "--model", "parcel")["versions"]
    assert [candidate._asdict(), None] == [row["candidate"] for row in rows]
    lines = run(store, "list", "--model", "parcel").stdout.splitlines()
    assert [[new, "~"], [old, "*"]] == [line.split()[1:3] for line in lines[1:3]]


def test_candidate_when_another_is_tried_takes_its_place(store: ModelStore) -> None:
    _, new = store.versions("parcel")
    run(store, "canary", "parcel", new, "--share", "0.1", "--by", "request")

    done = run(store, "shadow", "parcel", new)

    assert 0 == done.exit_code, done.stderr
    assert f"Before: the canary of {new}, 0.1." in done.stdout
    candidate = store.pointer("parcel").candidate
    assert candidate is not None
    assert (new, "shadow", 1.0) == candidate[:3]


def test_candidate_when_it_is_being_removed_is_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(place: Folder, name: str, version: str) -> None:
        raise KeyboardInterrupt

    _, new = store.versions("parcel")
    monkeypatch.setattr(Folder, "remove", die)
    with pytest.raises(KeyboardInterrupt):
        store.remove("parcel", new)
    monkeypatch.undo()

    done = run(store, "canary", "parcel", new)

    assert (1, None) == (done.exit_code, store.pointer("parcel").candidate)
    assert "it is being removed" in done.stderr


def test_promotion_when_something_is_tried_ends_it_and_says_so(store: ModelStore) -> None:
    old, new = store.versions("parcel")
    run(store, "canary", "parcel", new)
    kept = run(store, "promote", "parcel", old)
    assert f"This ends the canary of {new}." in kept.stdout
    assert (old, None) == (store.promoted("parcel"), store.pointer("parcel").candidate)

    run(store, "shadow", "parcel", new)
    document = told(store, "promote", "parcel", new)

    assert (new, "shadow") == (document["ended"]["version"], document["ended"]["mode"])
    assert (new, None) == (store.promoted("parcel"), store.pointer("parcel").candidate)


def test_rollback_when_something_is_tried_ends_that_alone(store: ModelStore) -> None:
    old, new = store.versions("parcel")
    store.promote("parcel", new)
    run(store, "canary", "parcel", old)

    assert "Nothing is changed" in run(store, "rollback", "parcel", "--dry-run").stdout
    assert store.pointer("parcel").candidate is not None
    done = run(store, "rollback", "parcel")

    assert f"Ended the canary of {old}. {new} of parcel stays promoted." in done.stdout
    assert (new, None) == (store.promoted("parcel"), store.pointer("parcel").candidate)
    assert old == told(store, "rollback", "parcel")["version"]


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_candidate_when_it_cannot_be_tried_is_refused_in_a_sentence(
    store: ModelStore, mode: str
) -> None:
    old, new = store.versions("parcel")
    (store.root / "parcel" / new / "report.html").write_bytes(b"other")

    promoted, damaged = run(store, mode, "parcel", old), run(store, mode, "parcel", new)
    unknown, nobody = run(store, mode, "parcel", "x"), run(store, mode, "nobody", "x")

    assert [1] * 4 == [one.exit_code for one in (promoted, damaged, unknown, nobody)]
    assert f"{old} of parcel is the promoted version" in promoted.stderr
    assert f"{new} of parcel is not tried: " in damaged.stderr
    assert None is store.pointer("parcel").candidate


def test_candidate_when_its_schema_is_another_is_refused_and_the_fields_are_named(
    store: ModelStore,
) -> None:
    _, new = store.versions("parcel")
    card = store.read_card("parcel", new)
    folder = store.root / "parcel" / new
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    schema = card["schema"]
    fields = [{**one, "maximum": 90} if one["name"] == "weight" else one
              for one in schema["fields"]]  # fmt: skip
    body = unstored(card) | {"schema": {**schema, "fields": fields, "extras": "ignore"}}
    body["golden"] = []  # with other fields, they would not be answered
    other = store.write(body, files)

    done = run(store, "canary", "parcel", other)

    assert 1 == done.exit_code
    assert "could not be answered by the other: weight maximum: 100 -> 90; extras" in done.stderr
    assert None is store.pointer("parcel").candidate


def test_candidate_when_another_version_is_promoted_meanwhile_is_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store.versions("parcel")
    alone = ModelStore.change

    def change(self: ModelStore, name: str, how: Any) -> None:
        alone(self, name, lambda known: known.promote(new))  # type: ignore[union-attr]
        alone(self, name, how)

    monkeypatch.setattr(ModelStore, "change", change)
    done = run(store, "canary", "parcel", new)

    assert (1, True) == (done.exit_code, "has just been promoted" in done.stderr)
    assert (new, None) == (store.promoted("parcel"), store.pointer("parcel").candidate)
    assert old == store.pointer("parcel").promotions[0].version


@pytest.mark.parametrize("share", ["0", "1.01", "-0.1", "nan", "inf", "half"])
def test_share_when_it_is_none_is_wrong_usage(store: ModelStore, share: str) -> None:
    _, new = store.versions("parcel")

    done = run(store, "canary", "parcel", new, "--share", share)

    assert (2, None) == (done.exit_code, store.pointer("parcel").candidate)


def test_difference_when_something_is_tried_is_that_from_the_promoted_one(
    store: ModelStore,
) -> None:
    old, new = store.versions("parcel")
    store.promote("parcel", new)
    run(store, "shadow", "parcel", old)

    found = told(store, "diff", "parcel")

    assert (new, old) == (found["from"], found["to"])
    assert "live" not in found


@pytest.mark.slow
def test_difference_when_a_service_runs_tells_what_it_has_counted(
    store: ModelStore, tmp_path: Path
) -> None:
    old, new = store.versions("parcel")
    run(store, "shadow", "parcel", new)
    with running(
        tmp_path, until="/readyz", model_store=store.root, default_model="parcel", api_key=KEY
    ) as server:
        address = f"http://127.0.0.1:{server.port}"
        for number, one in enumerate(parcels(30)):
            headers = {"x-api-key": KEY, "Content-Type": "application/json"}
            path = f"/v0/models/parcel/versions/{new}/predict" if number < 4 else "/v0/predict"
            assert 200 == server.ask(path, json.dumps(one), **headers)[0]
        asked = ("diff", "parcel", "--service", address, "--json")

        def live() -> Any:
            return json.loads(run(store, *asked, API_KEY=KEY).stdout)["live"]["versions"]

        wait_until(lambda: 26 == (live()[new]["shadow"] or {}).get("records"), "all comparisons")
        found = live()
        text = run(store, *asked[:-1], API_KEY=KEY).stdout
        refused = run(store, *asked)

    assert {"predictions": 26, "errors": 0, "shadow": None} == found[old]
    assert (4, 0) == (found[new]["predictions"], found[new]["errors"])
    shadow = found[new]["shadow"]
    assert 0 < shadow["differences"] < 26
    assert 0 < shadow["largest_difference"] <= 1
    assert (0, 0) == (shadow["failures"], shadow["dropped"])
    assert f"differences         {shadow['differences']}\n" in text
    assert (1, True) == (refused.exit_code, "wants an API key" in refused.stderr)


@contextmanager
def speaking(page: bytes) -> Iterator[int]:
    """Answer everything with a page, on the port that is given."""

    class Speaker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Speaker) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.slow
def test_difference_when_no_service_answers_refuses_in_a_sentence(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(address: str) -> str:
        done = run(store, "diff", "parcel", "--service", address)
        assert (1, "") == (done.exit_code, done.stdout)
        return done.stderr

    assert "does not answer: " in refusal(f"http://127.0.0.1:{free_port()}")
    for address in ("credit", "ftp://here", "http://", "http://key@127.0.0.1", "http://[x"):
        assert "give an address such as http://127.0.0.1:8000" in refusal(address)
    with speaking(b"<html>") as port:
        assert "is not a page of this service" in refusal(f"http://127.0.0.1:{port}")
    monkeypatch.setattr("engine.commands.service_metrics.TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_difference_when_the_service_is_not_named_is_the_one_at_port_8000(
    store: ModelStore,
) -> None:
    done = run(store, "diff", "parcel", "--service")

    assert "http://127.0.0.1:8000" in done.stdout + done.stderr  # whether there is one or not
