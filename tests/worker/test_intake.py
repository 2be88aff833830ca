"""Which requests get one of the threads for what takes long."""

import pytest

from engine.worker.intake import takes_long

HEAD = b"POST %b HTTP/1.1\r\nHost: here\r\nReferer: http://here/models/x?explain=true\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (b"/v0/models/credit/whatif", b"{}"),
        (b"/v0/predict?explain=true", b"{}"),
        (b"/v0/models/credit/predict?threshold=0.4&explain=true", b"{}"),
        (b"/models/credit", b"field.age=30&explain=on"),
        (b"/proxy/models/credit", b"field.age=30&explain=on"),
        (b"/v0/models/credit/mcp", b'{"params": {"name": "explain"}}'),
    ],
)
def test_request_takes_long_where_its_address_form_or_tool_asks_for_it(
    url: bytes, body: bytes
) -> None:
    assert takes_long(url, HEAD % url + body)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (b"/v0/predict", b'{"note": "explain=true", "explain": "/whatif"}'),
        (b"/v0/models/credit/predict", b'{"note": "explain=true", "explain": "/whatif"}'),
        (b"/models/credit/table", b"note\nexplain=on"),
        (b"/models/credit", b"field.age=30"),
        (b"/v0/models/credit/mcp", b'{"params": {"name": "predict"}}'),
    ],
)
def test_request_is_plain_whatever_words_its_records_have(url: bytes, body: bytes) -> None:
    assert not takes_long(url, HEAD % url + body)
