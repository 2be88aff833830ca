"""Credit: is this applicant a good payer?

One-hot categories, then a random forest. Words are taken in English and in
Portuguese. Amounts are in the data set's own currency unit, which its source
does not name.
"""

from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.schema import Category, Flag, ModelDefinition, Number

fields = (
    Number(name="seniority", column="Seniority", unit="years", example=9,
           integer=True, minimum=0, maximum=70,
           description="Time in the present job"),
    Category(name="home", column="Home", example="rent", missing="accept",
             categories=("ignore", "other", "owner", "parents", "priv", "rent"),
             synonyms={"ignorar": "ignore", "outro": "other", "propria": "owner",
                       "pais": "parents", "privado": "priv", "aluguel": "rent"},
             description="Who owns the home"),
    Number(name="time", column="Time", unit="months", example=60,
           integer=True, minimum=1, maximum=120,
           description="Duration of the loan"),
    Number(name="age", column="Age", unit="years", example=30,
           integer=True, minimum=18, maximum=100),
    Category(name="marital", column="Marital", example="married", missing="accept",
             categories=("divorced", "married", "separated", "single", "widow"),
             synonyms={"divorciado": "divorced", "casado": "married", "separado": "separated",
                       "solteiro": "single", "viuvo": "widow"},
             description="Marital status"),
    Flag(name="records", column="Records", example=False,
         synonyms={"yes": True, "no": False},
         description="Whether there are records of unpaid debts"),
    Category(name="job", column="Job", example="freelance", missing="accept",
             categories=("fixed", "freelance", "others", "partime"),
             synonyms={"fixo": "fixed", "freelancer": "freelance", "outros": "others",
                       "parcial": "partime", "partial": "partime"},
             description="Kind of job"),
    Number(name="expenses", column="Expenses", unit="currency per month", example=73,
           minimum=0, maximum=10_000),
    Number(name="income", column="Income", unit="currency per month", example=129,
           minimum=0, maximum=100_000, missing="accept"),
    Number(name="assets", column="Assets", unit="currency", example=0,
           minimum=0, maximum=10_000_000, missing="accept"),
    Number(name="debt", column="Debt", unit="currency", example=0,
           minimum=0, maximum=10_000_000, missing="accept"),
    Number(name="amount", column="Amount", unit="currency", example=800,
           minimum=1, maximum=1_000_000, description="Amount asked for"),
    Number(name="price", column="Price", unit="currency", example=846,
           minimum=1, maximum=1_000_000, description="Price of the goods"),
)  # fmt: skip

target = Flag(name="approved", column="Status", example=True,
              synonyms={"good": True, "bad": False},
              description="Whether the applicant pays well")  # fmt: skip


def load_data(path: Path) -> pd.DataFrame:
    """Read the applications; empty cells are gaps, no other text is."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def build_pipeline() -> Pipeline:
    """Return the unfitted pipeline: gaps filled, categories one-hot, 200 trees."""
    categories = [field.name for field in fields if isinstance(field, Category)]
    numbers = [field for field in fields if isinstance(field, Number)]
    gaps = [field.name for field in numbers if field.missing == "accept"]
    prepare = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
            ("gaps", SimpleImputer(strategy="median"), gaps),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    forest = RandomForestClassifier(n_estimators=200, max_depth=10, random_state=0)
    return Pipeline([("prepare", prepare), ("forest", forest)])


definition = ModelDefinition(
    title="Credit approval",
    description="Tells whether an applicant for consumer credit is a good payer.",
    fields=fields,
    target=target,
    extras=("approved",),  # clients send the known outcome along
    sample=Path("data/credit_sample.csv"),
    sample_note="synthetic: made by data/make_credit_sample.py, no real applicants",
    load_data=load_data,
    build_pipeline=build_pipeline,
    score="roc_auc",
    threshold=0.5,
    seed=0,
)
