"""The model servers that are compared, each with the same scikit-learn pipeline."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.contender import CODE, SKLEARN, Contender
from benchmarks.ways import (
    Record,
    Way,
    columns,
    nested,
    read_many,
    read_one,
    write_columns,
    write_csv,
    write_list,
    write_one,
)


def write_v2(records: Sequence[Record]) -> bytes:
    """Write what the Open Inference Protocol asks for, with probabilities wanted."""
    inputs = [_tensor(name, values) for name, values in columns(records).items()]
    asked = {"parameters": {"content_type": "pd"}, "inputs": inputs}
    return json.dumps(asked | {"outputs": [{"name": "predict_proba"}]}).encode()


def read_v2(answer: Any) -> list[float]:
    """Read every second number: the rows of two classes stand one after the other."""
    (output,) = answer["outputs"]
    return list(output["data"][1::2])


def write_split(records: Sequence[Record]) -> bytes:
    """Write MLflow's ``dataframe_split``."""
    rows = [list(one.values()) for one in records]
    return json.dumps({"dataframe_split": {"columns": list(records[0]), "data": rows}}).encode()


def read_rows(answer: Any) -> list[float]:
    """Read MLflow's rows of two probabilities."""
    return [row[1] for row in answer["predictions"]]


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    if isinstance(values[0], str):
        kind, parameters = "BYTES", {"content_type": "str"}
    else:
        kind, parameters, values = "FP64", {}, [float(value) for value in values]
    found = {"name": name, "shape": [len(values), 1], "datatype": kind, "data": values}
    return found | ({"parameters": parameters} if parameters else {})


_LIST = nested(write_list, "records")
_COLUMNS = nested(write_columns, "records")

BENTOML = Contender(
    name="bentoml",
    title="BentoML",
    environment="bentoml",
    requirements=("bentoml==1.4.39", *SKLEARN),
    command=(
        "{bin}/bentoml", "serve", f"{CODE}.bentoml_credit:Credit",
        "--host", "127.0.0.1", "--port", "{port}",
    ),
    variables={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "home"},
    one=Way("one record", "/predict", nested(write_one, "record"), read_one),
    many=(
        Way("JSON list", "/many", nested(write_list, "table"), read_many),
        Way("JSON columns", "/many", nested(write_columns, "table"), read_many),
    ),
)  # fmt: skip

MLSERVER = Contender(
    name="mlserver",
    title="MLServer",
    environment="mlserver",
    # its workers do not start with uvloop 0.22 and later
    requirements=("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0", *SKLEARN),
    prepare=("{bin}/python", "-m", f"{CODE}.mlserver_credit", "credit"),
    command=("{bin}/mlserver", "start", "credit"),
    variables={
        "MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{port2}", "MLSERVER_METRICS_PORT": "{port3}",
        "MLSERVER_PARALLEL_WORKERS": "2", "MLSERVER_DEBUG": "false",
    },
    one=Way("one record", "/v2/models/credit/infer", write_v2, read_v2),
    many=(Way("V2 tensors", "/v2/models/credit/infer", write_v2, read_v2),),
)  # fmt: skip

MLFLOW = Contender(
    name="mlflow",
    title="MLflow",
    environment="mlflow",
    requirements=("mlflow==3.17.2", *SKLEARN),
    prepare=("{bin}/python", "-m", f"{CODE}.mlflow_credit", "model"),
    command=(
        "{bin}/mlflow", "models", "serve", "--model-uri", "model", "--env-manager", "local",
        "--workers", "2", "--host", "127.0.0.1", "--port", "{port}",
    ),
    variables={"UVICORN_LOG_LEVEL": "warning", "UVICORN_ACCESS_LOG": "false"},
    one=Way("one record", "/invocations", write_split, read_rows),
    many=(
        Way("JSON split", "/invocations", write_split, read_rows),
        Way("CSV", "/invocations", write_csv, read_rows, "text/csv"),
    ),
)  # fmt: skip

LITSERVE = Contender(
    name="litserve",
    title="LitServe",
    environment="litserve",
    requirements=("litserve==0.2.19", *SKLEARN),
    command=("{bin}/python", "-m", f"{CODE}.litserve_credit", "{port}"),
    one=Way("one record", "/predict", _LIST, read_many),
    many=(
        Way("JSON list", "/predict", _LIST, read_many),
        Way("JSON columns", "/predict", _COLUMNS, read_many),
    ),
)

VETIVER = Contender(
    name="vetiver",
    title="vetiver",
    environment="vetiver",
    requirements=("vetiver==0.2.6", *SKLEARN),
    command=(
        "{bin}/python", "-m", "uvicorn", "--port", "{port}", "--workers", "2",
        "--log-level", "warning", "--no-access-log", f"{CODE}.vetiver_credit:app",
    ),
    one=Way("one record", "/probabilities", write_list, read_many),
    many=(Way("JSON list", "/probabilities", write_list, read_many),),
)  # fmt: skip

RAY = Contender(
    name="ray",
    title="Ray Serve",
    environment="ray",
    requirements=("ray[serve]==2.60.0", *SKLEARN),
    command=("{bin}/python", "-m", f"{CODE}.ray_credit", "{port}"),
    variables={"RAY_USAGE_STATS_ENABLED": "0"},
    one=Way("one record", "/", _LIST, read_many),
    many=(
        Way("JSON list", "/", _LIST, read_many),
        Way("JSON columns", "/", _COLUMNS, read_many),
    ),
)

BENTOML_BATCHED = replace(
    BENTOML,
    name="bentoml-batched",
    title="BentoML, batching",
    one=Way("one record", "/batched", _LIST, list),
    many=(Way("JSON list", "/batched", _LIST, list),),
)

MLSERVER_BATCHED = replace(
    MLSERVER,
    name="mlserver-batched",
    title="MLServer, batching",
    prepare=(*MLSERVER.prepare, "batched"),
)

LITSERVE_BATCHED = replace(
    LITSERVE,
    name="litserve-batched",
    title="LitServe, batching",
    command=(*LITSERVE.command, "batched"),
)

RAY_BATCHED = replace(
    RAY, name="ray-batched", title="Ray Serve, batching", command=(*RAY.command, "batched")
)

#: With batching, requests that come together are predicted together: nothing
#: is gained on one connection, much on many.
PEERS = (
    BENTOML, BENTOML_BATCHED, MLSERVER, MLSERVER_BATCHED, MLFLOW, LITSERVE, LITSERVE_BATCHED,
    VETIVER, RAY, RAY_BATCHED,
)  # fmt: skip
