"""Loan: two classes from a table in a file, whose columns have names of their own."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.schema import Category, Flag, ModelDefinition, Number

ROWS = 300

fields = (
    Number(name="tenure", column="Tenure", unit="years", example=9, integer=True, minimum=0),
    Number(name="age", column="Age", unit="years", example=30, integer=True,
           minimum=18, maximum=100),
    Category(name="job", column="Job", example="fixed", categories=("fixed", "freelance")),
    Number(name="price", column="Price", example=846, minimum=1),
)  # fmt: skip

target = Flag(name="approved", column="Status", example=True,
              synonyms={"good": True, "bad": False})  # fmt: skip


def write_table(path: Path) -> None:
    """Write the rows, made from a seed."""
    draw = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "Tenure": draw.integers(0, 30, ROWS),
            "Age": draw.integers(18, 90, ROWS),
            "Job": draw.choice(["fixed", "freelance"], ROWS),
        }
    )
    merit = table["Tenure"] + 8 * (table["Job"] == "fixed") + draw.normal(0, 4, ROWS)
    table["Status"] = np.where(merit > 16, "good", "bad")
    table["Price"] = draw.integers(100, 2000, ROWS)
    table.to_csv(path, index=False)


def load_data(path: Path) -> pd.DataFrame:
    """Read the table."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def build_pipeline() -> Pipeline:
    """Build five trees behind one-hot categories."""
    prepare = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["job"])], remainder="passthrough"
    )
    forest = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)
    return Pipeline([("prepare", prepare), ("forest", forest)])


definition = ModelDefinition(
    title="My own model",
    fields=fields,
    target=target,
    sample=Path("data/mine.csv"),
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="roc_auc",
)
