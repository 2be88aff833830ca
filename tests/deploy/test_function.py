"""As a function, the service answers the events of every door that AWS has."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from persistence.api_keys import make_key
from persistence.bucket.keys import BucketKeys
from persistence.model_persistence import ModelStore
from tests.deploy.events import DOORS, Event, http_gateway, rest_gateway
from tests.deploy.lambda_emulator import IMAGE, Emulator, function
from tests.support.models import EXAMPLES
from tests.support.project import ROOT
from tests.support.s3 import variables
from tests.support.serving import wait_until
from tests.support.stores import new_address

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def emulator(toy_store: ModelStore) -> Iterator[Emulator]:
    """A function that has started as the image starts it."""
    settings = {"MODEL_STORE": str(toy_store.root), "DEFAULT_MODEL": "parcel"}
    with function(settings) as running:
        yield running


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__)
def ask(request: pytest.FixtureRequest, emulator: Emulator) -> Any:
    """Ask the function by one of its doors; returns status, headers and bytes."""
    return partial(_ask, emulator, request.param)


def _ask(
    emulator: Emulator, door: Any, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    answer = emulator.invoke(door(method, path, body, **headers))
    content = answer["body"]
    found = base64.b64decode(content) if answer["isBase64Encoded"] else content.encode()
    return answer["statusCode"], headers_of(answer), found


def headers_of(answer: Event) -> dict[str, str]:
    """Return the headers of an answer, each value of one that has several in a line."""
    several = answer.get("multiValueHeaders") or {}
    if "cookies" in answer:
        several = {"set-cookie": answer["cookies"]}
    told = {**answer.get("headers", {}), **{name: "\n".join(v) for name, v in several.items()}}
    return {name.lower(): value for name, value in told.items()}


def test_function_when_asked_to_predict_answers_as_the_service(ask: Any, toy_client: Any) -> None:
    sent = json.dumps(EXAMPLES["parcel"]).encode()
    status, headers, body = ask("POST", "/v0/predict", sent, **JSON)
    expected = toy_client.post("/v0/models/parcel/predict", json=EXAMPLES["parcel"]).json

    assert status == 200
    assert headers["content-type"] == "application/json"
    answer = json.loads(body)
    assert {**answer, "prediction_time": ""} == {**expected, "prediction_time": ""}


def test_function_when_the_record_is_wrong_says_so(ask: Any) -> None:
    status, _, body = ask("POST", "/v0/predict", b"{}", **JSON)

    assert status == 422
    assert {problem["code"] for problem in json.loads(body)["errors"]} == {"missing"}


def test_function_when_started_is_ready(ask: Any) -> None:
    assert ask("GET", "/readyz")[0] == 200
    assert ask("GET", "/nowhere")[0] == 404


def test_function_when_an_answer_is_not_text_sends_its_bytes(ask: Any) -> None:
    icon = next(ROOT.glob("engine/pages/static/*.svg"))
    status, headers, body = ask("GET", f"/static/{icon.name}")

    assert (status, body) == (200, icon.read_bytes())
    assert headers["content-type"].startswith("image/svg")


def test_function_when_sent_cookies_and_headers_of_several_values_reads_them(ask: Any) -> None:
    assert ask("GET", "/", cookie="other=1; language=es")[1]["content-language"] == "es"
    accepted = {"accept-language": "xx, pt-BR"}
    assert ask("GET", "/", **accepted)[1]["content-language"] == "pt-BR"


def test_function_when_it_sets_a_cookie_has_the_caller_get_it(ask: Any) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, headers, _ = ask("POST", "/language", b"language=es&after=/", **form)

    assert status == 303
    assert headers["set-cookie"].startswith("language=es;")


def test_function_when_an_event_is_of_no_door_tells_so_and_goes_on(emulator: Emulator) -> None:
    assert emulator.invoke({"version": "9"}) == {"errorType": "ValueError", "errorMessage": ""}

    assert emulator.invoke(rest_gateway("GET", "/livez"))["statusCode"] == 200


@pytest.mark.parametrize(
    ("stage", "path"), [("prd", "/prd/livez"), ("prd", "/livez"), ("l", "/livez")]
)
def test_function_when_a_gateway_has_stages_finds_the_route(
    emulator: Emulator, stage: str, path: str
) -> None:
    event = http_gateway("GET", path)
    event["requestContext"]["stage"] = stage

    assert 200 == emulator.invoke(event)["statusCode"]


@pytest.mark.slow
def test_function_when_versions_and_keys_change_follows(
    two_parcels: ModelStore, tmp_path: Path, s3: int
) -> None:
    root, address = tmp_path / "store", f"{new_address()}/keys.json"
    shutil.copytree(two_parcels.root, root)
    store, (old, new) = ModelStore(root), two_parcels.versions("parcel")
    store.promote("parcel", old)
    settings = {"MODEL_STORE": str(root), "DEFAULT_MODEL": "parcel", "OPEN_ACCESS": "false",
                "KEYS_FILE": address, "MODEL_CACHE": str(tmp_path / "cache")}  # fmt: skip
    text, key = make_key("ana")
    header: dict[str, Any] = {"x-api-key": text}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(s3).items():
            patch.setenv(name, value)
        keys = BucketKeys(address, tmp_path / "ours")
        with function(settings) as emulator:

            def version() -> Any:
                event = rest_gateway("GET", "/v0/models/parcel", b"", **header)
                return json.loads(emulator.invoke(event)["body"]).get("version")

            assert version() is None
            keys.add(key)
            wait_until(lambda: version() == old, "the key is valid")
            store.promote("parcel", new)
            wait_until(lambda: version() == new, "the new version")
            keys.remove(key.id)
            wait_until(lambda: version() is None, "the key is not valid any more")


@pytest.mark.slow
def test_function_when_anybody_could_ask_it_does_not_start() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        IMAGE, cwd=ROOT, env={"PATH": path, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 1 == done.returncode
    assert "there is no API key: set API_KEY; or set OPEN_ACCESS=true" in done.stderr
