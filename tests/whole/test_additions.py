"""What a user adds to the application or to gunicorn is never passed over."""

import json
import re
import sys
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES
from tests.support.raw_http import Answer, connect, read_answer, request
from tests.support.serving import Server, running, wait_until

pytestmark = pytest.mark.slow

ASKED = request(json.dumps(EXAMPLES["parcel"]), fields=[(b"X-Request-Id", b"mine")])
OFF = "the fast path is off, threads answer everything: "

FUNCTIONS = """
from flask import g

@app.before_request
def look():
    g.looked = "yes"

@app.after_request
def tell(answer):
    answer.headers["X-Seen"] = g.looked
    return answer
"""

SIGNAL = """
from flask import request_finished

def receive(sender, response, **_):
    response.headers["X-Seen"] = "yes"

request_finished.connect(receive)
"""

MIDDLEWARE = """
def around(application):
    def call(environ, start_response):
        def start(status, headers, *rest):
            return start_response(status, [*headers, ("X-Seen", "yes")], *rest)
        return application(environ, start)
    return call

app.wsgi_app = around(app.wsgi_app)
"""

VIEW = """
from flask import Response

view = app.view_functions["predict.predict"]

def mine(**given):
    answer = Response(view(**given).get_data(), mimetype="application/json")
    answer.headers["X-Seen"] = "yes"
    return answer

app.view_functions["predict.predict"] = mine
"""

HOOK = """
def post_request(worker, req, environ, answer):
    worker.log.info("the hook saw %s", req.path)
"""

ELSEWHERE = """
app.before_request_funcs["health"] = [lambda: None]

@app.errorhandler(418)
def phrase(error):
    return "a teapot", 418
"""

NAMED_THREADS = """
import threading
from gunicorn.glogging import Logger

class NamesThreads(Logger):
    def atoms(self, *given):
        return super().atoms(*given) | {"thread": threading.current_thread().name}

logger_class = NamesThreads
"""


def ask(server: Server, asked: bytes = ASKED) -> Answer:
    with connect(server.port) as link:
        link.sendall(asked)
        return read_answer(link)


def said(server: Server) -> str:
    return server.log.read_text()


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (FUNCTIONS, "before_request mine.look; after_request mine.tell"),
        (SIGNAL, "the signal request_finished has a receiver"),
        (MIDDLEWARE, "the application's wsgi_app is another"),
        (VIEW, "the view of /v0/predict is another"),
    ],
    ids=["functions", "signal", "middleware", "view"],
)
def test_addition_when_made_to_the_application_runs_and_the_log_says_so(
    toy_store: ModelStore, tmp_path: Path, added: str, named: str
) -> None:
    (tmp_path / "mine.py").write_text(f"from app import app\n{added}")
    with running(
        tmp_path, command=_gunicorn("mine:app"), until="/readyz", pythonpath=tmp_path,
        model_store=toy_store.root, default_model="parcel",
    ) as server:  # fmt: skip
        answer = ask(server)
        wait_until(lambda: 2 == said(server).count(OFF + named), "a line per worker")

    assert (200, b"yes") == (answer.status, answer.field(b"X-Seen"))


def test_hook_when_set_in_gunicorn_runs_and_the_log_says_so(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    with running(
        tmp_path, until="/readyz", config=HOOK, model_store=toy_store.root, default_model="parcel"
    ) as server:
        assert 200 == ask(server).status
        named = "gunicorn's hook post_request"
        wait_until(lambda: 2 == said(server).count(OFF + named), "a line per worker")
        wait_until(lambda: "the hook saw /v0/predict" in said(server), "the hook's line")


def test_addition_when_it_is_to_other_routes_leaves_the_fast_path_on(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(f"from app import app\n{ELSEWHERE}")
    log = f"{NAMED_THREADS}\naccesslog = '-'\naccess_log_format = 'answered by %(thread)s: %(U)s'"
    with running(
        tmp_path, command=_gunicorn("mine:app"), until="/readyz", pythonpath=tmp_path, config=log,
        model_store=toy_store.root, default_model="parcel",
    ) as server:  # fmt: skip
        assert 200 == ask(server).status
        wait_until(lambda: "answered by MainThread: /v0/predict" in said(server), "its line")
        assert 0 == server.stop()

    assert OFF not in said(server)


def test_access_log_when_the_fast_path_answers_has_the_same_line(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    log = (
        "accesslog = '-'\naccess_log_format = '''line %(h)s %(l)s %(u)s \"%(r)s\" %(m)s %(U)s %(q)s"
        ' %(H)s %(s)s %(B)s %(b)s "%(f)s" "%(a)s" %({x-request-id}i)s %({x-request-id}o)s'
        " %({content-type}o)s %({content-length}o)s %({date}o)s %({raw_uri}e)s'''\n"
    )
    fields = [
        (b"X-Request-Id", b"mine"), (b"User-Agent", b"a \"client\""), (b"Referer", b"here\\there"),
    ]  # fmt: skip
    lines = []
    for fast_path in ("true", "false"):
        with running(
            tmp_path, until="/readyz", config=log, model_store=toy_store.root,
            default_model="parcel", fast_path=fast_path,
        ) as server:  # fmt: skip
            asked = request(json.dumps(EXAMPLES["parcel"]), fields=fields)
            assert 200 == ask(server, asked).status
            assert 0 == server.stop()
        lines.append(re.findall(r"^line .*POST.*$", server.log.read_text(), re.MULTILINE))

    assert 1 == len(lines[0])
    assert lines[0] == lines[1]


def test_service_when_httptools_is_not_installed_serves_all_the_same(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "httptools.py").write_text("raise ImportError('none here')\n")
    with running(
        tmp_path, until="/readyz", pythonpath=tmp_path, model_store=toy_store.root,
        default_model="parcel",
    ) as server:  # fmt: skip
        with connect(server.port) as link:
            for _ in range(3):
                link.sendall(ASKED)
                assert 200 == read_answer(link).status
            link.sendall(ASKED + ASKED)
            held = bytearray()
            assert [200, 200] == [read_answer(link, held=held).status for _ in range(2)]
        assert 0 == server.stop()


def _gunicorn(application: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "gunicorn", application)
