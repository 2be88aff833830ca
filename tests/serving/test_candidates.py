"""A canary: which requests it gets, whichever way they come in."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from engine.api.middleware.auth import ACCESS
from engine.records.upload import Upload
from engine.serving.candidates import hash_to_unit, in_share, routing_key
from engine.serving.request import PredictRequest
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.candidates import PARCEL, copied, parcels, scraped, try_version, version_of
from tests.support.inputs import first_daily
from tests.support.runtimes import RUN_FILE
from tests.support.table_bodies import CSV, LINES, write_csv, write_lines
from tests.support.tensors import tensors

MODEL, A, B = "parcel", "20200102T030405Z-00000", "20210102T030405Z-11111"


@pytest.fixture
def store(two_parcels: ModelStore, tmp_path: Path) -> ModelStore:
    return copied(two_parcels, tmp_path)


def test_places_of_words_when_there_are_many_are_spread_evenly() -> None:
    bins = [0] * 50
    for number in range(20_000):
        bins[int(50 * hash_to_unit(MODEL, A, f"caller {number}".encode()))] += 1

    statistic = sum((count - 400) ** 2 / 400 for count in bins)

    assert 23.98 < statistic < 85.35  # of 49 degrees of freedom, 0.001 lies beyond each


def test_places_of_words_when_the_version_is_another_are_others() -> None:
    words = [f"caller {number}".encode() for number in range(2_000)]

    of_both = sum(
        hash_to_unit(MODEL, A, word) < 0.5 and hash_to_unit(MODEL, B, word) < 0.5 for word in words
    )

    assert 430 < of_both < 570  # a quarter, as of two coins; the deviation is 19
    assert (
        hash_to_unit(MODEL, A, words[0])
        == hash_to_unit(MODEL, A, words[0])
        != hash_to_unit("rent", A, words[0])
    )


def asking(**others: Any) -> PredictRequest:
    return PredictRequest(**{
        "body": b"{}", "content_type": "", "request_id": "id", "model": None, **others,
    })  # fmt: skip


def test_share_when_raised_keeps_those_that_it_had(store: ModelStore) -> None:
    inside: set[str] = set()
    for share in (0.05, 0.1, 0.5, 0.9, 1.0):
        try_version(store, "canary", share=share)
        models = serve(store, "parcel").extensions["resources"].models
        models.get()
        now = {
            str(number)
            for number in range(2_000)
            if in_share(models, asking(canary_key=str(number)))
        }
        assert inside <= now
        assert abs(len(now) - 2_000 * share) < 90  # four deviations
        inside = now

    assert 2_000 == len(inside)


def test_word_when_asked_is_of_the_header_then_the_caller_then_the_body(tmp_path: Path) -> None:
    key = make_key("shop")[1]

    assert b"ana" == routing_key(asking(canary_key="ana", key=key), by="caller")
    assert b"ana" == routing_key(asking(canary_key="ana", key=key), by="request")
    assert b"shop" == routing_key(asking(key=key), by="caller")
    assert b"{}" == routing_key(asking(key=key), by="request") == routing_key(asking(), by="caller")
    assert b"a,b" == routing_key(asking(body=Upload.of(b"a,b")), by="request")
    with (tmp_path / "table").open("wb+") as stream:
        assert b"id" == routing_key(asking(body=Upload(stream, length=2, most=9)), by="request")


def ways() -> dict[str, dict[str, Any]]:
    """Give a request for each way in, by its path and what it sends."""
    record = json.dumps(PARCEL)
    inputs = json.dumps({"inputs": tensors([PARCEL])})
    return {
        "one": {"path": "/v0/predict", "json": PARCEL},
        "many": {"path": "/v0/models/parcel/predict", "json": [PARCEL, PARCEL]},
        "inference": {"path": "/inference/parcel", "json": PARCEL},
        "csv": {"path": "/v0/predict", "data": write_csv([PARCEL]), "content_type": CSV},
        "lines": {"path": "/v0/predict", "data": write_lines([PARCEL]), "content_type": LINES},
        "as lines": {"path": "/v0/predict", "json": PARCEL, "headers": {"Accept": LINES}},
        "form": {
            "path": "/models/parcel",
            "data": {f"field.{name}": value for name, value in PARCEL.items()},
        },
        "table": {"path": "/models/parcel/table", "data": {"text": write_csv([PARCEL])}},
        "tool": {
            "path": "/v0/models/parcel/mcp",
            "json": {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "predict", "arguments": PARCEL},
            },
        },
        "v1": {"path": "/v1/models/parcel:predict", "json": {"instances": [PARCEL]}},
        "v2": {"path": "/v2/models/parcel/infer", "data": inputs},
        "mlflow": {"path": "/invocations", "json": {"dataframe_records": [PARCEL]}},
        "sagemaker": {"path": "/invocations", "data": write_csv([PARCEL]), "content_type": CSV},
        "vetiver": {"path": "/predict", "json": [PARCEL]},
        "vertex": {"path": "/vertex", "data": f'{{"instances": [{record}]}}'},
    }


PINNED = {
    "one": "/v0/models/parcel/versions/{}/predict",
    "v2": "/v2/models/parcel/versions/{}/infer",
}


def test_ways_when_listed_are_all_that_there_are(store: ModelStore) -> None:
    routes = serve(store, "parcel", aip_predict_route="/vertex").url_map.bind("localhost")

    endpoints = {routes.match(way["path"], "POST")[0] for way in ways().values()}

    others = {"v1.explain", "what_if.find"}
    assert {name for name, scope in ACCESS.items() if "predict" == scope} - others == endpoints


@pytest.mark.parametrize("way", first_daily(*ways()))
def test_canary_when_its_share_is_all_answers_whichever_way_is_asked(
    store: ModelStore, way: str
) -> None:
    promoted, candidate = try_version(store, "canary")
    client = serve(store, "parcel", aip_predict_route="/vertex").test_client()

    assert candidate == version_of(client.post(**ways()[way]))
    store.promote("parcel", promoted)
    client = serve(store, "parcel", aip_predict_route="/vertex").test_client()
    assert promoted == version_of(client.post(**ways()[way]))


@pytest.mark.parametrize("way", PINNED)
def test_request_when_it_names_a_version_gets_that(store: ModelStore, way: str) -> None:
    promoted, candidate = try_version(store, "canary")
    client = serve(store, "parcel").test_client()
    pinned = {**ways()[way], "path": PINNED[way].format(promoted)}

    assert candidate == version_of(client.post(**ways()[way]))
    assert promoted == version_of(client.post(**pinned))


def at_once(app: Flask, record: Any, **headers: str) -> str | None:
    """Ask on the event loop; None when that is left to the threads."""
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    (answer,) = ask_loop(app, [("/v0/predict", given, json.dumps(record).encode())])
    return str(json.loads(answer[1])["model"]["version"]) if answer else None


def test_ways_when_the_share_is_half_agree_on_every_request(
    store: ModelStore, tmp_path: Path
) -> None:
    versions = try_version(store, "canary", share=0.5)
    app = serve(store, "parcel")
    client = app.test_client()

    assert at_once(app, PARCEL) is None, "nothing is loaded on the loop"
    in_threads = [version_of(client.post("/v0/predict", data=json.dumps(record),
                                         content_type="application/json"))
                  for record in parcels(60)]  # fmt: skip

    assert {*versions} == {*in_threads}
    assert in_threads == [at_once(app, record) for record in parcels(60)]
    for name in map(str, range(20)):
        answer = client.post("/v0/predict", json=PARCEL, headers={"X-Canary-Key": f" {name}"})
        assert version_of(answer) == at_once(app, PARCEL, x_canary_key=f"{name} ")


def test_callers_when_keys_are_asked_each_get_one_version(
    store: ModelStore, tmp_path: Path
) -> None:
    versions = try_version(store, "canary", share=0.5, by="caller")
    keys = dict(make_key(f"caller-{number}") for number in range(12))
    for key in keys.values():
        KeyFile(tmp_path / "keys.json").add(key)
    app = serve(store, "parcel", keys_file=tmp_path / "keys.json")
    client = app.test_client()
    seen = {}

    for text, key in keys.items():
        given = {"x-api-key": text}
        in_threads = {
            version_of(client.post("/v0/predict", json=record, headers=given))
            for record in parcels(5)
        }
        assert in_threads == {at_once(app, record, x_api_key=text) for record in parcels(5)}
        (seen[key.name],) = in_threads

    assert {*versions} == {*seen.values()}
    assert seen == {
        name: versions[hash_to_unit("parcel", versions[1], name.encode()) < 0.5] for name in seen
    }


def test_candidate_when_it_cannot_be_read_leaves_all_to_the_promoted_one(
    store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    promoted, candidate = try_version(store, "canary")
    (store.root / "parcel" / candidate / RUN_FILE).write_bytes(b"x")
    app = serve(store, "parcel")
    client = app.test_client()

    answering = [version_of(client.post("/v0/predict", json=record)) for record in parcels(5)]

    assert [promoted] * 5 == answering
    assert promoted == at_once(app, PARCEL)
    assert 1 == caplog.text.count(f"{candidate} of parcel is not served")
    refused = scraped(client).of("model_refused", "model", "version")
    assert {("parcel", candidate): 1} == refused


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_candidate_when_another_than_the_promoted_version_serves_is_not_asked(
    store: ModelStore, mode: str
) -> None:
    old, new = store.versions("parcel")
    store.promote("parcel", new)
    store.promote("parcel", old)
    try_version(store, mode)
    (store.root / "parcel" / old / RUN_FILE).write_bytes(b"x")
    app = serve(store, "parcel")
    client = app.test_client()

    assert new == version_of(client.post("/v0/predict", json=PARCEL))  # the last good version

    assert None is app.extensions["resources"].models.candidate()
    assert None is client.get("/v0/models/parcel").get_json()["candidate"]


def test_canary_when_it_fails_is_counted_by_version(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted, candidate = try_version(store, "canary", share=0.5)
    app = serve(store, "parcel")
    client = app.test_client()
    failing = app.extensions["resources"].models.get("parcel", candidate)
    monkeypatch.setattr(failing, "predict_one", lambda packed: 1 / 0)

    statuses = [client.post("/v0/predict", json=record).status_code for record in parcels(30)]

    failed = statuses.count(500)
    assert 0 < failed < 30
    exposed = scraped(client)
    assert {("parcel", candidate): failed} == exposed.of("model_errors_total", "model", "version")
    assert {(promoted,): 30 - failed} == exposed.of("model_predictions_total", "version")


def test_lists_when_a_version_is_tried_show_it_beside_the_promoted_one(store: ModelStore) -> None:
    client = serve(store, "parcel").test_client()
    assert None is client.get("/v0/models/parcel").get_json()["candidate"]
    _, candidate = try_version(store, "canary", share=0.25, by="caller")

    for path in ("/v0/models/parcel", "/v0/models/parcel/versions"):
        shown = serve(store, "parcel").test_client().get(path).get_json()["candidate"]
        tried = {"version": candidate, "mode": "canary", "share": 0.25, "by": "caller"}
        assert tried == {name: shown[name] for name in tried}
        assert shown["at"].endswith("+00:00")
