"""Ray Serve with a scikit-learn pipeline: ray_credit.py PORT."""

import sys
from typing import Any

import pandas as pd
import ray
from ray import serve
from starlette.requests import Request

from benchmarks.contenders.credit import load_pipeline


@serve.deployment(
    num_replicas=2, max_ongoing_requests=100, logging_config={"enable_access_log": False}
)
class Credit:
    """Predicts one record, a list of records, or columns."""

    def __init__(self) -> None:
        self.pipeline = load_pipeline()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Predict what the body holds."""
        table = pd.DataFrame((await request.json())["records"])
        return {"probabilities": self.pipeline.predict_proba(table)[:, 1].tolist()}


if __name__ == "__main__":
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Credit.bind(), blocking=True)
