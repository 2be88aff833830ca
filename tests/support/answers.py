"""How the tests read an answer: strictly, as any JSON reader on earth would."""

import json
from typing import Any

from werkzeug.test import TestResponse


def read_strictly(body: bytes) -> Any:
    """Read JSON; NaN, a repeated key or other bytes than UTF-8 fail the test."""
    return json.loads(
        body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_without_repetition
    )


def read_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Check that an answer is a whole RFC 9457 problem; give its body."""
    body: dict[str, Any] = read_strictly(answer.data)

    assert status == answer.status_code, body
    assert answer.content_type == "application/problem+json"
    assert status == body["status"]
    assert {"type", "title", "status", "detail", "request_id"} <= set(body)
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["detail"]
    return body


def found(body: dict[str, Any]) -> set[tuple[str, str]]:
    """Give the pointer and code of every finding of a problem."""
    assert all({"pointer", "detail", "code"} == set(one) for one in body.get("errors", []))
    return {(one["pointer"], one["code"]) for one in body.get("errors", [])}


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), f"a key is repeated: {[key for key, _ in pairs]}"
    return dict(pairs)
