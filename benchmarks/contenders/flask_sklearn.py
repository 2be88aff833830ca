"""Flask with a scikit-learn pipeline, for gunicorn."""

from typing import Any

import pandas as pd
from flask import Flask, request

from benchmarks.contenders.credit import load_pipeline

app = Flask(__name__)
pipeline = load_pipeline()


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Predict one record."""
    probability = float(pipeline.predict_proba(pd.DataFrame([request.get_json()]))[0, 1])
    return {"value": probability >= 0.5, "probability": probability}


@app.post("/many")
def predict_many() -> dict[str, Any]:
    """Predict a list of records, or columns."""
    table = pd.DataFrame(request.get_json())
    return {"probabilities": pipeline.predict_proba(table)[:, 1].tolist()}
