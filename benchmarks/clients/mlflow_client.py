"""MLflow's own client against a running service.

    .bench/environments/<name>/bin/python benchmarks/clients/mlflow_client.py ADDRESS

It prints one JSON object a line: client, call, verdict. What is expected comes
from ``POST /v0/predict`` of the same records.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.clients.check_line import credit_records, predict, refuses, tell

Calls = dict[str, Callable[[], bool]]


def main(address: str) -> int:
    """Ask in every way that the client has; give the number of failures."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    place = urlsplit(address)
    client = ScoringServerClient(place.hostname, place.port)
    records = credit_records(address)
    expected = [one["value"] for one in predict(address, records)]
    calls = of_frames(client, records, expected) | of_others(client, records, expected)
    name = f"mlflow {version('mlflow-skinny')}"
    return sum(not tell(name, call, holds) for call, holds in calls.items())


def of_frames(client: Any, records: list[dict[str, Any]], expected: list[Any]) -> Calls:
    """List the calls with a DataFrame."""
    import pandas as pd

    frame = pd.DataFrame(records)
    dates = pd.to_datetime(["2020-01-02", None]).astype(object)
    sent = {
        "DataFrame with NaN and None": (frame, expected),
        "DataFrame of one row": (frame[:1], expected[:1]),
        "DataFrame, columns reordered": (frame[frame.columns[::-1]], expected),
        "DataFrame, another index": (frame.set_index(pd.Index([7, 9])), expected),
        "DataFrame of categories": (frame.astype({"home": "category"}), expected),
        "DataFrame of floats": (frame.astype({"age": float}), expected),
        "DataFrame of 500 rows": (pd.concat([frame] * 250), expected * 250),
        "DataFrame with a missing date, ignored": (frame.assign(approved=dates), expected),
    }

    def holds(data: Any, values: list[Any]) -> bool:
        found: Any = client.invoke(data).get_predictions("dataframe")
        return list(found[0].tolist()) == values

    faulty, params = frame.assign(age=[30, 7]), {"temperature": 1}
    return {f"invoke({what})": partial(holds, *one) for what, one in sent.items()} | {
        "invoke(DataFrame with a fault) names it": lambda: refuses(
            lambda: client.invoke(faulty), "/dataframe_split/data/1/age is 7"
        ),
        "invoke(DataFrame, params) names them": lambda: refuses(
            lambda: client.invoke(frame, params=params), "/params/temperature"
        ),
        "invoke(DataFrame) gives name and version of the model": lambda: (
            {"name", "version"} == set(client.invoke(frame)["model"])
        ),
    }


def of_others(client: Any, records: list[dict[str, Any]], expected: list[Any]) -> Calls:
    """List the calls with other values, and those without any."""
    import numpy as np

    rows = np.array([list(one.values()) for one in records], dtype=object)

    def holds(data: Any, **more: Any) -> bool:
        found = client.invoke(data, **more).get_predictions("ndarray")
        return list(found.tolist()) == expected

    return {
        "ping": lambda: client.ping() is None,
        "get_version": lambda: bool(client.get_version().strip()),
        "wait_server_ready": lambda: client.wait_server_ready(timeout=10) is None,
        "invoke(ndarray)": lambda: holds(rows),
        "invoke(list of rows)": lambda: holds(rows.tolist()),
        "invoke(list of records)": lambda: holds(records),
        "invoke(ndarray, params={})": lambda: holds(rows, params={}),
    }


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1].rstrip("/")) else 0)
