"""The API's reference as a page: the document of `/openapi.json`, ordered by use, and to try.

Descriptions come from the document, in English; the words of the page itself are translated.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, request

from engine.api.openapi.document import describe_now, visible_models
from engine.api.public_path import public_path
from engine.api.resources import Resources
from engine.api.statuses import STATUSES
from engine.languages import gettext as _
from engine.pages.layout import CONTENT_TYPE, SCRIPT_HEADERS, confine, render
from engine.records.media_types import JSON
from engine.schema.problem_codes import Code

#: More words of a field are counted, not listed.
_MOST_WORDS = 12

#: Fields inside fields are listed down to this depth.
_MOST_DEPTH = 4

#: Seconds that a browser may keep a static file whose address changes with it.
_KEPT = 30 * 24 * 3600


def blueprint(shared: Resources) -> Blueprint:
    """Return the routes of the reference, and of the static files of all pages."""
    routes = Blueprint("docs", __name__, static_folder="static", static_url_path="/static")
    routes.get_send_file_max_age = lambda filename: _KEPT if "v" in request.args else None  # type: ignore[method-assign]

    @routes.get("/docs")
    @routes.get("/docs/<name>")
    def page(name: str = "") -> Response:
        """Show the API of a model, or of the first that the caller may see, to read and to try."""
        names = visible_models(shared)
        card = shared.models.card(name) if name else None
        shown = [name] if card else names[:1]
        document = describe_now(shared, shown)
        address = request.host_url.rstrip("/") + public_path()
        text = render(
            "docs.html", service=shared.service, path=request.path, shown=shown, names=names,
            groups=_groups(document), statuses=STATUSES, codes=[*Code], address=address,
            problem=[*_fields({"$ref": "/Problem"}, document["components"]["schemas"])],
            need_keys=shared.callers.need_keys, quote=shlex.quote,
        )  # fmt: skip
        return Response(text, content_type=CONTENT_TYPE)

    @routes.after_request
    def confine_page(response: Response) -> Response:
        """Let the page run its own script; a static file may be kept."""
        kept = response.headers.get("Cache-Control")
        confine(response, SCRIPT_HEADERS)
        if kept and request.endpoint == "docs.static":
            response.headers["Cache-Control"] = kept
        return response

    return routes


def _groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations by tag, in the document's order; those of one model come first.

    An operation that is there at several addresses is listed once.
    """
    schemas = document["components"]["schemas"]
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            known = groups.setdefault(operation["tags"][0], {})
            if first := known.get(operation["summary"]):
                first["also"].append(path)
            else:
                described = _operation(operation, schemas)
                known[operation["summary"]] = {**described, "method": method.upper(), "path": path}
    return [
        {
            "title": tag,
            "id": re.sub(r"\W+", "-", tag.lower()).strip("-"),
            "operations": [*operations.values()],
        }
        for tag, operations in groups.items()
    ]


def _operation(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"]
    good: Mapping[str, Any] = next(
        (answer for status, answer in answers.items() if status < "400"), {}
    )
    content = good.get("content", {})
    parameters = [
        {
            **entry,
            "kind": _kind(entry["schema"], schemas),
            "is_flag": entry["schema"].get("type") == "boolean",
            "is_number": entry["schema"].get("type") == "number",
        }
        for entry in operation.get("parameters", ())
    ]
    return {
        "id": operation["operationId"],
        "summary": operation["summary"],
        "also": [],
        "parameters": parameters,
        "examples": _examples(body.get(JSON, {})),
        "body": [*_fields(body.get(JSON, {}).get("schema", {}), schemas)],
        "forms": [*body],
        "answer": [*_fields(content.get(JSON, {}).get("schema", {}), schemas)],
        "answer_forms": [*content],
        "failures": [status for status in answers if status >= "400"],
    }


def _examples(form: Mapping[str, Any]) -> dict[str, str]:
    """Return the examples of a body in JSON, by what each of them is."""
    examples = {
        entry.get("summary", name): entry["value"]
        for name, entry in form.get("examples", {}).items()
    }
    if not examples and "example" in form:
        examples = {_("Example"): form["example"]}
    return {
        name: json.dumps(value, indent=1, ensure_ascii=False) for name, value in examples.items()
    }


def _plain(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference means, or the first of the forms that a structure may have."""
    if "$ref" in schema:
        return _plain(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for form in schema.get("anyOf", schema.get("oneOf", ())):
        first = _plain(form, schemas)
        return first if first.get("type") in ("object", "array") else schema
    return schema


def _fields(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], at: str = "", depth: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield the fields of a structure, each with its path, and those inside them."""
    schema = _plain(schema, schemas)
    if schema.get("type") == "array":
        yield from _fields(schema.get("items", {}), schemas, f"{at}[]", depth)
    for name, entry in schema.get("properties", {}).items():
        path, value = f"{at}.{name}".removeprefix("."), _plain(entry, schemas)
        yield {
            "path": path,
            "kind": _kind(value, schemas),
            "about": value.get("description", ""),
            "is_required": name in schema.get("required", ()),
        }
        if depth < _MOST_DEPTH:
            yield from _fields(value, schemas, path, depth + 1)


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Return which values a schema allows, in the words of JSON."""
    if forms := schema.get("anyOf", schema.get("oneOf")):
        return _either(*(_kind(_plain(form, schemas), schemas) for form in forms))
    if words := [json.dumps(word, ensure_ascii=False) for word in schema.get("enum", ())]:
        rest = len(words) - _MOST_WORDS
        more = [_("{count} more").format(count=rest)] if rest > 0 else []
        return ", ".join(words[:_MOST_WORDS] + more)
    kinds = schema.get("type", ())
    first, *others = [kinds] if isinstance(kinds, str) else kinds or [""]
    low, high = schema.get("minimum"), schema.get("maximum")
    if None not in (low, high):
        first += " " + _("from {low} to {high}").format(low=low, high=high)
    return _either(first, *others)


def _either(*kinds: str) -> str:
    *first, last = dict.fromkeys(kinds)
    return _("{kind} or {other}").format(kind=", ".join(first), other=last) if first else last
