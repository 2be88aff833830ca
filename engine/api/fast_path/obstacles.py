"""What a user may add to the application that the event loop would pass over."""

from collections.abc import Iterator, Sequence
from typing import Any

import flask
from flask import Flask

from engine.api import predict


def obstacles(app: Flask, own: Sequence[Any]) -> list[str]:
    """List what stands in the way; the event loop does the work of `own` functions itself."""
    return [*_added_functions(app, own), *_replaced(app), *_listeners()]


def _added_functions(app: Flask, own: Sequence[Any]) -> Iterator[str]:
    for kind in ("before_request", "after_request", "teardown_request"):
        for scope, functions in getattr(app, f"{kind}_funcs").items():
            if scope in (None, "predict"):
                added = (function for function in functions if function not in own)
                yield from (f"{kind} {_name(function)}" for function in added)
    for function in app.teardown_appcontext_funcs:
        yield f"teardown_appcontext {_name(function)}"
    for scope, functions in app.url_value_preprocessors.items():
        if scope in (None, "predict"):
            yield from (f"url_value_preprocessor {_name(function)}" for function in functions)


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


def _name(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"
