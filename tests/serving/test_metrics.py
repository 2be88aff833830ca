"""What is counted of a request, whichever way it is answered."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.serving.metrics import BUCKETS
from engine.serving.shared_counters import SLOT_BYTES, SharedCounters
from persistence.model_persistence import ModelStore
from tests.support.application import ask_loop, serve
from tests.support.exposed import Exposed
from tests.support.models import EXAMPLES

PARCEL = EXAMPLES["parcel"]


@pytest.fixture
def app(toy_store: ModelStore) -> Flask:
    """An application that has counted nothing yet."""
    app = serve(toy_store, "parcel")
    for name in ("parcel", "rent"):
        app.extensions["resources"].models.get(name)
    return app


def scrape(client: FlaskClient, **headers: str) -> Exposed:
    answer = client.get("/metrics", headers=headers)
    assert 200 == answer.status_code
    return Exposed(answer.text)


def test_requests_when_counted_have_our_names_and_no_words_of_the_client(app: Flask) -> None:
    client = app.test_client()
    version = app.extensions["resources"].models.get("rent").version

    client.post("/v0/predict", json=PARCEL)
    client.post(f"/v0/models/rent/versions/{version}/predict", json=EXAMPLES["rent"])
    client.get("/v0/predict")
    client.head("/livez")
    client.get("/secret/path")
    client.open("/livez", method="BREW")
    client.post("/v0/models/nobody/predict", json={})

    exposed = scrape(client)
    assert {
        ("/v0/predict", "POST", "200"): 1,
        ("/v0/models/<name>/versions/<version>/predict", "POST", "200"): 1,
        ("/v0/models/<name>/predict", "POST", "404"): 1,
        ("/livez", "HEAD", "200"): 1,
        ("(none)", "GET", "404"): 1,
        ("(none)", "GET", "405"): 1,
        ("(none)", "(other)", "405"): 1,
    } == exposed.of("http_requests_total", "route", "method", "status")
    assert {("not_found",): 2, ("method_not_allowed",): 2} == exposed.of(
        "http_rejections_total", "reason"
    )
    assert not [
        word for word in ("secret", "BREW", "nobody") if word in client.get("/metrics").text
    ]


def test_latency_when_counted_is_in_as_many_buckets_as_it_should(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        client.get("/livez")

    exposed = scrape(client)

    buckets = exposed.of("http_request_duration_seconds_bucket", "route", "le")
    ends = [float(end) for route, end in buckets if route == "/livez"]
    counts = [count for (route, _), count in buckets.items() if route == "/livez"]
    assert [*BUCKETS, float("inf")] == ends
    assert sorted(counts) == counts
    assert {("/livez",): 3} == exposed.of("http_request_duration_seconds_count", "route")
    assert 0 < exposed.of("http_request_duration_seconds_sum", "route")["/livez",] < 3


def test_predictions_when_counted_are_by_class_and_for_numbers_without(app: Flask) -> None:
    client = app.test_client()
    large = {**PARCEL, "weight": 99, "height": 150}
    lines = "\n".join(json.dumps(record) for record in (PARCEL, large, large))

    client.post("/v0/predict", json=PARCEL)
    client.post("/v0/predict", json=[PARCEL, large])
    client.post("/v0/predict", data=lines, content_type="application/x-ndjson")
    client.post("/v0/models/rent/predict", json=[EXAMPLES["rent"]] * 2)
    client.post("/v0/models/coin/predict", json=EXAMPLES["coin"])

    exposed = scrape(client)
    counts = exposed.of("model_predictions_total", "model", "class")
    coin = client.post("/v0/models/coin/predict", json=EXAMPLES["coin"]).get_json()
    label = client.post("/v0/predict", json=large).get_json()["prediction"]["value"]
    assert {
        ("parcel", "small"): 3,
        ("parcel", label): 3,
        ("rent", ""): 2,
        ("coin", str(coin["prediction"]["value"])): 1,
    } == counts
    (rent,) = (
        sample
        for sample in exposed.samples
        if sample.labels.get("model") == "rent" and sample.value == 2
    )
    assert {"model", "version"} == set(rent.labels)


def test_problems_when_counted_name_fields_of_the_schema_alone(app: Flask) -> None:
    client = app.test_client()
    wrong = {**PARCEL, "weight": "heavy", "http://evil": 1}

    client.post("/v0/predict", json=wrong)
    client.post("/v0/predict", json=[PARCEL, wrong, 5])
    client.post("/v0/predict", json={"data": {"weight": ["x"]}})

    counts = scrape(client).of("model_validation_errors_total", "model", "field", "code")
    assert 3 == counts["parcel", "weight", "wrong_type"]
    assert 2 == counts["parcel", "(other)", "extra"]
    assert 1 == counts["parcel", "(other)", "wrong_type"]
    assert "evil" not in client.get("/metrics").text


def test_request_when_the_fast_path_fails_on_it_is_counted_by_the_step(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(PARCEL).encode()
    request: Any = ("/v0/predict", {}, body)
    parcel = app.extensions["resources"].models.get("parcel")

    monkeypatch.setattr(parcel, "predict_one", lambda packed: 1 / 0)
    assert [None, None] == ask_loop(app, [request, request])
    monkeypatch.setattr(parcel, "decoder", None)
    assert [None] == ask_loop(app, [request])
    with monkeypatch.context() as patch:
        patch.setattr(app.extensions["resources"].limit, "take", lambda key, requests: 1 / 0)
        assert [None] == ask_loop(app, [request])

    fallbacks = scrape(app.test_client()).of("fast_path_fallbacks_total", "reason")
    assert {("parse",): 1, ("read",): 1, ("predict",): 2} == fallbacks


def test_counts_when_asked_both_ways_are_the_same(toy_store: ModelStore) -> None:
    version = serve(toy_store, "parcel").extensions["resources"].models.get("rent").version
    requests = [
        ("/v0/predict", PARCEL),
        ("/v0/predict", [PARCEL, {**PARCEL, "weight": 99}]),
        ("/v0/models/parcel/predict", PARCEL),
        ("/inference/rent", EXAMPLES["rent"]),
        (f"/v0/models/rent/versions/{version}/predict", [EXAMPLES["rent"]] * 3),
        ("/v0/models/rent/predict", EXAMPLES["rent"]),
    ]
    scrapes = []
    for is_fast in (True, False):
        app = serve(toy_store, "parcel")
        for name in ("parcel", "rent"):
            app.extensions["resources"].models.get(name)
        client = app.test_client()
        if is_fast:
            given: Any = [(path, {}, json.dumps(body).encode()) for path, body in requests]
            assert all(ask_loop(app, given))
        else:
            assert {200} == {client.post(path, json=body).status_code for path, body in requests}
        scrapes.append(scrape(client))

    for name, *labels in (
        ("http_requests_total", "route", "method", "status"),
        ("http_request_duration_seconds_count", "route"),
        ("model_predictions_total", "model", "version", "class"),
    ):
        fast, ordinary = (scraped.of(name, *labels) for scraped in scrapes)
        assert fast and fast == ordinary


def test_age_when_asked_is_the_time_since_training(app: Flask) -> None:
    exposed = scrape(app.test_client())

    ages = exposed.of("model_age_seconds", "model")
    assert {("parcel",), ("rent",)} == set(ages)
    assert ages["parcel",] > 5 * 365 * 86400
    assert {("parcel",): 1, ("rent",): 1} == exposed.of("model_loaded", "model")


def test_answer_when_openmetrics_is_wished_for_is_that(app: Flask) -> None:
    answer = app.test_client().get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_tallies_when_a_slot_is_full_go_on_with_what_they_have(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tallies = SharedCounters(2, widths={})

    for number in range(2 * SLOT_BYTES // 1000):
        tallies.add([(("long", "x" * 1000, number), 0, 1), (("first",), 0, 1)])

    numbers = dict(tallies.read())
    assert [2 * SLOT_BYTES // 1000] == numbers["first",]
    assert 900 < len(numbers) < SLOT_BYTES // 1000 + 10
    assert 1 == caplog.text.count("no room to count")


def test_tallies_when_another_takes_the_slot_go_on(app: Flask) -> None:
    tallies = SharedCounters(3, widths={"wide": 2})
    tallies.use(1)
    tallies.add([(("wide", "a"), 1, 5), (("here",), 0, 1)])
    tallies.use(2)
    tallies.add([(("wide", "a"), 1, 1)])

    tallies.clear(1, {"here"})
    tallies.use(1)
    tallies.add([(("wide", "a"), 1, 2)])

    assert [(("wide", "a"), [0, 7]), (("here",), [0]), (("wide", "a"), [0, 1])] == [*tallies.read()]
