"""Every estimator people bring trains, exports or falls back, and serves alike."""

from pathlib import Path

import numpy as np
import pytest

from engine.runtime.loading import load_version
from engine.runtime.version import decide
from persistence.model_persistence import ModelStore
from tests.support.estimators import CASES, EVERY_DAY, Case
from tests.support.project import ROOT
from tests.support.trials import TRIALS, native_outputs, run_trial, table_row

DAILY = {(case.name, case.targets[0]) for case in CASES if case.name in EVERY_DAY}

TABLE = ROOT / "docs/reference/estimators.md"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "target"),
    [
        pytest.param(
            case, target, id=f"{case.name}-{target}",
            marks=() if (case.name, target) in DAILY else pytest.mark.slow,
        )
        for case, target in TRIALS
    ],
)  # fmt: skip
def test_estimator_when_stored_and_read_back_answers_as_fitted(
    case: Case, target: str, tmp_path: Path
) -> None:
    trial = run_trial(case, target)
    store = ModelStore(tmp_path)
    store.promote("toy", store.write(trial.card, trial.files))

    served = load_version(store, "toy")

    outputs = native_outputs(trial)
    columns = {str(name): trial.X[name].tolist() for name in trial.X.columns}
    expected, actual = decide(outputs, trial.card), served.predict(columns)
    if target == "number":
        assert [one.value for one in actual] == pytest.approx(
            trial.pipeline.predict(trial.X), rel=1e-5, abs=1e-3
        )
    else:
        assert [one.value for one in expected] == [one.value for one in actual]
    if outputs.probabilities is not None:
        found = np.array([one.probabilities for one in actual])
        assert np.abs(outputs.probabilities - found).max() <= 1e-5
    assert served.self_test() is None
    # Some processors' libraries round as ours where others do not: then the difference is 0.
    row = table_row(case, target, trial.card)
    assert {row, row.replace("| 0 |", "| < 1e-9 |")} & {*TABLE.read_text().splitlines()}


def test_table_when_cases_change_holds_no_stale_lines() -> None:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]

    named = [tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines[1:]]

    assert [(case.name, target) for case, target in TRIALS] == named
