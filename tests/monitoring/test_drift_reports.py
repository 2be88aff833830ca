"""Drift reports: kept for the metrics, and posted to a webhook that can verify them."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.monitoring import drift_reports, webhooks
from engine.monitoring.drift import Comparison, Report
from engine.monitoring.drift_reports import DriftReports, changes
from engine.monitoring.webhooks import NotSent

SECRET = "a secret of the receiver, 42"  # noqa: S105
SHIFTED = Comparison("age", "values", 0.3, 1e-9, is_shifted=True, psi=0.4)
REPORT = Report("credit", "1", 500, "drift", "shifted: age", [SHIFTED], checked_at=7.0)


@contextmanager
def receiver(status: int = 204, location: str = "", dribble: float = 0) -> Iterator[Any]:
    """Serve a webhook; yield its address and what it has got."""
    got: list[tuple[str, Any, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers, body))
            while dribble:
                try:
                    self.wfile.write(b"H")
                    time.sleep(dribble)
                except OSError:
                    return
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()
            thread.join()


def test_report_when_sent_has_a_signature_of_its_time_and_body(tmp_path: Path) -> None:
    with receiver() as (address, got):
        DriftReports(tmp_path, f"{address}/hook?team=risk", SECRET).send(REPORT)

    ((path, headers, body),) = got
    moment, _, signature = headers["X-Signature"].removeprefix("t=").partition(",v1=")
    expected = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    assert "/hook?team=risk" == path
    assert expected.hexdigest() == signature
    assert abs(time.time() - int(moment)) < 60
    assert ("drift", "credit") == tuple(json.loads(body)[name] for name in ("verdict", "model"))
    assert SECRET not in str(headers) + body.decode()


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_report_when_not_taken_is_not_sent_elsewhere(tmp_path: Path, status: int) -> None:
    with (
        receiver() as (elsewhere, others),
        receiver(status, elsewhere) as (address, got),
        pytest.raises(NotSent, match=f"answers with status {status}"),
    ):
        DriftReports(tmp_path, address, SECRET).send(REPORT)

    assert (1, 0) == (len(got), len(others))


def test_report_when_the_receiver_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DEADLINE", 0.2)
    with (
        receiver(dribble=0.05) as (address, _),
        pytest.raises(NotSent, match="DRIFT_WEBHOOK does not answer"),
    ):
        DriftReports(tmp_path, address, SECRET).send(REPORT)


def test_report_when_nobody_listens_says_so(tmp_path: Path) -> None:
    with receiver() as (address, _):
        pass

    with pytest.raises(NotSent, match="DRIFT_WEBHOOK does not answer"):
        DriftReports(tmp_path, address, SECRET).send(REPORT)


def test_report_when_tls_fails_is_not_sent(tmp_path: Path) -> None:
    with (
        receiver() as (address, got),
        pytest.raises(NotSent, match=r"DRIFT_WEBHOOK does not answer: .*SSL"),
    ):
        DriftReports(tmp_path, address.replace("http:", "https:"), SECRET).send(REPORT)

    assert [] == got


def test_report_without_a_secret_is_not_sent(tmp_path: Path) -> None:
    with receiver() as (address, got), pytest.raises(NotSent, match="DRIFT_WEBHOOK_SECRET"):
        DriftReports(tmp_path, address).send(REPORT)

    assert [] == got


def test_report_when_kept_is_the_last_of_its_model(tmp_path: Path) -> None:
    reports = DriftReports(tmp_path / "new")
    reports.keep(Report("credit", "0", 1, "none", ""))
    reports.keep(REPORT)
    reports.keep(Report("beers", "1", 3, "unknown", ""))
    (tmp_path / "new/drift-torn.json").write_bytes(b'{"model": "torn", ')

    assert ["beers", "credit"] == [report.model for report in reports.read()]
    assert REPORT == reports.read()[1]
    assert [] == DriftReports(tmp_path / "absent").read()


def test_history_when_reports_are_kept_has_what_each_has_found(tmp_path: Path) -> None:
    reports = DriftReports(tmp_path)
    verdicts = ("none", "drift", "unknown", "drift", "none", "none", "drift")
    for at, verdict in enumerate(verdicts):
        shifted = [SHIFTED] if verdict == "drift" else []
        reports.keep(Report("credit", "1", 500, verdict, "", shifted, checked_at=float(at)))
    reports.keep(Report("churn", "1", 500, "drift", "", [SHIFTED], checked_at=9.0))
    with (tmp_path / "drift-credit.jsonl").open("ab") as file:
        file.write(b'{"checked_at": 7.0, "ver')  # a process was killed

    history = reports.history("credit")

    assert [*verdicts] == [report.verdict for report in history]
    assert [[], ["age"]] == [report.shifted for report in history[:2]]
    assert [1.0, 4.0, 6.0] == [report.checked_at for report in changes(history)]
    assert [9.0, 6.0] == [report.checked_at for report in reports.read()]
    assert [] == reports.history("nobody")


def test_history_when_it_grows_long_loses_its_oldest_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_reports, "_MOST_BYTES", 1000)
    reports = DriftReports(tmp_path)

    for at in range(100):
        reports.keep(Report("credit", "1", 500, "none", "", checked_at=float(at)))

    moments = [report.checked_at for report in reports.history("credit")]
    assert 2 < len(moments) < 20
    assert [float(at) for at in range(100 - len(moments), 100)] == moments
