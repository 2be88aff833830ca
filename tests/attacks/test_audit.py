"""No worker unpickles, runs, starts, fetches or writes anything, whatever it is sent.

A service whose workers note Python's audit events is asked once for everything
that it does. After that nothing may be noted but that its own files are read.
"""

import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from persistence.model_persistence import ModelStore
from tests.attacks.audit_requests import Asked, all_requests, ask
from tests.attacks.audited import NEVER, Event, Notes, amiss, config, unasked
from tests.attacks.contract import VERTEX
from tests.attacks.fuzzed_requests import GETS, GOOD
from tests.attacks.gadget_bodies import gadgets
from tests.support.application import serve
from tests.support.inputs import IS_WHOLE
from tests.support.models import EXAMPLES
from tests.support.serving import Server, running, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
]

#: What the sums in the gadgets come to, where something works them out.
SUM = b"5332114"

#: Obeys gadgets, each in a folder of its own.
READER = """
import bz2, gzip, io, lzma, marshal, pickle, sqlite3, subprocess, sys, urllib.request, zipfile, zlib
import jinja2, joblib, numpy as np, skops.io, yaml

def unzip(body):
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        return file.read(file.namelist()[0])

for name, body, reader in pickle.load(sys.stdin.buffer):
    text = body.decode("latin-1")
    try:
        exec(reader)
    except Exception as error:
        print(name, repr(error), file=sys.stderr)
"""

#: An application that does what a header says, and one route of which unpickles its body.
OBEDIENT = """
import ctypes, io, marshal, pickle, shutil, socket, sqlite3, subprocess, urllib.request
import numpy as np, yaml
from contextlib import suppress
from flask import request

WAYS = {
    "pickle": pickle.loads,
    "numpy": lambda body: np.load(io.BytesIO(body), allow_pickle=True),
    "marshal": marshal.loads,
    "eval": eval,
    "exec": exec,
    "compile": lambda body: compile(body, "<body>", "exec"),
    "import": lambda body: __import__("sched"),
    "dlopen": lambda body: ctypes.CDLL(None),
    "system": lambda body: os.system("true"),
    "popen": lambda body: subprocess.run(["true"]),
    "spawn": lambda body: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
    "fork": lambda body: os.waitpid(os.fork() or os._exit(0), 0),
    "connect": lambda body: socket.create_connection(("127.0.0.1", int(body))),
    "fetch": lambda body: urllib.request.urlopen("http://127.0.0.1:" + body.decode()),
    "read": lambda body: open("/etc/hostname").close(),
    "write": lambda body: open(FOLDER + "/written", "w").close(),
    "append": lambda body: os.open(FOLDER + "/written", os.O_WRONLY),
    "rename": lambda body: os.rename(FOLDER + "/written", FOLDER + "/renamed"),
    "remove": lambda body: os.remove(FOLDER + "/renamed"),
    "remove-all": lambda body: shutil.rmtree(FOLDER + "/removed"),
    "sql": lambda body: sqlite3.connect(FOLDER + "/database"),
}

def obey():
    with suppress(Exception):
        if request.path == "/predict":
            pickle.loads(request.get_data())
        if way := request.headers.get("X-Way"):
            WAYS[way](request.get_data())

noted = post_worker_init

def post_worker_init(worker):
    noted(worker)
    worker.wsgi.before_request_funcs.setdefault(None, []).append(obey)
"""

OBEDIENT_ROUTES = ("/livez", "/predict")

#: The event by which each way is known.
EVENTS = {
    "pickle": "pickle.find_class", "numpy": "pickle.find_class", "marshal": "marshal.loads",
    "eval": "exec", "exec": "exec", "compile": "compile", "import": "import",
    "dlopen": "ctypes.dlopen", "system": "os.system", "popen": "subprocess.Popen",
    "spawn": "os.posix_spawn", "fork": "os.fork", "connect": "socket.connect",
    "fetch": "urllib.Request", "read": "open", "write": "open", "append": "open",
    "rename": "os.rename", "remove": "os.remove", "remove-all": "shutil.rmtree",
    "sql": "sqlite3.connect",
}  # fmt: skip


class Audited(NamedTuple):
    """A service whose workers take notes.

    Attributes
    ----------
    traces : Path
        Where gadgets leave traces.
    address : str
        That nobody must ask.
    callers : list
        Who has asked it.
    """

    server: Server
    notes: Notes
    temporary: Path
    store: Path
    traces: Path
    address: str
    callers: list[Any]

    def amiss(self) -> list[Event]:
        return amiss(self.notes.take(), temporary=self.temporary, store=self.store)


@contextmanager
def audited(
    store: ModelStore, folder: Path, first: Iterable[Asked], more: str = ""
) -> Iterator[Audited]:
    """Start a service over the toys, and ask what makes it import what it needs."""
    temporary, traces = folder / "temporary", folder / "traces"
    temporary.mkdir()
    traces.mkdir()
    with (
        unasked() as (address, callers),
        running(
            folder, until="/readyz", config=config(folder) + more, tmpdir=temporary,
            model_store=store.root, default_model="parcel", web_concurrency=1, max_wait_seconds=0,
            prediction_folder=temporary / "predictions", **VERTEX,
        ) as server,
    ):  # fmt: skip
        for asked in first:
            ask(server.port, asked)
        yield Audited(server, Notes(folder), temporary, store.root, traces, address, callers)


def everything_good() -> Iterator[Asked]:
    """Ask each route as it wants to be asked, all toys in all forms, and for what is not there."""
    for name, record in EXAMPLES.items():
        body = json.dumps(record).encode()
        sent = {"Content-Length": str(len(body))}
        yield Asked("POST", f"/v0/models/{name}/predict", sent, body)
    more = {"Idempotency-Key": "a", "X-Server-Timing": "true", "traceparent": "a"}
    for paths, headers, body in GOOD:
        for path in paths:
            for name in ("parcel", "rent", "coin"):
                sent = {"Content-Length": str(len(body))} | headers
                yield Asked("POST", path.replace("parcel", name), sent, body)
                yield Asked("POST", path.replace("parcel", name), sent | more, body)
    for path in (*GETS, "/static/docs.js", "/nothing"):
        for method in ("GET", "HEAD", "OPTIONS", "BREW"):
            yield Asked(method, path, {"If-None-Match": "a"}, b"")


@pytest.fixture(scope="module")
def service(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    with audited(toy_store, tmp_path_factory.mktemp("audited"), everything_good()) as found:
        yield found


@pytest.fixture(scope="module")
def obedient(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    first = [Asked("POST", path, {"Content-Type": "text/csv"}, b"") for path in OBEDIENT_ROUTES]
    with audited(toy_store, tmp_path_factory.mktemp("obedient"), first, OBEDIENT) as found:
        found.amiss()
        yield found


def test_gadget_when_obeyed_leaves_a_trace(tmp_path: Path) -> None:
    with unasked() as (address, callers):
        live = [one for one in gadgets(tmp_path, address) if one.reader]

        subprocess.run(
            [sys.executable, "-c", READER], input=pickle.dumps([one[:3] for one in live]),
            cwd=tmp_path, check=True, timeout=120,
        )  # fmt: skip

        wait_until(lambda: bool(callers), "a call to the address")
    expected = {one.name for one in live} - {"address"}
    wait_until(lambda: expected <= {one.name for one in tmp_path.iterdir()}, "a trace of each")


def test_worker_when_it_loads_and_does_everything_once_unpickles_and_starts_nothing(
    service: Audited,
) -> None:
    noted = service.notes.take()

    assert {"import", "open"} <= {one.name for one in noted}, "nothing was loaded"
    assert [] == [one for one in noted if one.name in NEVER]
    others = [one for one in noted if one.name == "subprocess.Popen"]
    assert [] == amiss(others, temporary=service.temporary, store=service.store)


def test_worker_when_sent_every_gadget_every_way_only_answers(
    service: Audited, toy_store: ModelStore
) -> None:
    service.notes.take()
    workers, files = serving(service.server), stored(toy_store)
    app = serve(toy_store, "parcel", **VERTEX)
    routes = [(rule.rule, rule.methods or set()) for rule in app.url_map.iter_rules()]
    version = toy_store.promoted("parcel")
    page = Asked("GET", f"/v0/models/parcel/versions/{version}", {"Accept": "text/html"}, b"")
    sent = gadgets(service.traces, service.address)
    asked = [page, *all_requests(routes, sent, version, times=2 if IS_WHOLE else 1)]

    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda one: ask(service.server.port, one), asked)]

    assert [] == service.amiss()
    assert [] == [one for one in answers if SUM in one.body]
    statuses = Counter(one.status for one in answers)
    assert {200, 400, 404, 405, 415, 422, 501} <= {*statuses}, statuses
    assert [] == service.callers
    assert workers == serving(service.server)
    assert ([], []) == ([*service.traces.iterdir()], leftovers(service.temporary))
    assert files == stored(toy_store)
    said = service.server.log.read_bytes()
    assert b"Traceback" not in said
    assert SUM not in said


def serving(server: Server) -> set[int]:
    """Give the workers; what the master reads Arrow with ends with a file that it cannot stand."""
    found = set()
    for one in server.workers():
        with suppress(OSError):
            if b"arrow.process" not in Path(f"/proc/{one}/cmdline").read_bytes():
                found.add(one)
    return found


def leftovers(temporary: Path) -> list[Path]:
    """List files in the service's temporary folder but those of the kept answers and the log."""
    own = ("answers-", "predictions")
    return [one for one in temporary.iterdir() if not one.name.startswith(own)]


def stored(store: ModelStore) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", EVENTS)
def test_note_when_an_application_does_what_it_must_not_is_amiss(
    obedient: Audited, way: str
) -> None:
    port = obedient.address.rpartition(":")[2].encode()
    body = {
        "pickle": pickle.dumps(Path("a")), "numpy": pickle.dumps(Path("a")), "eval": b"1 + 1",
        "exec": b"a = 1", "compile": b"1", "marshal": b"N",
    }  # fmt: skip
    sent = body.get(way, port)

    ask(obedient.server.port, Asked("POST", "/livez", {"X-Way": way}, sent))

    assert EVENTS[way] in {one.name for one in obedient.amiss()}


def test_gadgets_when_one_route_unpickles_are_amiss_and_leave_traces(obedient: Audited) -> None:
    pickles = [one for one in gadgets(obedient.traces, obedient.address) if "pickle-" in one.name]

    for one in pickles:
        ask(obedient.server.port, Asked("POST", "/predict", {"Content-Type": "text/csv"}, one.body))

    found = {one.name for one in obedient.amiss()}
    assert {"pickle.find_class", "os.system", "subprocess.Popen", "exec", "open"} <= found
    assert len([*obedient.traces.iterdir()]) > 10
