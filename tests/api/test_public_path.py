"""Below a proxy's path: what the service says of its own addresses stays there."""

import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import serve

BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def behind(toy_store: ModelStore) -> FlaskClient:
    """A service that believes its proxy."""
    return serve(toy_store, "parcel", forwarded_prefix=True).test_client()


@pytest.mark.parametrize("prefix", ["/ml", "/ml/", "/a/b-c/v1.0"])
def test_addresses_when_a_proxy_names_its_path_begin_with_it(
    behind: FlaskClient, prefix: str
) -> None:
    given = {"X-Forwarded-Prefix": prefix}
    path = prefix.rstrip("/")

    assert f"{path}/models" == behind.get("/", headers=BROWSER | given).headers["Location"]
    assert [{"url": path}] == behind.get("/openapi.json", headers=given).get_json()["servers"]


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "ml", "//evil.example", "/\\evil.example", "https://evil.example", "/a//b", "/..",
     "/a/../b", "/a b", "/a?b", "/a#b", "/a, /b", "/%2e%2e", "/" + "a" * 200, "/ü"],
)  # fmt: skip
def test_addresses_when_the_path_is_not_plain_are_as_without_it(
    behind: FlaskClient, prefix: str
) -> None:
    given = {"X-Forwarded-Prefix": prefix.encode().decode("latin-1")}

    assert "models" == behind.get("/", headers=BROWSER | given).headers["Location"]
    assert "servers" not in behind.get("/openapi.json", headers=given).get_json()


def test_addresses_when_no_setting_says_so_believe_no_client(toy_client: FlaskClient) -> None:
    given = {"X-Forwarded-Prefix": "/ml"}

    assert "models" == toy_client.get("/", headers=BROWSER | given).headers["Location"]
    assert "servers" not in toy_client.get("/openapi.json", headers=given).get_json()


def test_addresses_when_the_server_has_a_script_name_begin_with_it(toy_client: FlaskClient) -> None:
    given = {"SCRIPT_NAME": "/ml"}

    home = toy_client.get("/", headers=BROWSER, environ_overrides=given)
    described = toy_client.get("/openapi.json", environ_overrides=given)

    assert "/ml/models" == home.headers["Location"]
    assert [{"url": "/ml"}] == described.get_json()["servers"]
