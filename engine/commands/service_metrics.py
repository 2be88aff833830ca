"""What a running service has counted of a model's versions."""

from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from engine.api.prometheus import read_page
from engine.commands.output import CommandError, indented, table

#: A service on this machine.
HERE = "http://127.0.0.1:8000"

#: Seconds that the service may take for each part of its answer, and the bytes of the whole.
TIMEOUT_SECONDS, MOST_BYTES = 10, 64 * 2**20

#: What is told of a shadow, and the metric that says so.
_OF_SHADOWS = {
    "records": "model_shadow_records_total",
    "differences": "model_shadow_differences_total",
    "failures": "model_shadow_failures_total",
    "dropped": "model_shadow_dropped_total",
    "largest_difference": "model_shadow_largest_difference",
}


def live_counts(address: str, name: str, versions: Iterable[str], *, key: str) -> dict[str, Any]:
    """Ask a service what it has counted since it started.

    Parameters
    ----------
    address : str
        Of the service, as ``http://127.0.0.1:8000``.
    versions : iterable of str
        Those to tell of, whatever has been counted of them.
    key : str
        An API key; empty for none.

    Returns
    -------
    dict
        ``service``; ``versions``: for each its ``predictions``, ``errors``,
        and ``shadow``, None where it has answered nothing in silence.

    Raises
    ------
    CommandError
        When there is no such address, or it does not answer as the service does.
    """
    samples = [one for one in _ask(address, key) if one.labels.get("model") == name]

    def total(metric: str, version: str) -> float:
        found = (one for one in samples if one.name == metric)
        return float(sum(one.value for one in found if one.labels.get("version") == version))

    def told(version: str) -> dict[str, Any]:
        shadow = {what: total(metric, version) for what, metric in _OF_SHADOWS.items()}
        counts = {what: n if what[0] == "l" else int(n) for what, n in shadow.items()}
        return {
            "predictions": int(total("model_predictions_total", version)),
            "errors": int(total("model_errors_total", version)),
            "shadow": counts if any(shadow.values()) else None,
        }

    return {"service": address, "versions": {one: told(one) for one in versions}}


def live_text(found: Mapping[str, Any]) -> str:
    """Write what `live_counts` found for people."""
    head = ("version", "records answered", "requests failed")
    rows = [(name, one["predictions"], one["errors"]) for name, one in found["versions"].items()]
    lines = [f"Counted by {found['service']} since it started", indented(table(head, rows))]
    for name, one in found["versions"].items():
        if shadow := one["shadow"]:
            compared = [(what.replace("_", " "), f"{n:g}") for what, n in shadow.items()]
            lines += [
                f"  {name} in silence",
                indented(indented(table(("", ""), compared)).strip("\n")),
            ]
    return "\n".join(lines)


def _ask(address: str, key: str) -> Iterable[Any]:
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        host, port = parts.hostname if is_good else None, parts.port
    except ValueError:
        host = None
    if host is None:
        raise CommandError(f"--service {address}: give an address such as {HERE}")
    opens = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = opens(host, port, timeout=TIMEOUT_SECONDS)
        headers = {"Accept": "text/plain", **({"x-api-key": key} if key else {})}
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/metrics", headers=headers)
            answer = connection.getresponse()
            page = answer.read(MOST_BYTES).decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise CommandError(
            f"{address} does not answer: {str(error) or type(error).__name__}"
        ) from error
    if answer.status in (401, 403):
        raise CommandError(f"{address} wants an API key with the scope read: give one with --key")
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return read_page(page)
    except ValueError as error:
        raise CommandError(f"{address}/metrics is none of this service: {error}") from error
