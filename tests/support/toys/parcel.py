"""Parcel: which box does it need? Three text classes and every policy of a field."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.schema import Category, Flag, ModelDefinition, Number

ROWS = 240

fields = (
    Number(name="weight", unit="kg", example=12.5, minimum=0, maximum=100),
    Number(name="pieces", example=3, integer=True, minimum=1, maximum=50, out_of_range="accept"),
    Number(name="height", unit="cm", example=40, missing="accept"),
    Category(name="colour", example="dark, blue", categories=("red", "green", "dark, blue"),
             synonyms={"vermelho": "red"}),
    Category(name="shape", example="tube", categories=("box", "tube"),
             unknown="accept", missing="accept"),
    Flag(name="fragile", example=True, synonyms={"yes": True, "no": False}),
    Flag(name="express", example=False, missing="accept"),
)  # fmt: skip

target = Category(name="size", example="small", categories=("small", "large", "medium"))


def load_data(path: Path) -> pd.DataFrame:
    """Make the rows from a seed; the file's content is not asked."""
    draw = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "weight": draw.uniform(0, 100, ROWS).round(2),
            "pieces": draw.integers(1, 51, ROWS),
            "height": np.where(draw.random(ROWS) < 0.1, np.nan, draw.uniform(1, 200, ROWS)),
            "colour": draw.choice(["red", "green", "dark, blue"], ROWS),
            "shape": draw.choice(["box", "tube"], ROWS),
            "fragile": draw.random(ROWS) < 0.5,
            "express": draw.random(ROWS) < 0.2,
        }
    )
    bulk = table["weight"] + table["pieces"] + 15 * table["fragile"] + draw.normal(0, 8, ROWS)
    table["size"] = np.select([bulk < 60, bulk > 95], ["small", "large"], "medium")
    return table


def build_pipeline() -> Pipeline:
    """Give a small forest behind one-hot categories and filled gaps."""
    prepare = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["colour", "shape"]),
            ("gaps", SimpleImputer(strategy="most_frequent"), ["height", "express"]),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    forest = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0)
    return Pipeline([("prepare", prepare), ("forest", forest)])


definition = ModelDefinition(
    title="Parcel size",
    description="Tells which box a parcel needs.",
    fields=fields,
    target=target,
    extras=("note",),
    sample=Path(__file__),
    sample_note="made up by the tests",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="accuracy",
)
