"""MLflow's own client against a running service.

    .bench/environments/<name>/bin/python clients/mlflow_client.py ADDRESS

It prints one JSON object a line: client, call, verdict. What is expected comes
from ``POST /v0/predict`` of the same records.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clients.telling import credit_records, predict, refuses, tell

NEEDS = ["mlflow-skinny==3.17.2", "numpy==2.4.6", "pandas==3.1.1", "scipy==1.17.1"]


def main(address: str) -> int:
    """Ask in every way that the client has; give the number of failures."""
    import numpy as np
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    place = urlsplit(address)
    client = ScoringServerClient(place.hostname, place.port)
    example, other = credit_records(address)
    expected = [one["value"] for one in predict(address, [example, other])]
    frame = pd.DataFrame([example, other])
    rows = np.array([list(example.values()), list(other.values())], dtype=object)

    def predicted(data: Any, **more: Any) -> list[Any]:
        return list(client.invoke(data, **more).get_predictions("ndarray").tolist())

    def of_frame(data: Any) -> list[Any]:
        found: Any = client.invoke(data).get_predictions("dataframe")
        return list(found[0].tolist())

    many = pd.concat([frame] * 250)
    words = frame.astype({"home": "category", "marital": "category"})
    calls: dict[str, Callable[[], bool]] = {
        "ping": lambda: client.ping() is None,
        "get_version": lambda: bool(client.get_version().strip()),
        "wait_server_ready": lambda: client.wait_server_ready(timeout=10) is None,
        "invoke(DataFrame with NaN and None)": lambda: of_frame(frame) == expected,
        "invoke(DataFrame of one row)": lambda: of_frame(frame[:1]) == expected[:1],
        "invoke(DataFrame, columns reordered)": lambda: of_frame(frame[frame.columns[::-1]])
        == expected,
        "invoke(DataFrame, another index)": lambda: of_frame(frame.set_index(pd.Index([7, 9])))
        == expected,
        "invoke(DataFrame of categories)": lambda: of_frame(words) == expected,
        "invoke(DataFrame of floats)": lambda: of_frame(frame.astype({"age": float})) == expected,
        "invoke(DataFrame of 500 rows)": lambda: of_frame(many) == expected * 250,
        "invoke(DataFrame with a missing date, ignored)": lambda: of_frame(
            frame.assign(approved=pd.to_datetime(["2020-01-02", None]).astype(object))
        ) == expected,
        "invoke(ndarray)": lambda: predicted(rows) == expected,
        "invoke(list of rows)": lambda: predicted(rows.tolist()) == expected,
        "invoke(list of records)": lambda: predicted([example, other]) == expected,
        "invoke(ndarray, params={})": lambda: predicted(rows, params={}) == expected,
        "the model's name and version stand beside": lambda: {"name", "version"}
        == set(client.invoke(frame)["model"]),
        "invoke(DataFrame with a fault) names it": lambda: refuses(
            lambda: client.invoke(frame.assign(age=[30, 7])), "/dataframe_split/data/1/age is 7"
        ),
        "invoke(DataFrame, params) names them": lambda: refuses(
            lambda: client.invoke(frame, params={"temperature": 1}), "/params/temperature"
        ),
    }  # fmt: skip
    name = f"mlflow {version('mlflow-skinny')}"
    return sum(not tell(name, call, holds) for call, holds in calls.items())


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1].rstrip("/")) else 0)
