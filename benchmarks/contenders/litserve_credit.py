"""LitServe with a scikit-learn pipeline."""

import sys
from typing import Any

import litserve
import pandas as pd

from benchmarks.contenders.credit import load_pipeline


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


if __name__ == "__main__":
    server = litserve.LitServer(Credit(), accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning",
        access_log=False, generate_client_file=False,
    )  # fmt: skip
