"""vetiver's own client against a running service.

    .bench/environments/<name>/bin/python benchmarks/clients/vetiver_client.py ADDRESS

It prints one JSON object a line: client, call, verdict. What is expected comes
from ``POST /v0/predict`` of the same records.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.clients.check_line import credit_records, predict, refuses, tell


def main(address: str) -> int:
    """Ask in every way that the client has; give the number of failures."""
    import pandas as pd
    import vetiver

    endpoint = vetiver.vetiver_endpoint(f"{address}/predict")
    example, other = credit_records(address)
    expected = [one["value"] for one in predict(address, [example, other])]
    frame = pd.DataFrame([example, other])

    def values(asked: Any, **more: Any) -> list[Any]:
        return list(vetiver.predict(endpoint=endpoint, data=asked, **more)["predict"])

    columns = {name: [example[name], other[name]] for name in example}
    headers = {"X-Request-Id": "vetiver"}
    calls: dict[str, Callable[[], bool]] = {
        "predict(DataFrame with gaps)": lambda: values(frame) == expected,
        "predict(DataFrame of one row)": lambda: values(frame[:1]) == expected[:1],
        "predict(DataFrame of 500 rows)": lambda: (
            values(pd.concat([frame] * 250)) == expected * 250
        ),
        "predict(Series)": lambda: values(pd.Series(example)) == expected[:1],
        "predict(dict)": lambda: values(example) == expected[:1],
        "predict(dict of columns)": lambda: values(columns) == expected,
        "predict(list of records)": lambda: values([example, other]) == expected,
        "predict(DataFrame, headers)": lambda: values(frame, headers=headers) == expected,
        "predict(DataFrame with a fault) names it": lambda: refuses(
            lambda: values(frame.assign(age=[30, 7])), "/1/age is 7", TypeError
        ),
    }
    name = f"vetiver {version('vetiver')}"
    return sum(not tell(name, call, holds) for call, holds in calls.items())


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1].rstrip("/")) else 0)
