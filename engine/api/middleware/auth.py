"""Who may send a request: API keys, and what each route needs.

Every route stands in `ACCESS`; requests to any other are refused. The fast path
decides by the same `Callers` and the same `may_ask`.
"""

from collections.abc import Iterable, Mapping

from flask import Flask, Response, g, request

from engine.api import session
from engine.api.errors import Failure, failure_response
from engine.api.protocols import PROTOCOLS
from engine.api.protocols.contract import ANY, PUBLIC
from engine.api.resources import resources, running_job
from engine.languages import gettext as _
from engine.languages import local_number
from engine.records.problems import BadRequest
from persistence.api_keys import Key
from persistence.callers import Callers
from persistence.store_errors import ModelNotFound

#: The scope that each of Flask's endpoints needs.
ACCESS: Mapping[str, str] = {
    "health.health": PUBLIC,
    "health.check_service": PUBLIC,
    "health.livez": PUBLIC,
    "health.readyz": PUBLIC,
    "home.show": PUBLIC,
    "home.show_models": ANY,
    "sign_in.show": PUBLIC,
    "sign_in.begin": PUBLIC,
    "sign_in.end": PUBLIC,
    "language.choose": PUBLIC,
    "docs.page": "read",
    "docs.static": PUBLIC,
    "openapi.document": "read",
    "metrics.show": "read",
    "catalog.show_models": "read",
    "catalog.show_model": "read",
    "catalog.show_versions": "read",
    "catalog.show_model_info": "read",
    "version_page.show": "read",
    "versions_page.show": "read",
    "versions_page.promote": "promote",
    "predict.predict": "predict",
    "jobs.show": ANY,
    "jobs.show_result": ANY,
    "jobs.remove": ANY,
    "what_if.find": "predict",
    "form.page": "predict",
    "form.table": "predict",
    "dashboard.show": "log",
    "predictions.show_newest": "log",
    "predictions.show": "log",
    "prediction_log.show": "log",
    "prediction_log.tell": "feedback",
    **{
        f"{protocol.name}.{view}": scope
        for protocol in PROTOCOLS
        for view, scope in protocol.access.items()
    },
}

#: Where the forms are.
FORM_PATH = "/models"

#: A form has no more values.
MOST_VALUES = 10_000

#: Scopes that need a key, except on this machine: without one anybody could read what others have
#: sent, say what became true, or choose what is served.
_NEAR_SCOPES = ("log", "feedback", "promote")

#: The headers by which proxies say that they pass a request on, beside all of X-Forwarded-.
_PROXY_HEADERS = ("Forwarded", "X-Real-Ip", "Via")

#: The headers in which a key may come; the first that is there counts.
HEADERS = ("x-api-key", "authorization", "token")


def key_text(headers: Iterable[str]) -> str:
    """Return the text of the key in the values of `HEADERS`, in their order; empty if none."""
    own, authorization, token = headers
    scheme, _, bearer = authorization.partition(" ")
    return own or (bearer.strip() if scheme.lower() == "bearer" else "") or token


def unknown_caller(text: str) -> str:
    """Return what is wrong with the text of a key that is not valid, or empty."""
    if text:
        return _("the API key is not known, or it has expired")
    return _("send an API key in the header x-api-key, or as Authorization: Bearer")


def _refusal(scope: str | None) -> str:
    return (
        _("this key lacks the scope {scope}").format(scope=repr(scope))
        if scope
        else _("this key may not use this address")
    )


def challenge(text: str) -> str:
    """Return the value of ``WWW-Authenticate`` for such a text."""
    return "Bearer" + ' error="invalid_token"' * bool(text)


def check_access(app: Flask) -> None:
    """Check that every route of an application stands in `ACCESS`; `LookupError` if not."""
    missing = sorted({rule.endpoint for rule in app.url_map.iter_rules()} - set(ACCESS))
    if missing:
        raise LookupError(
            "add to ACCESS in engine/api/middleware/auth.py the scope that is needed for "
            f"{', '.join(missing)}"
        )


def check_caller() -> Response | None:
    """Check that the caller may send the request, and put its key into ``g.key``.

    Raise `ModelNotFound` if the key does not allow the model: the answer does not
    reveal that the model exists.
    """
    g.key = None
    callers = resources().callers
    scope = ACCESS.get(request.endpoint or "")
    if scope in _NEAR_SCOPES and not (callers.need_keys or _is_trusted(callers, scope)):
        remedy = _("make one by `flask keys make NAME --scope {scope}`").format(scope=scope)
        return failure_response(
            Failure(
                403, _("this needs a key, except on this machine: {remedy}").format(remedy=remedy)
            )
        )
    if scope == PUBLIC or not callers.need_keys:
        return None
    text = key_text(request.headers.get(name, "") for name in HEADERS)
    if running := running_job():
        g.key = callers.with_id(running.job.owner)  # it may have expired meanwhile
    else:
        g.key = callers.find(text) if text else _signed_in(callers)
    if g.key is None:
        response = failure_response(Failure(401, unknown_caller(text)))
        response.headers["WWW-Authenticate"] = challenge(text)
        return response
    if request.endpoint is None:
        return None  # there is nothing at this address, and the router answers so
    arguments = request.view_args or {}
    name, has_model = arguments.get("name"), "name" in arguments or scope == "predict"
    default = resources().models.default
    if may_ask(g.key, scope, (name or default) if has_model else None):
        return None
    if scope not in g.key.scopes:
        return failure_response(Failure(403, _refusal(scope)))
    if name is not None:
        raise ModelNotFound(name)
    return failure_response(Failure(403, _("this key may not use the default model")))


def keep_private(response: Response) -> Response:
    """Keep what is shown to a key from the stores of proxies, and ask each time in a browser."""
    if request.method in ("GET", "HEAD") and g.get("key") is not None:
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def _is_trusted(callers: Callers, scope: str) -> bool:
    # A gateway knows who may predict, not who may choose what is served.
    return (callers.is_open and scope != "promote") or _is_near()


def _signed_in(callers: Callers) -> Key | None:
    cookie = request.cookies.get(session.COOKIE, "")
    if not cookie or session.is_foreign(request.method, request.headers, request.host):
        return None
    return session.find(callers, cookie)


def _is_near() -> bool:
    """Return whether a request comes from this machine: through no proxy, from no foreign page.

    A page's host may be made to lead here (DNS rebinding): its request has that host. Other pages
    may send forms here, with their origin.
    """
    headers = request.headers
    # nginx, left as it is, adds no header, and speaks HTTP/1.0.
    is_direct = request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0" and not any(
        name in _PROXY_HEADERS or name.startswith("X-Forwarded-") for name, _ in headers
    )
    # A form of our own pages has their origin, or "null".
    is_own = headers.get("Sec-Fetch-Site") == "same-origin"
    hosts = [request.host, *([] if is_own else headers.getlist("Origin"))]
    return (
        is_direct
        and request.remote_addr in ("127.0.0.1", "::1")
        and all(map(session.is_loopback, hosts))
    )


def form_values() -> Mapping[str, str]:
    """Return what a form has sent; the body can be read again.

    Raise `BadRequest` if it has too many values, which take long to read, and need no key for it.
    """
    body = request.get_data()  # Else the form would be all that is left of it.
    if (count := body.count(b"&")) > MOST_VALUES:
        reason = _(
            "the form has {count} values: send at most {most_values}, or JSON to /v0/predict"
        ).format(count=local_number(f"{count:,}"), most_values=local_number(f"{MOST_VALUES:,}"))
        raise BadRequest(413, reason)
    return request.form


def may_ask(key: Key, scope: str | None, model: str | None) -> bool:
    """Return whether a key allows a request; every way in decides by this alone.

    The scope is None for a route that is not in `ACCESS`, the model is None where a
    route does not belong to a model.
    """
    return (scope in key.scopes or scope == ANY) and (model is None or key.may_ask(model))


def allows(scope: str, model: str | None) -> bool:
    """Return whether the caller of the request in progress may use a scope with a model.

    A page shows by it only what it may lead to.
    """
    callers = resources().callers
    if callers.need_keys:
        return g.get("key") is not None and may_ask(g.key, scope, model)
    return scope not in _NEAR_SCOPES or _is_trusted(callers, scope)


def public_paths(app: Flask) -> set[str]:
    """Return the addresses without parameters that need no key."""
    rules = (rule for rule in app.url_map.iter_rules() if not rule.arguments)
    return {rule.rule for rule in rules if ACCESS.get(rule.endpoint) == PUBLIC}
