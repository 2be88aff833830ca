"""Predictions that are answered later: jobs in the database of the prediction log.

The body of a request and its answer are objects of a store, in parts. Whoever claims a job has it
until its lease ends; then another may claim it as well. The answer that is stored first counts.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec

from persistence.database import DatabaseError
from persistence.objects import Objects, open_objects
from persistence.prediction_queries import run
from persistence.prediction_rows import json_text
from persistence.store_errors import StoreUnavailable
from persistence.transactions import Transactions

#: Most bytes of a part of a body or an answer.
PART_BYTES = 2**22

#: Seconds that a job belongs to whoever has claimed it, unless they renew it.
LEASE_SECONDS = 60.0

#: Seconds after which a part of a body that nobody receives any more is deleted.
_LATE_SECONDS = 3600.0

#: The owner of a job where no key is needed; a key may have one in four of the unfinished jobs.
ANYBODY, _KEYS = "*", 4

_ANSWERABLE = "id = :id AND state IN ('queued', 'running')"


class TooManyJobs(Exception):
    """No more jobs are taken now; with True, no more of this owner."""


class Job(msgspec.Struct):
    """A job; times are in seconds since 1970."""

    id: str
    owner: str  # the id of a key
    state: str  # "receiving", "queued", "running", "done", "failed" or "deleted"
    request: dict[str, Any]  # path, query and headers; key, parts and size of the body
    webhook: str  # the name of the one that is told; empty for none
    created: float
    due: float | None = None  # when something is to be done, or nobody receives it any more
    attempts: int = 0  # to answer it, then to tell the webhook
    rows: int = 0  # that are answered
    started: float | None = None
    finished: float | None = None
    answer: dict[str, Any] | None = None  # status and headers; key, parts and size of the body


_COLUMNS = ", ".join(Job.__struct_fields__)


class Jobs:
    """The jobs of a database, and their bodies and answers in a folder or a bucket.

    At most ``most`` are unfinished at a time. One is deleted some ``days`` after its end.
    Methods may raise `DatabaseError`, StoreUnavailable or OSError.
    """

    def __init__(self, address: str, place: Path | str, *, days: int, most: int) -> None:
        self._transactions = Transactions(address, 10.0)
        self._place, self._days, self._most = place, days, most

    @cached_property
    def _objects(self) -> Objects:
        if isinstance(self._place, Path):
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_objects(self._place)

    @property
    def may_exist(self) -> bool:
        """Whether there may be a job, as far as one sees without the database."""
        place = self._place
        return isinstance(place, str) or (place.is_dir() and any(place.iterdir()))

    def receive(
        self, owner: str, request: Mapping[str, Any], webhook: str, body: Iterable[bytes]
    ) -> Job:
        """Store a job; raise `TooManyJobs` before its body is read."""
        now = time.time()
        job = Job(f"{int(1000 * now):012x}{token_hex(10)}", owner, "receiving", {}, webhook, now)
        with self._transactions.begin(writes=True) as connection:
            query = """SELECT owner FROM prediction_jobs
                WHERE finished IS NULL AND (state <> 'receiving' OR due > :now)"""
            owners = [*run(connection, query, {"now": now}).scalars()]
            is_own = owner != ANYBODY and owners.count(owner) >= max(1, self._most // _KEYS)
            if is_own or len(owners) >= self._most:
                raise TooManyJobs(is_own)
            query = """INSERT INTO prediction_jobs
                (id, owner, state, request, webhook, created, due, attempts, rows)
                VALUES (:id, :owner, :state, '{}', :webhook, :created, :until, 0, 0)"""
            until = now + LEASE_SECONDS
            run(connection, query, {**msgspec.structs.asdict(job), "until": until})
        try:
            stored = self._store(f"{job.id}/body", self._counted(job, body))
            job.request, job.state = {**request, **stored}, "queued"
            query = """UPDATE prediction_jobs SET state = 'queued', due = created,
                request = :request WHERE id = :id"""
            self._change(query, job, request=json_text(job.request))
        except BaseException:
            with suppress(DatabaseError, StoreUnavailable, OSError):  # the first error is told
                self.remove(job)
            raise
        return job

    def find(self, identifier: str) -> Job | None:
        """Return the job with an id."""
        query = f"SELECT {_COLUMNS} FROM prediction_jobs WHERE id = :id"
        with self._transactions.begin() as connection:
            row = run(connection, query, {"id": identifier}).first()
        return _job(row) if row else None

    def claim(self) -> Job | None:
        """Take the job that is due first: to answer it or, once that is done, to tell its webhook.

        What a webhook did not take comes after all else, since it may keep one waiting.
        A state other than "running" means the second.
        """
        now = time.time()
        with self._transactions.begin(writes=True) as connection:
            skip = "" if connection.dialect.name == "sqlite" else "FOR UPDATE SKIP LOCKED"
            query = f"""UPDATE prediction_jobs SET due = :until, attempts = attempts + 1,
                state = CASE state WHEN 'queued' THEN 'running' ELSE state END,
                started = coalesce(started, :now) WHERE id = (SELECT id FROM prediction_jobs
                    WHERE due <= :now AND state <> 'receiving'
                    ORDER BY finished IS NOT NULL AND attempts > 0, due LIMIT 1 {skip})
                RETURNING {_COLUMNS}"""
            row = run(connection, query, {"now": now, "until": now + LEASE_SECONDS}).first()
        return _job(row) if row else None

    def renew(self, job: Job) -> bool:
        """Keep a claimed job, and note its rows; False where nobody wants its answer any more."""
        query = f"UPDATE prediction_jobs SET due = :until, rows = :rows WHERE {_ANSWERABLE}"
        return self._change(query, job, until=time.time() + LEASE_SECONDS)

    def keep_version(self, job: Job, version: str) -> None:
        """Note which version answers a job, also if it is begun again; empty for any."""
        job.request["version"] = version
        query = "UPDATE prediction_jobs SET request = :request WHERE id = :id"
        self._change(query, job, request=json_text(job.request))

    def release(self, job: Job, seconds: float | None = 0, *, attempts: int | None = None) -> None:
        """Let a claimed job be due again after some seconds, or never, with so many attempts."""
        query = """UPDATE prediction_jobs SET due = :until, attempts = :attempts,
            state = CASE state WHEN 'running' THEN 'queued' ELSE state END
            WHERE id = :id AND state <> 'deleted'"""
        until = None if seconds is None else time.time() + seconds
        attempts = job.attempts if attempts is None else attempts
        self._change(query, job, until=until, attempts=attempts)

    def finish(
        self, job: Job, status: int, headers: Mapping[str, str], body: Iterable[bytes]
    ) -> None:
        """Store the answer to a job, unless another was faster, and delete the request's body."""
        stored = self._store(f"{job.id}/{token_hex(4)}", body)
        answer = json_text({"status": status, "headers": headers, **stored})
        query = f"""UPDATE prediction_jobs SET state = :state, answer = :answer, rows = :rows,
            finished = :now, attempts = 0, due = :due WHERE {_ANSWERABLE}"""
        state, now = "done" if status < 400 else "failed", time.time()
        due = now if job.webhook else now + LEASE_SECONDS
        if self._change(query, job, state=state, answer=answer, now=now, due=due):
            job.answer = stored
            self.tidy(job)
        else:
            self._clear(stored["key"])

    def tidy(self, job: Job) -> None:
        """Delete all of an answered job but its answer; without a webhook nothing more is due."""
        assert job.answer
        self._clear(job.id, job.answer["key"])
        if not job.webhook:
            self._change("UPDATE prediction_jobs SET due = NULL WHERE id = :id", job)

    def read(self, stored: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the parts of a body or an answer."""
        for number in range(stored["parts"]):
            try:
                part = self._objects.read(f"{stored['key']}/{number:05}", size=PART_BYTES)
            except FileNotFoundError as error:
                reason = "let the processes of all machines share JOB_STORE"
                raise StoreUnavailable(f"{self._place} has no {stored['key']}: {reason}") from error
            yield part.content if part else b""

    def remove(self, job: Job) -> None:
        """Cancel a job, or delete its answer; whoever is answering it stops soon."""
        query = """UPDATE prediction_jobs SET state = 'deleted', due = NULL,
            finished = coalesce(finished, :now) WHERE id = :id"""
        self._change(query, job, now=time.time())
        self._clear(job.id)

    def prune(self) -> None:
        """Delete the jobs whose days are over, and what killed processes have left of them."""
        query = f"""SELECT {_COLUMNS} FROM prediction_jobs
            WHERE coalesce(finished, created) < :end OR (state = 'receiving' AND due < :late)"""
        with self._transactions.begin() as connection:
            now = time.time()
            values = {"end": now - self._days * 86_400, "late": now - _LATE_SECONDS}
            over = [*map(_job, run(connection, query, values))]
        for job in over:
            self._clear(job.id)
            self._change("DELETE FROM prediction_jobs WHERE id = :id", job)

    def _change(self, query: str, job: Job, **values: Any) -> bool:
        """Change the row of a job; return whether there is one such."""
        with self._transactions.begin(writes=True) as connection:
            given = {"id": job.id, "rows": job.rows, **values}
            return bool(run(connection, query, given).rowcount)

    def _counted(self, job: Job, body: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a body as it arrives; until then the job counts, as long as its process lives."""
        query = "UPDATE prediction_jobs SET due = :until WHERE id = :id"
        next_change = time.monotonic() + LEASE_SECONDS / 4
        for piece in body:
            if time.monotonic() > next_change:
                next_change = time.monotonic() + LEASE_SECONDS / 4
                with suppress(DatabaseError):  # it may count the next time
                    self._change(query, job, until=time.time() + LEASE_SECONDS)
            yield piece

    def _store(self, key: str, pieces: Iterable[bytes]) -> dict[str, Any]:
        sizes: list[int] = []
        try:
            for part in _parts(pieces):
                self._objects.create(f"{key}/{len(sizes):05}", part)
                sizes.append(len(part))
        except BaseException:
            with suppress(StoreUnavailable, OSError):  # the first error is told
                self._clear(key)
            raise
        return {"key": key, "parts": len(sizes), "size": sum(sizes)}

    def _clear(self, prefix: str, but: str = "nothing") -> None:
        for key in self._objects.list_keys(f"{prefix}/"):
            if not key.startswith(f"{but}/"):
                self._objects.remove(key)
        if isinstance(self._place, Path):
            for folder in (*self._place.glob(f"{prefix}/*/"), self._place / prefix):
                with suppress(OSError):  # it is not empty
                    folder.rmdir()


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) > PART_BYTES:
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    yield bytes(part)


def _job(row: Any) -> Job:
    values = row._asdict()
    for name in ("request", "answer"):
        values[name] = values[name] and msgspec.json.decode(values[name])
    return Job(**values)
