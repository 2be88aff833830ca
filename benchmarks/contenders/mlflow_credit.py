"""Save the pipeline as an MLflow model: mlflow_credit.py FOLDER."""

import json
import shutil
import sys

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

from benchmarks.contenders.credit import FILES, NUMBERS, load_pipeline

if __name__ == "__main__":
    folder = sys.argv[1]
    shutil.rmtree(folder, ignore_errors=True)
    pipeline = load_pipeline()
    records = json.loads((FILES / "questions.json").read_text())["records"]
    table = pd.DataFrame(records).astype(dict.fromkeys(NUMBERS, "float64"))
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        signature=infer_signature(table, pipeline.predict_proba(table)),
    )
