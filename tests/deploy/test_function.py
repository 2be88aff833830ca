"""As a function, the service answers the events of every door that AWS has."""

import base64
import json
import os
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.project import ROOT

#: What the function's process does: it starts, and answers each line with a line.
_LOOP = """
import json, sys, time
begun = time.perf_counter()
from lambda_handler import handle
print(json.dumps(time.perf_counter() - begun), flush=True)
for line in sys.stdin:
    print(json.dumps(handle(json.loads(line), None)), flush=True)
"""


def gateway(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """An event as a REST gateway sends it."""
    return {
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]}, "stageVariables": None,
        "requestContext": {"stage": "dev", "identity": {"sourceIp": "192.0.2.1"}},
        "body": body, "isBase64Encoded": False,
    }  # fmt: skip


def function_url(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """An event as a function's own address sends it."""
    encoded = base64.b64encode((body or "").encode()).decode()
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                                    "sourceIp": "192.0.2.1", "userAgent": "curl"},
                           "stage": "$default"},
        "body": encoded, "isBase64Encoded": True,
    }  # fmt: skip


def balancer(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """An event as an application load balancer sends it."""
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/1"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}}, "httpMethod": method, "path": path,
        "queryStringParameters": {}, "headers": headers, "body": body or "",
        "isBase64Encoded": False,
    }  # fmt: skip


@pytest.fixture(scope="module", params=[gateway, function_url, balancer])
def ask(request: pytest.FixtureRequest, toy_store: ModelStore) -> Any:
    """Ask a running function, by one of its doors; returns status, headers and JSON."""
    environment = {
        **os.environ, "MODEL_STORE": str(toy_store.root), "DEFAULT_MODEL": "parcel",
        "OPEN_ACCESS": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "deploy/aws"), str(ROOT), *sys.path]),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", _LOOP], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        print(f"cold start {json.loads(process.stdout.readline()):.2f} s")
        yield partial(_ask, process, request.param)
        process.stdin.close()


def _ask(process: Any, door: Any, *call: Any, **headers: str) -> tuple[int, Any, Any]:
    process.stdin.write(json.dumps(door(*call, **headers)) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    body = answer["body"]
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body).decode()
    shown = answer.get("headers") or {
        name: values[0] for name, values in answer["multiValueHeaders"].items()
    }
    return answer["statusCode"], {name.lower(): value for name, value in shown.items()}, body


def test_function_when_asked_to_predict_answers_as_the_service(ask: Any, toy_client: Any) -> None:
    sent = json.dumps(EXAMPLES["parcel"])
    status, headers, body = ask("POST", "/v0/predict", sent, **{"content-type": "application/json"})
    expected = toy_client.post("/v0/models/parcel/predict", json=EXAMPLES["parcel"]).json

    assert status == 200
    assert headers["content-type"] == "application/json"
    answer = json.loads(body)
    assert {**answer, "prediction_time": ""} == {**expected, "prediction_time": ""}


def test_function_when_the_record_is_wrong_says_so(ask: Any) -> None:
    status, _, body = ask("POST", "/v0/predict", "{}", **{"content-type": "application/json"})

    assert status == 422
    assert {problem["code"] for problem in json.loads(body)["errors"]} == {"missing"}


def test_function_when_started_is_ready(ask: Any) -> None:
    assert ask("GET", "/readyz")[0] == 200
    assert ask("GET", "/nowhere")[0] == 404
