"""The entries of a spool as rows of a database, and as counts by hour, field and bin.

The bins of a number are those of the card's reference, by their place; other bins are words, as
the pipeline sees them. A probability counts under its tenth, a number that is answered under its
first digit, and under no name those of a table that is logged by its file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from engine.runtime.answers import class_name
from engine.schema.kinds.category import MISSING
from engine.schema.record_schema import Coding, Schema, dtype_of, numbers_of
from persistence.prediction_entries import Entry, Outcomes, Predictions, TableFile, VersionEntry
from persistence.prediction_rows import ANSWER, PROBABILITY, Count, OutcomeRow, PredictionRow

#: What the log has of a private value.
PRIVATE = "(private)"


class Rows(msgspec.Struct, omit_defaults=True):
    """What becomes of some entries."""

    predictions: list[PredictionRow] = []
    outcomes: list[OutcomeRow] = []
    counts: list[Count] = []


class _Version:
    """A version, as its entry describes it."""

    def __init__(self, entry: VersionEntry) -> None:
        self.model, self.version, self.classes = entry.model, entry.version, entry.classes
        schema = Schema.from_json(entry.schema)
        self.fields, self.identifiers = schema.fields, schema.identifiers
        self.labels = [class_name(label) for label in entry.classes or ()]
        two_classes = entry.classes is not None and entry.positive is not None
        self.positive = entry.classes.index(entry.positive) if two_classes else None  # type: ignore[union-attr]
        self._coding, self._dtype = Coding(schema.fields), dtype_of(schema.fields)
        self._edges = {
            name: bins["edges"] for name, bins in entry.reference.items() if "edges" in bins
        }

    def columns(self, entries: Sequence[Predictions]) -> dict[str, Any]:
        """Return the clean values of all records, field by field."""
        blocks = [
            np.frombuffer(entry.records).reshape(-1, len(self.fields))
            if isinstance(entry.records, bytes)
            else np.array(entry.records, self._dtype).reshape(-1, len(self.fields))
            for entry in entries
        ]
        return self._coding.unpack(np.concatenate(blocks))

    def counts(self, columns: Mapping[str, Any]) -> dict[str, Counter[str]]:
        """Count the records in the bins of each field; private ones are not counted."""
        counts = {}
        for field in self.fields:
            values, edges = columns[field.name], self._edges.get(field.name)
            if field.private or not field.is_input:
                continue
            if field.words:
                counts[field.name] = Counter(values.tolist())
            elif edges is not None:
                values = numbers_of(field, values)
                is_gap = np.isnan(values)
                places = np.searchsorted(edges, values[~is_gap], side="right")
                counted = np.bincount(places, minlength=len(edges) + 1).tolist()
                bins = {str(place): n for place, n in enumerate(counted)}
                counts[field.name] = +Counter({**bins, MISSING: int(is_gap.sum())})
        return counts

    def answers(
        self, entry: Predictions
    ) -> Iterator[tuple[Any, float | None, dict[str, float] | None]]:
        """Yield values, the probability of the positive class, else of the value, and all."""
        if isinstance(entry.answers, bytes):
            for number in np.frombuffer(entry.answers).tolist():
                yield number, None, None
            return
        classes: Any = self.classes
        packed = np.frombuffer(entry.probabilities).reshape(-1, len(classes))
        shares: Any = packed.tolist() or [()] * len(entry.answers)
        for place, row in zip(entry.answers, shares, strict=True):
            at = place if self.positive is None else self.positive
            named = dict(zip(self.labels, row, strict=True)) if row else None
            yield classes[place], row[at] if row else None, named


class LogRows:
    """Turns the entries of one file, in their order, into rows."""

    def __init__(self) -> None:
        self._versions: dict[int, _Version] = {}

    def rows(self, entries: Iterable[Entry]) -> Rows:
        """Return the rows of further entries."""
        rows = Rows()
        groups: dict[tuple[int, int], list[Predictions]] = defaultdict(list)
        for entry in entries:
            if isinstance(entry, VersionEntry):
                self._versions[entry.number] = _Version(entry)
            elif isinstance(entry, Predictions):
                groups[entry.version, int(entry.at // 3600)].append(entry)
            elif isinstance(entry, TableFile):
                _add_table(rows, self._versions[entry.version], entry)
            else:
                rows.outcomes += _outcomes(entry)
        for (number, hour), group in groups.items():
            _add_group(rows, self._versions[number], group, hour)
        return rows


def _add_group(rows: Rows, version: _Version, entries: list[Predictions], hour: int) -> None:
    """Add the predictions of a version in an hour."""
    columns = version.columns(entries)
    names = [field.name for field in version.fields]
    listed = [
        [PRIVATE] * len(columns[field.name]) if field.private
        else list(map(field.to_value, columns[field.name].tolist()))
        for field in version.fields
    ]  # fmt: skip
    records = zip(*listed, strict=True)
    answers, tenths = Counter[str](), Counter[str]()
    for entry in entries:
        for place, (value, probability, probabilities) in enumerate(version.answers(entry)):
            record = dict(zip(names, next(records), strict=True))
            answers[class_name(value) if version.classes else f"{value:.1g}"] += 1
            if probability is not None:
                tenths[str(min(int(probability * 10), 9))] += 1
            rows.predictions.append(
                PredictionRow(
                    id=entry.id if entry.first is None else f"{entry.id}-{entry.first + place}",
                    at=entry.at, model=version.model, version=version.version, record=record,
                    value=value, probability=probability, probabilities=probabilities,
                    seconds=entry.seconds, key=entry.key, request_id=entry.request_id,
                    identifiers={name: record[name] for name in version.identifiers},
                )
            )  # fmt: skip
    counts = version.counts(columns) | {ANSWER: answers, PROBABILITY: tenths}
    _add_counts(rows, version, hour, counts)


def _add_table(rows: Rows, version: _Version, entry: TableFile) -> None:
    answers = dict(zip(version.labels, entry.answers, strict=True))
    rows.predictions.append(
        PredictionRow(
            id=entry.id, at=entry.at, model=version.model, version=version.version, record=None,
            value=answers or None, seconds=entry.seconds, key=entry.key,
            request_id=entry.request_id, rows=entry.rows, sha256=entry.sha256,
        )
    )  # fmt: skip
    counted = Counter(answers) if version.labels else Counter({"": entry.rows})
    _add_counts(rows, version, int(entry.at // 3600), {ANSWER: +counted})


def _add_counts(
    rows: Rows, version: _Version, hour: int, counts: Mapping[str, Counter[str]]
) -> None:
    rows.counts += [
        Count(version.model, version.version, hour, field, name, n)
        for field, counted in counts.items()
        for name, n in counted.items()
    ]


def _outcomes(entry: Outcomes) -> Iterator[OutcomeRow]:
    for target, value, at in entry.outcomes:
        is_id = isinstance(target, str)
        named: Any = {"id": target} if is_id else {"identifiers": target}
        yield OutcomeRow(
            model=entry.model, value=value, source=entry.source, received_at=entry.received_at,
            at=at, **named,
        )  # fmt: skip
