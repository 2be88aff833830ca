"""Signing in with a key: what the cookie is, what it allows, and when it ends."""

import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect
from werkzeug.test import TestResponse

from engine.api import session
from persistence.api_keys import KeyFile, make_key
from persistence.callers import Callers
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.browser import chromium
from tests.support.serving import running

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def client(toy_store: ModelStore, file: KeyFile) -> FlaskClient:
    file.add(make_key("nobody")[1])
    return serve(toy_store, "parcel", keys_file=file.path).test_client()


def sign_in(client: FlaskClient, text: str, after: str = "") -> TestResponse:
    return client.post("/sign-in", data={"key": text, "after": after}, headers=BROWSER)


def add(file: KeyFile, client: FlaskClient, *scopes: str) -> tuple[str, str]:
    text, key = make_key("person", scopes=scopes)
    file.add(key)
    client.application.extensions["resources"].callers.look()
    return text, key.id


def test_pages_when_keys_are_needed_ask_for_one_and_reveal_no_model(client: FlaskClient) -> None:
    pages = [client.get(path, headers=BROWSER) for path in ("/models/parcel", "/models/beer")]

    for page in pages:
        assert 401 == page.status_code
        assert '<input id="key" name="key" type="password"' in page.text
        assert "flask keys make" in page.text
    assert pages[0].text.replace("parcel", "beer") == pages[1].text


def test_sign_in_when_the_key_is_right_leads_back_and_lets_the_browser_in(
    client: FlaskClient, file: KeyFile
) -> None:
    text, _ = add(file, client, "predict", "read")

    answer = sign_in(client, text, "models/parcel")

    cookie = answer.headers["Set-Cookie"]
    assert (303, "models/parcel") == (answer.status_code, answer.headers["Location"])
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Max-Age=28800" in cookie
    assert text.partition(".")[2] not in cookie
    assert 200 == client.get("/models/parcel").status_code
    assert 200 == client.get("/v0/models").status_code
    assert "Sign out" in client.get("/models/parcel").text


@pytest.mark.parametrize(("text", "status"), [("nonsense", 401), ("", 422)])
def test_sign_in_when_the_key_is_wrong_says_so_and_shows_it_to_nobody(
    client: FlaskClient, text: str, status: int
) -> None:
    answer = sign_in(client, text)

    assert status == answer.status_code
    assert 'aria-invalid="true"' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "nonsense" not in answer.text


@pytest.mark.parametrize(
    "after",
    [
        "//evil.example", "https://evil.example", "/\\evil", "javascript:alert(1)", "../..",
        "v0/models/../../elsewhere", "v0/models/..",
    ],
)  # fmt: skip
def test_sign_in_when_it_is_to_lead_elsewhere_leads_to_the_models(
    client: FlaskClient, file: KeyFile, after: str
) -> None:
    text, _ = add(file, client, "read")

    assert "models" == sign_in(client, text, after).headers["Location"]


def test_session_allows_what_its_key_allows_and_no_more(client: FlaskClient, file: KeyFile) -> None:
    text, _ = add(file, client, "read")
    sign_in(client, text)

    assert 403 == client.get("/models/parcel", headers=BROWSER).status_code
    assert 200 == client.get("/v0/models/parcel").status_code
    assert 403 == client.get("/v0/models/parcel/predictions").status_code


def test_session_when_its_key_is_removed_ends_at_once(client: FlaskClient, file: KeyFile) -> None:
    text, identifier = add(file, client, "read")
    sign_in(client, text)
    assert 200 == client.get("/v0/models").status_code

    file.remove(identifier)
    client.application.extensions["resources"].callers.look()

    assert 401 == client.get("/v0/models").status_code


def test_session_when_signed_out_is_forgotten(client: FlaskClient, file: KeyFile) -> None:
    sign_in(client, add(file, client, "read")[0])

    client.post("/sign-out")

    assert 401 == client.get("/v0/models").status_code


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_form_of_another_site_is_not_let_in_by_a_session(
    client: FlaskClient, file: KeyFile, headers: dict[str, str]
) -> None:
    sign_in(client, add(file, client, "predict")[0])

    assert 200 == client.post("/models/parcel", data={}).status_code
    assert 401 == client.post("/models/parcel", data={}, headers=headers).status_code
    assert 403 == client.post("/sign-out", headers=headers).status_code


@pytest.mark.slow
def test_sign_in_over_plain_http_from_another_machine_lets_the_browser_in(
    toy_store: ModelStore, file: KeyFile, tmp_path: Path
) -> None:
    text, key = make_key("person", scopes=("predict", "read"))
    file.add(key)
    elsewhere = "--host-resolver-rules=MAP pronto.test 127.0.0.1"
    with running(
        tmp_path, until="/livez", model_store=toy_store.root, default_model="parcel",
        keys_file=file.path,
    ) as server, chromium(elsewhere) as browser:  # fmt: skip
        page = browser.new_page()  # which sends no Sec-Fetch-Site to such an address
        page.goto(f"http://pronto.test:{server.port}/models/parcel")
        page.get_by_label("API key").fill(text)
        page.get_by_role("button", name="Sign in").click()

        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.get_by_role("button", name="Español").click()
        expect(page.get_by_role("button", name="Cerrar sesión")).to_be_visible()


def test_session_of_other_bytes_of_another_service_or_of_yesterday_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, key = make_key("person")
    KeyFile(tmp_path / "keys.json").add(key)
    ours, theirs = (Callers(tmp_path / "keys.json") for _ in range(2))
    good = session.sign(ours, key)
    identifier, end, signature = good.split(".")

    assert session.find(ours, good) == key == ours.find(text)
    assert session.find(theirs, good) is None
    later = f"{identifier}.{int(end) + 1}.{signature}"
    for wrong in (later, good[:-1], good + "0", f"{identifier}.{end}.", "", ".", "..", "ü.1.ü",
                  f"{identifier}.-1.{signature}", f".{end}.{signature}"):  # fmt: skip
        assert session.find(ours, wrong) is None
    monkeypatch.setattr(session, "SECONDS", -1)
    assert session.find(ours, session.sign(ours, key)) is None


def test_sessions_of_services_with_the_same_setting_are_the_same(tmp_path: Path) -> None:
    text = "one key of a setting, long and random 0123456789"
    first, second = (Callers(tmp_path / "none.json", api_key=text) for _ in range(2))
    key = first.find(text)
    assert key is not None

    assert key == session.find(second, session.sign(first, key))
    other = Callers(tmp_path / "none.json", api_key=text + "!")
    assert session.find(other, session.sign(first, key)) is None
    assert int(session.sign(first, key).split(".")[1]) > time.time()


@pytest.mark.parametrize(
    ("proxied", "is_secure"),
    [("https", True), ("HTTPS", True), ("https, http", True), ("http", False)],
)
def test_session_when_the_browser_speaks_tls_is_sent_by_it_alone(
    client: FlaskClient, file: KeyFile, proxied: str, *, is_secure: bool
) -> None:
    text, _ = add(file, client, "read")

    answer = client.post("/sign-in", data={"key": text}, headers={"X-Forwarded-Proto": proxied})

    assert is_secure == ("Secure" in answer.headers["Set-Cookie"])


@pytest.mark.parametrize("wildcard", ["*; q=.2, */*; q=.2", "*/*; q=0.2"])
def test_failure_when_java_asks_is_no_page(client: FlaskClient, wildcard: str) -> None:
    accept = {"Accept": f"text/html, image/gif, image/jpeg, {wildcard}"}

    assert "application/problem+json" == client.get("/v0/models", headers=accept).content_type
    assert {"status": "alive"} == client.get("/", headers=accept).get_json()
