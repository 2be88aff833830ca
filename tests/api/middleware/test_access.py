"""Every route with every method: who may ask it. A new route needs a line here."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from persistence.api_keys import SCOPES, KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve

#: Address, methods beside OPTIONS (and HEAD, where there is GET), and the scope it takes.
MATRIX = (
    ("/", "GET", "public"),
    ("/docs", "GET", "read"),
    ("/docs/<name>", "GET", "read"),
    ("/static/<path:filename>", "GET", "public"),
    ("/models", "GET", "any"),
    ("/models/<name>", "GET POST", "predict"),
    ("/models/<name>/versions", "GET", "read"),
    ("/models/<name>/promote", "POST", "promote"),
    ("/models/<name>/table", "POST", "predict"),
    ("/models/<name>/dashboard", "GET", "log"),
    ("/models/<name>/predictions", "GET", "log"),
    ("/models/<name>/predictions/<prediction_id>", "GET", "log"),
    ("/sign-in", "GET POST", "public"),
    ("/sign-out", "POST", "public"),
    ("/language", "POST", "public"),
    ("/health", "GET", "public"),
    ("/check_service", "GET", "public"),
    ("/livez", "GET", "public"),
    ("/readyz", "GET", "public"),
    ("/openapi.json", "GET", "read"),
    ("/metrics", "GET", "read"),
    ("/v2", "GET", "public"),
    ("/v2/health/live", "GET", "public"),
    ("/v2/health/ready", "GET", "public"),
    ("/v2/models", "GET", "read"),
    ("/v2/models/<name>", "GET", "read"),
    ("/v2/models/<name>/versions/<version>", "GET", "read"),
    ("/v2/models/<name>/ready", "GET", "read"),
    ("/v2/models/<name>/versions/<version>/ready", "GET", "read"),
    ("/v2/models/<name>/infer", "POST", "predict"),
    ("/v2/models/<name>/versions/<version>/infer", "POST", "predict"),
    ("/v2/repository/index", "POST", "read"),
    ("/v2/repository/models/<name>/load", "POST", "publish"),
    ("/v2/repository/models/<name>/unload", "POST", "publish"),
    ("/v0/models/<name>/mcp", "POST", "predict"),
    ("/v1/models", "GET", "read"),
    ("/v1/models/<name>", "GET", "read"),
    ("/v1/models/<name>:predict", "POST", "predict"),
    ("/v1/models/<name>:explain", "POST", "predict"),
    ("/ping", "GET", "public"),
    ("/version", "GET", "public"),
    ("/execution-parameters", "GET", "public"),
    ("/invocations", "POST", "predict"),
    ("/predict", "POST", "predict"),
    ("/vertex/health", "GET", "public"),
    ("/vertex/predict", "POST", "predict"),
    ("/v0/model_info", "GET", "read"),
    ("/v0/models", "GET", "read"),
    ("/v0/models/<name>", "GET", "read"),
    ("/v0/models/<name>/model_info", "GET", "read"),
    ("/v0/models/<name>/versions", "GET", "read"),
    ("/v0/models/<name>/versions/<version>", "GET", "read"),
    ("/v0/models/<name>/versions/<version>/model_info", "GET", "read"),
    ("/v0/predict", "POST", "predict"),
    ("/v0/models/<name>/predict", "POST", "predict"),
    ("/v0/models/<name>/versions/<version>/predict", "POST", "predict"),
    ("/v0/jobs/<identifier>", "GET DELETE", "any"),
    ("/v0/jobs/<identifier>/result", "GET", "any"),
    ("/v0/whatif", "POST", "predict"),
    ("/v0/models/<name>/whatif", "POST", "predict"),
    ("/v0/models/<name>/versions/<version>/whatif", "POST", "predict"),
    ("/v0/models/<name>/predictions", "GET", "log"),
    ("/v0/models/<name>/feedback", "POST", "feedback"),
    ("/inference/<name>", "POST", "predict"),
    ("/get_prediction", "POST", "predict"),
)

#: Those that ask the default model.
OF_DEFAULT = (
    "/v0/predict", "/v0/whatif", "/v0/model_info", "/invocations", "/predict", "/vertex/predict",
    "/get_prediction",
)  # fmt: skip

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
CELLS = [
    (rule, method, scope, method in (*allowed.split(), "OPTIONS", "HEAD" * ("GET" in allowed)))
    for rule, allowed, scope in MATRIX
    for method in METHODS
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The texts of keys, one for each scope and some that are good for less."""
    file = KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")
    past = datetime(2020, 1, 1, tzinfo=UTC)
    kinds: dict[str, dict[str, Any]] = {
        **{scope: {"scopes": [scope]} for scope in SCOPES},
        "over": {"scopes": SCOPES, "expires_at": past},
        "rent only": {"scopes": SCOPES, "models": ["rent"]},
        "all": {"scopes": SCOPES},
    }
    texts = {"file": str(file.path)}
    for kind, given in kinds.items():
        texts[kind], key = make_key(kind, **given)
        file.add(key)
    return texts


@pytest.fixture(scope="module")
def app(toy_store: ModelStore, keys: dict[str, str]) -> Flask:
    return serve(
        toy_store, "parcel", keys_file=Path(keys["file"]), aip_health_route="/vertex/health",
        aip_predict_route="/vertex/predict",
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def path(rule: str, version: str) -> str:
    filled = rule.replace("<name>", "parcel").replace("<version>", version)
    return filled.replace("<path:filename>", "docs.js")


@pytest.fixture(scope="module")
def version(toy_store: ModelStore) -> str:
    return toy_store.promoted("parcel")


def test_matrix_has_every_route_and_no_other(app: Flask) -> None:
    found = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }

    assert {(rule, one) for rule, methods, _ in MATRIX for one in methods.split()} == found


@pytest.mark.parametrize(("rule", "method", "scope", "is_there"), CELLS)
def test_cell_answers_whom_it_should(
    client: FlaskClient, keys: dict[str, str], version: str,
    rule: str, method: str, scope: str, *, is_there: bool,
) -> None:  # fmt: skip
    def status(key: str | None) -> int:
        headers = {"x-api-key": keys.get(key, key)} if key else {}
        return client.open(path(rule, version), method=method, headers=headers).status_code

    if scope == "public" and is_there:
        assert not {status(None), status("nonsense"), status("over")} & {401, 403, 404, 405}
        return
    assert [401, 401, 401] == [status(None), status("nonsense"), status("over")]
    if not is_there:
        # To the router, GET /v1/models/x:predict names a model.
        refused = {403, 404, 405} if ":" in rule and method in ("GET", "HEAD") else {405}
        assert {status(one) for one in (*SCOPES, "rent only", "all")} <= refused
        return
    if "/jobs/" in rule and method != "OPTIONS":  # nobody's; tests/api/test_jobs.py has others
        assert {404} == {status(one) for one in (*SCOPES, "rent only", "all")}
        return
    for other in set(SCOPES) - {scope}:
        assert status(other) == 403 or (scope == "any" and status(other) == 200)
    assert not {status(scope if scope in SCOPES else "read"), status("all")} & {401, 403, 404, 405}
    if "<name>" in rule:
        assert 404 == status("rent only")
    else:
        # The list of models leads to the only one.
        assert status("rent only") in ((403,) if rule in OF_DEFAULT else (200, 302))


@pytest.mark.parametrize("address", ["/nothing", "/v0", "/v0/predict/"])
def test_address_when_there_is_nothing_tells_only_those_with_a_key(
    client: FlaskClient, keys: dict[str, str], address: str
) -> None:
    assert 401 == client.get(address).status_code
    assert 404 == client.get(address, headers={"x-api-key": keys["predict"]}).status_code


def test_model_when_a_key_may_not_ask_it_looks_as_if_it_were_not_there(
    client: FlaskClient, keys: dict[str, str], toy_store: ModelStore
) -> None:
    key = {"x-api-key": keys["rent only"], "X-Request-Id": "same"}

    there = client.get("/v0/models/parcel", headers=key)
    absent = client.get("/v0/models/nobody", headers=key)

    assert there.data.replace(b"parcel", b"nobody") == absent.data
    assert there.headers.to_wsgi_list() == absent.headers.to_wsgi_list()
    lists = (
        client.get("/v0/models", headers=key).get_json()["models"],
        client.post("/v2/repository/index", headers=key).get_json(),
    )
    assert [["rent"]] * 2 == [[one["name"] for one in found] for found in lists]
    for path in ("/v1/models", "/v2/models"):
        assert ["rent"] == client.get(path, headers=key).get_json()["models"]
    assert "parcel" not in client.get("/openapi.json", headers=key).text.replace("/v0/predict", "")


def test_route_when_nobody_said_who_may_ask_it_stops_the_start(toy_store: ModelStore) -> None:
    from engine.api.middleware import auth

    app = serve(toy_store, "parcel")
    app.add_url_rule("/new", "new", lambda: "new")

    with pytest.raises(LookupError, match="needed for new"):
        auth.check_access(app)


def test_route_when_added_afterwards_is_refused(
    keys: dict[str, str], toy_store: ModelStore
) -> None:
    app = serve(toy_store, "parcel", keys_file=Path(keys["file"]))
    app.add_url_rule("/new", "new", lambda: "new")

    client = app.test_client()

    assert 401 == client.get("/new").status_code
    assert 403 == client.get("/new", headers={"x-api-key": keys["all"]}).status_code


@pytest.mark.parametrize("address", ["/openapi.json", "/v0/models", "/v0/models/rent", "/metrics"])
def test_answer_to_a_key_is_kept_by_no_proxy(
    client: FlaskClient, keys: dict[str, str], toy_store: ModelStore, address: str
) -> None:
    answer = client.get(address, headers={"x-api-key": keys["read"]})
    to_all = serve(toy_store, "parcel").test_client().get(address)

    assert "private, no-cache" == answer.headers["Cache-Control"]
    assert "Cache-Control" not in to_all.headers
