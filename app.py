"""The web service: which parts are plugged in.

Run it in one of three ways::

    python app.py           on this machine: prints an example to paste
    python app.py serve     in a container, on port 8080 unless the platform names another
    gunicorn app:app        anywhere
"""

import logging
import os
import shlex
import socket
import sys
import threading

from flask import Flask

from api import (
    catalog,
    docs,
    errors,
    health,
    invocations,
    model_info,
    openapi,
    predict,
    request_id,
    vertex,
    vetiver,
)
from api.fast_path import FastPath
from api.json_text import write_json
from api.loaded import LoadedModels
from persistence.model_persistence import (
    ModelNotFound,
    ModelStore,
    UntrustedArtifact,
    VersionNotFound,
)
from settings import InvalidSettings, Settings

#: What the service is called, wherever a person reads it.
NAME = "Pronto"

#: The version of what is answered over HTTP.
VERSION = "0"


def create_app(settings: Settings) -> Flask:
    """Make the application; nothing is opened before the first request."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False  # a double slash is not found, not redirected
    app.url_map.redirect_defaults = False  # nor is one address of a route to another
    models = LoadedModels(
        ModelStore(settings.model_store), settings.default_model,
        most=settings.versions_in_memory,
    )  # fmt: skip
    app.extensions["models"] = models
    request_id.init_app(app)
    errors.init_app(app, forms=_forms(settings))
    app.extensions["stopping"] = stopping = threading.Event()
    app.register_blueprint(health.blueprint(models, stopping))
    app.register_blueprint(predict.blueprint(models, max_table_bytes=settings.max_table_bytes))
    app.register_blueprint(
        invocations.blueprint(
            models, stopping, version=f"{NAME} {VERSION}",
            max_table_bytes=settings.max_table_bytes, workers=settings.web_concurrency,
        )
    )  # fmt: skip
    app.register_blueprint(vetiver.blueprint(models))
    app.register_blueprint(model_info.blueprint(models))
    app.register_blueprint(catalog.blueprint(models))
    vertex_routes = (settings.aip_health_route, settings.aip_predict_route)
    app.register_blueprint(
        openapi.blueprint(models, service=NAME, version=VERSION, vertex_routes=vertex_routes)
    )
    app.register_blueprint(docs.blueprint(service=NAME))
    vertex.init_app(
        app, models, stopping, health_route=vertex_routes[0], predict_route=vertex_routes[1]
    )  # fmt: skip
    if settings.fast_path:
        app.extensions["fast_path"] = FastPath(app, models)
    return app


def _forms(settings: Settings) -> dict[str, errors.Phrase]:
    """Say how failures are phrased, by path, where another protocol is spoken."""
    mlflow = ("/invocations", "/ping", "/version", "/execution-parameters")
    google = filter(None, (settings.aip_health_route, settings.aip_predict_route))
    return {
        **dict.fromkeys(google, vertex.phrase),
        **dict.fromkeys(mlflow, invocations.phrase),
        "/predict": vetiver.phrase,
    }


def serve() -> None:
    """Become gunicorn on all addresses, as the platforms that start a container expect."""
    os.environ["SAGEMAKER_BIND_TO_PORT"] = os.environ.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606


def main() -> None:
    """Serve on this machine: say where and how to ask, then become gunicorn."""
    os.environ["HOST"] = os.environ.get("HOST") or "127.0.0.1"  # whatever PORT is
    try:
        settings = Settings.from_environment()
        version = ModelStore(settings.model_store).read_card(settings.default_model)
    except (InvalidSettings, ModelNotFound, VersionNotFound, UntrustedArtifact) as error:
        sys.exit(f"app: {error}")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            sys.exit(
                f"app: cannot listen on {settings.address} ({reason}): "
                "stop what listens there, or choose another with PORT=8001"
            )
    address = f"http://{settings.address}"
    record = write_json(version["example"]["record"]).decode()
    print(
        f"{NAME} serves {version['model']}, version {version['version']}, at {address}\n"
        f"Documentation: {address}/docs\n"
        "Try it:\n\n"
        f"curl -s {address}/v0/predict -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(record)}\n",
        flush=True,
    )
    os.execvp(sys.executable, [sys.executable, "-m", "gunicorn", "app:app"])  # noqa: S606


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    main()
else:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        app = create_app(Settings.from_environment())
    except (InvalidSettings, vertex.RouteTaken) as error:
        sys.exit(f"app: {error}")
