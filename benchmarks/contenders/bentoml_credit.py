"""BentoML with a scikit-learn pipeline."""

import bentoml
import pandas as pd
from pydantic import BaseModel

from benchmarks.contenders.credit import load_pipeline


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


@bentoml.service(workers=2, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Credit:
    """Predicts one record, or a table."""

    def __init__(self) -> None:
        self.pipeline = load_pipeline()

    @bentoml.api
    def predict(self, record: Record) -> dict[str, float]:
        """Predict one record."""
        table = pd.DataFrame([record.model_dump()])
        return {"probability": float(self.pipeline.predict_proba(table)[0, 1])}

    @bentoml.api(batchable=True, max_batch_size=4_000)
    def batched(self, records: list[Record]) -> list[float]:
        """Predict the records of several requests at once."""
        table = pd.DataFrame([one.model_dump() for one in records])
        found: list[float] = self.pipeline.predict_proba(table)[:, 1].tolist()
        return found

    @bentoml.api
    def many(self, table: pd.DataFrame) -> dict[str, list[float]]:
        """Predict a table, given as records or as columns."""
        return {"probabilities": self.pipeline.predict_proba(table)[:, 1].tolist()}
