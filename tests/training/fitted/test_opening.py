"""Opening a file: what is handed over, and what a hostile one comes to."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline

from engine.training.fitted.formats import NotBrought
from engine.training.fitted.opening import Opened, open_fitted

X = np.arange(40.0).reshape(-1, 2)
Y = X[:, 0] > 15
SEARCH = GridSearchCV(LogisticRegression(), {"C": [0.1, 10.0]}, cv=2, scoring="f1").fit(X, Y)


class Hostile:
    """Runs a line when it is unpickled."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __reduce__(self) -> Any:
        return exec, (self.line,)


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A class that only the program which saves it has."""

    def fit(self, X: Any, y: Any = None) -> "Own":
        return self

    def transform(self, X: Any) -> Any:
        return X


def opened(path: Path, *, is_trusted: bool = True, seconds: int = 30) -> tuple[Opened, list[str]]:
    lines: list[str] = []
    result = open_fitted(path, "toy", is_trusted=is_trusted, say=lines.append, seconds=seconds)
    return result, lines


def test_pickle_when_nobody_trusts_it_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Hostile(f"open({str(tmp_path / 'ran')!r}, 'w')")))

    with pytest.raises(NotBrought, match=r"runs the code .* trust=yes to make import, or --trust"):
        opened(file, is_trusted=False)

    assert not (tmp_path / "ran").exists()


def test_skops_when_it_names_other_types_needs_trust_as_a_pickle_does(tmp_path: Path) -> None:
    skops.io.dump(SEARCH, tmp_path / "model.skops")

    with pytest.raises(NotBrought, match=r"holds .*sklearn.metrics.*, whose code runs when"):
        opened(tmp_path / "model.skops", is_trusted=False)


@pytest.mark.slow
def test_search_when_it_was_compressed_is_handed_over_as_what_it_found(tmp_path: Path) -> None:
    joblib.dump(FixedThresholdClassifier(SEARCH.best_estimator_, threshold=0.25).fit(X, Y),
                tmp_path / "threshold.joblib", compress=("xz", 3))  # fmt: skip
    joblib.dump(SEARCH, tmp_path / "search.joblib", compress=3)

    (kept, entry), lines = opened(tmp_path / "search.joblib")
    (tuned, _), _ = opened(tmp_path / "threshold.joblib")

    assert (LogisticRegression, SEARCH.best_params_) == (type(kept.pipeline), kept.chosen)
    assert np.array_equal(SEARCH.predict_proba(X), kept.pipeline.predict_proba(X))
    assert ("search.joblib", "pickle", {}) == tuple(
        entry[key] for key in ("file", "format", "libraries")
    )
    assert "runs the code that its author put into it" in lines[0]
    assert (0.25, True) == tuned.threshold
    assert np.array_equal(tuned.pipeline.predict_proba(X)[:, 1] >= 0.25, tuned.fitted.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "seconds", "says"),
    [
        (Hostile("import os; os.system('touch ran')"), 30, "tries to start a program"),
        (Hostile("while True: pass"), 1, "takes longer than 1 s to be opened"),
        (make_pipeline(Own(), LogisticRegression()).fit(X, Y), 30,
         "holds Own, which the program that saved it defined: write models/toy.py with it"),
    ],
    ids=["shell", "loop", "own class"],
)  # fmt: skip
def test_pickle_when_it_holds_no_model_is_refused_in_a_sentence(
    tmp_path: Path, content: Any, seconds: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Own, "__module__", "__main__")
    monkeypatch.setitem(vars(__import__("__main__")), "Own", Own)
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(content))

    with pytest.raises(NotBrought) as refusal:
        opened(file, seconds=seconds)

    assert says in str(refusal.value)
    assert [file] == [*tmp_path.iterdir()]


@pytest.mark.slow
def test_pickle_when_it_is_cut_off_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(SEARCH)[:300])

    with pytest.raises(NotBrought, match=r"cannot be opened, \w+: .*; save it again"):
        opened(file)
