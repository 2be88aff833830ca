"""API keys: how they come, how they are kept, and when they are good."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from persistence.api_keys import InvalidKeys, KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.inputs import first_daily
from tests.support.models import EXAMPLES
from tests.support.serving import GUNICORN, Server, free_port, running, wait_until
from tests.whole.test_start import run

RECORD = EXAMPLES["parcel"]


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def add(file: KeyFile, name: str = "somebody", **given: Any) -> str:
    text, key = make_key(name, **given)
    file.add(key)
    return text


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-api-key", "{}"),
        ("X-API-KEY", "{}"),
        ("Authorization", "Bearer {}"),
        ("authorization", "bearer  {}"),
        ("token", "{}"),
    ],
)
def test_key_when_it_comes_in_one_of_the_headers_is_taken(
    toy_store: ModelStore, file: KeyFile, header: str, value: str
) -> None:
    text = add(file)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()

    found = client.post("/v0/predict", json=RECORD, headers={header: value.format(text)})

    assert 200 == found.status_code


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "é"},
        {"x-api-key": "{id}"},
        {"x-api-key": "{id}."},
        {"x-api-key": "{text}x"},
        {"x-api-key": " {text[0]}"},
        {"x-api-key": "00000000.{text}"},
        {"Authorization": "Basic {text}"},
        {"Authorization": "{text}"},
        {"Cookie": "x-api-key={text}"},
    ],
)
def test_key_when_it_is_not_one_is_refused_with_the_way_to_send_one(
    toy_store: ModelStore, file: KeyFile, headers: dict[str, str]
) -> None:
    text = add(file)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()
    sent = {name: one.format(text=text, id=text[:8]) for name, one in headers.items()}

    found = client.post(f"/v0/predict?x-api-key={text}", json=RECORD, headers=sent)

    assert 401 == found.status_code
    assert found.headers["WWW-Authenticate"].startswith("Bearer")
    assert "application/problem+json" == found.content_type
    assert text[9:] not in found.text + str(found.headers)


def test_file_when_read_has_no_key_in_it(file: KeyFile) -> None:
    text = add(file, "analytics", models=["credit"], rate_limit="100/60")

    kept = file.path.read_text()

    assert text not in kept
    assert text.partition(".")[2] not in kept
    assert 0o600 == file.path.stat().st_mode & 0o777
    (key,) = file.read()
    assert ("analytics", ("credit",), "100/60") == (key.name, key.models, key.rate_limit)


def test_file_when_many_write_at_once_has_every_key(file: KeyFile) -> None:
    threads = [threading.Thread(target=add, args=(file, f"number {n}")) for n in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {f"number {n}" for n in range(20)} == {key.name for key in file.read()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": ""}, "the name is ''"),
        ({"name": "a\nb"}, "the name is"),
        ({"name": "a", "scopes": ["write"]}, "the scopes are"),
        ({"name": "a", "scopes": []}, "the scopes are"),
        ({"name": "a", "models": ["../x"]}, "is not a model's name"),
        ({"name": "a", "models": []}, "empty list"),
        ({"name": "a", "rate_limit": "0/60"}, "requests/seconds"),
        ({"name": "a", "rate_limit": "many"}, "requests/seconds"),
        ({"name": "a", "expires_at": datetime(2030, 1, 1)}, "time zone"),  # noqa: DTZ001
    ],
)
def test_key_when_it_cannot_be_made_says_why(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidKeys, match=said):
        make_key(**given)


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", '{"format": 2, "keys": []}', '{"format": 1}',
        '{"format": 1, "keys": [{"id": "a"}]}',
    ],
)  # fmt: skip
def test_file_when_damaged_keeps_everybody_out(
    toy_store: ModelStore, file: KeyFile, content: str
) -> None:
    file.path.write_text(content)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()

    assert 401 == client.get("/v0/models").status_code


def test_file_when_two_keys_share_an_id_is_refused(file: KeyFile) -> None:
    add(file)
    found = json.loads(file.path.read_text())
    file.path.write_text(json.dumps({**found, "keys": found["keys"] * 2}))

    with pytest.raises(InvalidKeys, match="same id"):
        file.read()


def test_key_when_its_time_comes_is_refused(toy_store: ModelStore, file: KeyFile) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    text = add(file, expires_at=soon)
    client = serve(toy_store, "parcel", keys_file=file.path).test_client()

    assert 200 == status(client, text)
    wait_until(lambda: 401 == status(client, text), "the end of the key")

    assert soon <= datetime.now(UTC)


def status(client: FlaskClient, text: str) -> int:
    return client.get("/v0/models", headers={"x-api-key": text}).status_code


def test_service_when_its_keys_change_needs_no_restart(
    toy_store: ModelStore, file: KeyFile
) -> None:
    app = serve(toy_store, "parcel", keys_file=file.path)
    client, callers = app.test_client(), app.extensions["resources"].callers

    def ask(*texts: str) -> list[int]:
        callers.look()
        return [status(client, text) for text in texts]

    assert [200] == ask("")  # on this machine, without any key
    first, second = add(file, "first"), add(file, "second")
    assert [401, 200, 200] == ask("", first, second)
    file.remove(first[:8])
    assert [401, 200] == ask(first, second)
    file.path.write_text("damaged")
    assert [401, 200] == ask(first, second)
    file.path.unlink()
    assert [401, 401, 401] == ask("", first, second)


def test_api_key_of_the_environment_is_good_to_predict_and_to_read(toy_store: ModelStore) -> None:
    text = "correct-horse-battery-staple"
    client = serve(toy_store, "parcel", api_key=text).test_client()

    assert 200 == status(client, text)
    assert 401 == status(client, text + "r")
    assert 401 == status(client, "")
    answer = client.post("/v0/predict", json=RECORD, headers={"token": text})
    assert 200 == answer.status_code


def test_open_access_when_set_asks_for_no_key(toy_store: ModelStore, file: KeyFile) -> None:
    add(file)

    client = serve(toy_store, "parcel", keys_file=file.path, open_access=True).test_client()

    assert 200 == client.get("/v0/models").status_code


@pytest.mark.parametrize(
    "weak", first_daily("changeme", "a" * 40, "secret-secret-secret-secret"[:21])
)
def test_start_when_the_api_key_is_weak_says_so_without_it(
    toy_store: ModelStore, weak: str
) -> None:
    done = run(*GUNICORN, api_key=weak, port=free_port(), model_store=toy_store.root)

    assert 1 == done.returncode
    assert "API_KEY is too weak: give at least 22 random characters" in done.stderr
    assert weak not in done.stderr


@pytest.mark.parametrize("host", first_daily("0.0.0.0", "::", ""))  # noqa: S104
def test_start_when_others_can_ask_and_there_is_no_key_is_refused(
    toy_store: ModelStore, tmp_path: Path, host: str
) -> None:
    done = run(
        *GUNICORN, host=host, port=free_port(), model_store=toy_store.root,
        default_model="parcel", keys_file=tmp_path / "none.json",
    )  # fmt: skip

    assert 1 == done.returncode
    assert "there is no API key" in done.stderr
    assert "OPEN_ACCESS=true" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def public(store: ModelStore, folder: Path, **settings: Any) -> Iterator[Server]:
    """Serve the toys to all the network, as a platform does."""
    everywhere = "0.0.0.0"  # noqa: S104
    with running(
        folder, model_store=store.root, default_model="parcel", host=everywhere, **settings
    ) as server:
        yield server


@pytest.mark.slow
def test_start_when_others_can_ask_and_a_gateway_checks_them_is_allowed(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with public(toy_store, tmp_path, open_access="true") as server:
        assert 200 == server.ask("/v0/predict", RECORD)[0]


@pytest.mark.slow
@pytest.mark.parametrize("fast_path", ["true", "false"])
def test_server_when_keys_are_asked_lets_only_the_right_ones_predict(
    toy_store: ModelStore, file: KeyFile, tmp_path: Path, fast_path: str
) -> None:
    good, reader = add(file, "good"), add(file, "reader", scopes=["read"])
    other = add(file, "other", models=["rent"])

    with public(toy_store, tmp_path, keys_file=file.path, fast_path=fast_path) as server:

        def ask(text: str, path: str = "/v0/predict") -> int:
            headers = {"Content-Type": "application/json", "x-api-key": text}
            return server.ask(path, json.dumps(RECORD), **headers)[0]

        assert 401 == server.ask("/v0/predict", RECORD)[0]
        assert [200, 401, 403, 403] == [ask(one) for one in (good, good + "x", reader, other)]
        assert [200, 404] == [ask(one, "/inference/parcel") for one in (good, other)]
        file.remove(good[:8])
        # Each worker answers some of these.
        wait_until(lambda: {401} == {ask(good) for _ in range(20)}, "all workers refuse the key")
        assert good not in server.log.read_text()


def test_key_when_the_folder_of_the_file_is_missing_is_not_there_to_remove(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeys, match="there are: none"):
        KeyFile(tmp_path / "absent/keys.json").remove("1a2b3c4d")
