"""The alert about drift fires for a shifted field, while the report is recent."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.project import ROOT

DAY = 24


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here: apt-get install prometheus"
)
def test_alert_when_a_field_has_shifted_fires_until_the_report_is_old(tmp_path: Path) -> None:
    series = {
        'model_drift{job="api",model="credit",field="income"}': "1x400",
        'model_drift{job="api",model="credit",field="age"}': "0x400",
        'model_drift_checked_at{job="api",model="credit"}': "600x400",
    }
    fired = [{
        "exp_labels": {"severity": "warn", "job": "api", "model": "credit", "field": "income"},
        "exp_annotations": {
            "summary": "income of credit has drifted",
            "description": "Its values are no longer those that the version learnt from. flask "
            "check-drift shows by how much. Find out what has changed, or train on newer data.",
        },
    }]  # fmt: skip
    times = {0: [], 1: fired, 13 * DAY: fired, 15 * DAY: []}
    test = {
        "interval": "1h",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{hours}h", "alertname": "ModelDrift", "exp_alerts": alerts}
            for hours, alerts in times.items()
        ],
    }
    rules = [str(ROOT / "deploy/monitoring/alerts.yml")]
    path = tmp_path / "test.yml"
    path.write_text(
        yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1h", "tests": [test]})
    )

    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, check=False)

    assert 0 == done.returncode, done.stdout.decode() + done.stderr.decode()
