"""Beers: how bitter is a beer, in IBU?

The style is what the name says, word by word: "Scale" is no ale. Most names say none, which is
a style of its own here; a caller without a style sends none, too. The name itself comes back in
the answer. What cannot be is set aside when the model is trained: bitterness above
any that tongues or laboratories tell, a pH of 79, a beer denser after fermentation than before.
"""

import re
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from engine.schema import Category, Identifier, ModelDefinition, Number

#: The style that a word of a name tells; of several words the one that stands first here.
STYLES = {
    "berliner": "sour", "weisse": "sour", "gose": "sour", "lambic": "sour", "sour": "sour",
    "blitz": "sour", "ipa": "ipa", "india": "ipa", "stout": "stout", "porter": "porter",
    "saison": "saison", "lager": "lager", "pilsner": "lager", "pils": "lager", "wheat": "wheat",
    "weizen": "wheat", "hefeweizen": "wheat", "barley": "barley wine", "ale": "ale",
    "blonde": "ale",
}  # fmt: skip

#: The styles from mild to bitter, as brewers know them; a name without one is in the middle.
BY_BITTERNESS = (
    "sour", "saison", "wheat", "lager", "ale", "__missing__", "porter", "stout", "barley wine",
    "ipa",
)  # fmt: skip

fields = (
    Identifier(name="name", example="Punk IPA", missing="accept"),
    Category(name="style", example="ipa", missing="accept",
             categories=tuple(style for style in BY_BITTERNESS if style != "__missing__"),
             description="What the beer's name says of its style, if anything"),
    Number(name="abv", unit="percent", example=6.7, minimum=0, maximum=70,
           description="Alcohol by volume"),
    Number(name="target_fg", example=1013, minimum=980, maximum=1200, missing="accept",
           description="Gravity after fermentation, 1000 for water"),
    Number(name="target_og", example=1064, minimum=1000, maximum=1250, missing="accept",
           description="Gravity before fermentation, 1000 for water"),
    Number(name="ebc", example=19, minimum=0, maximum=800, missing="accept",
           description="Colour, in units of the European Brewery Convention"),
    Number(name="srm", example=9.5, minimum=0, maximum=400, missing="accept",
           description="Colour, in units of the Standard Reference Method"),
    Number(name="ph", example=4.4, minimum=0, maximum=14, missing="accept"),
)  # fmt: skip

target = Number(name="ibu", unit="IBU", example=60, minimum=0, maximum=999,
                description="Bitterness")  # fmt: skip


def style_of(name: str) -> str | None:
    """Return the style that the words of a name tell; None if they tell none."""
    words = set(re.findall(r"\w+", name.lower()))
    return next((style for word, style in STYLES.items() if word in words), None)


def load_data(path: Path) -> pd.DataFrame:
    """Read the beers from CSV, or from JSON as the API gave them."""
    table = pd.read_json(path) if path.suffix == ".json" else pd.read_csv(path)
    if "style" not in table:
        table = table.assign(style=table["name"].map(style_of))
    return table


def build_pipeline() -> Pipeline:
    """Return the unfitted pipeline: gaps filled, the styles as a scale, 300 trees."""
    numbers = [field.name for field in fields if isinstance(field, Number)]
    prepare = ColumnTransformer([
        ("style", OrdinalEncoder(categories=[BY_BITTERNESS]), ["style"]),
        ("gaps", SimpleImputer(strategy="median"), numbers),
    ])  # fmt: skip
    trees = ExtraTreesRegressor(n_estimators=300, min_samples_leaf=2, random_state=0)
    return Pipeline([("prepare", prepare), ("trees", trees)])


definition = ModelDefinition(
    title="Bitterness of beers",
    description="Tells how bitter a beer is by its strength, gravity, colour, acidity and style.",
    fields=fields,
    target=target,
    sample=Path("data/beers_sample.csv"),
    sample_note="synthetic: made by data/make_beers_sample.py, no real recipes",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="rmse",
    set_aside=0.1,
    rules=("target_fg <= target_og",),
    seed=0,
)
