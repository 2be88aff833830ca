"""The last drift report of each model, and what earlier ones found; a report goes to a webhook."""

import hmac
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.monitoring.drift import Report
from engine.monitoring.webhooks import NotSent, post
from persistence.atomic_files import replace_file

#: Bytes of what is kept of a model's earlier reports: thousands of them.
_MOST_BYTES = 2**20

#: What to do where a report cannot be sent to anybody.
CANNOT_SEND = "set DRIFT_WEBHOOK and DRIFT_WEBHOOK_SECRET"


class PastReport(msgspec.Struct):
    """What a report has found, without its comparisons."""

    checked_at: float  # seconds since 1970
    version: str
    rows: int
    verdict: str  # "drift", "none" or "unknown"
    shifted: list[str]


def changes(reports: Sequence[PastReport]) -> list[PastReport]:
    """Return the reports that raised or cleared the alarm; too few rows change nothing."""
    told = [report for report in reports if report.verdict != "unknown"]
    before = ["none", *(report.verdict for report in told)]
    return [each for each, last in zip(told, before, strict=False) if each.verdict != last]


class DriftReports:
    """Keeps reports in a folder, and sends them to an address, signed with a secret."""

    def __init__(self, folder: Path, webhook: str = "", secret: str = "") -> None:  # nosec B107
        self._folder = folder
        self._webhook = webhook
        self._secret = secret

    def keep(self, report: Report) -> None:
        """Replace the last report of a model, and note in one line what it has found."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"drift-{report.model}.json"
        replace_file(path, msgspec.json.encode(report), mode=0o600)
        past = PastReport(
            report.checked_at, report.version, report.rows, report.verdict, report.shifted
        )
        lines = self._folder / f"drift-{report.model}.jsonl"
        descriptor = os.open(lines, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode(past) + b"\n")
        if lines.stat().st_size > _MOST_BYTES:
            replace_file(lines, lines.read_bytes()[-_MOST_BYTES // 2 :], mode=0o600)

    def history(self, model: str) -> list[PastReport]:
        """Return what the reports of a model have found, the oldest first.

        A line that cannot be read, as one that was cut off, is passed over.
        """
        reports = []
        with suppress(OSError):
            for line in (self._folder / f"drift-{model}.jsonl").read_bytes().splitlines():
                with suppress(msgspec.DecodeError):
                    reports.append(msgspec.json.decode(line, type=PastReport))
        return reports

    def read(self) -> list[Report]:
        """Return the last report of each model; one that cannot be read is passed over."""
        reports = []
        for path in sorted(self._folder.glob("drift-*.json")):
            with suppress(OSError, msgspec.DecodeError):
                reports.append(msgspec.json.decode(path.read_bytes(), type=Report))
        return reports

    @property
    def can_send(self) -> bool:
        """Whether there are an address and a secret."""
        return bool(self._webhook and self._secret)

    def send(self, report: Report) -> None:
        """Post a report as JSON; raise `NotSent` unless the answer is 2xx within the deadline.

        ``X-Signature`` is ``t=<unix time>,v1=<HMAC-SHA256 of time, point and body, in hex>``, so
        the receiver can refuse what is forged, and what is old.
        """
        if not self.can_send:
            raise NotSent(CANNOT_SEND)
        body, moment = msgspec.json.encode(report), str(int(time.time()))
        signed = hmac.digest(self._secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
        headers = {"X-Signature": f"t={moment},v1={signed}"}
        post(self._webhook, body, headers, name="DRIFT_WEBHOOK")
