"""FastAPI with onnxruntime: the raw body through json.loads, or typed by pydantic."""

import json
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from benchmarks.contenders.credit import feed_columns, feed_one, load_session

app = FastAPI()
session = load_session()


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


class Prediction(BaseModel):
    """What is answered for one applicant."""

    value: bool
    probability: float


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


class Predictions(BaseModel):
    """What is answered for many applicants."""

    probabilities: list[float]


def _ask(feeds: dict[str, Any]) -> Any:
    (probabilities,) = session.run(["probabilities"], feeds)
    return probabilities[:, 1]


@app.post("/raw")
async def raw(request: Request) -> Response:
    """Predict one record that is not validated."""
    record = json.loads(await request.body())
    probability = float(_ask(feed_one(record))[0])
    answer = {"value": probability >= 0.5, "probability": probability}
    return Response(json.dumps(answer), media_type="application/json")


@app.post("/raw/many")
async def raw_many(request: Request) -> Response:
    """Predict columns that are not validated."""
    columns = json.loads(await request.body())
    answer = {"probabilities": _ask(feed_columns(columns)).tolist()}
    return Response(json.dumps(answer), media_type="application/json")


@app.post("/typed")
async def typed(record: Record) -> Prediction:
    """Predict one validated record."""
    probability = float(_ask(feed_one(record.__dict__))[0])
    return Prediction(value=probability >= 0.5, probability=probability)


@app.post("/typed/many")
async def typed_many(columns: Columns) -> Predictions:
    """Predict validated columns."""
    return Predictions(probabilities=_ask(feed_columns(columns.__dict__)).tolist())
