"""The application over a store, as the tests make it."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from persistence.model_persistence import ModelStore
from settings import Settings


def serve(store: ModelStore, default: str, **settings: Any) -> Flask:
    """Make the application over a store."""
    settings = {"keys_file": store.root / "no-keys.json", "prediction_log": "off", **settings}
    app = create_app(Settings(model_store=store.root, default_model=default, **settings))
    # Failures are answered as in production, not raised into the test.
    app.testing = False
    return app


def poster(client: FlaskClient) -> Callable[[str, bytes, dict[str, str]], bytes]:
    """Return what posts a body to a service, and returns that of the answer, which is a 200."""

    def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
        answer = client.post(path, data=body, headers=headers)
        assert 200 == answer.status_code, answer.text
        return bytes(answer.data)

    return post


def ask_loop(
    app: Flask, requests: Iterable[tuple[str, dict[bytes, bytes], bytes]], *, is_last: bool = False
) -> list[tuple[bytes, bytes] | None]:
    """Send requests, given as path, headers and body, to the fast path; None for what it leaves."""
    fast_path = app.extensions["application"].fast_path
    answers: list[tuple[bytes, bytes] | None] = []
    heads = []
    for path, headers, body in requests:
        plain = {b"host": b"here", b"content-type": b"application/json"}
        length = {b"content-length": b"%d" % len(body)}
        head = fast_path.head(path.encode(), plain | length | headers)
        answers.append(None)
        if head is not None:
            heads.append((len(answers) - 1, (head, body, is_last)))
    answered = fast_path.answers([request for _, request in heads])
    for (place, _), answer in zip(heads, answered, strict=True):
        answers[place] = answer
    return answers
