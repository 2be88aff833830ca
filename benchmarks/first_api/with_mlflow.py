"""MLflow: a model with a signature, for `mlflow models serve`."""

import mlflow.sklearn
from mlflow.models import infer_signature
from train import X, model

mlflow.sklearn.save_model(
    model,
    "model",
    signature=infer_signature(X, model.predict_proba(X)),
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
)
