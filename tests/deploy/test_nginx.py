"""A real nginx with the project's configuration, before a real service."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from persistence.model_persistence import ModelStore
from tests.deploy.nginx import GIVEN, Witness, name_server, nginx
from tests.support.models import EXAMPLES
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.serving import DEADLINE, free_port, running, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("nginx"),
        reason="nginx is not here: install the package nginx-light",
    ),
]

RECORD = json.dumps(EXAMPLES["parcel"])
CANARY = (b"X-Canary", GIVEN["CANARY_KEY"].encode())


class Scene(NamedTuple):
    """A running nginx, the witness that takes the canary's place, and their name server."""

    port: int
    witness: Witness
    resolver: str
    folder: Path


@pytest.fixture(scope="module")
def scene(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """An nginx that finds the service at one of two addresses, as where one container is gone."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    names = {b"web": ["127.0.0.4", "127.0.0.2"], b"canary": ["127.0.0.3", "127.0.0.3"]}
    settings: dict[str, Any] = {
        "model_store": toy_store.root, "default_model": "parcel", "web_concurrency": 1,
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        witness = stack.enter_context(Witness("127.0.0.3", port).serving())
        resolver = stack.enter_context(name_server(names))
        service = running(
            folder, until="", host="127.0.0.2", port=port, open_access=True, **settings
        )
        stack.enter_context(service)
        proxy = stack.enter_context(nginx(folder, "plain", resolver=resolver, service=port))
        wait_until(lambda: ask(proxy, "", b"/readyz", method=b"GET").status == 200, "ready")
        yield Scene(proxy, witness, resolver, folder)


def ask(
    port: int, body: str, path: bytes = b"/v0/predict", *fields: tuple[bytes, bytes],
    method: bytes = b"POST",
) -> Answer:  # fmt: skip
    with connect(port) as link:
        link.sendall(request(body, path=path, fields=fields, method=method))
        return read_answer(link)


def test_request_when_one_container_is_gone_is_answered_by_the_other(scene: Scene) -> None:
    answers = [ask(scene.port, RECORD) for _ in range(12)]

    assert [200] * 12 == [answer.status for answer in answers]
    assert all(answer.json()["model"]["name"] == "parcel" for answer in answers)


def test_body_when_it_is_larger_than_the_limit_is_refused_as_a_problem(scene: Scene) -> None:
    largest = ask(scene.port, "x" * 20_000, b"/", CANARY)
    larger = ask(scene.port, "x" * 20_001, b"/", CANARY)

    assert (200, 413) == (largest.status, larger.status)
    assert larger.field(b"Content-Type") == b"application/problem+json"
    assert larger.json()["status"] == 413 and "MAX_TABLE_BYTES" in larger.json()["title"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /%2e%2e/metrics HTTP/1.1", 400), (b"GET /a%00 HTTP/1.1", 400),
        (b"GET /%2e%2e/metrics HTTP/1.0", 400), (b"get / HTTP/1.1", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1", 414), (b"TRACE / HTTP/1.1", 405),
        (b"GET / HTTP/3.0", 505), (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 9000, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip", 501),
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked", 400),
    ],
)  # fmt: skip
def test_request_when_nginx_cannot_read_it_is_refused_as_a_problem(
    scene: Scene, line: bytes, status: int
) -> None:
    with connect(scene.port) as link:
        link.sendall(line + b"\r\nHost: localhost\r\n\r\n")
        answer = read_answer(link)

    assert (status, b"application/problem+json") == (answer.status, answer.field(b"Content-Type"))
    assert b"nginx" == answer.field(b"Server")  # without its version
    assert (status, "try again" in answer.json()["title"]) == (answer.json()["status"], False)


def test_body_when_it_comes_slowly_is_held_until_it_is_whole(scene: Scene) -> None:
    sent = request(RECORD, path=b"/slow", fields=[CANARY])
    with connect(scene.port) as link:
        link.sendall(sent[:-1])
        # nginx has one loop here: once it has answered this, it has read the above.
        assert ask(scene.port, RECORD, b"/quick", CANARY).status == 200
        asked_before = [*scene.witness.asked]
        link.sendall(sent[-1:])
        answer = read_answer(link)

    assert "/quick" in asked_before and "/slow" not in asked_before
    assert answer.status == 200 and "/slow" in scene.witness.asked


@pytest.mark.parametrize("key", [b"", b"none", b"yes-to-the-canary2", b"YES-TO-THE-CANARY"])
def test_canary_when_its_key_is_not_sent_is_not_asked(scene: Scene, key: bytes) -> None:
    before = len(scene.witness.asked)

    answer = ask(scene.port, RECORD, b"/v0/predict", (b"X-Canary", key))

    assert answer.status == 200 and "prediction" in answer.json()
    assert before == len(scene.witness.asked)


def test_headers_when_a_client_speaks_for_a_proxy_are_not_believed(scene: Scene) -> None:
    claimed = [
        (b"X-Forwarded-For", b"6.6.6.6"), (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Ssl", b"on"), (b"X-Forwarded-Protocol", b"ssl"),
        (b"X-Forwarded-Prefix", b"/there"), (b"Host", b"models.example.com:8090"),
    ]  # fmt: skip

    seen = ask(scene.port, RECORD, b"/", CANARY, *claimed).json()
    answer = ask(scene.port, RECORD, b"/v0/predict", *claimed)

    forwarded = {name: value for name, value in seen.items() if name.startswith("x-")}
    assert {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"} == forwarded
    assert seen["host"] == "models.example.com:8090"
    assert answer.status == 200  # gunicorn refuses schemes that disagree


def test_request_when_it_was_read_is_not_made_twice(scene: Scene) -> None:
    answer = ask(scene.port, RECORD, b"/dropped", CANARY)

    assert answer.status == 502 and answer.json()["status"] == 502
    assert scene.witness.asked.count("/dropped") == 1


def test_log_when_an_address_has_a_secret_does_not_have_it(scene: Scene) -> None:
    assert ask(scene.port, RECORD, b"/v0/predict?token=a-secret").status == 400

    log = scene.folder / "access.log"
    wait_until(lambda: " POST 400 " in log.read_text(), "it is logged")
    assert "secret" not in log.read_text()


def test_tls_when_it_is_set_is_all_that_is_spoken(scene: Scene, tmp_path: Path) -> None:
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        "-keyout key.pem -out certificate.pem"
    )
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    behind = scene.witness.server_address[1]

    with nginx(tmp_path, "tls", resolver=scene.resolver, service=behind) as port:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as link:
            safe = trusting.wrap_socket(link, server_hostname="127.0.0.1")
            safe.sendall(request(RECORD, path=b"/", fields=[CANARY]))
            seen = read_answer(safe).json()
        plain = ask(port, RECORD)

    assert seen["x-forwarded-proto"] == "https"
    assert (plain.status, plain.json()["status"]) == (400, 400)
