"""FastAPI by hand."""

from typing import Literal

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, Field
from train import X, model

app = FastAPI()


class Member(BaseModel):
    """A member of the club."""

    plan: Literal["Basic", "Plus", "Premium"]
    tenure: int = Field(ge=0, le=100)
    visits: int = Field(ge=0, le=60)
    fee: float | None = Field(ge=0, le=100)


@app.post("/predict")
def predict(member: Member) -> dict[str, float]:
    """Predict one member."""
    row = pd.DataFrame([[member.plan, member.tenure, member.visits, member.fee]], columns=X.columns)
    row = row.astype({"Fee": float})
    return dict(zip(model.classes_, model.predict_proba(row)[0].tolist(), strict=True))
