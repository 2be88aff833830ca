"""Opening a file: what is handed over, and what a hostile one comes to."""

import pickle
import subprocess
import sys
from ast import literal_eval
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
from tests.support.project import ROOT
from tests.training.fitted.test_formats import HUGE

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


HEAD = b'{"threshold": null, "libraries": {}, "chosen": {}}\n'


def answering(answer: bytes) -> Hostile:
    """Answer in the place of the process that opens a file."""
    lines = f"for pipe in range(3, 20):\n  with suppress(OSError): os.write(pipe, {answer!r})\n"
    return Hostile(f"import os\nfrom contextlib import suppress\n{lines}os._exit(0)")


def opened(path: Path, *, trust: str = "yes", seconds: int = 30) -> tuple[Opened, list[str]]:
    lines: list[str] = []
    result = open_fitted(path, "toy", trust=trust, say=lines.append, seconds=seconds)
    return result, lines


def test_pickle_when_nobody_trusts_it_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Hostile(f"open({str(tmp_path / 'ran')!r}, 'w')")))

    with pytest.raises(NotBrought, match=r"runs the code .* trust=yes to make import, or --trust"):
        opened(file, trust="")

    assert not (tmp_path / "ran").exists()


def test_skops_when_it_names_other_types_needs_trust_as_a_pickle_does(tmp_path: Path) -> None:
    skops.io.dump(SEARCH, tmp_path / "model.skops")

    with pytest.raises(NotBrought, match=r"holds .*sklearn.metrics.*, whose code runs when"):
        opened(tmp_path / "model.skops", trust="")


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
        (Hostile("raise ValueError('\\x1b[2J gone')"), 30, "ValueError: ?[2J gone; save it again"),
        (answering(b"5\n"), 30, "ends the process that opens it: save it again"),
        (answering(HEAD + HUGE), 30, "is too large when it is unpacked: fit a smaller model"),
        (make_pipeline(Own(), LogisticRegression()).fit(X, Y), 30,
         "holds Own, which the program that saved it defined: write models/toy.py with it"),
    ],
    ids=["shell", "loop", "escape", "answer", "archive", "own class"],
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


#: Lets nobody make namespaces from now on, then opens files, each with a trust; prints what comes
#: of each, and whether another file is still there.
WITHOUT_NAMESPACES = """
import ctypes, pathlib, sys
if ctypes.CDLL(None).unshare(0x10000000):
    sys.exit("skip")
pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0")
from engine.training.fitted.formats import NotBrought
from engine.training.fitted.opening import open_fitted
lost = pathlib.Path(sys.argv[1])
for file, trust in zip(sys.argv[2::2], sys.argv[3::2]):
    try:
        opened = open_fitted(pathlib.Path(file), "toy", trust=trust, say=[].append)
        outcome = type(opened.kept.pipeline).__name__
    except NotBrought as error:
        outcome = str(error)
    print((outcome, lost.exists()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the namespaces are those of Linux")
def test_pickle_when_nothing_can_shut_its_process_is_opened_only_if_that_is_said(
    tmp_path: Path,
) -> None:
    lost, model = tmp_path / "lost", LogisticRegression().fit(X, Y)
    line = f"import ctypes; ctypes.CDLL(None).unlink({str(lost).encode()!r})"
    lost.write_text("kept")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps((Hostile(line), model)))
    skops.io.dump(model, tmp_path / "model.skops")

    asked = [("model.skops", ""), ("model.pkl", "yes"), ("model.pkl", "unguarded")]
    words = [word for file, trust in asked for word in (str(tmp_path / file), trust)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NAMESPACES, str(lost), *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.stderr == "skip\n":
        pytest.skip("this machine lets nobody make namespaces to begin with")

    safe, (refusal, is_kept), (_, is_kept_unguarded) = map(literal_eval, done.stdout.splitlines())
    assert ("LogisticRegression", True) == safe
    assert is_kept
    assert "is not opened, since this machine lets nobody make the namespaces" in refusal
    assert "trust=unguarded to make import" in refusal
    assert not is_kept_unguarded


@pytest.mark.slow
def test_pickle_when_it_is_cut_off_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(SEARCH)[:300])

    with pytest.raises(NotBrought, match=r"cannot be opened, \w+: .*; save it again"):
        opened(file)
