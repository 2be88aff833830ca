"""FastAPI with a scikit-learn pipeline; its functions run in threads."""

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.contenders.credit import load_pipeline

app = FastAPI()
pipeline = load_pipeline()


class Record(BaseModel):
    """An applicant."""

    seniority: int
    home: str
    time: int
    age: int
    marital: str
    records: bool
    job: str
    expenses: float
    income: float
    assets: float
    debt: float
    amount: float
    price: float


class Columns(BaseModel):
    """Applicants, column by column."""

    seniority: list[int]
    home: list[str]
    time: list[int]
    age: list[int]
    marital: list[str]
    records: list[bool]
    job: list[str]
    expenses: list[float]
    income: list[float]
    assets: list[float]
    debt: list[float]
    amount: list[float]
    price: list[float]


class Prediction(BaseModel):
    """What is answered for one applicant."""

    value: bool
    probability: float


class Predictions(BaseModel):
    """What is answered for many applicants."""

    probabilities: list[float]


def _ask(table: pd.DataFrame) -> list[float]:
    found: list[float] = pipeline.predict_proba(table)[:, 1].tolist()
    return found


@app.post("/predict")
def predict(record: Record) -> Prediction:
    """Predict one record."""
    (probability,) = _ask(pd.DataFrame([record.model_dump()]))
    return Prediction(value=probability >= 0.5, probability=probability)


@app.post("/list")
def predict_list(records: list[Record]) -> Predictions:
    """Predict a list of records."""
    return Predictions(probabilities=_ask(pd.DataFrame([one.model_dump() for one in records])))


@app.post("/columns")
def predict_columns(columns: Columns) -> Predictions:
    """Predict columns."""
    return Predictions(probabilities=_ask(pd.DataFrame(columns.model_dump())))
