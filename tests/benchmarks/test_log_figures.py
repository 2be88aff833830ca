"""The figures of the prediction log are there for people; here they only have to add up."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.support.project import ROOT


@pytest.mark.slow
@pytest.mark.usefixtures("prepared")
def test_figures_when_measured_lose_no_prediction() -> None:
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    command = [sys.executable, "-m", "benchmarks.log_figures", "--rows", "1440"]

    done = subprocess.run(
        [*command, "--seconds", "1", "--rate", "200"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stdout + done.stderr
    stored = re.findall(r"^\| (SQLite|PostgreSQL) \| .* \| (\d+) \|$", done.stdout, re.MULTILINE)
    assert "SQLite" == stored[0][0]
    assert {"0"} == {lost for _, lost in stored}
    (sizes,) = re.findall(r"^\| predictions \| (.*) \|$", done.stdout, re.MULTILINE)
    assert {"1,440"} == {*sizes.split(" | ")}
    assert re.search(r"^\| one prediction by id \| \d", done.stdout, re.MULTILINE)
