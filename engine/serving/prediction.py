"""The prediction function of every way in: a request's bytes in, an answer's bytes out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

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
from engine.serving.answer_body import write_answer
from engine.serving.candidates import choose, choose_at_once
from engine.serving.model_cache import ModelCache
from engine.serving.observers import Decided, Observers, Rest
from engine.serving.request import ROWS_PER_REQUEST, Chosen, PredictRequest
from engine.serving.table_prediction import answer_table
from engine.serving.timing import Timing

#: Seconds that a prediction may block the event loop.
LOOP_SECONDS = 0.002

#: The content types that a JSON client sends; others are parsed with more care.
_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")

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
            predict = version.predict_one if is_single else version.decide_matrix
            decisions = predict(decoded.matrix)
        with timing.step("write"):
            content = write_answer(version, decisions, form, warnings)
        if content is None:
            rows = non_finite_rows(version.decide_matrix(decoded.matrix))
            records = read_body(body, version.schema)
            raise InvalidRecords(_endless_problems(version, records, decoded.matrix, rows))
        self.observers.decided([Decided(chosen, decoded.matrix, decisions)])
        return content

    def answer_table(self, chosen: Chosen, upload: Upload, kind: str, form: type[Writer]) -> Spool:
        """Answer every row of a table, as the function `answer_table`."""
        rests: list[Rest] = []

        def decided(matrix: Any, decisions: Decisions) -> None:
            rests.extend(self.observers.decided_in_part([Decided(chosen, matrix, decisions)]))

        request = chosen.request
        spool = answer_table(
            chosen.version, upload, kind, form, timing=request.timing, decided=decided,
            count_rows=request.count_rows,
        )  # fmt: skip
        self.observers.finish(rests)
        return spool

    def answer_at_once(
        self,
        requests: Sequence[PredictRequest | None],
        fall_back: Callable[[str], None] = lambda reason: None,
    ) -> list[QuickAnswer | None]:
        """Answer valid requests for quick models, as `answer` would in JSON.

        Each step is taken with all requests before the next step, so that its code and
        data are in the processor's caches: 16 requests answered together take two
        thirds of the time that they take alone.

        The bodies are whole. `fall_back` is called with the name of a step that has failed
        with an error. An answer is None when the version is not loaded, runs a pipeline,
        which may do anything, or would take longer than `LOOP_SECONDS`, or the body is not
        plainly valid.
        """
        read = each("read", self._read_at_once, requests, fall_back)
        decided = each("predict", _predict_at_once, read, fall_back)
        bodies = each("write", _write_at_once, decided, fall_back)
        answers = [
            (decision, body) if body is not None else None
            for decision, body in zip(decided, bodies, strict=True)
        ]
        if batch := [answer[0] for answer in answers if answer is not None]:
            self.observers.decided(batch)
        return answers

    def decide_records(self, chosen: Chosen, records: Records) -> tuple[Decisions, list[Accepted]]:
        """Validate records that some protocol has read, and predict them.

        Return finite decisions, and what the fields' policies accepted; raise `InvalidRecords`
        with every problem of every record, or when an answer is not finite.
        """
        version, timing = chosen.version, chosen.request.timing or Timing()
        chosen.request.count_rows(len(records.rows))
        with timing.step("validate"):
            matrix, warnings = _read_matrix(version, records)
        with timing.step("predict"):
            decisions = version.decide_matrix(matrix)
        if rows := non_finite_rows(decisions):
            raise InvalidRecords(_endless_problems(version, records, matrix, rows))
        self.observers.decided([Decided(chosen, matrix, decisions)])
        return decisions, warnings

    def _read_at_once(self, request: PredictRequest) -> tuple[Chosen, Decoded] | None:
        chosen = choose_at_once(self.models, request)
        if chosen is None or request.content_type.lower() not in _JSON:
            return None
        assert isinstance(request.body, bytes)
        version = chosen.version
        decoded = version.decoder.read(request.body)
        if decoded is None or len(decoded.matrix) > ROWS_PER_REQUEST:
            return None
        is_quick = version.is_exported and version.seconds(len(decoded.matrix)) <= LOOP_SECONDS
        return (chosen, decoded) if is_quick else None


def each(
    reason: str,
    step: Callable[[Any], Any],
    items: Iterable[Any],
    fall_back: Callable[[str], None],
) -> list[Any]:
    """Take a step with each item; None, and `fall_back` with the reason, where it fails."""
    results = []
    for item in items:
        result = None
        if item is not None:
            try:
                result = step(item)
            except Exception:  # noqa: BLE001  whoever answers instead meets it again, and phrases it
                fall_back(reason)
        results.append(result)
    return results


def _predict_at_once(read: tuple[Chosen, Decoded]) -> Decided:
    chosen, decoded = read
    version = chosen.version
    predict = version.predict_one if decoded.is_single else version.decide_matrix
    return Decided(chosen, decoded.matrix, predict(decoded.matrix))


def _write_at_once(decided: Decided) -> bytes | None:
    return write_answer(decided.chosen.version, decided.decisions, JSON)


def _read_matrix(version: StoredVersion, records: Records) -> tuple[Any, list[Accepted]]:
    """Validate records; return them in the form of `Decoded.matrix`, and the warnings."""
    columns, warnings = read_records(records, version.schema)
    return Coding(version.schema.fields).pack(columns), warnings


def _endless_problems(
    version: StoredVersion, records: Records, matrix: Any, rows: Sequence[int]
) -> list[Problem]:
    count = len(records.rows)
    return [
        Problem(
            records.pointer(row, None),
            f"record {row + 1} of {count} {version.no_answer(matrix[row])}",
            Code.NO_FINITE_ANSWER,
        )
        for row in rows
    ]
