"""What a stored pipeline may hold, and that nothing else is ever loaded."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from persistence.trusted_types import UntrustedArtifact, load_pipeline


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


def test_loading_when_a_function_is_the_models_own_trusts_it() -> None:
    from models.credit import load_data

    pipeline = dumps(FunctionTransformer(load_data))

    assert load_data is load_pipeline(pipeline, model="credit").func
    with pytest.raises(UntrustedArtifact, match=r"models\.credit\.load_data"):
        load_pipeline(pipeline, model="toy")
