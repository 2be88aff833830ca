"""The API's description: valid, complete, and of one mind with the service."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator

from engine.api.openapi.model import record_schema
from engine.schema.record_schema import Schema
from persistence.model_persistence import ModelStore
from tests.support.answers import read_strictly
from tests.support.application import serve
from tests.support.inputs import first_daily, many
from tests.support.models import EXAMPLES, TOYS

#: Routes for people, which the description leaves out.
FOR_PEOPLE = {
    "/", "/docs", "/docs/<name>", "/language", "/models", "/models/<name>",
    "/models/<name>/dashboard", "/models/<name>/predictions",
    "/models/<name>/predictions/<prediction_id>", "/models/<name>/promote",
    "/models/<name>/table", "/models/<name>/versions", "/openapi.json", "/sign-in", "/sign-out",
    "/static/<path:filename>",
}  # fmt: skip

#: Blueprints that are described for any model at once.
OF_ANY = ("catalog.", "jobs.", "prediction_log.", "version_page.", "v1.", "v2.", "mcp.")


def is_of_any(endpoint: str) -> bool:
    return endpoint.startswith(OF_ANY) and endpoint != "catalog.show_model_info"


def describe(client: FlaskClient) -> Any:
    answer = client.get("/openapi.json")
    assert 200 == answer.status_code
    return read_strictly(answer.data)


def check(document: Any, schema: Any, value: Any) -> list[str]:
    """List how a value breaks a schema of the document."""
    whole = {**schema, "components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def posts(document: Any) -> dict[str, Any]:
    return {path: one["post"] for path, one in document["paths"].items() if "post" in one}


@pytest.mark.parametrize("default", first_daily("parcel", "rent", "coin", "nothing"))
def test_description_when_of_several_models_is_valid(toy_store: ModelStore, default: str) -> None:
    document = describe(serve(toy_store, default).test_client())

    OpenAPIV31SpecValidator(document).validate()
    assert "3.1.0" == document["openapi"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_description_when_of_the_credit_model_is_valid(client: FlaskClient) -> None:
    document = describe(client)

    OpenAPIV31SpecValidator(document).validate()
    record = document["components"]["schemas"]["credit_record"]
    assert 7 == len(record["required"])
    assert "fixo" in record["properties"]["job"]["enum"]


def test_description_when_nothing_is_stored_is_valid(toy_store: ModelStore) -> None:
    document = describe(serve(ModelStore(toy_store.root / "nothing"), "parcel").test_client())

    OpenAPIV31SpecValidator(document).validate()
    versions = "/v0/models/{name}/versions"
    catalog = {
        "/v0/models",
        "/v0/models/{name}",
        "/v0/models/{name}/mcp",
        versions,
        f"{versions}/{{version}}",
    }
    log = {"/v0/models/{name}/predictions", "/v0/models/{name}/feedback"}
    jobs = {"/v0/jobs/{identifier}", "/v0/jobs/{identifier}/result"}
    hosts = {"/ping", "/version", "/execution-parameters"}
    own = {path for path in document["paths"] if not path.startswith(("/v1", "/v2"))}
    health = {"/health", "/check_service", "/livez", "/readyz"}
    assert {*health, "/metrics", *catalog, *log, *jobs, *hosts} == own


def test_description_when_compared_with_the_routes_has_each_and_no_other(
    toy_store: ModelStore,
) -> None:
    app = serve(toy_store, "parcel")

    documented = {
        (path, method.upper())
        for path, operations in describe(app.test_client())["paths"].items()
        for method in operations
    }

    routed = {
        (
            rule.rule.replace("<name>", name)
            .replace("<version>", "{version}")
            .replace("<identifier>", "{identifier}"),
            method,
        )
        for rule in app.url_map.iter_rules()
        if rule.rule not in FOR_PEOPLE
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        for name in (["{name}"] if is_of_any(rule.endpoint) else TOYS)
    }
    assert routed == documented


def test_description_when_read_begins_with_the_prediction(toy_client: FlaskClient) -> None:
    assert "/v0/predict" == next(iter(describe(toy_client)["paths"]))


def test_description_when_it_names_operations_names_each_once(toy_client: FlaskClient) -> None:
    names = [
        operation["operationId"]
        for operations in describe(toy_client)["paths"].values()
        for operation in operations.values()
    ]

    assert len(set(names)) == len(names) > 7


def test_examples_when_sent_are_answered_as_described(toy_client: FlaskClient) -> None:
    document = describe(toy_client)
    sent = 0

    for path, operation in posts(document).items():
        if "200" not in operation["responses"]:
            continue
        shape = operation["responses"]["200"]["content"]["application/json"]["schema"]
        for kind, content in operation["requestBody"]["content"].items():
            examples = [one["value"] for one in content.get("examples", {}).values()]
            for example in examples or filter(None, [content.get("example")]):
                assert [] == check(document, content["schema"], example)
                body = example if isinstance(example, str) else json.dumps(example)
                where = path
                for one in operation.get("parameters", []):
                    if one["in"] != "path":
                        continue
                    where = where.replace(f"{{{one['name']}}}", one["example"])
                answer = toy_client.post(where, data=body, content_type=kind)
                assert 200 == answer.status_code, answer.text
                assert [] == check(document, shape, read_strictly(answer.data))
                sent += 1
    # One record, a list, columns, CSV and lines; three models by name, by version and at their
    # second address, and one as the default, at two. Six forms of an invocation, and vetiver's
    # list. Then tensors, twice, an index and instances. And seven what-ifs, and a list of tools.
    assert 57 + 4 + 7 + 1 + 5 == sent


def test_answers_when_there_are_warnings_or_problems_are_as_described(
    toy_client: FlaskClient,
) -> None:
    document = describe(toy_client)
    responses = document["paths"]["/v0/predict"]["post"]["responses"]
    accepted = {**EXAMPLES["parcel"], "pieces": 999, "shape": "sack"}

    warned = toy_client.post("/v0/predict", json=[accepted, EXAMPLES["parcel"]])
    refused = toy_client.post("/v0/predict", json={})

    good = responses["200"]["content"]["application/json"]["schema"]
    bad = responses["422"]["content"]["application/problem+json"]["schema"]
    assert [] == check(document, good, read_strictly(warned.data))
    assert [] == check(document, bad, read_strictly(refused.data))
    assert [] != check(document, good, read_strictly(refused.data))
    assert [] != check(document, bad, read_strictly(warned.data))


def test_statuses_when_they_can_occur_are_described(toy_client: FlaskClient) -> None:
    operation = describe(toy_client)["paths"]["/v0/predict"]["post"]

    problems = {400, 401, 403, 406, 408, 409, 413, 415, 422, 429, 503, 504, 507}
    assert {200, 202, *problems} == set(map(int, operation["responses"]))


@pytest.mark.parametrize(
    "path", ["/health", "/livez", "/readyz", "/v0/model_info", "/v0/models/rent/model_info"]
)
def test_answers_when_got_are_as_described(toy_client: FlaskClient, path: str) -> None:
    document = describe(toy_client)
    responses = document["paths"][path]["get"]["responses"]

    answer = read_strictly(toy_client.get(path).data)

    assert [] == check(document, responses["200"]["content"]["application/json"]["schema"], answer)
    assert [] != check(document, responses["200"]["content"]["application/json"]["schema"], {})


def test_description_when_a_model_gives_no_probabilities_names_none(
    toy_client: FlaskClient,
) -> None:
    schemas = describe(toy_client)["components"]["schemas"]

    added = {"explanation", "unfamiliar"}
    assert {"value", "interval", *added} == set(schemas["rent_prediction"]["properties"])
    assert ["large", "medium", "small"] == schemas["parcel_value"]["enum"]
    assert {"type": "integer", "enum": [0, 1]} == schemas["coin_value"]


def near(field: Any) -> st.SearchStrategy[Any]:
    """Draw values on both sides of what a field accepts."""
    odd = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, "", "1", "true", [], {}, "x"])
    if field.kind == "category":
        return (
            odd | st.sampled_from([*field.categories, *field.synonyms, " red", "RED"]) | st.text()
        )
    if field.kind == "flag":
        return odd | st.sampled_from([True, False, *field.synonyms, "Yes"])
    assert field.kind == "number"
    ends = [end for end in (field.minimum, field.maximum) if end is not None]
    near_ends = [end + step for end in ends for step in (-1, -0.5, -1e-9, 0, 1e-9, 0.5, 1)]
    # Beyond 2**53 whole numbers are refused, which JSON Schema cannot tell from doubles.
    plain = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    return odd | plain | (st.sampled_from(near_ends) if near_ends else plain)


def served_schema(client: FlaskClient, model: str) -> Schema:
    """Give the schema of a served version, whose numbers may be limited further than declared."""
    schema: Schema = client.application.extensions["resources"].models.get(model).schema
    return schema


@st.composite
def records(draw: st.DrawFn, model: str) -> dict[str, Any]:
    """Draw a record: mostly the example, some values near the border, some keys off."""
    fields = {one.name: one for one in TOYS[model].fields}
    record = dict(EXAMPLES[model])
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        record[name] = draw(near(fields[name]))
    keys = st.sampled_from([*record, "note", "more", "", "Unnamed: 0"])
    for name in draw(st.lists(keys, max_size=1)):
        if name in record:
            del record[name]
        else:
            record[name] = draw(st.none() | st.text() | st.integers())
    return record


@pytest.mark.parametrize("model", TOYS)
@settings(max_examples=many(300))
@given(data=st.data())
def test_schema_when_compared_with_the_service_accepts_and_refuses_the_same(
    toy_client: FlaskClient, model: str, data: st.DataObject
) -> None:
    schema = served_schema(toy_client, model)
    record = data.draw(records(model))
    columns = {name: [value] for name, value in record.items()}

    alone = toy_client.post(f"/v0/models/{model}/predict", json=record)
    table = toy_client.post(f"/v0/models/{model}/predict", json={"data": columns})

    assert alone.status_code in (200, 422)
    if "no_finite_answer" not in alone.text:
        is_valid = Draft202012Validator(record_schema(schema)).is_valid(record)
        assert is_valid == (alone.status_code == 200), alone.text
        is_valid = Draft202012Validator(record_schema(schema, is_columns=True)).is_valid(columns)
        assert is_valid == (table.status_code == 200), table.text


def test_schema_when_the_service_shows_it_is_the_one_compared(toy_client: FlaskClient) -> None:
    schemas = describe(toy_client)["components"]["schemas"]

    for name in TOYS:
        schema = served_schema(toy_client, name)
        assert record_schema(schema) == schemas[f"{name}_record"]
        assert record_schema(schema, is_columns=True) == schemas[f"{name}_columns"]
