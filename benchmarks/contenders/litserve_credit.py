"""LitServe with a scikit-learn pipeline: litserve_credit.py PORT [batched]."""

import sys
from typing import Any

import litserve
import pandas as pd

from benchmarks.contenders.credit import ask_together, load_pipeline


class Credit(litserve.LitAPI):
    """Predicts one record, a list of records, or columns."""

    def setup(self, device: str) -> None:
        """Load the pipeline in each worker."""
        self.pipeline = load_pipeline()

    def decode_request(self, request: dict[str, Any]) -> pd.DataFrame:
        """Make the pipeline's frame."""
        return pd.DataFrame(request["records"])

    def predict(self, x: pd.DataFrame) -> list[float]:
        """Give the probability of the positive class for each record."""
        found: list[float] = self.pipeline.predict_proba(x)[:, 1].tolist()
        return found

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        """Name what is answered."""
        return {"probabilities": output}


class BatchedCredit(Credit):
    """Predicts the records of several requests at once."""

    def batch(self, inputs: list[pd.DataFrame]) -> list[pd.DataFrame]:
        """Leave the tables apart."""
        return inputs

    def predict(self, x: list[pd.DataFrame]) -> list[list[float]]:
        """Give the probabilities of the positive class for each request."""
        return ask_together(self.pipeline, x)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Leave the answers apart."""
        return output


if __name__ == "__main__":
    is_batched = sys.argv[2:] == ["batched"]
    api = BatchedCredit(max_batch_size=32, batch_timeout=0.005) if is_batched else Credit()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning",
        access_log=False, generate_client_file=False,
    )  # fmt: skip
