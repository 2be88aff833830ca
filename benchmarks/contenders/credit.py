"""The credit model as the other servers load and ask it; they share nothing else."""

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

TEXT = ("home", "marital", "job")
NUMBERS = (
    "seniority", "time", "age", "records", "expenses", "income", "assets", "debt", "amount",
    "price",
)  # fmt: skip
KINDS = dict.fromkeys(TEXT, object) | dict.fromkeys(NUMBERS, np.float64)
FILES = Path(os.environ["BENCHMARK_FILES"])


def load_pipeline() -> Any:
    """Load the fitted scikit-learn pipeline."""
    import joblib

    return joblib.load(FILES / "pipeline.joblib")


def ask_together(pipeline: Any, tables: Sequence[Any]) -> list[list[float]]:
    """Predict the tables of several requests at once; give each its probabilities."""
    import pandas as pd

    whole = iter(pipeline.predict_proba(pd.concat(tables))[:, 1].tolist())
    return [list(islice(whole, len(table))) for table in tables]


def load_session() -> Any:
    """Load the exported model with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        FILES / "model.onnx", options, providers=["CPUExecutionProvider"]
    )


def feed_one(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give the model's inputs for one record."""
    return {name: np.array([[record[name]]], dtype=kind) for name, kind in KINDS.items()}


def feed_columns(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Give the model's inputs for columns of equal length."""
    return {
        name: np.array(columns[name], dtype=kind).reshape(-1, 1) for name, kind in KINDS.items()
    }
