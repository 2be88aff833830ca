"""What platforms and vetiver's client ask; failures in the form of each protocol."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api.protocols.vertex import RouteTaken
from persistence.model_persistence import ModelStore
from settings import InvalidSettings, Settings
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.inputs import many
from tests.support.serving import APP, GUNICORN, free_port, running, wait_until
from tests.support.table_bodies import PARCEL, PARCELS
from tests.whole.test_start import run

HEALTH = "/v1/endpoints/7/deployedModels/8"
PREDICT = f"{HEALTH}:predict"
ROWS = [list(one.values()) for one in PARCELS]
COLUMNS = {name: [one[name] for one in PARCELS] for name in PARCEL}


@pytest.fixture(scope="module")
def asked(toy_store: ModelStore) -> FlaskClient:
    """Ask the toys where Vertex AI has named its routes."""
    return serve(
        toy_store, "parcel", aip_health_route=HEALTH, aip_predict_route=PREDICT
    ).test_client()


def expect(client: FlaskClient, records: Any = PARCELS) -> list[dict[str, Any]]:
    """Give the predictions of /v0/predict."""
    found: list[dict[str, Any]] = client.post("/v0/predict", json=records).get_json()["predictions"]
    return found


def google(answer: Any, status: int = 400) -> tuple[str, str]:
    """Check a failure as Google's services phrase it; give status and message."""
    assert (status, "application/json") == (answer.status_code, answer.content_type), answer.text
    error = read_strictly(answer.data)["error"]
    assert {"code", "message", "status"} == set(error)
    assert status == error["code"]
    return error["status"], error["message"]


def test_health_when_the_model_answers_is_said_to_every_host(asked: FlaskClient) -> None:
    ping = asked.get("/ping")

    assert (200, "application/json", b"\n") == (ping.status_code, ping.content_type, ping.data)
    assert 200 == asked.get(HEALTH).status_code
    assert "Pronto 0" == asked.get("/version").text
    assert "0" == asked.get("/openapi.json").get_json()["info"]["version"]


def test_health_when_the_model_does_not_answer_is_refused(tmp_path: Path) -> None:
    absent = serve(ModelStore(tmp_path), "parcel", aip_health_route=HEALTH).test_client()

    ping = absent.get("/ping")

    assert 404 == ping.status_code
    assert "does not answer" in ping.get_json()["message"]
    assert "UNAVAILABLE" == google(absent.get(HEALTH), 503)[0]


def test_health_when_the_service_stops_is_refused(toy_store: ModelStore) -> None:
    app = serve(toy_store, "parcel", aip_health_route=HEALTH)
    app.extensions["resources"].stopping.set()

    assert 404 == app.test_client().get("/ping").status_code
    assert "stopping" in google(app.test_client().get(HEALTH), 503)[1]


@pytest.mark.parametrize(
    ("workers", "most_bytes", "megabytes"), [(2, 2**30, 50), (4, 5 * 2**20, 5), (500, 2**30, 1)]
)
def test_execution_parameters_when_asked_keep_to_the_limit(
    toy_store: ModelStore, workers: int, most_bytes: int, megabytes: int
) -> None:
    app = serve(toy_store, "parcel", web_concurrency=workers, max_table_bytes=most_bytes)

    assert {
        "MaxConcurrentTransforms": min(workers, 100),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": megabytes,
    } == app.test_client().get("/execution-parameters").get_json()


@pytest.mark.parametrize("kind", ["application/json", None, "text/plain"])
@pytest.mark.parametrize("instances", [PARCELS, ROWS])
def test_vertex_when_asked_gives_the_predictions_of_predict(
    asked: FlaskClient, instances: Any, kind: str | None
) -> None:
    answer = asked.post(
        PREDICT, data=json.dumps({"instances": instances, "parameters": {}}), content_type=kind
    )

    found = read_strictly(answer.data)
    assert {"predictions"} == set(found)
    plain = [{k: v for k, v in one.items() if k != "warnings"} for one in found["predictions"]]
    assert expect(asked) == plain
    assert [2, 3] == [row for row, one in enumerate(found["predictions"]) if "warnings" in one]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "is not JSON"),
        ([], "has no instances"),
        ({}, "has no instances"),
        ({"instances": 3}, "/instances is 3"),
        ({"instances": []}, "there are no records"),
        ({"instances": [PARCEL], "parameters": {"a": 1}}, "/parameters"),
        ({"instances": [PARCEL], "signature": 1}, "/signature stands beside"),
        ({"instances": [PARCEL, {**PARCEL, "weight": "1"}, [1]]},
         "/instances/1/weight is '1': send a number from 0 to 100 (kg); /instances/2 has 1 values"),
    ],
)  # fmt: skip
def test_vertex_when_instances_are_wrong_says_all_that_is(
    asked: FlaskClient, body: Any, words: str
) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body)

    status, message = google(asked.post(PREDICT, data=sent))

    assert "INVALID_ARGUMENT" == status
    assert words in message


@pytest.mark.parametrize("body", [PARCELS, COLUMNS, [COLUMNS], ROWS])
def test_vetiver_when_asked_gives_the_values_of_predict(asked: FlaskClient, body: Any) -> None:
    answer = asked.post("/predict", data=json.dumps(body))

    assert {"predict": [one["value"] for one in expect(asked)]} == read_strictly(answer.data)


def test_vetiver_when_records_are_wrong_gets_text(asked: FlaskClient) -> None:
    answer = asked.post("/predict", json=[{**PARCEL, "weight": -1, "pieces": "x"}])

    assert (422, "text/plain; charset=utf-8") == (answer.status_code, answer.content_type)
    assert "/0/weight is -1" in answer.text
    assert "/0/pieces is 'x'" in answer.text


@pytest.mark.parametrize("path", ["/invocations", "/predict", PREDICT, HEALTH, "/ping", "/version"])
def test_failures_when_they_are_of_flask_have_the_form_of_the_path(
    toy_store: ModelStore, path: str
) -> None:
    small = serve(
        toy_store, "parcel", max_body_bytes=10, aip_health_route=HEALTH, aip_predict_route=PREDICT
    ).test_client()
    forms = {"/predict": str, PREDICT: google, HEALTH: google}

    large = small.post(path, data=b"[" * 11)
    wrong = small.delete(path)

    status = 413 if path in ("/invocations", "/predict", PREDICT) else 405
    for answer, expected in ((large, status), (wrong, 405)):
        if forms.get(path) is google:
            google(answer, expected)
        elif path == "/predict":
            assert (expected, "text/plain; charset=utf-8") == (
                answer.status_code, answer.content_type
            )  # fmt: skip
        else:
            assert {"error_code", "message"} == set(read_strictly(answer.data))
            assert expected == answer.status_code
    assert "Allow" in wrong.headers
    beside = "application/json" if path.startswith("/v1/") else "application/problem+json"
    assert beside == small.get(f"{path}x").content_type


@pytest.mark.parametrize("path", ["/invocations", "/predict", PREDICT])
def test_protocols_when_nothing_is_stored_say_so(tmp_path: Path, path: str) -> None:
    absent = serve(ModelStore(tmp_path), "parcel", aip_predict_route=PREDICT).test_client()

    answer = absent.post(path, data=json.dumps({"instances": [PARCEL]}))

    assert 503 == answer.status_code
    assert "no version of the default model" in answer.text


@pytest.mark.parametrize("taken", ["/v0/predict", "/health", "/", "/invocations", "/v0/models/a"])
def test_routes_when_the_service_has_them_are_refused(toy_store: ModelStore, taken: str) -> None:
    for name in ("aip_health_route", "aip_predict_route"):
        with pytest.raises(RouteTaken, match=f"{name.upper()} is '{taken}'"):
            serve(toy_store, "parcel", **{name: taken})


@pytest.mark.parametrize("path", ["predict", "/", "/a/", "/<name>", "/a b", "//a", "/a?b"])
def test_routes_when_they_are_no_path_are_refused(path: str) -> None:
    with pytest.raises(InvalidSettings, match="AIP_PREDICT_ROUTE is"):
        Settings.from_environment({"AIP_PREDICT_ROUTE": path})


@pytest.mark.slow
def test_start_when_a_route_is_taken_says_so_in_a_sentence(toy_store: ModelStore) -> None:
    done = run(
        *GUNICORN, model_store=toy_store.root, default_model="parcel", port=free_port(),
        aip_health_route="/livez",
    )  # fmt: skip

    assert 0 != done.returncode
    assert "app: AIP_HEALTH_ROUTE is '/livez', a route of the service itself" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "host", "port"),
    [
        ({}, "127.0.0.1", 8000),
        ({"AIP_HTTP_PORT": "1", "SAGEMAKER_BIND_TO_PORT": "2"}, "0.0.0.0", 1),  # noqa: S104
        ({"SAGEMAKER_BIND_TO_PORT": "2"}, "0.0.0.0", 2),  # noqa: S104
        ({"PORT": "3", "AIP_HTTP_PORT": "1"}, "0.0.0.0", 3),  # noqa: S104
        ({"HOST": "::1", "AIP_HTTP_PORT": "1"}, "::1", 1),
    ],
)
def test_port_when_platforms_name_it_is_the_first_of_them(
    variables: dict[str, str], host: str, port: int
) -> None:
    found = Settings.from_environment(variables)

    assert (host, port) == (found.host, found.port)


@pytest.mark.slow
def test_serve_when_a_host_starts_it_answers_at_the_port_that_it_names(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    port = free_port()
    with running(
        tmp_path, command=(*APP, "serve"), model_store=toy_store.root, default_model="parcel",
        sagemaker_bind_to_port=port, port="", host="", until="",
        web_concurrency=1, open_access="true",
    ) as server:  # fmt: skip
        server.port = port
        wait_until(lambda: server.answers("/livez"), "200 from /livez")

        assert 200 == server.ask("/invocations", {"inputs": [PARCEL]})[0]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*PARCEL, "columns", "data", "params", "x"]), inner)
    ),
    max_leaves=12,
)
keys = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"])
bodies = (
    st.dictionaries(keys, values, max_size=2).map(lambda one: json.dumps(one).encode())
    | values.map(lambda one: json.dumps(one).encode())
    | st.lists(st.lists(st.sampled_from(["1", "", "red", "tube", "True", '"', "weight"]))).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode()
    )
    | st.binary(max_size=40)
)
kinds = st.sampled_from(
    ["application/json", "text/csv", "text/csv; header=absent", "application/jsonlines",
     "application/x-npy", "application/vnd.apache.arrow.stream", ""]
)  # fmt: skip


@settings(max_examples=many(400))
@given(body=bodies, kind=kinds, accept=st.sampled_from(["", "text/csv", "application/jsonlines"]))
def test_protocols_when_sent_anything_answer_in_their_form(
    asked: FlaskClient, body: bytes, kind: str, accept: str
) -> None:
    for path in ("/invocations", "/predict", PREDICT):
        answer = asked.post(path, data=body, content_type=kind, headers={"Accept": accept})

        assert answer.status_code in (200, 400, 413, 415, 422), (path, answer.text)
        if answer.content_type == "application/json":
            read_strictly(answer.data)
        else:
            assert answer.mimetype in ("text/plain", "text/csv", "application/jsonlines")


def test_columns_when_beside_a_key_that_is_ignored_are_read(asked: FlaskClient) -> None:
    answer = asked.post("/predict", json={**COLUMNS, "note": None})

    assert 200 == answer.status_code, answer.text
    assert [one["value"] for one in expect(asked)] == answer.get_json()["predict"]


@pytest.mark.parametrize(("parameters", "status"), [(None, 200), ({}, 200), ([], 400), (0, 400)])
def test_parameters_when_they_are_no_empty_object_are_refused(
    asked: FlaskClient, parameters: Any, status: int
) -> None:
    answer = asked.post(PREDICT, json={"instances": PARCELS, "parameters": parameters})

    assert status == answer.status_code, answer.text
