"""What a stored pipeline may hold, and that nothing else is ever loaded."""

import gzip
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

import models
from engine.runtime.onnx import open_session
from engine.runtime.trusted_types import load_pipeline
from persistence.store_errors import UntrustedArtifact
from tests.attacks.external_data import graph, model
from tests.attacks.gadgets import NODES, skops_file
from tests.support.project import ROOT


class Gadget:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch gadget-ran",)


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Gadget()), pickle.dumps(LogisticRegression()), b"", b"PK\x03\x04", b"\x80\x05."],
)
def test_loading_when_the_file_is_no_skops_file_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UntrustedArtifact, match="not a skops file"):
        load_pipeline(content, model="toy")

    assert [] == list(tmp_path.iterdir())


def test_loading_when_a_type_is_not_ours_names_it() -> None:
    foreign = Pipeline([("call", FunctionTransformer(os.system)), ("model", LogisticRegression())])

    with pytest.raises(UntrustedArtifact, match=r"posix\.system"):
        load_pipeline(dumps(foreign), model="toy")


@pytest.mark.slow
def test_loading_when_gadgets_are_in_a_file_refuses_each_and_runs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.gadgets"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)

    assert 60 <= found["gadgets"]
    assert len(NODES) * found["gadgets"] < found["files"]
    assert ([], [], []) == (found["taken"], found["events"], found["imported"])


@pytest.fixture
def loan_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toy loan stand among the files of models/."""
    toys = str(ROOT / "tests/support/toys")
    monkeypatch.setattr(models, "__path__", [*models.__path__, toys])


@pytest.mark.usefixtures("loan_file")
@pytest.mark.parametrize("word", ["Path", "pd", "RandomForestClassifier", "nothing", "Path.home"])
def test_loading_when_a_name_is_only_imported_into_the_models_file_is_refused(word: str) -> None:
    named = skops_file(NODES["FunctionNode"]("models.loan", word))

    with pytest.raises(UntrustedArtifact, match=rf"not trusted: models\.loan\.{word}"):
        load_pipeline(named, model="loan")


def test_loading_when_another_format_is_renamed_tries_no_other_loader(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression(), path, compress=3)
    array = io.BytesIO()
    np.save(array, np.array([Gadget()], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", pickle.dumps(LogisticRegression()))

    for content in (
        path.read_bytes(), array.getvalue(), archive.getvalue(), gzip.compress(b"x"),
        graph_file(),
    ):  # fmt: skip
        with pytest.raises(UntrustedArtifact, match="not a skops file"):
            load_pipeline(content, model="toy")
        if content != graph_file():
            with pytest.raises(UntrustedArtifact, match="not an ONNX file"):
                open_session(content)
    with pytest.raises(UntrustedArtifact, match="not an ONNX file"):
        open_session(dumps(LogisticRegression()))


def graph_file() -> bytes:
    content: bytes = model(graph()).SerializeToString()
    return content


@pytest.mark.usefixtures("loan_file")
def test_loading_when_a_function_is_the_models_own_trusts_it() -> None:
    load_data = importlib.import_module("models.loan").load_data

    pipeline = dumps(FunctionTransformer(load_data))

    assert load_data is load_pipeline(pipeline, model="loan").func
    with pytest.raises(UntrustedArtifact, match=r"models\.loan\.load_data"):
        load_pipeline(pipeline, model="toy")
