"""The comparison of the runtimes: it runs, and prints a line for each of them."""

import os
import re

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from benchmarks import runtimes
from tests.support.runtimes import needs_exact

SMALL = {
    "a forest": lambda: runtimes.numbers(RandomForestClassifier(2, max_depth=2)),
    "histogram boosting": lambda: runtimes.numbers(HistGradientBoostingClassifier(max_iter=2)),
}


@needs_exact
def test_comparison_when_run_prints_each_runtime_of_each_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtimes, "MODELS", SMALL)
    monkeypatch.setattr(runtimes, "_SECONDS", 0.001)
    monkeypatch.setattr(runtimes, "_ROWS", 200)
    cores = os.sched_getaffinity(0)
    try:
        status = runtimes.main(["--rounds", "1"])
    finally:
        os.sched_setaffinity(0, cores)

    lines = capsys.readouterr().out.splitlines()
    figures = r" +[\d,]+\.\d +[\d,]+\.\d x +[\d,]+ +[\d,]+\.\d x"
    named = [match[1] for line in lines if (match := re.fullmatch(rf"  (\S+){figures}", line))]
    assert status == 0
    assert ["exact", "onnxruntime", "scikit-learn"] * 2 == named
    assert {f"{name}, 200 rows" for name in SMALL} <= {*lines}
