"""Who is compared: what each installs, how it is started and how it is asked.

The code of the contenders is in `benchmarks/contenders/`. Each runs as its own
documentation advises for production: two workers where it has them, no debug
mode, no line in a log per request.
"""

import secrets
from dataclasses import replace

from benchmarks import peers
from benchmarks.contender import CODE, ONNX, SKLEARN, Contender
from benchmarks.environments import requirements_of_ours
from benchmarks.ways import (
    OURS_MANY,
    OURS_ONE,
    Way,
    read_many,
    read_one,
    write_columns,
    write_list,
    write_one,
)

FASTAPI = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0")
GRANIAN = "granian==2.8.7"
_UVICORN = (
    "{bin}/python", "-m", "uvicorn", "--port", "{port}", "--workers", "2",
    "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log",
)  # fmt: skip
_GRANIAN = (
    "{bin}/granian", "--interface", "wsgi", "--workers", "2", "--port", "{port}",
    "--log-level", "warning", "--no-access-log",
)  # fmt: skip

#: This service is asked as in production: with a key, which is checked, limited and counted.
KEY = secrets.token_urlsafe(32)
EVERYTHING = {
    "TRAIN_IF_ABSENT": "false", "API_KEY": KEY, "RATE_LIMIT": "999999999/60",
    "PREDICTION_LOG": "off",
}  # fmt: skip

OURS = Contender(
    name="ours",
    title="this service",
    environment="ours",
    requirements=(requirements_of_ours(),),
    command=("{bin}/gunicorn", "app:app"),
    variables=EVERYTHING,
    one=replace(OURS_ONE, key=KEY),
    many=tuple(replace(way, key=KEY) for way in OURS_MANY),
    is_at_root=True,
)

#: No contenders: what the prediction log costs, where its packages are installed.
UNLOGGED = replace(
    OURS, name="unlogged", environment="logged", many=(),
    requirements=(requirements_of_ours(), "-r requirements-serve-log.txt"),
)  # fmt: skip
LOGGED = replace(UNLOGGED, name="logged", variables=EVERYTHING | {"PREDICTION_LOG": "async"})

#: No contender, but a part of the floor: what this service's worker costs by itself.
CONSTANT = replace(
    OURS, name="constant", title="one answer for all, by the same worker",
    command=("{bin}/gunicorn", f"{CODE}.constant:app"), many=(),
)  # fmt: skip

FASTAPI_RAW = Contender(
    name="fastapi-raw",
    title="FastAPI + ONNX, raw body",
    environment="fastapi-onnx",
    requirements=(*FASTAPI, *ONNX),
    command=(*_UVICORN, f"{CODE}.fastapi_onnx:app"),
    one=Way("one record", "/raw", write_one, read_one),
    many=(Way("JSON columns", "/raw/many", write_columns, read_many),),
)

FASTAPI_TYPED = Contender(
    name="fastapi-typed",
    title="FastAPI + ONNX, typed body",
    environment="fastapi-onnx",
    requirements=(*FASTAPI, *ONNX),
    command=(*_UVICORN, f"{CODE}.fastapi_onnx:app"),
    one=Way("one record", "/typed", write_one, read_one),
    many=(Way("JSON columns", "/typed/many", write_columns, read_many),),
)

GRANIAN_ONNX = Contender(
    name="granian-onnx",
    title="Granian + bare WSGI + ONNX",
    environment="granian-onnx",
    requirements=(GRANIAN, *ONNX),
    command=(*_GRANIAN, f"{CODE}.granian_onnx:application"),
    one=Way("one record", "/predict", write_one, read_one),
    many=(Way("JSON columns", "/many", write_columns, read_many),),
)

GRANIAN_FLASK = Contender(
    name="granian-flask",
    title="Granian + this Flask app",
    environment="granian-flask",
    requirements=(requirements_of_ours(), GRANIAN),
    command=(*_GRANIAN, "app:app"),
    variables=EVERYTHING,
    one=replace(OURS_ONE, key=KEY),
    many=tuple(replace(way, key=KEY) for way in OURS_MANY),
    is_at_root=True,
)

FLASK_SKLEARN = Contender(
    name="flask-sklearn",
    title="Flask + scikit-learn",
    environment="flask-sklearn",
    requirements=("flask==3.1.3", "gunicorn==27.0.1", *SKLEARN),
    command=(
        "{bin}/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2",
        "--worker-class", "gthread", "--threads", "4", "--no-control-socket",
        f"{CODE}.flask_sklearn:app",
    ),
    one=Way("one record", "/predict", write_one, read_one),
    many=(
        Way("JSON list", "/many", write_list, read_many),
        Way("JSON columns", "/many", write_columns, read_many),
    ),
)  # fmt: skip

FASTAPI_SKLEARN = Contender(
    name="fastapi-sklearn",
    title="FastAPI + scikit-learn",
    environment="fastapi-sklearn",
    requirements=(*FASTAPI, *SKLEARN),
    command=(*_UVICORN, f"{CODE}.fastapi_sklearn:app"),
    one=Way("one record", "/predict", write_one, read_one),
    many=(
        Way("JSON list", "/list", write_list, read_many),
        Way("JSON columns", "/columns", write_columns, read_many),
    ),
)

#: What `make bench-quick` runs.
QUICK = (OURS, FASTAPI_RAW)

CONTENDERS = (
    OURS,
    FASTAPI_RAW,
    FASTAPI_TYPED,
    GRANIAN_ONNX,
    GRANIAN_FLASK,
    FLASK_SKLEARN,
    FASTAPI_SKLEARN,
    *peers.PEERS,
)
