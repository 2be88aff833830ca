"""Ray Serve with a scikit-learn pipeline: ray_credit.py PORT [batched]."""

import sys
from typing import Any

import pandas as pd
import ray
from ray import serve
from starlette.requests import Request

from benchmarks.contenders.credit import ask_together, load_pipeline


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


@serve.deployment(
    num_replicas=2, max_ongoing_requests=100, logging_config={"enable_access_log": False}
)
class BatchedCredit:
    """Predicts the records of several requests at once."""

    def __init__(self) -> None:
        self.pipeline = load_pipeline()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005)
    async def ask(self, tables: list[pd.DataFrame]) -> list[list[float]]:
        """Give the probabilities of the positive class for each request."""
        return ask_together(self.pipeline, tables)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Predict what the body holds."""
        return {"probabilities": await self.ask(pd.DataFrame((await request.json())["records"]))}


if __name__ == "__main__":
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    served = BatchedCredit if sys.argv[2:] == ["batched"] else Credit
    serve.run(served.bind(), blocking=True)
