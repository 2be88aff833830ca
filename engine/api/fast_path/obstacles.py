"""What a user may add to the application that the event loop would pass over."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flask
from flask import Flask

from engine.api import predict


def obstacles(app: Flask, own: Sequence[Any]) -> list[str]:
    """List what stands in the way; the event loop does the work of `own` functions itself."""
    return [*_added_functions(app, own), *_replaced(app), *_listeners()]


def _added_functions(app: Flask, own: Sequence[Any]) -> Iterator[str]:
    kinds: dict[str, Mapping[Any, Sequence[Any]]] = {
        "before_request": app.before_request_funcs,
        "after_request": app.after_request_funcs,
        "teardown_request": app.teardown_request_funcs,
        "teardown_appcontext": {None: app.teardown_appcontext_funcs},
        "url_value_preprocessor": app.url_value_preprocessors,
    }
    for kind, scopes in kinds.items():
        for function in (*scopes.get(None, ()), *scopes.get("predict", ())):
            if function not in own:
                name = getattr(function, "__qualname__", function)
                yield f"{kind} {function.__module__}.{name}"


def _replaced(app: Flask) -> Iterator[str]:
    if type(app) is not Flask:
        yield "the application's class is another"
    for name in filter(lambda name: callable(getattr(Flask, name, None)), vars(app)):
        yield f"the application's {name} is another"
    for name in ("__call__", "wsgi_app", "full_dispatch_request", "process_response"):
        if getattr(Flask, name).__module__ != "flask.app":
            yield f"Flask.{name} is another"
    if app.config["TRUSTED_HOSTS"] or app.url_map.host_matching or app.subdomain_matching:
        yield "the application looks at the host"
    for name in ("request_class", "response_class", "session_interface"):
        if getattr(app, name) is not getattr(Flask, name):
            yield f"the application's {name} is another"
    view = getattr(app.view_functions["predict.predict"], "__code__", None)
    if view is None or view.co_filename != predict.__file__:
        yield "the view of /v0/predict is another"
    route = app.url_map.bind("localhost").match("/v0/predict", "POST")
    if route != ("predict.predict", {"name": None, "version": None}):
        yield "another route answers /v0/predict"


def _listeners() -> Iterator[str]:
    for name in (
        "appcontext_popped", "appcontext_pushed", "appcontext_tearing_down",
        "request_finished", "request_started", "request_tearing_down",
    ):  # fmt: skip
        if getattr(flask, name).receivers:
            yield f"the signal {name} has a receiver"
