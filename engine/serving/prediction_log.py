"""The way into the prediction log: what was decided is appended to the spool before the answer.

A database gets it from a process of its own (`engine.monitoring.drain`). A table may be refused
after many blocks were decided. So its entries wait in memory, or, from some length on, in a
draft: a file that counts once it is renamed. A table of any length takes little memory, and
one that is refused leaves nothing.
"""

import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from engine.records.upload import Upload
from engine.runtime.answers import Prediction
from engine.runtime.version import StoredVersion
from engine.serving.log_entries import (
    MOST_BYTES,
    LoggedVersion,
    context,
    logged_version,
    new_id,
    record_entries,
    single_entry,
)
from engine.serving.observers import Decided, Rest, Table
from engine.serving.request import PredictRequest
from persistence.prediction_entries import Predictions, TableFile, encode
from persistence.prediction_spool import (
    LOCK,
    NoRoom,
    PredictionSpool,
    SpoolFile,
    is_drained,
    spool_files,
    wake,
)
from persistence.spool_reading import Receipt, last_receipt, wait_for

_log = logging.getLogger(__name__)

#: Seconds that an answer waits for the database, and until a drain is requested again.
SYNC_SECONDS, START_SECONDS = 5.0, 5.0

#: Seconds that a service which ends waits for what it has appended to be stored.
FINISH_SECONDS = 5.0

#: Versions that are described at a time.
_MOST_VERSIONS = 200


class _Draft:
    """A table that may still be refused."""

    def __init__(
        self, table: Table, request: PredictRequest, version: LoggedVersion, spool: PredictionSpool
    ) -> None:
        self.table = table
        self._request = request
        self._id = request.log_id or new_id()
        self._version = version
        self._spool = spool
        self._entries: list[Any] = []
        self._bytes = 0
        self._file: SpoolFile | None = None
        self._classes: Counter[int] | None = None  # of a table that is logged by its file
        self._trouble: Exception | None = None

    def add(self, decided: Decided) -> None:
        """Note a block, whose memory may be reused."""
        try:
            if self._trouble is None:
                self._add(decided, decided.decisions)
        except Exception as error:  # noqa: BLE001  `write` raises it
            self._trouble, self._file, self._entries = error, None, []

    def _add(self, decided: Decided, decisions: Any) -> None:
        if decided.chosen.version.card.get("log_tables") == "file":
            self._classes = Counter() if self._classes is None else self._classes
            self._classes.update(decisions.chosen or ())
            return
        for entry in record_entries(
            self._version, self._id, decided, decisions, first=self.table.rows
        ):
            self._entries.append(entry)
            self._bytes += len(entry.records) + len(entry.probabilities)
            if self._bytes > MOST_BYTES:
                self._flush()

    def _table_file(self) -> TableFile:
        body = self._request.body
        digest = body.digest if isinstance(body, Upload) else sha256(body)
        classes = self._classes or Counter()
        answers = [classes[place] for place in self._version.places.values()]
        return TableFile(
            self._version.number, self._id, *context(self._request), digest.hexdigest(),
            self.table.kind, self.table.rows, answers,
        )  # fmt: skip

    def _flush(self) -> None:
        self._file = self._file or self._spool.draft()
        self._file.append(encode(self._entries), {self._version.number: self._version.frame})
        self._entries, self._bytes = [], 0

    def write(self, ids: list[str]) -> Receipt:
        """Put the table into the spool, as it is certain now."""
        if self._trouble is not None:
            raise self._trouble
        ids.append(self._id)
        if self._classes is not None:
            self._entries = [self._table_file()]
        if self._file is None:
            return self._spool.append(
                encode(self._entries), {self._version.number: self._version.frame}
            )
        self._flush()
        return self._file.publish()


class PredictionLog:
    """Appends every decision to a spool; where it cannot, counts that and goes on.

    Parameters
    ----------
    is_sync : bool
        Whether an answer waits until the database has its prediction.
    refuses : bool
        Whether no answer is given that cannot be logged.
    count_unlogged : callable
        Called with the reason and the number of predictions that are not logged.
    environment : mapping
        The variables of a drain beside those of this process.
    """

    def __init__(
        self, spool: PredictionSpool, *, is_sync: bool, refuses: bool,
        count_unlogged: Callable[[str, int], None], environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.spool = spool
        self.is_sync = is_sync
        self.is_strict = is_sync or refuses
        self._count_unlogged = count_unlogged
        for reason in ("full", "failed", "late"):
            count_unlogged(reason, 0)  # an alert sees the first one, too
        self._environment = environment
        self._prunes = environment.get("PREDICTION_DAYS", "0") != "0"
        self._versions: dict[tuple[str, str], LoggedVersion] = {}
        self._numbers = count()
        self._starter: Callable[..., bool] = lambda lock: False
        self._next_start = 0.0
        self._drain: subprocess.Popen[bytes] | None = None

    def refusal(self, size: int) -> str:
        """Return why a request of so many bytes is refused before any work; else nothing."""
        if self.is_strict:
            try:
                self.spool.reserve(4 * size + 2**12)
            except NoRoom as error:
                return error.reason
        return ""

    def decided(self, batch: Sequence[Decided]) -> Rest | None:
        """Note the blocks of tables; append all else once it is certain."""
        if (table := batch[0].table) is None:
            return partial(self._log, batch, None)
        is_first = table.draft is None
        if is_first:
            request, version = batch[0].chosen.request, batch[0].chosen.version
            table.draft = _Draft(table, request, self._describe(version), self.spool)
        table.draft.add(batch[0])
        return partial(self._log, batch, table.draft) if is_first else None

    def _log(self, batch: Sequence[Decided], draft: _Draft | None) -> None:
        """Append what is certain, and let the requests know whether it is logged."""
        ids: list[str] = []
        try:
            receipt = self._append(batch, ids) if draft is None else draft.write(ids)
            reason = "" if not self.is_sync or self._is_stored(receipt) else "late"
        except (NoRoom, OSError) as error:
            reason = error.reason if isinstance(error, NoRoom) else "failed"
        except Exception:  # noqa: BLE001  the answer is given without
            _log.exception("a prediction is not logged")
            reason = "failed"
        if not reason:
            for decided, prediction_id in zip(batch, ids, strict=True):
                decided.chosen.request.prediction_id = prediction_id
            return
        for decided in batch:
            decided.chosen.request.unlogged = reason
        sizes = [draft.table.rows] if draft else [getattr(d.decisions, "size", 1) for d in batch]
        self._count_unlogged(reason, sum(sizes))

    def _append(self, batch: Sequence[Decided], ids: list[str]) -> Receipt:
        entries: list[Predictions] = []
        frames: dict[int, bytes] = {}
        for decided in batch:
            version, decisions = decided.chosen.version, decided.decisions
            logged = self._versions.get((version.name, version.version)) or self._describe(version)
            frames[logged.number] = logged.frame
            prediction_id = decided.chosen.request.log_id or new_id()
            ids.append(prediction_id)
            if isinstance(decisions, Prediction):
                entries.append(single_entry(logged, prediction_id, decided, decisions))
            else:
                entries += record_entries(logged, prediction_id, decided, decisions)
        return self.spool.append(encode(entries), frames)

    def _is_stored(self, receipt: Receipt) -> bool:
        self.look()
        wake(self.spool.folder)
        return wait_for(receipt, SYNC_SECONDS)

    def _describe(self, version: StoredVersion) -> LoggedVersion:
        key = version.name, version.version
        if key not in self._versions:
            if len(self._versions) >= _MOST_VERSIONS:
                self._versions.clear()
            self._versions[key] = logged_version(version, next(self._numbers))
        return self._versions[key]

    def look(self) -> None:
        """Have a drain started where it has work and there is none; call it once a second."""
        self.spool.rotate()
        folder, now = self.spool.folder, time.monotonic()
        has_work = self._prunes or spool_files(folder)
        if now < self._next_start or not has_work or is_drained(folder):
            return
        self._next_start = now + START_SECONDS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / LOCK).touch(mode=0o600)
        with (folder / LOCK).open("rb") as lock:
            if not self._starter(lock):
                self.start_drain(lock.fileno())

    def finish(self) -> None:
        """Have what was appended stored, in the process that starts the drains, before it ends.

        A drain stores it after that as well, but not on a platform that ends all processes
        with this one, and takes their disk.
        """
        folder, end = self.spool.folder, time.monotonic() + FINISH_SECONDS
        receipts = [last_receipt(path) for path in spool_files(folder)]
        if receipts and not is_drained(folder):
            with (folder / LOCK).open("ab") as lock:
                self.start_drain(lock.fileno())
        wake(folder)
        if not all(wait_for(receipt, end - time.monotonic()) for receipt in receipts):
            _log.warning("predictions wait in %s: the database did not take them in time", folder)

    def use_starter(self, starter: Callable[..., bool]) -> None:
        """Have another process start the drains, which `starter` requests if it can."""
        self._starter = starter

    def start_drain(self, _: int) -> None:
        """Start a drain of the folder, which ends after this process."""
        folder, parent = self.spool.folder.resolve(), os.getpid()
        self._drain = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "engine.monitoring.drain", str(folder), str(parent)],
            cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )  # fmt: skip
