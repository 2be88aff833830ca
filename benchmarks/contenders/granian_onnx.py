"""A bare WSGI function with onnxruntime, for Granian."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.contenders.credit import feed_columns, feed_one, load_session

session = load_session()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Predict one record, or columns."""
    asked = json.loads(environ["wsgi.input"].read())
    is_single = environ["PATH_INFO"] == "/predict"
    feeds = feed_one(asked) if is_single else feed_columns(asked)
    (probabilities,) = session.run(["probabilities"], feeds)
    answer: dict[str, Any]
    if is_single:
        probability = float(probabilities[0, 1])
        answer = {"value": probability >= 0.5, "probability": probability}
    else:
        answer = {"probabilities": probabilities[:, 1].tolist()}
    body = json.dumps(answer).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
