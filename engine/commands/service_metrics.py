"""What a running service has counted of a model's versions."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from engine.commands.output import CommandError, indented, table
from engine.languages import gettext as _
from engine.languages import mark

#: A service on this machine.
HERE = "http://127.0.0.1:8000"

#: Time limit for each part of the answer, and the size limit of the whole.
TIMEOUT_SECONDS, MOST_BYTES = 10, 64 * 2**20

#: The counts of a shadow, by their metrics.
_SHADOW_METRICS = {
    count: f"model_shadow_{count}_total"
    for count in ("records", "differences", "failures", "dropped")
} | {"largest_difference": "model_shadow_largest_difference"}


def live_counts(address: str, name: str, versions: Iterable[str], *, key: str) -> dict[str, Any]:
    """Read from a running service what it has counted since it started.

    The key may be empty. The counts of a shadow are None if the version was not one.
    """
    samples = [sample for sample in _samples(address, key) if sample.labels.get("model") == name]

    def total(metric: str, version: str) -> float:
        values = (
            sample.value
            for sample in samples
            if sample.name == metric and sample.labels.get("version") == version
        )
        return float(sum(values))

    def counts(version: str) -> dict[str, Any]:
        shadow = {key: total(metric, version) for key, metric in _SHADOW_METRICS.items()}
        whole = {key: n if key == "largest_difference" else int(n) for key, n in shadow.items()}
        return {
            "predictions": int(total("model_predictions_total", version)),
            "errors": int(total("model_errors_total", version)),
            "shadow": whole if any(shadow.values()) else None,
        }

    return {"service": address, "versions": {version: counts(version) for version in versions}}


def live_text(live: Mapping[str, Any]) -> str:
    """Format what `live_counts` returns for people."""
    head = "version", mark("records answered"), mark("requests failed")
    versions = live["versions"].items()
    rows = [(name, counts["predictions"], counts["errors"]) for name, counts in versions]
    title = _("Counted by {service} since it started").format(service=live["service"])
    lines = [title, indented(table(head, rows))]
    for name, counts in versions:
        if shadow := counts["shadow"]:
            compared = table(("", ""), [(k.replace("_", " "), f"{n:g}") for k, n in shadow.items()])
            lines += [
                "  " + _("{name} as a shadow").format(name=name),
                indented(indented(compared).strip("\n")),
            ]
    return "\n".join(lines)


def _samples(address: str, key: str) -> Iterable[Sample]:
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        host, port = parts.hostname if is_good else None, parts.port
    except ValueError:
        host = None
    if host is None:
        reason = _("--service {address}: give an address such as {here}")
        raise CommandError(reason.format(address=address, here=HERE))
    protocol = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    headers = {"Accept": "text/plain", **({"x-api-key": key} if key else {})}
    try:
        with closing(protocol(host, port, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request("GET", f"{parts.path.rstrip('/')}/metrics", headers=headers)
            answer = connection.getresponse()
            page = answer.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        text = _("{address} does not answer: {reason}")
        raise CommandError(text.format(address=address, reason=reason)) from error
    if answer.status in (401, 403):
        text = _("{address} wants an API key with the scope read: give one with --key")
        raise CommandError(text.format(address=address))
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        families = list(text_string_to_metric_families(page))
    except ValueError as error:
        text = _("{address}/metrics is not a page of this service: {error}")
        raise CommandError(text.format(address=address, error=error)) from error
    return [sample for family in families for sample in family.samples]
