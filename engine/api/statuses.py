"""The statuses of failures, and what each is called wherever it is named."""

from collections.abc import Mapping
from typing import NamedTuple


class Status(NamedTuple):
    """What the status of a failure is called.

    `reason` is the label of the metric that counts refused requests, empty where
    the fault is the service's own; `meaning` stands in the description of the API.
    """

    reason: str
    meaning: str
    mlflow: str = "BAD_REQUEST"
    google: str = "INVALID_ARGUMENT"


#: Every status of a failure that the service answers.
STATUSES: Mapping[int, Status] = {
    400: Status(
        "malformed", "The body is malformed, or the protocol reports invalid records this way"
    ),
    401: Status(
        "unauthorised", "There is no API key, or it is not known or has expired",
        "UNAUTHENTICATED", "UNAUTHENTICATED",
    ),
    403: Status(
        "forbidden", "The API key does not allow this request",
        "PERMISSION_DENIED", "PERMISSION_DENIED",
    ),
    404: Status(
        "not_found", "There is no such model, or no such version",
        "ENDPOINT_NOT_FOUND", "NOT_FOUND",
    ),
    405: Status("method_not_allowed", "The address does not take this method"),
    406: Status("not_acceptable", "The Accept header names no form that the service writes"),
    408: Status("timeout", "The request came too slowly"),
    409: Status(
        "conflict", "The request with this Idempotency-Key is still being answered",
        "RESOURCE_CONFLICT", "ABORTED",
    ),
    413: Status("too_large", "The body or its answer is too large"),
    414: Status("too_large", "The address is too long"),
    415: Status("unsupported_type", "The content type or the encoding is not supported"),
    417: Status("malformed", "The header Expect asks for something unknown"),
    422: Status("invalid", "Records are not valid; every problem is listed"),
    429: Status(
        "rate_limited", "The API key has sent as many requests as it may",
        "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
    ),
    431: Status("too_large", "The headers are too long"),
    500: Status("", "The service failed", "INTERNAL_ERROR", "INTERNAL"),
    501: Status("malformed", "The service does not do this"),
    503: Status(
        "unavailable", "The service is not ready, or no version can be served",
        "TEMPORARILY_UNAVAILABLE", "UNAVAILABLE",
    ),
    504: Status("timeout", "There is no answer in time", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    505: Status("malformed", "This version of HTTP is not spoken"),
    507: Status("no_room", "There is no room on disk"),
}  # fmt: skip

#: The label of the metric that counts refused requests, by status.
REASONS = {number: status.reason for number, status in STATUSES.items() if status.reason}


def status_of(number: int) -> Status:
    """Return what a status is called, also one that a user's own code answers."""
    return STATUSES.get(number, Status("", "The request failed"))
