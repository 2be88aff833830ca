"""Who may ask: API keys, and what each route demands of one.

Every route stands in `ACCESS`; one that does not is refused. The event loop of
the worker asks the same `Callers`.
"""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from types import MappingProxyType

from flask import Flask, Response, current_app, g, request

from engine.api.errors import Failure, failure_response
from engine.api.protocols import PROTOCOLS
from engine.api.protocols.contract import PUBLIC
from persistence.api_keys import InvalidKeys, Key, KeyFile
from persistence.store_errors import ModelNotFound

_log = logging.getLogger(__name__)

#: Flask's endpoints, and the scope that each needs.
ACCESS = MappingProxyType(
    {
        "health.health": PUBLIC,
        "health.livez": PUBLIC,
        "health.readyz": PUBLIC,
        "docs.home": PUBLIC,
        "docs.page": PUBLIC,
        "docs.static": PUBLIC,
        "openapi.document": "read",
        "metrics.show": "read",
        "catalog.show_models": "read",
        "catalog.show_model": "read",
        "catalog.show_versions": "read",
        "catalog.show_model_info": "read",
        "version_page.show": "read",
        "predict.predict": "predict",
        **{
            f"{protocol.name}.{view}": scope
            for protocol in PROTOCOLS
            for view, scope in protocol.access.items()
        },
    }
)

#: Seconds between two looks at the file of keys.
LOOK_SECONDS = 1.0

#: The headers that a key may come in, in the order in which they are looked for.
HEADERS = ("x-api-key", "authorization", "token")


#: What `API_KEY` is good for.
_FROM_SETTING = Key(
    "", "API_KEY", "", datetime.min.replace(tzinfo=UTC), scopes=("predict", "read")
)  # fmt: skip


class Callers:
    """The keys that are good now; a change of their file is seen within a second or two.

    Once there has been a key, one is needed, also when the last is taken out.

    Parameters
    ----------
    file : Path
        Of keys; need not exist.
    api_key : str
        One more key, good for everything but to publish; empty for none.
    is_open : bool
        Whether no key is ever needed, since somebody else checks the callers.

    Attributes
    ----------
    file : KeyFile
        Where the keys stand.
    is_open : bool
        As above.
    """

    def __init__(self, file: Path, *, api_key: str = "", is_open: bool = False) -> None:
        self.file = KeyFile(file)
        self.is_open = is_open
        self._digest_of_one = sha256(api_key.encode() or token_bytes()).digest()
        self._keys: dict[str, tuple[Key, bytes]] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._were_keys = bool(api_key)
        self._look()

    @property
    def are_asked(self) -> bool:
        """Whether a request needs a key."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self._were_keys and not self.is_open

    def find(self, text: str) -> Key | None:
        """Give the key with such a text; None when there is none, or its time is over."""
        if time.monotonic() >= self._next_look:
            self._look()
        given = sha256(text.encode("utf-8", "replace")).digest()
        key, digest = self._keys.get(text.partition(".")[0], (_FROM_SETTING, self._digest_of_one))
        return key if compare_digest(given, digest) and not key.has_expired() else None

    def _look(self) -> None:
        """Read the file when it is another than before; keep what was read when it is damaged."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            found = self.file.path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            keys = self.file.read()
        except InvalidKeys as error:
            self._were_keys = True
            _log.error("the keys read before stay: %s", error)
            return
        self._keys = {key.id: (key, bytes.fromhex(key.sha256)) for key in keys}
        self._were_keys = self._were_keys or stamp is not None


def key_text(headers: Iterable[str]) -> str:
    """Give the key that a request bears.

    Parameters
    ----------
    headers : iterable of str
        The values of `HEADERS`, in their order; empty where absent.
    """
    own, authorization, token = headers
    scheme, _, bearer = authorization.partition(" ")
    return own or (bearer.strip() if scheme.lower() == "bearer" else "") or token


def init_app(app: Flask, callers: Callers) -> None:
    """Guard every route that the application has by now.

    Raises
    ------
    LookupError
        Naming the routes that are missing in `ACCESS`.
    """
    missing = sorted({rule.endpoint for rule in app.url_map.iter_rules()} - set(ACCESS))
    if missing:
        raise LookupError(
            f"say in ACCESS of engine/api/middleware/auth.py who may ask {', '.join(missing)}"
        )
    app.extensions["callers"] = callers
    app.before_request(check_caller)


def check_caller() -> Response | None:
    """See that the caller may ask what is asked; keep the key in ``g.key``.

    Raises
    ------
    ModelNotFound
        When the key is not good for the model: the answer does not tell that
        there is one.
    """
    g.key = None
    callers: Callers = current_app.extensions["callers"]
    scope = ACCESS.get(request.endpoint or "")
    if scope == PUBLIC or not callers.are_asked:
        return None
    text = key_text(request.headers.get(name, "") for name in HEADERS)
    g.key = callers.find(text) if text else None
    if g.key is None:
        return _unknown(is_given=bool(text))
    if request.endpoint is None:
        return None  # there is nothing at this address, and the router says so
    arguments = request.view_args or {}
    name, has_model = arguments.get("name"), "name" in arguments or scope == "predict"
    default = current_app.extensions["models"].default
    if may_ask(g.key, scope, (name or default) if has_model else None):
        return None
    if scope not in g.key.scopes:
        return failure_response(Failure(403, f"this key may not {scope or 'use this address'}"))
    if name is not None:
        raise ModelNotFound(name)
    return failure_response(Failure(403, "this key may not use the default model"))


def may_ask(key: Key, scope: str | None, model: str | None) -> bool:
    """Return whether a key allows a request; every way in decides by this alone.

    Parameters
    ----------
    scope : str or None
        What the route needs; None for a route that is not in `ACCESS`.
    model : str or None
        The model that answers; None where a route belongs to no model.
    """
    return scope in key.scopes and (model is None or key.may_ask(model))


def public_paths(app: Flask) -> set[str]:
    """Give the addresses that are open to all, those without parameters."""
    rules = (rule for rule in app.url_map.iter_rules() if not rule.arguments)
    return {rule.rule for rule in rules if ACCESS.get(rule.endpoint) == PUBLIC}


def _unknown(*, is_given: bool) -> Response:
    detail = (
        "the API key is not known, or its time is over"
        if is_given
        else "send an API key in the header x-api-key, or as Authorization: Bearer"
    )
    answer = failure_response(Failure(401, detail))
    wrong = ' error="invalid_token"' if is_given else ""
    answer.headers["WWW-Authenticate"] = f"Bearer{wrong}"
    return answer
