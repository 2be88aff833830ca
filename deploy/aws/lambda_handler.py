"""The service as a function on AWS Lambda, behind API Gateway, a function URL or a balancer.

From an archive, Lambda itself calls `handle`. From an image, this file is run: it fetches events
from Lambda and sends the answers. The default model is loaded at start, before the first request.
"""

import http.client
import json
import os
import sys
from typing import Any

# Nothing that a function writes outlives it.
os.environ.setdefault("PREDICTION_LOG", "off")
os.environ.setdefault("TRAIN_IF_ABSENT", "false")
os.environ.setdefault("MODEL_CACHE", "/tmp/models")  # noqa: S108
os.environ.setdefault("LOG_FORMAT", "json")

from apig_wsgi import make_lambda_handler

from app import app
from engine.api.resources import resources
from engine.serving.hot_swap import watch
from engine.serving.lifecycle import follow_keys
from persistence.store_errors import StoreError

_shared = resources(app)
if not (_shared.callers.need_keys or _shared.callers.is_open):
    sys.exit(
        "lambda_handler: whoever knows the function's address can ask it, and there is no API "
        "key: set API_KEY; or set OPEN_ACCESS=true where a gateway checks the callers"
    )
try:
    _shared.models.reload()
except StoreError as error:
    app.logger.error("not ready: %s", error)
# Their threads run while an event is answered.
watch(_shared.models, _shared.metrics, _shared.stopping)
follow_keys(_shared.callers, _shared.stopping)
_answer = make_lambda_handler(app, binary_support=True)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the answer to one event, in the form of the one that sent it."""
    # The path of an HTTP gateway begins with the name of its stage, unless that is $default.
    stage, path = (event.get("requestContext") or {}).get("stage"), event.get("rawPath", "")
    if path.startswith(f"/{stage}/"):
        event = {**event, "rawPath": path.removeprefix(f"/{stage}")}
    return _answer(event, context)


def main(address: str) -> None:
    """Answer events by Lambda's runtime API at an address, one after another."""
    while True:
        identity, body = _ask(address, "GET", "next")
        try:
            outcome, answer = "response", handle(json.loads(body), None)
        except Exception as error:  # noqa: BLE001 - Lambda tells the caller and goes on
            app.logger.exception("event not answered")
            outcome, answer = "error", {"errorType": type(error).__name__, "errorMessage": ""}
        _ask(address, "POST", f"{identity}/{outcome}", json.dumps(answer))


def _ask(address: str, method: str, path: str, body: str | None = None) -> tuple[str, bytes]:
    connection = http.client.HTTPConnection(address)
    try:
        connection.request(method, f"/2018-06-01/runtime/invocation/{path}", body)
        answer = connection.getresponse()
        return answer.headers.get("Lambda-Runtime-Aws-Request-Id", ""), answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    main(os.environ["AWS_LAMBDA_RUNTIME_API"])
