"""Rent: a regression that ignores extras and has no upper ends to its ranges."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.schema import Category, ModelDefinition, Number

ROWS = 120

fields = (
    Number(name="area", unit="m2", example=55.5, minimum=1),
    Number(name="rooms", example=2, integer=True),
    Category(name="city", example="Recife", categories=("Recife", "Natal")),
)

target = Number(name="rent", unit="BRL per month", example=1800)


def load_data(path: Path) -> pd.DataFrame:
    """Make the rows from a seed; the file's content is not asked."""
    draw = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "area": draw.uniform(20, 200, ROWS),
            "rooms": draw.integers(1, 6, ROWS),
            "city": draw.choice(["Recife", "Natal"], ROWS),
        }
    )
    noise = draw.normal(0, 20, ROWS)
    table["rent"] = 30 * table["area"] + 100 * (table["city"] == "Recife") + noise
    return table


def build_pipeline() -> Pipeline:
    """Give a straight line behind one-hot categories."""
    prepare = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["city"])], remainder="passthrough"
    )
    return Pipeline([("prepare", prepare), ("line", LinearRegression())])


definition = ModelDefinition(
    title="Rent",
    description="Tells what a flat costs a month.",
    fields=fields,
    target=target,
    extras="ignore",
    sample=Path(__file__),
    sample_note="made up by the tests",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="mae",
)
