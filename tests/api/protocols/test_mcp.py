"""The Model Context Protocol, by its official client and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest
from flask.testing import FlaskClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.serving import Server, running
from tests.support.table_bodies import PARCEL

PATH = "/v0/models/parcel/mcp"
CURRENT = "2026-07-28"


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(
        folder, until="/readyz", model_store=toy_store.root, default_model="parcel"
    ) as started:
        yield started


def use(
    port: int, *calls: tuple[str, dict[str, Any]], mode: Literal["auto", "legacy"] = "auto",
    key: str = "",
) -> tuple[str, list[Any], list[Any]]:  # fmt: skip
    """Connect, list the tools and call some; return the revision, the tools and the results."""

    async def talk() -> tuple[str, list[Any], list[Any]]:
        headers = {"x-api-key": key} if key else {}
        async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
            way = streamable_http_client(f"http://127.0.0.1:{port}{PATH}", http_client=http)
            async with Client(way, mode=mode) as client:
                tools = (await client.list_tools()).tools
                results = [await client.call_tool(name, given) for name, given in calls]
                return client.protocol_version, tools, results

    return anyio.run(talk)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "revision"), [("auto", CURRENT), ("legacy", "2025-11-25")])
def test_official_client_lists_the_tools_and_gets_the_answers_of_the_api(
    server: Server, mode: Literal["auto", "legacy"], revision: str
) -> None:
    expected = server.ask("/v0/predict?explain=true", PARCEL)[1]["prediction"]

    spoken, tools, results = use(
        server.port, ("predict", PARCEL), ("explain", PARCEL), ("describe", {}), mode=mode
    )

    assert revision == spoken
    assert ["predict", "explain", "describe"] == [tool.name for tool in tools]
    assert {*PARCEL} <= {*tools[0].input_schema["properties"]}
    predicted, explained, described = (result.structured_content for result in results)
    assert expected["value"] == predicted["prediction"]["value"]
    assert expected["probability"] == predicted["prediction"]["probability"]
    assert expected["explanation"] == explained["prediction"]["explanation"]
    assert "parcel" == described["model"]["name"]
    assert predicted == json.loads(results[0].content[0].text)


@pytest.mark.slow
def test_official_client_is_told_which_fields_are_wrong(server: Server) -> None:
    _, _, results = use(server.port, ("predict", {**PARCEL, "weight": "heavy", "colour": 1}))

    assert results[0].is_error
    assert "/weight is 'heavy'" in results[0].content[0].text
    assert "/colour" in results[0].content[0].text


@pytest.mark.slow
def test_official_client_with_a_key_sees_what_the_key_allows(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    text, key = make_key("assistant", scopes=("predict",))
    file.add(key)
    with running(
        tmp_path, until="/livez", model_store=toy_store.root, default_model="parcel",
        keys_file=file.path,
    ) as server:  # fmt: skip
        _, tools, results = use(server.port, ("predict", PARCEL), key=text)

        assert ["predict", "explain"] == [tool.name for tool in tools]
        assert not results[0].is_error
        assert 401 == server.ask(PATH, {"jsonrpc": "2.0", "id": 1, "method": "ping"})[0]


def send(client: FlaskClient, message: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return client.post(PATH, data=body, content_type="application/json", headers=named)


def ask(method: str, **parameters: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "a", "method": method, "params": parameters}


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (b"{", 400, -32700), (b"\xff", 400, -32700), ([ask("ping")], 400, -32600),
        ({"id": 1, "method": "ping"}, 400, -32600), ({**ask("ping"), "method": 1}, 400, -32600),
        ({**ask("ping"), "params": []}, 400, -32600), ({**ask("ping"), "id": {}}, 400, -32600),
        ({**ask("ping"), "id": True}, 400, -32600),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": 1e999}', 400, -32600),
        (ask("resources/list"), 200, -32601),
        (ask("tools/call", name="sing"), 400, -32602), (ask("tools/call", name=[]), 400, -32602),
    ],
)  # fmt: skip
def test_message_that_is_no_request_gets_an_error_of_json_rpc(
    toy_client: FlaskClient, message: Any, status: int, code: int
) -> None:
    answer = send(toy_client, message)

    assert (status, code) == (answer.status_code, answer.json["error"]["code"])
    assert "2.0" == answer.json["jsonrpc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "not an object"), ("x", "not an object"), (5, "not an object"), ({}, "/weight")],
)
def test_arguments_that_are_no_record_are_a_result_that_says_so(
    toy_client: FlaskClient, arguments: Any, words: str
) -> None:
    answer = send(toy_client, ask("tools/call", name="predict", arguments=arguments))

    assert 200 == answer.status_code
    assert answer.json["result"]["isError"]
    assert words in answer.json["result"]["content"][0]["text"]


@pytest.mark.parametrize("number", ["1e999", '{"a": [-1e999]}'])
def test_number_that_no_double_holds_is_refused(toy_client: FlaskClient, number: str) -> None:
    body = json.dumps(ask("tools/call", name="explain", arguments={**PARCEL, "weight": None}))

    result = send(toy_client, body.replace("null", number).encode()).json["result"]

    assert result["isError"]
    assert "no double holds" in result["content"][0]["text"]


def test_field_that_is_named_twice_is_refused(toy_client: FlaskClient) -> None:
    body = json.dumps(ask("tools/call", name="predict", arguments=PARCEL))
    twice = body.replace('"weight":', '"weight": 1, "weight":').encode()

    result = send(toy_client, twice).json["result"]

    assert result["isError"]
    assert "/weight" in result["content"][0]["text"]


def test_notification_and_answer_get_no_answer(toy_client: FlaskClient) -> None:
    started = {"jsonrpc": "2.0", "method": "notifications/initialized"}

    for message in (started, {"jsonrpc": "2.0", "id": 1, "result": {}}):
        answer = send(toy_client, message)

        assert (202, b"") == (answer.status_code, answer.data)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_stream_and_session_are_not_there(toy_client: FlaskClient, method: str) -> None:
    answer = toy_client.open(PATH, method=method)

    assert 405 == answer.status_code
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200), ("http://127.0.0.1:3000", 200), ("http://[::1]:80", 200),
        ("https://ours.example", 200), ("http://evil.example", 403), ("null", 403),
        ("http://127.0.0.1.evil.example", 403),
    ],
)  # fmt: skip
def test_page_of_another_site_may_call_no_tool_even_under_its_own_name(
    toy_store: ModelStore, origin: str, status: int
) -> None:
    client = serve(toy_store, "parcel", cors_origins="https://ours.example").test_client()
    host = origin.partition("://")[2] or "localhost"  # its name was made to lead here

    answer = send(client, ask("ping"), Origin=origin, Host=host)

    assert status == answer.status_code


def test_headers_that_differ_from_the_body_are_refused(toy_client: FlaskClient) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": CURRENT}
    message = ask("tools/call", name="predict", arguments=PARCEL, _meta=meta)
    right = {"Mcp_Protocol_Version": CURRENT, "Mcp_Method": "tools/call", "Mcp_Name": "predict"}

    assert 200 == send(toy_client, message, **right).status_code
    for header in right:
        wrong = {**right, header: CURRENT if header != "Mcp_Protocol_Version" else "2027-01-01"}
        answer = send(toy_client, message, **wrong)
        assert 400 == answer.status_code
        expected = -32022 if header == "Mcp_Protocol_Version" else -32020
        assert expected == answer.json["error"]["code"]


def test_model_when_there_is_none_of_that_name_is_not_found(toy_client: FlaskClient) -> None:
    assert 404 == toy_client.post("/v0/models/nothing/mcp", json=ask("ping")).status_code
