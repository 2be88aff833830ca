"""The service as a function on AWS Lambda, behind API Gateway, a function URL or a balancer.

The default model is loaded while the function starts, before its first request.
"""

import os
from typing import Any

# Nothing that a function writes outlives it, and the gateway has checked the key.
os.environ.setdefault("PREDICTION_LOG", "off")
os.environ.setdefault("TRAIN_IF_ABSENT", "false")
os.environ.setdefault("MODEL_CACHE", "/tmp/models")  # noqa: S108
os.environ.setdefault("LOG_FORMAT", "json")

from apig_wsgi import make_lambda_handler

from app import app
from engine.api.resources import resources
from persistence.store_errors import StoreError

try:
    resources(app).models.reload()
except StoreError as error:
    app.logger.error("not ready: %s", error)
_answer = make_lambda_handler(app, binary_support=True)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the answer to one event, in the form of the one that sent it."""
    return _answer(event, context)
