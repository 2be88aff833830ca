"""The Model Context Protocol: a model as three tools, for the programs that call tools.

JSON-RPC over HTTP, one answer to each request and no session: by revision 2026-07-28, and by
those before it, whose clients begin with `initialize`.
"""

from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, g, request
from msgspec import structs

from engine.api.catalog import describe_version
from engine.api.errors import explain as failure_of
from engine.api.errors import phrase, sentence
from engine.api.openapi.model import model_values
from engine.api.protocols.contract import Protocol
from engine.api.requests import choose_version, whole_body
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.api.session import is_loopback
from engine.cards.sentences import prediction_of, quality_of
from engine.records.json_reader import read_json_body
from engine.records.media_types import JSON
from engine.records.problems import BadRequest, InvalidRecords
from engine.records.rows import repeated_keys
from engine.records.strict_json import read_json, write_json
from engine.schema.card import Card
from engine.serving.additions import all_options

#: The revision without a handshake, and those with one, the newest first.
_CURRENT, _EARLIER = "2026-07-28", ("2025-11-25", "2025-06-18", "2025-03-26")

#: The codes of JSON-RPC's errors, and of the protocol's own.
_NOT_JSON, _NO_REQUEST, _NO_METHOD, _WRONG_PARAMETERS = -32700, -32600, -32601, -32602
_OTHER_HEADERS, _OTHER_REVISION = -32020, -32022

#: What the tools of a version are, and the scope that one needs beside `predict`.
_ABOUT = {
    "predict": "Predict one record.",
    "explain": "Predict one record, with what each field contributes to the answer.",
    "describe": "Describe the model: what it predicts, how good it is, how it was trained.",
}
_SCOPES = {"describe": "read"}


class _Wrong(Exception):
    """A request that gets an error of JSON-RPC."""

    def __init__(self, code: int, message: str, status: int = 400, **data: Any) -> None:
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}
        self.status = status


class _Call(NamedTuple):
    """A request, and the identifier that its answer bears; None where it gets no answer."""

    method: str
    parameters: dict[str, Any]
    id: Any
    is_current: bool


#: How a column of the table that is passed over, as the target is, is described.
_IGNORED = {"description": "Ignored"}


def _routes(shared: Resources) -> Blueprint:
    """Return the route of the tools of each model."""
    routes = Blueprint("mcp", __name__)

    @routes.post("/v0/models/<name>/mcp")
    def answer(name: str) -> Response:
        """Answer a request of JSON-RPC: what tools there are, or what one of them returns."""
        origin = request.headers.get("Origin", "")
        if origin and origin not in shared.origins and not is_loopback(origin):
            abort(403, "pages of other sites may not call tools: name them in CORS_ORIGINS")
        card = shared.models.card(name)
        message: dict[str, Any] = {}
        try:
            message = _read(whole_body())
            call = _check(message)
            if call.id is None:
                return Response(status=202)
            result = _result(shared, card, call)
        except _Wrong as wrong:
            number = message.get("id")
            known = number if _is_identifier(number) else None
            failed = {"jsonrpc": "2.0", "id": known, "error": wrong.error}
            response = json_response(failed)
            response.status_code = wrong.status
            return response
        return json_response({"jsonrpc": "2.0", "id": call.id, "result": result})

    return routes


def _read(body: bytes) -> dict[str, Any]:
    try:
        message = read_json_body(body)
    except BadRequest as error:
        raise _Wrong(_NOT_JSON, error.detail) from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _Wrong(_NO_REQUEST, 'the body is not a request: send {"jsonrpc": "2.0", …}')
    return message


def _is_identifier(number: Any) -> bool:
    return isinstance(number, (str, int)) and not isinstance(number, bool)


def _check(message: dict[str, Any]) -> _Call:
    """Check the envelope of a message, and the headers that repeat parts of it."""
    method, parameters = message.get("method"), message.get("params", {})
    number = message.get("id")
    if method is None and ("result" in message or "error" in message):
        return _Call("", {}, None, is_current=False)  # an answer; nothing was asked
    if not isinstance(method, str) or not isinstance(parameters, dict):
        raise _Wrong(_NO_REQUEST, "method is not a text, or params is not an object")
    if number is not None and not _is_identifier(number):
        raise _Wrong(_NO_REQUEST, "id is neither a text nor a whole number")
    revision = request.headers.get("Mcp-Protocol-Version", _EARLIER[-1])
    if revision not in (_CURRENT, *_EARLIER):
        supported = [_CURRENT, *_EARLIER]
        reason = f"revision {revision[:40]!r} is not spoken: send {' or '.join(supported)}"
        raise _Wrong(_OTHER_REVISION, reason, supported=supported, requested=revision[:40])
    if revision == _CURRENT:
        meta = parameters.get("_meta")
        stated = (
            meta.get("io.modelcontextprotocol/protocolVersion") if isinstance(meta, dict) else 0
        )
        pairs = [("Mcp-Protocol-Version", stated), ("Mcp-Method", method)]
        if method == "tools/call":
            pairs.append(("Mcp-Name", parameters.get("name")))
        for header, value in pairs:
            if request.headers.get(header) != value:
                raise _Wrong(_OTHER_HEADERS, f"the header {header} is not what the body says")
    return _Call(method, parameters, number, is_current=revision == _CURRENT)


def _result(shared: Resources, card: Card, call: _Call) -> dict[str, Any]:
    parts: dict[str, Any] = {"resultType": "complete"} if call.is_current else {}
    kept = {"ttlMs": 0, "cacheScope": "private"} if call.is_current else {}
    server = {"name": shared.service, "title": card["title"], "version": shared.version}
    offer = {"capabilities": {"tools": {}}, "instructions": prediction_of(card)}
    match call.method:
        case "initialize":
            wish = call.parameters.get("protocolVersion")
            revision = wish if wish in _EARLIER else _EARLIER[0]
            return {"protocolVersion": revision, "serverInfo": server, **offer}
        case "server/discover":
            about = {"io.modelcontextprotocol/serverInfo": server}
            return {**parts, **kept, "supportedVersions": [_CURRENT], "_meta": about, **offer}
        case "ping":
            return parts
        case "tools/list":
            return {**parts, **kept, "tools": [*_tools(card).values()]}
        case "tools/call":
            return {**parts, **_called(shared, card, call.parameters)}
    status = 404 if call.is_current else 200
    raise _Wrong(_NO_METHOD, f"there is no method {call.method[:80]!r} here", status)


def _tools(card: Card) -> dict[str, dict[str, Any]]:
    """Return the tools of a version that the caller may call, by name."""
    values = model_values(card)
    predicted = values["prediction_schema"]
    # What an option adds is described by schemas that stand elsewhere.
    own = {name: each for name, each in predicted["properties"].items() if "$ref" not in str(each)}
    own |= {predicted["required"][0]: values["value_schema"]}
    output = {
        "type": "object",
        "required": ["prediction", "prediction_time", "model"],
        "properties": {"prediction": {**predicted, "properties": own}},
    }
    asked = values["record_schema"]
    named = {name: each for name, each in asked["properties"].items() if each != _IGNORED}
    record = {"inputSchema": {**asked, "properties": named}, "outputSchema": output}
    nothing = {"inputSchema": {"type": "object", "additionalProperties": False}}
    tools = {"predict": record, "explain": record, "describe": nothing}
    key = g.get("key")
    return {
        name: {
            "name": name,
            "title": f"{card['title']}: {name}",
            "description": f"{_ABOUT[name]} {card['description'] or prediction_of(card)}",
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
            **schemas,
        }
        for name, schemas in tools.items()
        if key is None or _SCOPES.get(name, "predict") in key.scopes
        if name != "explain" or "explain" in values["parameters"]
    }


def _called(shared: Resources, card: Card, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what a tool returns; what is wrong with its arguments is a result, too."""
    name, record = parameters.get("name"), parameters.get("arguments", {})
    if not isinstance(name, str) or name not in _tools(card):
        raise _Wrong(_WRONG_PARAMETERS, f"there is no tool {str(name)[:80]!r}: see tools/list")
    try:
        if name == "describe":
            facts = {"predicts": prediction_of(card), "quality": quality_of(card)}
            content = {**facts, **describe_version(card)}
        else:
            content = _predict(shared, card["model"], record, is_explained=name == "explain")
    except (BadRequest, InvalidRecords) as error:
        g.problems = getattr(error, "problems", ())  # they are counted together with the request
        text = sentence(failure_of(error, model=card["model"], version=None))
        return {"content": [{"type": "text", "text": text}], "isError": True}
    shown = [{"type": "text", "text": write_json(content).decode()}]
    return {"content": shown, "structuredContent": content, "isError": False}


def _predict(shared: Resources, model: str, record: Any, *, is_explained: bool) -> Any:
    """Predict a record, by the way of every prediction."""
    if problems := repeated_keys(record):
        raise InvalidRecords(problems)
    if not isinstance(record, dict):
        raise BadRequest(400, "arguments is not an object: send the fields of one record")
    try:
        body = write_json(record)
    except ValueError as error:  # such as 1e999
        reason = "arguments has a number that no double holds: send a smaller one"
        raise BadRequest(400, reason) from error
    chosen = choose_version(shared.predictor, body, model=model)
    if is_explained:
        options = all_options(chosen.version, is_explained=True)
        chosen = structs.replace(chosen, options=options)
    content = shared.predictor.answer(chosen, JSON)
    assert isinstance(content, bytes)
    return read_json(content)


PROTOCOL = Protocol(
    "mcp", _routes, access={"answer": "predict"}, paths=lambda shared: [],
    phrase=phrase, description=Path(__file__).with_suffix(".json"),
)  # fmt: skip
