"""What the prediction log costs, how fast it is stored, and how fast a large one is read.

    python -m benchmarks.log_figures                    100,000 rows in the log; print tables
    python -m benchmarks.log_figures --rows 10000000    as many as are promised to be quick
    python -m benchmarks.log_figures --write            and put them into the documentation

Linux only, with wrk. PostgreSQL is measured where its programs are installed; the server does not
wait for the disk.
"""

import argparse
import json
import os
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks import load, wrk
from benchmarks.environments import BENCH, ROOT
from benchmarks.questions import MODEL, STORE, Questions, prepare
from benchmarks.stress_page import machine, table, write_figures
from benchmarks.stress_server import Server, serving
from engine.monitoring.drain import Drain
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Decided, Observers, Rest
from engine.serving.prediction import Predictor
from engine.serving.prediction_log import PredictionLog
from engine.serving.request import PredictRequest
from persistence.drain_status import figures
from persistence.model_persistence import ModelStore
from persistence.prediction_database import PredictionDatabase
from persistence.prediction_rows import EVERYTHING, Count, PredictionRow, Selection
from persistence.prediction_spool import PredictionSpool
from tests.support.logged import counted
from tests.support.postgresql import run_postgresql

PAGE = ROOT / "docs/how-to/prediction-log.md"

#: Predictions that wait when a drain is timed.
WAITING = 50_000

#: Hours over which a large log reaches.
HOURS = 30 * 24

#: Seconds that a transaction, or the end of a drain, may take.
_DEADLINE = 600

#: Names of the columns that a copied prediction shares with the first one.
_COPIED = ", ".join(PredictionRow.__struct_fields__[2:-1])

_COPY = f"""INSERT INTO prediction_log (id, at, {_COPIED})
    SELECT '{{}}' || substr(id, 13), at - {{}}, {_COPIED} FROM prediction_log
    WHERE place <= {{}} ORDER BY place"""  # noqa: S608


class _Service:
    """This service's predictions in this process, noted for a prediction log."""

    def __init__(self, questions: Questions) -> None:
        models = ModelCache(ModelStore(STORE), MODEL)
        models.get()
        self.field = next(iter(questions.record))
        self._bodies = [json.dumps(record).encode() for record in questions.records]
        self._predictor = Predictor(models, Observers([self]))
        self.batch: list[Decided] = []

    def decided(self, batch: Any) -> Rest | None:
        """Note a batch."""
        self.batch = [*batch]
        return None

    def decide(self, size: int, first: int = 0) -> list[Decided]:
        """Predict so many records, which are asked for at once."""
        bodies = (self._bodies[place % len(self._bodies)] for place in range(first, first + size))
        self._predictor.answer_at_once(
            [
                PredictRequest(body, "application/json", os.urandom(16).hex(), None)
                for body in bodies
            ]
        )
        return self.batch


@contextmanager
def logging(folder: Path) -> Iterator[PredictionLog]:
    """Yield a prediction log without a drain, which leaves a spool in a folder."""
    spool = PredictionSpool(folder, most=2**34)
    yield PredictionLog(
        spool, is_sync=False, refuses=False, count_unlogged=lambda *_: None, environment={}
    )
    spool._close()  # a drain deletes what nobody writes


def append_cost(service: _Service, size: int, *, times: int = 30, calls: int = 2000) -> float:
    """Return the µs of CPU time of an append when so many records are answered at once."""
    batch, costs = service.decide(size), []
    with TemporaryDirectory(dir=BENCH) as folder, logging(Path(folder)) as log:
        for _ in range(times):
            begun = time.process_time()
            for _ in range(calls // size):
                log._log(batch, None)
            costs.append((time.process_time() - begun) / (calls // size * size))
    return statistics.median(costs) * 1e6


def fill(service: _Service, folder: Path, rows: int) -> None:
    """Fill a spool with so many predictions."""
    with logging(folder) as log:
        for first in range(0, rows, 8):
            log._log(service.decide(min(8, rows - first), first), None)


def drain_rate(service: _Service, address: str, rows: int) -> float:
    """Return how many predictions of a full spool a database gets per second."""
    with TemporaryDirectory(dir=BENCH) as folder, opened(address) as database:
        fill(service, Path(folder), rows)
        before, begun = database.count(EVERYTHING), time.perf_counter()
        Drain(Path(folder), database).store()
        seconds = time.perf_counter() - begun
        assert database.count(EVERYTHING) - before == rows
    return rows / seconds


def opened(address: str) -> "closing[PredictionDatabase]":
    """Open a database until the block ends."""
    return closing(PredictionDatabase(address, seconds=_DEADLINE))


def sustain(ask: Callable[[Server], int], address: str) -> tuple[float, float, int]:
    """Let a service be asked; return what it answered and stored per second, and what was lost."""
    with TemporaryDirectory(dir=BENCH) as folder:
        chosen = {"prediction_log": "async", "prediction_folder": folder, "database_url": address}
        with opened(address) as database, serving(STORE, MODEL, **chosen) as server:
            rows = partial(database.count, EVERYTHING)
            ask(server)  # the drain has started then
            _wait_for_drain(folder)
            before, begun = rows(), time.monotonic()
            answered = ask(server)
            stored, seconds = rows() - before, time.monotonic() - begun
            _wait_for_drain(folder)
            lost = max(0, answered - (rows() - before))  # wrk does not count its last ones
    return answered / seconds, stored / seconds, lost


def _wait_for_drain(folder: str) -> None:
    """Wait until nothing waits to be stored any more."""
    end = time.monotonic() + _DEADLINE
    while figures(Path(folder))["prediction_log_spool_bytes"]:
        assert time.monotonic() < end, "the drain does not come to an end"
        time.sleep(0.1)


def ask_steadily(questions: Questions, server: Server, *, rate: int, seconds: float) -> int:
    """Ask at an even pace; return how many predictions were answered."""
    bodies = [load.Question(json.dumps(record).encode(), {}) for record in questions.records]
    asked = load.Load(
        port=server.port, questions=bodies, requests=int(rate * seconds), seconds=seconds,
        connections=64,
    )  # fmt: skip
    return load.run(asked).correct


def ask_without_rest(questions: Questions, server: Server, *, seconds: float) -> int:
    """Ask as fast as is answered; return how many predictions were."""
    script, body = BENCH / "log-figures.lua", json.dumps(questions.record).encode()
    wrk.write_script(script, body, {"Content-Type": "application/json"})
    url = f"http://127.0.0.1:{server.port}/v0/predict"
    return wrk.run(url, script, connections=32, seconds=max(1, round(seconds))).requests


def enlarge(service: _Service, database: PredictionDatabase, rows: int) -> int:
    """Fill a log with predictions and counts of 30 days; return how many predictions it has."""
    hourly = max(1, rows // HOURS)
    with TemporaryDirectory(dir=BENCH) as folder:
        fill(service, Path(folder), hourly)
        Drain(Path(folder), database).store()
    counts, now = counted(database), int(time.time() * 1000)
    for hours in (range(max(1, day), day + 24) for day in range(0, HOURS, 24)):
        with database._transactions.begin(writes=True) as connection:
            for hour in hours:
                past = f"{now - hour * 3_600_000:012x}", hour * 3600, hourly
                connection.exec_driver_sql(_COPY.format(*past))
        database.store((), (), [replace(c, hour=c.hour - n) for n in hours for c in counts])
    with database._transactions.begin(writes=True) as connection:
        connection.exec_driver_sql("ANALYZE")
    return database.count(EVERYTHING)


def query_times(database: PredictionDatabase, field: str) -> dict[str, float]:
    """Return the seconds of each query of a dashboard: the slowest of five."""
    model, now = Selection(model=MODEL), time.time()
    (newest,) = next(database.select(model, newest_first=True, most=1))

    def counts(days: int, field: str | None = None, *, by_hour: bool = False) -> list[Count]:
        return database.counts(MODEL, field, since=now - 86_400 * days, by_hour=by_hour)

    queries: dict[str, Callable[[], object]] = {
        "counts of 30 days, one field": lambda: counts(30, field),
        "counts of 30 days, all fields": lambda: counts(30),
        "counts of 7 days by hour, one field": lambda: counts(7, field, by_hour=True),
        "the newest 50 predictions": lambda: [*database.select(model, newest_first=True, most=50)],
        "one prediction by id": lambda: next(database.select(Selection(id=newest.id))),
    }  # fmt: skip
    return {name: max(timeit.repeat(query, repeat=5, number=1)) for name, query in queries.items()}


@contextmanager
def _sqlite() -> Iterator[str]:
    with TemporaryDirectory(dir=BENCH) as folder:
        yield f"sqlite:///{folder}/log.sqlite3"


@contextmanager
def _postgresql() -> Iterator[str]:
    with run_postgresql() as server:
        yield server.address


#: What makes an empty database, and asks for its version.
DATABASES = {
    "SQLite": (_sqlite, "SELECT sqlite_version()"),
    "PostgreSQL": (_postgresql, "SHOW server_version"),
}


def _storing(
    service: _Service, questions: Questions, address: str, options: argparse.Namespace
) -> list[str]:
    """Measure what is stored per second; return the cells of a row, the lost predictions last."""
    cells, lost = [f"{drain_rate(service, address, min(WAITING, options.rows)):,.0f}"], 0
    for ask in (partial(ask_steadily, rate=options.rate), ask_without_rest):
        ask = partial(ask, questions, seconds=options.seconds)
        answered, stored, missing = sustain(ask, address)
        cells.append(f"{stored:,.0f} of {answered:,.0f}")
        lost += missing
    return [*cells, str(lost)]


def _queries(service: _Service, address: str, rows: int, version: str) -> dict[str, str]:
    """Measure the queries of a dashboard; return their seconds in words, as all else of a log."""
    with opened(address) as database:
        filled = enlarge(service, database, rows)
        times = query_times(database, service.field)
        with database._transactions.begin() as connection:
            found = str(connection.exec_driver_sql(version).scalar())
    return {
        "version": found, "predictions": f"{filled:,}",
        **{name: f"{seconds:.3f}" for name, seconds in times.items()},
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print tables; return the exit status."""
    options = _parser().parse_args(arguments)
    questions = prepare()
    service, storing, queries = _Service(questions), [], {}
    appends = [f"{append_cost(service, size):.1f}" for size in (1, 32)]
    for name, (database, version) in DATABASES.items():
        try:
            with database() as address:
                storing.append([name, *_storing(service, questions, address, options)])
            with database() as address:
                queries[name] = _queries(service, address, options.rows, version)
        except pytest.skip.Exception as reason:
            print(f"{name}: {reason}", file=sys.stderr)
    loads = ("of a full spool", f"at {options.rate:,} per second", "as fast as answered")
    names = [*next(iter(queries.values()))]
    text = "\n\n".join([
        machine(),
        table(("appending, µs of CPU each", "one at once", "32 at once"), [("", *appends)]),
        table(("predictions stored per second", *loads, "lost"), storing),
        table(("seconds", *queries), [(n, *(q[n] for q in queries.values())) for n in names]),
    ])  # fmt: skip
    print(text)
    if options.write:
        write_figures(PAGE, "log-figures", text)
    return 0 if all(cells[-1] == "0" for cells in storing) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the prediction log.")
    parser.add_argument("--rows", type=int, default=100_000, help="predictions in the large log")
    parser.add_argument("--rate", type=int, default=5_000, help="predictions per second")
    parser.add_argument("--seconds", type=float, default=10, help="length of each load")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
