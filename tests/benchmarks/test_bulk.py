"""The benchmark of forms is there for people; here it only has to run."""

import re
import subprocess
import sys

import pytest

from tests.support.project import ROOT

FORMS = (
    "JSON columns", "JSON list", "JSON lines", "CSV", "CSV, answer CSV", "Arrow", "V1", "V2",
    "V2, binary", "MLflow records", "MLflow split",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("prepared")
def test_forms_when_measured_are_all_answered() -> None:
    command = [sys.executable, "-m", "benchmarks.bulk", "--rows", "1000", "--rounds", "1"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    for form in FORMS:
        assert re.search(rf"^\| {form} \| [\d,.]+ \|", done.stdout, re.MULTILINE), form
