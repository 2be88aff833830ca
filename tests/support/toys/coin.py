"""Coin: two whole-number classes from an estimator that has no export."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import LabelSpreading

from engine.schema import Category, ModelDefinition, Number

ROWS = 120

fields = (
    Number(name="size", unit="mm", example=1.5, minimum=-10, maximum=10),
    Number(name="edge", unit="mm", example=-0.5, minimum=-10, maximum=10),
)

target = Category(name="side", example=1, categories=(0, 1))


def load_data(path: Path) -> pd.DataFrame:
    """Make the rows from a seed; the file's content is not asked."""
    draw = np.random.default_rng(7)
    table = pd.DataFrame({"size": draw.normal(0, 2, ROWS), "edge": draw.normal(0, 2, ROWS)})
    table["side"] = (table["size"] + table["edge"] + draw.normal(0, 1, ROWS) > 0).astype(int)
    return table


def build_pipeline() -> Pipeline:
    """Give an estimator that the converter does not know."""
    return Pipeline([("spread", LabelSpreading(kernel="knn", n_neighbors=9))])


definition = ModelDefinition(
    title="Coin",
    description="Tells which side is up.",
    fields=fields,
    target=target,
    sample=Path(__file__),
    sample_note="made up by the tests",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="roc_auc",
    threshold=0.3,
)
