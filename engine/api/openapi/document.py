"""The API's own description, OpenAPI 3.1, made from templates and the cards."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app

from engine.api.catalog import find_card
from engine.api.middleware.auth import FORM_PATH, public_paths
from engine.api.openapi.model import model_values
from engine.api.openapi.template import failures, fill, load_template
from engine.api.paging import MOST
from engine.api.protocols import PROTOCOLS
from engine.api.public_path import public_path
from engine.api.requests import may_see
from engine.api.resources import Resources
from engine.api.responses import json_response
from engine.records.rows import MAX_RECORDS
from engine.schema.card import Card

#: What the service has whatever its models are, and what each model adds.
_FIXED, _MODEL = (Path(__file__).with_name(name) for name in ("fixed.json", "model.json"))


#: Most models that are described; the default model is among them.
MOST_MODELS = 100


def describe(
    cards: Mapping[str, Card], shared: Resources,
    *, public: Collection[str] = (), are_keys_asked: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Describe the whole API.

    Parameters
    ----------
    cards : mapping of str to card
        The promoted version of every model.
    public : collection of str
        The paths that need no key.
    are_keys_asked : bool
        Whether a request needs a key now.
    """
    default = cards.get(shared.models.default)
    chosen = {"health_route": shared.health_route, "predict_route": shared.predict_route}
    values: dict[str, Any] = {name: path for name, path in chosen.items() if path}
    values |= {"max_records": MAX_RECORDS, "most_listed": MOST}
    fixed = load_template(_FIXED)
    for name in ("limit_parameter", "next", "next_headers"):
        values[name] = fill(fixed[name], values, {})
    of_default = values | (model_values(default) if default else {})
    any_model = default or next(iter(cards.values()), None)
    protocols = [load_template(protocol.description) for protocol in PROTOCOLS]
    example = {}
    if any_model:
        example = {"any_model": any_model["model"], "any_value": any_model["example"]["value"]}
    schemas, paths = _fill(fixed, "schemas", values), dict[str, Any]()
    for name, card in cards.items():
        of_model = values | model_values(card)
        schemas |= _fill(load_template(_MODEL), "schemas", of_model)
        paths |= _model_paths(of_model, is_default=name == shared.models.default)
    paths |= _fill(fixed, "paths", values | example)
    for template in protocols:
        paths |= _fill(template, "paths", of_default)
        schemas |= _fill(template, "schemas", of_default)
    for template in protocols if default else ():
        paths |= _fill(template, "paths_of_default", of_default)
    schemes = fixed["securitySchemes"]
    _guard(paths, schemes, public=public, are_keys_asked=are_keys_asked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": shared.service,
            "version": shared.version,
            "description": "\n\n".join(map(_introduction, cards.values())),
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def blueprint(shared: Resources) -> Blueprint:
    """Return the route of the description."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def document() -> Response:
        """Describe this API."""
        return json_response(describe_now(shared, visible_models(shared)[:MOST_MODELS]))

    return routes


def visible_models(shared: Resources) -> list[str]:
    """Return the names of the models that the caller may know of, the default model first."""
    names = filter(may_see, shared.models.store.names())
    return sorted(names, key=lambda name: (name != shared.models.default, name))


def describe_now(shared: Resources, names: Iterable[str]) -> dict[str, Any]:
    """Describe the API of some models to the caller of the request."""
    cards = {name: card for name in names if (card := find_card(shared.models, name))}
    public, are_asked = public_paths(current_app), shared.callers.need_keys
    described = describe(cards, shared, public=public, are_keys_asked=are_asked)
    if path := public_path():
        described["servers"] = [{"url": path}]
    return described


def _introduction(card: Card) -> str:
    note = card["data"]["note"]
    trained = f" Trained on sample data, {note}." if note else ""
    title = f"**{card['title']}** ({card['model']}, version {card['version']})"
    form = f"[Fill in a form]({FORM_PATH.strip('/')}/{card['model']})."
    return f"{title}. {card['description']}{trained} {form}"


def _fill(template: Mapping[str, Any], section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = fill(template.get(section, {}), values, template.get("failure", {}))
    return filled


def _model_paths(values: Mapping[str, Any], *, is_default: bool) -> dict[str, Any]:
    """Describe the routes of a model, of its other versions, and its second path."""
    template, name = load_template(_MODEL), values["model"]
    paths: dict[str, Any] = {}
    for prefix in ["/v0"] * is_default + [f"/v0/models/{name}"]:
        identifier = prefix.strip("/").replace("/", "_")
        paths |= _fill(template, "paths", {**values, "prefix": prefix, "identifier": identifier})
    prefix = f"/v0/models/{name}/versions/{{version}}"
    of_versions = {**values, "prefix": prefix, "identifier": f"{name}_version"}
    versions = _fill(template, "paths", of_versions)
    for path in versions.values():
        for operation in path.values():
            operation["parameters"] = [fill(template["version_parameter"], values, {})]
            operation["responses"] |= failures([404], template["failure"])
    described = {**paths, **versions}
    aliases = {f"/inference/{name}": f"inference_{name}"}
    aliases |= {"/get_prediction": "get"} if is_default else {}
    for path, identifier in aliases.items():
        alias = _fill(template, "paths", {**values, "prefix": "", "identifier": identifier})
        described[path] = alias["/predict"]
        if short := values["short_answer"]:
            response = described[path]["post"]["responses"]["200"]
            response["content"]["application/json"]["schema"] = short
    parameters = [template[f"{parameter}_parameter"] for parameter in values["parameters"]]
    for path in described:
        if path.endswith("/predict") or path in aliases:
            described[path]["post"].setdefault("parameters", []).extend(parameters)
    return described


def _guard(
    paths: Mapping[str, Any], schemes: Mapping[str, Any],
    *, public: Collection[str], are_keys_asked: bool,
) -> None:  # fmt: skip
    """Describe for every operation whether it takes a key, and how it is refused without one."""
    own = load_template(_FIXED)["failure"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            if path in public:
                operation["security"] = []
                continue
            responses = operation["responses"]
            # A refusal has the form of the other failures of the protocol.
            forms = [form["content"] for status, form in responses.items() if status >= "400"]
            content = {"content": forms[0]} if forms else own
            refusals = [401, 403, *([409] if method == "post" else []), 429]
            operation["responses"] = {**responses, **failures(refusals, content), **responses}
            if are_keys_asked:
                operation["security"] = [{name: []} for name in schemes]
