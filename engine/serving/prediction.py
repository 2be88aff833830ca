"""The prediction function of every way in: a request's bytes in, an answer's bytes out."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from engine.languages import gettext as _
from engine.records.charsets import as_utf8
from engine.records.forms import WRITERS
from engine.records.json_reader import may_have_too_many, read_body
from engine.records.media_types import JSON, TABLES, charset_of, media_type
from engine.records.problems import InvalidRecords, Problem
from engine.records.rows import MAX_RECORDS, Records
from engine.records.spool import MOST_IN_MEMORY, Spool
from engine.records.upload import Upload
from engine.records.validation import Accepted, read_records
from engine.records.writers import Writer
from engine.runtime.answers import Decisions
from engine.runtime.version import StoredVersion, non_finite_rows
from engine.schema.json_decoder import Decoded
from engine.schema.problem_codes import Code
from engine.schema.record_schema import Coding
from engine.serving.additions import additions, check_form
from engine.serving.answer_body import is_short, write_answer, write_short
from engine.serving.candidates import choose, choose_at_once
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Decided, Observers, Rest, Table
from engine.serving.request import ROWS_PER_REQUEST, Chosen, PredictRequest
from engine.serving.table_prediction import answer_table
from engine.serving.timing import Timing

#: Seconds that a prediction may block the event loop.
LOOP_SECONDS = 0.002

#: What was decided, and the body of the answer in JSON.
QuickAnswer = tuple[Decided, bytes]


class Predictor:
    """Answers requests, and passes every decision on to the observers."""

    def __init__(self, models: ModelCache, observers: Observers) -> None:
        self.models = models
        self.observers = observers

    def choose(self, request: PredictRequest) -> Chosen:
        """Choose the version that answers a request, as the function `choose`."""
        return choose(self.models, request)

    def answer(self, chosen: Chosen, form: str) -> bytes | Spool:
        """Answer a request in the form of a media type; whoever sends a spool closes it.

        Raises
        ------
        BadRequest, InvalidRecords
            When the records cannot be read, are not valid, or have no finite answer.
        """
        request, version = chosen.request, chosen.version
        kind = media_type(request.content_type)
        check_form(chosen, kind, form)
        if kind in TABLES:
            body = request.body
            upload = body if isinstance(body, Upload) else Upload.of(body)
            upload = as_utf8(upload, charset_of(request.content_type))
            spool = self.answer_table(chosen, upload, kind, WRITERS[form])
            return spool.whole() if spool.size <= MOST_IN_MEMORY else spool
        body = request.body.read_whole() if isinstance(request.body, Upload) else request.body
        timing = request.timing or Timing()
        warnings: list[Accepted] = []
        with timing.step("validate"):
            decoded = None if may_have_too_many(body) else version.decoder.read(body)
            if decoded is None or len(decoded.matrix) > MAX_RECORDS:
                records = read_body(body, version.schema)
                matrix, warnings = _read_matrix(version, records)
                decoded = Decoded(matrix, records.is_single)
        request.count_rows(len(decoded.matrix))
        is_single = decoded.is_single and form == JSON
        with timing.step("predict"):
            decided = _decide(chosen, Decoded(decoded.matrix, is_single))
        with timing.step("write"):
            added = additions(decided, form)
            if is_short(chosen) and form == JSON and not added:
                content = write_short(version, decided.decisions)
            else:
                content = write_answer(version, decided.decisions, form, warnings, added)
        if content is None:
            rows = non_finite_rows(version.decide_matrix(decoded.matrix))
            records = read_body(body, version.schema)
            raise InvalidRecords(_endless_problems(version, records, decoded.matrix, rows))
        self.observers.decided([decided])
        return content

    def answer_table(
        self, chosen: Chosen, upload: Upload, kind: str, form: type[Writer], *, delimiter: str = ""
    ) -> Spool:
        """Answer every row of a table, as the function `answer_table`."""
        rests: list[Rest] = []
        request, table = chosen.request, Table(kind)
        if chosen.version.card.get("log_tables") == "file" and isinstance(request.body, Upload):
            request.body.digest = sha256()

        def decided(matrix: Any, decisions: Decisions) -> None:
            block = Decided(chosen, matrix, decisions, table)
            rests.extend(self.observers.decided_in_part([block]))
            table.rows += decisions.size

        try:
            spool = answer_table(
                chosen.version, upload, kind, form, delimiter=delimiter, timing=request.timing,
                decided=decided, count_rows=request.count_rows,
            )  # fmt: skip
            self.observers.finish(rests)
        finally:  # what refuses a table may hold it for long
            table.draft = None
            rests.clear()
        return spool

    def answer_at_once(
        self,
        requests: Sequence[PredictRequest | None],
        fall_back: Callable[[str], None] = lambda reason: None,
    ) -> list[QuickAnswer | None]:
        """Answer valid requests for quick models, as `answer` would in JSON.

        The bodies are whole, and in JSON. `fall_back` is called with the name of a step that has
        failed with an error. An answer is None when the version is not loaded, runs a pipeline,
        which may do anything, or would take longer than `LOOP_SECONDS`, or the body is not
        plainly valid.
        """
        answers = [
            None if request is None else self._answer_at_once(request, fall_back)
            for request in requests
        ]
        if batch := [answer[0] for answer in answers if answer is not None]:
            self.observers.decided(batch)
        return answers

    def _answer_at_once(
        self, request: PredictRequest, fall_back: Callable[[str], None]
    ) -> QuickAnswer | None:
        step = "read"
        try:
            assert isinstance(request.body, bytes)
            chosen = choose_at_once(self.models, request)
            if chosen is None:
                return None
            version, body = chosen.version, request.body
            is_record = version.decoder.is_record(body)
            records: Any = version.decoder.pack(body) if is_record else version.decoder.read(body)
            if records is None or not _is_quick(version, 1 if is_record else records.size):
                return None
            step = "predict"
            if is_record:
                decided = Decided(chosen, records, version.predict_one(records))
            else:
                decided = _decide(chosen, records)
            step = "write"
            write = write_short if is_short(chosen) else write_answer
            content = write(version, decided.decisions)
        except Exception:  # noqa: BLE001  whoever answers instead meets it again, and phrases it
            fall_back(step)
            return None
        return None if content is None else (decided, content)

    def decide_records(self, chosen: Chosen, records: Records) -> tuple[Decisions, list[Accepted]]:
        """Validate records that some protocol has read, and predict them.

        Return finite decisions, and what the fields' policies accepted; raise `InvalidRecords`
        with every problem of every record, or when an answer is not finite.
        """
        version, timing = chosen.version, chosen.request.timing or Timing()
        chosen.request.count_rows(records.size)
        with timing.step("validate"):
            matrix, warnings = _read_matrix(version, records)
        with timing.step("predict"):
            decisions = version.decide_matrix(matrix)
        if rows := non_finite_rows(decisions):
            raise InvalidRecords(_endless_problems(version, records, matrix, rows))
        self.observers.decided([Decided(chosen, matrix, decisions)])
        return decisions, warnings


def _is_quick(version: StoredVersion, rows: int) -> bool:
    """Return whether a version answers so many rows while the event loop waits."""
    is_short = rows <= ROWS_PER_REQUEST and version.seconds(rows) <= LOOP_SECONDS
    return version.is_quick and is_short


def _decide(chosen: Chosen, decoded: Decoded) -> Decided:
    """Decide as the form of the body asks for: alone, or column by column."""
    version, matrix = chosen.version, decoded.matrix
    if decoded.is_single:
        records = matrix if matrix.dtype == object else matrix.tobytes()
        return Decided(chosen, records, version.predict_row(matrix))
    return Decided(chosen, matrix, version.decide_matrix(matrix))


def _read_matrix(version: StoredVersion, records: Records) -> tuple[Any, list[Accepted]]:
    """Validate records; return them in the form of `Decoded.matrix`, and the warnings."""
    if records.matrix is not None:
        return records.matrix, []
    columns, warnings = read_records(records, version.schema)
    return Coding(version.schema.fields).pack(columns), warnings


def _endless_problems(
    version: StoredVersion, records: Records, matrix: Any, rows: Sequence[int]
) -> list[Problem]:
    return [
        Problem(
            records.pointer(row, None),
            _("record {row} of {size} {no_answer}").format(
                row=row + 1, size=records.size, no_answer=version.no_answer(matrix[row])
            ),
            Code.NO_FINITE_ANSWER,
        )
        for row in rows
    ]
