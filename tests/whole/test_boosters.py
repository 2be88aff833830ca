"""Models of XGBoost and LightGBM, from a model file to a host that has neither package."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.runtime.native import frame
from engine.runtime.trusted_types import load_pipeline
from engine.schema.record_schema import Schema
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT, copy_project
from tests.support.runtimes import needs_exact
from tests.support.serving import DEADLINE, environment, running
from tests.support.toys import loan
from tests.whole.test_serving_packages import interpreter

pytestmark = [pytest.mark.slow, needs_exact]

ESTIMATORS = {"single": ("xgboost", "XGBClassifier"), "double": ("lightgbm", "LGBMClassifier")}

RECORDS: list[dict[str, Any]] = [
    {"tenure": tenure, "age": 20 + tenure, "job": job, "price": 100.5 * tenure + 1}
    for tenure in range(20) for job in ("fixed", "freelance")
]  # fmt: skip

BUILD = """
import build_model
print([build_model.main([name, "--importances", "off"]) for name in ("single", "double")])
"""


def test_boosters_when_only_what_serves_is_installed_give_their_own_answers(tmp_path: Path) -> None:
    store = trained(copy_project(tmp_path / "project"))
    python = interpreter(tmp_path / "serving", "requirements-serve.txt")

    with running(
        tmp_path, command=(python, "app.py", "serve"), until="/readyz",
        model_store=store.root, default_model="single",
    ) as server:  # fmt: skip
        answers = {name: server.ask(f"/v0/models/{name}/predict", RECORDS) for name in ESTIMATORS}

    for name, (status, answer) in answers.items():
        card = store.read_card(name)
        schema = Schema.from_json(card["schema"])
        content = (store.files(card) / "model.skops").read_bytes()
        own = load_pipeline(content, model=name)
        shares = own.predict_proba(frame(schema.columns(RECORDS), schema.fields))
        predictions = answer["predictions"]
        assert (200, "exact", 5) == (status, card["runtime"], card["trees"])
        assert ESTIMATORS[name][0] in card["libraries"]
        assert 1.0 == pytest.approx(sum(card["impurity_importances"].values()))
        assert {True, False} == {prediction["value"] for prediction in predictions}
        assert np.array_equal(
            np.asarray(shares, np.float64)[:, 1],
            [prediction["probabilities"]["true"] for prediction in predictions],
        )


def trained(project: Path) -> ModelStore:
    """Train both on the same table, by the command."""
    source = (ROOT / "tests/support/toys/loan.py").read_text()
    for name, (package, estimator) in ESTIMATORS.items():
        pytest.importorskip(package)
        text = source.replace("sklearn.ensemble", package)
        (project / f"models/{name}.py").write_text(
            text.replace("RandomForestClassifier", estimator)
        )
    loan.write_table(project / "data/mine.csv")
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=project, env=environment(), timeout=DEADLINE,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("[0, 0]\n"), done.stdout + done.stderr
    assert 2 == done.stdout.count("bit for bit")
    assert "[LightGBM]" not in done.stdout
    return ModelStore(project / "artifacts")
