"""Pages of other origins: none may ask but those that are named."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.inputs import first_daily
from tests.support.models import EXAMPLES
from tests.support.serving import GUNICORN, running
from tests.whole.test_start import run

RECORD = EXAMPLES["parcel"]
OURS = "https://shop.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key, content-type",
}


@pytest.fixture
def client(toy_store: ModelStore, tmp_path: Path) -> FlaskClient:
    """Ask a service that needs a key and knows one origin beside this machine's."""
    KeyFile(tmp_path / "keys.json").add(make_key("somebody")[1])
    origins = f"{OURS}, http://127.0.0.1:3000"
    return serve(
        toy_store, "parcel", cors_origins=origins, keys_file=tmp_path / "keys.json"
    ).test_client()


def allowed(client: FlaskClient, origin: str) -> str | None:
    found = client.options("/v0/predict", headers={**PREFLIGHT, "Origin": origin})
    return found.headers.get("Access-Control-Allow-Origin")


def test_preflight_when_the_origin_is_named_needs_no_key(client: FlaskClient) -> None:
    found = client.options("/v0/predict", headers={**PREFLIGHT, "Origin": OURS})

    assert 204 == found.status_code
    assert OURS == found.headers["Access-Control-Allow-Origin"]
    assert "POST" in found.headers["Access-Control-Allow-Methods"]
    assert {"x-api-key", "Content-Type"} <= set(
        found.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert "Origin" in found.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in found.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example", "http://shop.example", "https://shop.example.evil.example",
        "https://shop.example:444", "https://SHOP.example", "https://shop.example/", "null", "*",
        "https://evil-shop.example", "",
    ],
)  # fmt: skip
def test_preflight_when_the_origin_is_another_is_refused(client: FlaskClient, origin: str) -> None:
    found = client.options("/v0/predict", headers={**PREFLIGHT, "Origin": origin})

    assert 401 == found.status_code
    assert "Access-Control-Allow-Origin" not in found.headers
    assert "Origin" in found.headers["Vary"]


def test_answer_when_it_is_a_failure_can_be_read_by_the_page_too(client: FlaskClient) -> None:
    found = client.post("/v0/predict", json=RECORD, headers={"Origin": OURS})

    assert (401, OURS) == (found.status_code, found.headers["Access-Control-Allow-Origin"])
    assert "Retry-After" in found.headers["Access-Control-Expose-Headers"]


def test_origins_when_none_are_named_are_all_refused(toy_client: FlaskClient) -> None:
    found = toy_client.post("/v0/predict", json=RECORD, headers={"Origin": OURS})

    assert 200 == found.status_code
    assert not [name for name, _ in found.headers if name.startswith("Access-Control")]
    assert "Vary" not in found.headers
    assert allowed(toy_client, OURS) is None


@pytest.mark.slow
def test_server_when_a_page_asks_answers_so_that_it_can_read(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        cors_origins=OURS,
    ) as server:  # fmt: skip
        connection = server.connect()
        connection.request(
            "POST", "/v0/predict", b"{}", {"Origin": OURS, "Content-Type": "application/json"}
        )
        assert OURS == connection.getresponse().getheader("Access-Control-Allow-Origin")
        assert "the fast path is off" not in server.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", first_daily("*", "shop.example", "https://shop.example/page", "null")
)
def test_start_when_an_origin_is_none_says_so(wrong: str) -> None:
    done = run(*GUNICORN, cors_origins=f"{OURS},{wrong}")

    assert 1 == done.returncode
    assert f"CORS_ORIGINS is '{OURS},{wrong}': '{wrong}' is not an origin" in done.stderr
    assert "Traceback" not in done.stderr


def test_pages_may_do_no_more_than_they_have_to(toy_client: FlaskClient) -> None:
    for path in ("/docs", "/static/docs.js"):
        headers = toy_client.get(path).headers

        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "DENY" == headers["X-Frame-Options"]
        assert "same-origin" == headers["Referrer-Policy"]
        assert "same-origin" == headers["Cross-Origin-Opener-Policy"]
        assert "nosniff" == headers["X-Content-Type-Options"]
