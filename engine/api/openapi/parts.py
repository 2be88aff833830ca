"""Parts of the API's description that are the same for every model."""

from collections.abc import Collection, Mapping
from typing import Any

from engine.api.statuses import STATUSES

#: The schema of any text.
TEXT = {"type": "string"}

#: The schema of bytes that are no text.
BYTES = {"type": "string", "format": "binary"}

_TRIED = {
    **dict.fromkeys(("version", "mode", "by", "at"), TEXT),
    "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}

#: What is tried beside a promoted version.
_CANDIDATE = {"type": ["object", "null"], "required": list(_TRIED), "properties": _TRIED}

#: How a key may come.
KEY_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}


def fixed_paths(example: str) -> dict[str, Any]:
    """Describe the routes of health, and those that list models.

    Parameters
    ----------
    example : str
        The name of a model; empty where there is none.
    """
    greeting = dict.fromkeys(("msg", "now", "status"), TEXT)
    health = _get("health", "Health", "Greets; status is ok or degraded", greeting)
    _add_property(health, "reason", TEXT)
    status = {"status": TEXT}
    ready = _get("readyz", "Health", "The model answers its example", status)
    ready["get"]["responses"] |= problems(503)
    return {
        **_catalog_paths(example),
        "/health": health,
        "/livez": _get("livez", "Health", "The process answers", status),
        "/readyz": ready,
        "/metrics": _metrics_path(),
    }


def _metrics_path() -> dict[str, Any]:
    path = _get("metrics", "Health", "The counts of all workers, for Prometheus", {})
    path["get"]["responses"]["200"]["content"] = {
        kind: {"schema": TEXT} for kind in ("text/plain", "application/openmetrics-text")
    }
    return path


def _catalog_paths(example: str) -> dict[str, Any]:
    described = dict.fromkeys(("name", "version", "title", "task", "created_at"), TEXT)
    model = {"type": "object", "required": list(described), "properties": described}
    listed = {"models": _list_of(model), "default_model": TEXT}
    whole = {**described, "candidate": _CANDIDATE, "versions": _list_of(TEXT)}
    one = _get("model", "Models", "Describes a model", whole)
    refused = {"version": {"type": ["string", "null"]}, "reason": TEXT}
    shape = {"type": "object", "required": [*refused], "properties": refused}
    _add_property(one, "refused", shape)
    several = {"model": TEXT, "candidate": _CANDIDATE, "versions": _list_of(model)}
    return {
        "/v0/models": _get("models", "Models", "Lists the models", listed),
        "/v0/models/{name}": _of_one(one, example),
        "/v0/models/{name}/versions": _of_one(
            _get("versions", "Models", "Lists a model's versions", several), example
        ),
        "/v0/models/{name}/versions/{version}": _version_path(described, example),
    }


def _version_path(described: dict[str, Any], example: str) -> dict[str, Any]:
    """Describe the page of one version, in its three forms."""
    shown = {
        **described,
        "promoted": {"type": "boolean"},
        "previous": {"type": ["string", "null"]},
        "scores": {"type": "object"},
        "challenge": {"type": ["object", "null"]},
        "compared": {"type": ["object", "null"]},
    }
    path = _of_one(_get("model_version", "Models", "Describes a version", shown), example)
    path["get"]["parameters"].append(
        {"name": "version", "in": "path", "required": True, "schema": TEXT}
    )
    path["get"]["responses"]["200"]["content"] |= {
        kind: {"schema": TEXT} for kind in ("text/markdown", "text/html")
    }
    path["get"]["responses"] |= problems(406)
    return path


def _get(identifier: str, tag: str, summary: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    operation = {"operationId": identifier, "tags": [tag], "summary": summary}
    return {"get": {**operation, "responses": {"200": answer(schema, summary)}}}


def _add_property(path: dict[str, Any], name: str, shape: Mapping[str, Any]) -> None:
    """Describe what an answer need not have."""
    (content,) = path["get"]["responses"]["200"]["content"].values()
    content["schema"]["properties"] = {**content["schema"]["properties"], name: shape}


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _of_one(path: dict[str, Any], example: str) -> dict[str, Any]:
    name = {"name": "name", "in": "path", "required": True, "schema": TEXT}
    name |= {"example": example} if example else {}
    path["get"]["parameters"] = [name]
    path["get"]["responses"] |= problems(404, 503)
    return path


def answer(schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Describe an answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def refer(name: str) -> dict[str, Any]:
    """Refer to a schema of the description."""
    return {"$ref": f"#/components/schemas/{name}"}


def problems(*statuses: int) -> dict[str, Any]:
    """Describe failures, by status."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": STATUSES[status].meaning, "content": content}
        for status in statuses
    }


def guard(paths: Mapping[str, Any], *, public: Collection[str], are_keys_asked: bool) -> None:
    """Say of every operation whether it takes a key, and how it is refused without.

    Parameters
    ----------
    public : collection of str
        The addresses that are open to all.
    """
    for path, operations in paths.items():
        for method, operation in operations.items():
            if path in public:
                operation["security"] = []
                continue
            answers = operation["responses"]
            # In the form of the protocol that is spoken here.
            forms = [one["content"] for status, one in answers.items() if status >= "400"]
            for status, refusal in problems(
                401, 403, *((409,) if method == "post" else ()), 429
            ).items():
                refusal["content"] = forms[0] if forms else refusal["content"]
                answers.setdefault(status, refusal)
            if are_keys_asked:
                operation["security"] = [{name: []} for name in KEY_SCHEMES]
